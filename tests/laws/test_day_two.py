"""What runs and is not concerned goes on running; secrets are nowhere; storage without a cluster works by itself."""

from __future__ import annotations

import traceback
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import drawn
import pytest
from hypothesis import HealthCheck, given, settings
from verify import faults, violations
from worlds import CANARY, PHASES, connect, lab_for, provision, rescan, secrets_of, sound_stacks

from hastore.execution.journal import FileJournal
from hastore.hosts.operations import Operation, Run
from hastore.model.client import Initiator, Login
from hastore.model.errors import HastoreError
from hastore.model.lvm import LogicalVolume, VolumeGroup
from hastore.model.scsi import InitiatorGroup, Lun, ScstDevice, Target
from hastore.model.stack import StorageNode, StorageStack
from hastore.model.values import Params
from hastore.sim.executor import Executor
from hastore.sim.faults import Killed
from needs import examples

pytestmark = pytest.mark.laws
law = partial(
    settings,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
        HealthCheck.large_base_example,
    ],
    phases=PHASES,
)


@law(max_examples=examples(6))
@given(sound_stacks(pacemaker=True, max_resources=1))
def test_a_new_lun_restarts_nothing_that_runs(stack: StorageStack) -> None:
    drawn.count("a LUN added on day two", stack)
    group, target = stack.volume_groups[0], stack.targets[0]
    lab = lab_for(stack)
    provision(lab, stack)
    volumes = (*group.logical_volumes, LogicalVolume("another", "16M"))
    with_volume = attrs.evolve(stack, volume_groups=(attrs.evolve(group, logical_volumes=volumes),))
    acted: list[tuple[str, str]] = []
    original = Executor.run

    def remember(self: Executor, primitive: Any, kind: str, *more: Any, **named: Any) -> None:
        acted.append((primitive.id, kind))
        original(self, primitive, kind, *more, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Executor, "run", remember)
        cluster = provision(lab, with_volume)
        device = ScstDevice("another", f"/dev/{group.name}/another")
        cluster.targets[target.iqn].add_lun(len(target.luns), device).apply()
    rescan(lab)
    known = {resource.id for resource in stack.pacemaker.resources} if stack.pacemaker else set()
    assert [(id, kind) for id, kind in acted if id in known and kind in {"start", "stop", "promote", "demote"}] == []
    assert faults(lab, cluster.stack) == []
    assert violations(lab) == []


# -- secrets ------------------------------------------------------------------------------------------


def leaks(stack: StorageStack, journal: Path, stop_at: int) -> list[str]:
    """Plan and apply, once stopped on the way and once not; return where the canary was seen to sing."""
    lab = lab_for(stack)
    texts: dict[str, str] = {"repr of the stack": f"{stack!r} {[*secrets_of(stack)]}"}
    cluster = connect(lab)
    events: list[str] = []
    journal.unlink(missing_ok=True)
    for part in ("first", "second"):
        lab.world.faults.clear()
        plan = cluster.plan(stack)
        texts[f"{part} plan"] = f"{plan} {plan!r} {plan.steps!r}"
        texts[f"{part} commands"] = repr(plan.commands())
        texts[f"{part} diff"] = plan.diff()
        if part == "first":
            lab.world.faults.stop_after(stack.node_names[0], stop_at)
            lab.world.faults.link_lost_after_effect(stack.node_names[-1], stop_at + 20)
        try:
            with FileJournal(journal) as book:
                texts[f"{part} report"] = repr(plan.apply(journal=book, on_event=lambda e: events.append(repr(e))))
        except (HastoreError, Killed):
            texts[f"{part} traceback"] = traceback.format_exc()
    texts["events"] = "\n".join(events)
    texts["journal"] = journal.read_text()
    for name, host in lab.hosts.items():
        texts[f"argv on {name}"] = repr([op.argv for op in host.performed if isinstance(op, Run)])
        texts[f"operations on {name}"] = "\n".join(map(_shown, host.performed))
    return [where for where, text in texts.items() if CANARY in text]


def _shown(operation: Operation) -> str:
    return f"{operation!r} {operation}"


@law(max_examples=examples(40))
@given(sound_stacks(pacemaker=False))
def test_no_secret_is_seen_anywhere_on_one_host(tmp_path_factory: pytest.TempPathFactory, stack: StorageStack) -> None:
    drawn.count("secrets without Pacemaker", stack)
    assert leaks(stack, tmp_path_factory.getbasetemp() / "journal", 45) == []


@law(max_examples=examples(6))
@given(sound_stacks(pacemaker=True, max_resources=1))
def test_no_secret_is_seen_anywhere_in_a_cluster(tmp_path_factory: pytest.TempPathFactory, stack: StorageStack) -> None:
    drawn.count("secrets under Pacemaker", stack)
    assert leaks(stack, tmp_path_factory.getbasetemp() / "journal", 60) == []


# -- without Pacemaker --------------------------------------------------------------------------------


def test_one_host_with_one_target_two_luns_and_a_group() -> None:
    stack = hand_written()
    lab = lab_for(stack)
    provision(lab, stack)
    assert faults(lab, stack) == []
    assert violations(lab) == []
    assert connect(lab).plan(stack).empty


def hand_written() -> StorageStack:
    """Return the smallest storage that somebody would run: one host, two LUNs for the initiators of one group."""
    iqn, client = "iqn.2026-01.org.example:one", "iqn.2026-01.org.example:drbd01"
    luns = (Lun(0, "disk0"), Lun(1, "disk1"))
    return StorageStack(
        nodes=(StorageNode("centos01", Params({"eth1": "192.168.100.181"})),),
        volume_groups=(
            VolumeGroup("vg1", ("/dev/sdb",), (LogicalVolume("lun0", "16M"), LogicalVolume("lun1", "32M"))),
        ),
        devices=(ScstDevice("disk0", "/dev/vg1/lun0"), ScstDevice("disk1", "/dev/vg1/lun1", "vdisk_blockio")),
        targets=(Target(iqn, groups=(InitiatorGroup("clients", (client,), luns),), node="centos01"),),
        clients=(Initiator("drbd01", client, (Login(iqn, ("192.168.100.181",)),)),),
    )
