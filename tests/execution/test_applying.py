"""Applying: what is done, what is refused, and what stands when it stops half way."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest
from small_world import CLIENT_IQN, IQN, lab, stack

import hastore
from hastore import sim
from hastore.execution.secrets import resolve_operations
from hastore.hosts.operations import Run
from hastore.sim import SimHost
from hastore.sim.open_iscsi import OpenIscsi


def test_one_host_without_pacemaker_serves_a_group_of_initiators() -> None:
    world = lab()
    cluster = hastore.connect(*world.hosts.values())
    report = cluster.plan(stack()).apply()
    assert {step.result for step in report.steps} == {"done"}
    scst = cluster.observe().hosts["store"].scst
    assert not isinstance(scst, hastore.Absent | hastore.Unknown)
    target = scst.targets[IQN]
    assert target.enabled
    assert target.portals == ("10.0.0.1",)
    assert target.groups[0].initiators == (CLIENT_IQN,)
    assert [(lun.number, lun.device) for lun in target.groups[0].luns] == [(0, "disk_a"), (1, "disk_b")]
    assert [session.initiator for session in target.sessions] == [CLIENT_IQN]
    assert cluster.plan(stack()).empty
    assert world.world.violations == []


def test_storage_of_one_host_is_made_in_one_batch() -> None:
    world = lab()
    cluster = hastore.connect(*world.hosts.values())
    plan = cluster.plan(stack())
    host = world.hosts["store"]
    before = host.round_trips
    plan.apply()
    looks = 1 + len(plan.waves)
    assert host.round_trips - before == looks + 1, "one batch of changes, the rest are looks"


def test_the_journal_has_every_step_and_no_secret(tmp_path: Path) -> None:
    canary = "canary-of-a-secret-42"
    world = lab()
    cluster = hastore.connect(*world.hosts.values())
    plan = cluster.plan(stack(chap=hastore.Secret.literal(canary)))
    path = tmp_path / "journal.jsonl"
    with hastore.FileJournal(path) as journal:
        report = plan.apply(journal=journal)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["step"] for line in lines if line["kind"] == "step"] == [step.key for step in plan.steps]
    shown = [path.read_text(), str(plan), repr(plan), plan.diff(), str(plan.commands()), str(report), repr(report)]
    shown += [repr(plan.steps), str(cluster.stack), plan._repr_html_()]
    assert not [text for text in shown if canary in text]
    shown += [repr(operation) for host in world.hosts.values() for operation in host.performed]
    shown += [repr(cluster.observe()), str(attrs.asdict(cluster.observe().hosts["client"], recurse=True))]
    assert not [text for text in shown if canary in text]


def test_a_client_logs_in_with_its_chap_user_and_settings() -> None:
    canary = "canary-of-a-secret-44"
    patience = {"node.session.timeo.replacement_timeout": "300"}
    wanted = stack(chap=hastore.Secret.literal(canary), settings=patience)
    world = lab()
    cluster = hastore.connect(*world.hosts.values())
    report = cluster.plan(wanted).apply()
    assert {step.result for step in report.steps} == {"done"}
    assert cluster.plan(wanted).empty
    [session] = world.world.nodes["client"].subsystem(OpenIscsi).sessions.values()
    assert session.logged_in
    assert session.timeout == 300
    path = f"/etc/iscsi/nodes/{IQN}/10.0.0.1,3260,1/default"
    files = world.world.nodes["client"].files
    assert files.modes[path] == 0o600
    assert f"node.session.auth.password = {canary}\n".encode() in files.read(path)
    argvs = [word for host in world.hosts.values() for o in host.performed if isinstance(o, Run) for word in o.argv]
    assert "iscsiadm" in argvs
    assert not [word for word in argvs if canary in word]


def test_a_live_session_s_record_gets_what_the_stack_says_now() -> None:
    world = lab()
    cluster = hastore.connect(*world.hosts.values())
    cluster.plan(stack()).apply()
    changed = stack(chap=hastore.Secret.literal("canary-of-a-secret-45"), settings={"node.session.queue_depth": "64"})
    plan = cluster.plan(changed)
    assert [step.title for step in plan.steps if step.host == "client"] == [
        f"set CHAP user db, node.session.queue_depth for {IQN} through 10.0.0.1:3260"
    ]
    shown = "\n".join(line for host, line in plan.commands() if host == "client")
    assert "node.session.queue_depth -v 64" in shown
    assert "install -m 600" in shown
    plan.apply(overrides=("chap-on-open-target",))
    assert cluster.plan(changed).empty
    cluster.clients["client"].logout(IQN).apply()
    cluster.clients["client"].login(IQN).apply()


def test_a_record_that_somebody_changed_meanwhile_is_left_alone() -> None:
    world = lab()
    cluster = hastore.connect(*world.hosts.values())
    cluster.plan(stack()).apply()
    changed = stack(chap=hastore.Secret.literal("canary-of-a-secret-46"))
    session = cluster.session("client")
    before = cluster.observe()
    [step] = [step for step in cluster.plan(changed).steps if step.host == "client"]
    operations = resolve_operations(session.driver("client").render(step, before))
    record = ("iscsiadm", "-m", "node", "-T", IQN, "-p", "10.0.0.1:3260")
    other = Run((*record, "-o", "update", "-n", "node.session.queue_depth", "-v", "16"))
    outcomes = world.hosts["client"].perform([other, *operations])
    assert session.driver("client").judge(step, outcomes[1:]).result == "stale"
    [node] = world.world.nodes["client"].subsystem(OpenIscsi).records.values()
    assert (node["node.session.auth.password"], node["node.session.queue_depth"]) == ("", "16")


def test_a_secret_does_not_show_in_a_failure(tmp_path: Path) -> None:
    canary = "canary-of-a-secret-43"
    world = lab()
    cluster = hastore.connect(*world.hosts.values())
    plan = cluster.plan(stack(chap=hastore.Secret.literal(canary)))
    users = next(n for n, step in enumerate(plan.steps) if "CHAP" in step.title)
    assert users
    world.world.nodes["store"].subsystems["scst"].kill_daemon()  # type: ignore[attr-defined]  # the fault itself
    with pytest.raises(hastore.HastoreError) as failure:
        plan.apply(journal=tmp_path / "journal.jsonl")
    assert canary not in str(failure.value)
    assert not (tmp_path / "journal.jsonl").exists() or canary not in (tmp_path / "journal.jsonl").read_text()


def test_a_plan_is_refused_while_a_blocking_finding_stands() -> None:
    world = lab()
    world.hosts["store"].perform([Run(("pvcreate", "/dev/sdb"))])
    world.hosts["store"].perform([Run(("vgcreate", "somebody", "/dev/sdb"))])
    cluster = hastore.connect(*world.hosts.values())
    plan = cluster.plan(stack())
    performed = len(world.hosts["store"].performed)
    with pytest.raises(hastore.Refused, match="belongs to volume group somebody"):
        plan.apply()
    assert len(world.hosts["store"].performed) == performed, "a refused plan does not even look"


def test_a_world_that_moved_makes_the_plan_stale() -> None:
    world = lab()
    cluster = hastore.connect(*world.hosts.values())
    plan = cluster.plan(stack())
    world.hosts["store"].perform([Run(("pvcreate", "/dev/sdb")), Run(("vgcreate", "vg0", "/dev/sdb"))])
    with pytest.raises(hastore.StalePlan, match="no longer to be done"):
        plan.apply()


def operations_of(cluster: hastore.Cluster, plan: hastore.Plan, world: sim.Lab) -> tuple[int, int]:
    """Return how many operations a look takes on the storage host, and how many its changes are."""
    before = len(world.hosts["store"].performed)
    cluster.observe()
    looking = len(world.hosts["store"].performed) - before
    return looking, sum(len(operations) for step, operations in plan._rendered() if step.host == "store")


def test_a_lost_report_is_looked_up_instead_of_done_again() -> None:
    world = lab()
    cluster = hastore.connect(*world.hosts.values())
    plan = cluster.plan(stack())
    looking, changing = operations_of(cluster, plan, world)
    world.world.faults.link_lost_after_effect("store", looking + changing)
    report = plan.apply()
    assert [step.reason for step in report.steps if step.reason] == ["the report was lost, but it is seen to be done"]
    assert cluster.plan(stack()).empty


def test_an_outcome_that_nobody_knows_stops_the_plan() -> None:
    world = lab()
    cluster = hastore.connect(*world.hosts.values())
    plan = cluster.plan(stack())
    looking, changing = operations_of(cluster, plan, world)
    world.world.faults.link_lost_before("store", looking + changing // 2)
    with pytest.raises(hastore.OutcomeUnknown, match="look, then plan again"):
        plan.apply()


def test_what_ran_before_a_failure_stands_and_the_next_plan_goes_on_from_there() -> None:
    world = lab()
    cluster = hastore.connect(*world.hosts.values())
    plan = cluster.plan(stack())
    looking, changing = operations_of(cluster, plan, world)
    world.world.faults.link_lost_before("store", looking + changing // 2)
    with pytest.raises(hastore.HastoreError):
        plan.apply()
    rest = cluster.plan(stack())
    assert 0 < len(rest.steps) < len(plan.steps)
    rest.apply()
    assert cluster.plan(stack()).empty
    vgcreates = [op for op in world.hosts["store"].performed if isinstance(op, Run) and op.argv[0] == "vgcreate"]
    assert len(vgcreates) == 1


def test_two_at_once_are_kept_apart_by_a_lock() -> None:
    world = lab()
    first = hastore.connect(*world.hosts.values())
    other = hastore.connect(SimHost(world.world, "store", holder="somebody"), world.hosts["client"])
    plan = first.plan(stack())
    with other.session("store").host.hold("hastore"), pytest.raises(hastore.HostError, match="somebody"):
        plan.apply()
    assert plan.apply().done


def test_a_host_opened_for_looking_shows_everything_and_changes_nothing() -> None:
    world = lab()
    hastore.connect(*world.hosts.values()).plan(stack()).apply()
    looking = hastore.connect(*world.hosts.values(), looking_only=True)
    assert "disk_a" in looking.luns or looking.look().runs
    plan = looking.luns["disk_a"].set(threads_num=4) if looking.luns else looking.plan(stack())
    if plan:
        with pytest.raises(hastore.HostError):
            plan.apply()
