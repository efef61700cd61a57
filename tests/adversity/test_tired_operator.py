"""What a tired operator does, and what happens when it is interrupted: nothing half done goes unsaid."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
import pytest
from small_world import IQN, lab, stack

import hastore
from hastore import sim
from hastore.demo import article_stack
from hastore.execution.session import side_by_side
from hastore.hosts.host import OnOutcome
from hastore.hosts.operations import Operation, Outcome, Run
from hastore.model.events import Event
from hastore.sim import SimHost


class Witness(SimHost):
    """Notes at each batch whether the lock was held."""

    locked: list[bool]

    def perform(self, batch: Sequence[Operation], /, *, on_outcome: OnOutcome | None = None) -> tuple[Outcome, ...]:
        self.locked = [*getattr(self, "locked", ()), "hastore" in self.node.locks]
        return super().perform(batch, on_outcome=on_outcome)


def changes(world: sim.Lab, since: int) -> list[str]:
    return [str(operation) for operation in world.hosts["store"].performed[since:] if not operation.reads]


def test_a_missing_secret_stops_a_plan_before_anything_ran() -> None:
    world = lab()
    cluster = hastore.connect(*world.hosts.values())
    plan = cluster.plan(stack(chap=hastore.Secret.environment("HASTORE_TEST_NO_SUCH_VARIABLE")))
    assert plan.steps[0].title == "make /dev/sdb a physical volume"
    since = len(world.hosts["store"].performed)
    with pytest.raises(hastore.SecretError, match="HASTORE_TEST_NO_SUCH_VARIABLE"):
        plan.apply()
    assert changes(world, since) == []
    assert not world.world.nodes["store"].locks


def test_a_missing_secret_of_one_host_stops_every_host() -> None:
    world, base = sim.article(), article_stack()
    cluster = hastore.connect(*world.hosts.values())
    secret = hastore.Secret.file("/no/such/file")
    plan = cluster.plan(attrs.evolve(base, drbd=(attrs.evolve(base.drbd[0], secret=secret),)))
    with pytest.raises(hastore.SecretError, match="/no/such/file"):
        plan.apply()
    assert [op for host in world.hosts.values() for op in host.performed if not op.reads] == []


def test_a_missing_secret_of_a_client_stops_the_storage_too() -> None:
    """How a client's record is written is known only when it was discovered; what secret it takes is known before."""
    world, base = lab(), stack(chap=hastore.Secret.literal("a-long-chap-secret"))
    secret = hastore.Secret.environment("HASTORE_TEST_NO_SUCH_VARIABLE")
    client = hastore.Initiator("client", "", (hastore.Login(IQN, ("10.0.0.1",)),), "db", secret)
    plan = hastore.connect(*world.hosts.values()).plan(attrs.evolve(base, clients=(client,)))
    since = len(world.hosts["store"].performed)
    with pytest.raises(hastore.SecretError, match="HASTORE_TEST_NO_SUCH_VARIABLE"):
        plan.apply()
    assert changes(world, since) == []


def test_a_secret_is_asked_for_once_a_plan(tmp_path: Path) -> None:
    world, base = sim.article(), article_stack()
    cluster = hastore.connect(*world.hosts.values())
    asked = tmp_path / "asked"
    secret = hastore.Secret.command("sh", "-c", f"echo >>{asked}; echo a-word-of-our-own")
    cluster.plan(attrs.evolve(base, drbd=(attrs.evolve(base.drbd[0], secret=secret),))).apply()
    assert len(asked.read_text().splitlines()) == 1


def test_what_a_driver_would_refuse_late_stops_a_plan_before_anything_ran() -> None:
    world, base = lab(), stack()
    device = attrs.evolve(base.devices[0], attributes={"t10_dev_id": "a-1", "threads_num": "99999"})
    plan = hastore.connect(*world.hosts.values()).plan(attrs.evolve(base, devices=(device, base.devices[1])))
    since = len(world.hosts["store"].performed)
    with pytest.raises(hastore.HastoreError, match="threads_num"):
        plan.apply()
    assert changes(world, since) == []


def test_a_misspelt_override_is_an_error_with_a_suggestion() -> None:
    world = lab()
    plan = hastore.connect(*world.hosts.values()).plan(stack())
    since = len(world.hosts["store"].performed)
    with pytest.raises(hastore.SpecError, match="did you mean 'no-fencing'"):
        plan.apply(overrides=("no-fencin",))
    with pytest.raises(hastore.SpecError, match="no finding has an override 'tpyo'"):
        plan.apply(overrides=("tpyo",))
    with pytest.raises(hastore.SpecError, match="sequence"):
        plan.apply(overrides="no-fencing")  # type: ignore[arg-type]  # its letters are no overrides
    assert world.hosts["store"].performed[since:] == []
    assert plan.apply(overrides=("no-fencing",)).done, "one that a rule knows may be named where it does not stand"


def test_an_unwritable_journal_stops_a_plan_before_anything_ran(tmp_path: Path) -> None:
    world = lab()
    plan = hastore.connect(*world.hosts.values()).plan(stack())
    since = len(world.hosts["store"].performed)
    with pytest.raises(OSError, match=str(tmp_path)):
        plan.apply(journal=tmp_path)
    assert world.hosts["store"].performed[since:] == []


def test_an_interrupt_frees_the_lock_and_says_how_far_it_came(tmp_path: Path) -> None:
    world = lab()
    cluster = hastore.connect(*world.hosts.values())
    plan = cluster.plan(stack())

    def interrupt(event: Event) -> None:
        if event.kind == "wave-started" and event.text.startswith("wave 2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as interrupted:
        plan.apply(journal=tmp_path / "journal", on_event=interrupt)
    said = "\n".join(interrupted.value.__notes__)
    assert "steps were done before it stopped, the last of them" in said
    assert "look, then plan again" in said
    assert json.loads((tmp_path / "journal").read_text().splitlines()[-1])["kind"] == "stopped"
    assert not world.world.nodes["store"].locks
    cluster.plan(stack()).apply()
    assert cluster.plan(stack()).empty


def test_an_interrupted_move_leaves_no_binding_behind(article: tuple[sim.Lab, hastore.Cluster]) -> None:
    _, cluster = article

    def interrupt(event: Event) -> None:
        if event.kind == "progress":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cluster.switchover(to="centos02").apply(on_event=interrupt)
    seen = cluster.observe().pacemaker()
    assert not isinstance(seen, hastore.Absent | hastore.Unknown)
    assert [c.id for c in seen.cib.constraints if c.id.startswith("hastore-move-")] == []


def test_a_failure_says_how_far_it_came() -> None:
    world = lab()
    plan = hastore.connect(*world.hosts.values()).plan(stack())

    def power_off(event: Event) -> None:
        if event.kind == "wave-started" and event.text.startswith("wave 2"):
            world.world.nodes["client"].power_off()

    with pytest.raises(hastore.StepFailed, match="is off") as failure:
        plan.apply(on_event=power_off)
    assert any("steps were done before it stopped, the last of them" in note for note in failure.value.__notes__)


def test_the_second_of_two_operators_looks_with_the_lock_held() -> None:
    """The other's plan ends between the look and the lock otherwise, and what is decided is stale."""
    world = lab()
    first = hastore.connect(*world.hosts.values())
    witness = Witness(world.world, "store", holder="second")
    second = hastore.connect(witness, world.hosts["client"])
    plan, same = first.plan(stack()), second.plan(stack())
    witness.locked.clear()
    same.apply()
    assert witness.locked
    assert all(witness.locked)
    with pytest.raises(hastore.StalePlan):
        plan.apply()


def test_two_moves_by_operators_who_name_the_nodes_in_another_order_exclude_each_other(
    article: tuple[sim.Lab, hastore.Cluster],
) -> None:
    lab_, cluster = article
    hosts = [SimHost(lab_.world, name, holder="the other") for name in ("centos02", "centos01")]
    other = hastore.connect(*hosts, stack=cluster.stack)
    here, there = cluster.switchover(to="centos02"), other.switchover(to="centos02")
    assert {step.host for step in here.steps} != {step.host for step in there.steps}
    said: list[str] = []

    def meanwhile(event: Event) -> None:
        if event.kind == "wave-started" and not said:
            with pytest.raises(hastore.HostError) as held:
                there.apply()
            said.append(str(held.value))

    here.apply(on_event=meanwhile)
    assert "lock" in said[0]


def test_nobody_stops_waiting_while_another_host_is_at_work() -> None:
    """Where one host fails the lock must not be let go while another still works."""
    began, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work(name: str) -> None:
        if name == "fails":
            began.wait(5)
            threading.Timer(0.05, go_on.set).start()
            raise hastore.ConnectError(name)
        began.set()
        go_on.wait(5)
        ended.set()

    with ThreadPoolExecutor(2) as executor:
        with pytest.raises(hastore.ConnectError):
            side_by_side(work, ("fails", "works"), executor)
        assert ended.is_set()


def test_a_plan_is_applied_once() -> None:
    world = lab()
    plan = hastore.connect(*world.hosts.values()).plan(stack())
    plan.apply()
    with pytest.raises(hastore.StalePlan, match="no longer to be done"):
        plan.apply()
    vgcreates = [op for op in world.hosts["store"].performed if isinstance(op, Run) and op.argv[0] == "vgcreate"]
    assert len(vgcreates) == 1
