"""After any single change, to the stack or to the world behind hastore's back, the plan is not empty or a finding says why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import attrs
import drawn
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from verify import faults
from worlds import PHASES, connect, lab_for, provision, rescan, sound_stacks

from hastore.model.lvm import LogicalVolume
from hastore.model.pacemaker import Op
from hastore.model.scsi import Lun, ScstDevice
from hastore.model.stack import StorageStack
from hastore.sim.drbd import Drbd
from hastore.sim.lab import Lab
from hastore.sim.open_iscsi import OpenIscsi
from hastore.sim.scst import Scst
from hastore.sim.scst_targets import Target
from hastore.sim.world import Node
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


# -- behind hastore's back ----------------------------------------------------------------------------


def _serving(lab: Lab, stack: StorageStack) -> tuple[Node, Scst, Target]:
    """Return the node that serves the first target, its SCST, and the target."""
    iqn = stack.targets[0].iqn
    for name in stack.node_names:
        scst = lab.world.nodes[name].subsystem(Scst)
        if iqn in scst.targets:
            return lab.world.nodes[name], scst, scst.targets[iqn]
    msg = f"{iqn} is served nowhere"
    raise AssertionError(msg)


def take_a_lun_away(lab: Lab, stack: StorageStack) -> None:
    _, scst, target = _serving(lab, stack)
    group = next(iter(target.groups), "")
    luns = target.groups[group].luns if group else target.luns
    scst.del_lun(target.name, max(luns.luns), group)


def disable_a_target(lab: Lab, stack: StorageStack) -> None:
    _, scst, target = _serving(lab, stack)
    scst.enable(target.name, on=False)


def remove_a_target(lab: Lab, stack: StorageStack) -> None:
    _, scst, target = _serving(lab, stack)
    scst.enable(target.name, on=False)
    for session in list(target.sessions):
        scst.logout(session)
    scst.del_target(target.name)


def change_a_device(lab: Lab, stack: StorageStack) -> None:
    _, scst, _ = _serving(lab, stack)
    device = next(d for d in stack.devices if "threads_num" in d.attributes)
    scst.set_attribute(f"devices/{device.name}/threads_num", "13")


def change_a_parameter(lab: Lab, stack: StorageStack) -> None:
    _, scst, target = _serving(lab, stack)
    name = next(iter(stack.targets[0].parameters))
    scst.set_attribute(f"targets/iscsi/{target.name}/{name}", "29")


def expel_an_initiator(lab: Lab, stack: StorageStack) -> None:
    _, _, target = _serving(lab, stack)
    group = next(iter(target.groups.values()))
    target.remove_initiator(group, group.initiators[0])


def forget_a_user(lab: Lab, stack: StorageStack) -> None:
    _, scst, target = _serving(lab, stack)
    user = stack.targets[0].incoming_users[0].name
    scst.set_attribute("targets/iscsi/mgmt", f"del_target_attribute {target.name} IncomingUser {user}")


def delete_a_device(lab: Lab, stack: StorageStack) -> None:
    _, scst, target = _serving(lab, stack)
    luns = next((g.luns for g in target.groups.values()), target.luns)
    scst.del_device(luns.luns[0].device.name)


def log_a_client_out(lab: Lab, stack: StorageStack) -> None:
    client = next(c for c in stack.clients if c.logins)
    initiator = lab.world.nodes[client.host].subsystem(OpenIscsi)
    initiator.logout(next(iter(initiator.sessions.values())))


def bring_drbd_down(lab: Lab, stack: StorageStack) -> None:
    for node in stack.drbd[0].nodes:
        drbd = lab.world.nodes[node].subsystem(Drbd)
        if drbd.resources[stack.drbd[0].name].role == "Secondary":
            drbd.down(stack.drbd[0].name)


def edit_drbd_configuration(lab: Lab, stack: StorageStack) -> None:
    path = f"/etc/drbd.d/{stack.drbd[0].name}.res"
    files = lab.world.nodes[stack.drbd[0].nodes[-1]].files
    files.write(path, files.read(path).replace(b":77", b":78"))


def remove_from_cib(lab: Lab, stack: StorageStack) -> None:
    run_in_cluster(
        lab,
        stack,
        "cibadmin",
        "--delete",
        "--scope",
        "constraints",
        "--xml-text",
        f'<rsc_order id="{_an_order(stack)}"/>',
    )


def change_a_property(lab: Lab, stack: StorageStack) -> None:
    text = (
        '<crm_config><cluster_property_set id="cib-bootstrap-options">'
        '<nvpair id="cib-bootstrap-options-stonith-enabled" name="stonith-enabled" value="false"/>'
        "</cluster_property_set></crm_config>"
    )
    run_in_cluster(lab, stack, "cibadmin", "--modify", "--scope", "crm_config", "--xml-text", text)


def _an_order(stack: StorageStack) -> str:
    assert stack.pacemaker is not None
    return next(c.id for c in stack.pacemaker.constraints if c.id.startswith("o_"))


def run_in_cluster(lab: Lab, stack: StorageStack, *argv: str) -> None:
    answer = lab.world.nodes[stack.node_names[0]].run(*argv)
    assert answer.exit_code == 0, answer


Hand = Callable[[Lab, StorageStack], None]
DIRECT: Mapping[str, tuple[Hand, Callable[[StorageStack], bool]]] = {
    "a LUN taken away": (take_a_lun_away, lambda _: True),
    "a target disabled": (disable_a_target, lambda _: True),
    "a target removed": (remove_a_target, lambda _: True),
    "a device deleted": (delete_a_device, lambda _: True),
    "a device's attribute changed": (
        change_a_device,
        lambda s: any("threads_num" in d.attributes for d in s.devices),
    ),
    "a target's parameter changed": (change_a_parameter, lambda s: bool(s.targets[0].parameters)),
    "an initiator expelled": (expel_an_initiator, lambda s: bool(s.targets[0].groups)),
    "a user forgotten": (forget_a_user, lambda s: bool(s.targets[0].incoming_users)),
    "a client logged out": (log_a_client_out, lambda s: any(c.logins for c in s.clients)),
}
SERVED: Mapping[str, tuple[Hand, Callable[[StorageStack], bool]]] = {
    "a LUN taken away": (take_a_lun_away, lambda _: True),
    "a target disabled": (disable_a_target, lambda _: True),
    "DRBD brought down": (bring_drbd_down, lambda _: True),
    "DRBD's configuration edited": (edit_drbd_configuration, lambda _: True),
    "an order removed from the CIB": (remove_from_cib, lambda _: True),
    "a property of the CIB changed": (change_a_property, lambda _: True),
    "a client logged out": (log_a_client_out, lambda s: any(c.logins for c in s.clients)),
}


AGENTS_MAY_NOT_MEND: tuple[Hand, ...] = (take_a_lun_away, disable_a_target)
"""Seen, and the agents' own trouble: SCSTLun can't start where the device of a LUN that somebody took is still there."""


def seen(stack: StorageStack, hand: Hand) -> None:
    """Let somebody change the world, and see that hastore sees it and mends it."""
    lab = lab_for(stack)
    provision(lab, stack)
    before = {(f.code, f.objects) for f in connect(lab).plan(stack).findings}
    hand(lab, stack)
    plan = connect(lab).plan(stack)
    assert not plan.empty or {(f.code, f.objects) for f in plan.findings} - before
    if not plan.empty and (stack.pacemaker is None or hand not in AGENTS_MAY_NOT_MEND):
        plan.apply()
        assert connect(lab).plan(stack).empty
        assert faults(lab, stack) == []


@law(max_examples=examples(60))
@given(sound_stacks(pacemaker=False), st.sampled_from(sorted(DIRECT)))
def test_a_change_behind_hastores_back_is_seen_and_mended_on_one_host(stack: StorageStack, change: str) -> None:
    hand, possible = DIRECT[change]
    assume(possible(stack))
    drawn.count("changed by hand without Pacemaker", stack, change)
    seen(stack, hand)


@law(max_examples=examples(7))
@given(sound_stacks(pacemaker=True, max_resources=1), st.sampled_from(sorted(SERVED)))
def test_a_change_behind_hastores_back_is_seen_and_mended_in_a_cluster(stack: StorageStack, change: str) -> None:
    hand, possible = SERVED[change]
    assume(possible(stack))
    drawn.count("changed by hand under Pacemaker", stack, change)
    seen(stack, hand)


# -- the stack says something else --------------------------------------------------------------------


def another_lun(stack: StorageStack) -> StorageStack:
    group, target = stack.volume_groups[0], stack.targets[0]
    volume = LogicalVolume("another", "16M")
    device = ScstDevice("another", f"/dev/{group.name}/another")
    if target.groups:
        first = target.groups[0]
        shown = attrs.evolve(first, luns=(*first.luns, Lun(77, device.name)))
        target = attrs.evolve(target, groups=(shown, *target.groups[1:]))
    else:
        target = attrs.evolve(target, luns=(*target.luns, Lun(77, device.name)))
    group = attrs.evolve(group, logical_volumes=(*group.logical_volumes, volume))
    return attrs.evolve(
        stack,
        volume_groups=(group, *stack.volume_groups[1:]),
        devices=(*stack.devices, device),
        targets=(target, *stack.targets[1:]),
    )


def another_parameter(stack: StorageStack) -> StorageStack:
    target = stack.targets[0]
    changed = attrs.evolve(target, parameters=target.parameters.with_({"QueuedCommands": "64"}))
    return attrs.evolve(stack, targets=(changed, *stack.targets[1:]))


def other_threads(stack: StorageStack) -> StorageStack:
    device = stack.devices[0]
    changed = attrs.evolve(device, attributes=device.attributes.with_({"threads_num": "6"}))
    return attrs.evolve(stack, devices=(changed, *stack.devices[1:]))


def another_volume(stack: StorageStack) -> StorageStack:
    group = stack.volume_groups[0]
    grown = attrs.evolve(group, logical_volumes=(*group.logical_volumes, LogicalVolume("another", "16M")))
    return attrs.evolve(stack, volume_groups=(grown, *stack.volume_groups[1:]))


def other_drbd_options(stack: StorageStack) -> StorageStack:
    resource = stack.drbd[0]
    changed = attrs.evolve(resource, disk=resource.disk.with_({"al-extents": "257"}))
    return attrs.evolve(stack, drbd=(changed, *stack.drbd[1:]))


def another_property(stack: StorageStack) -> StorageStack:
    assert stack.pacemaker is not None
    properties = stack.pacemaker.properties.with_({"cluster-recheck-interval": "7min"})
    return attrs.evolve(stack, pacemaker=attrs.evolve(stack.pacemaker, properties=properties))


def another_monitor(stack: StorageStack) -> StorageStack:
    assert stack.pacemaker is not None
    first, *others = stack.pacemaker.resources
    resources = (attrs.evolve(first, ops=(*first.ops, Op("monitor", "77s"))), *others)
    return attrs.evolve(stack, pacemaker=attrs.evolve(stack.pacemaker, resources=resources))


Edit = Callable[[StorageStack], StorageStack]
DIRECT_EDITS: tuple[Edit, ...] = (another_lun, another_parameter, other_threads, another_volume)
SERVED_EDITS: tuple[Edit, ...] = (another_volume, other_drbd_options, another_property, another_monitor)


def carried_out(stack: StorageStack, edit: Edit) -> None:
    lab = lab_for(stack)
    provision(lab, stack)
    changed = edit(stack)
    plan = connect(lab).plan(changed)
    assert not plan.empty
    plan.apply()
    rescan(lab)
    assert connect(lab).plan(changed).empty
    assert faults(lab, changed) == []


@law(max_examples=examples(40))
@given(sound_stacks(pacemaker=False), st.sampled_from(DIRECT_EDITS))
def test_a_changed_stack_is_carried_out_on_one_host(stack: StorageStack, edit: Edit) -> None:
    drawn.count("changed stacks without Pacemaker", stack, edit.__name__)
    carried_out(stack, edit)


@law(max_examples=examples(6))
@given(sound_stacks(pacemaker=True, max_resources=1), st.sampled_from(SERVED_EDITS))
def test_a_changed_stack_is_carried_out_in_a_cluster(stack: StorageStack, edit: Edit) -> None:
    drawn.count("changed stacks under Pacemaker", stack, edit.__name__)
    carried_out(stack, edit)
