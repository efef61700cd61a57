"""Questions that several rules and fixes ask of a stack, answered in one place.

A Pacemaker resource says what it serves (`serves="vip:192.168.100.180"`) or holds all its parameters;
both are read alike here, by the agents' tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from hastore.model.drbd import DrbdResource
from hastore.model.errors import SpecError
from hastore.model.lvm import VolumeGroup
from hastore.model.pacemaker import Cib, Group, PacemakerResource
from hastore.model.stack import StorageStack
from hastore.model.values import Params, as_params, field, value
from hastore.planning import agents

NO_CIB: Final = Cib()
TARGET_AGENTS: Final = frozenset({"SCSTTarget", "iSCSITarget"})
LUN_AGENTS: Final = frozenset({"SCSTLun", "iSCSILogicalUnit"})
LVM_AGENTS: Final = frozenset({"LVM", "LVM-activate"})
VIP_AGENTS: Final = frozenset({"IPaddr2", "IPaddr"})
TRUE_WORDS: Final = frozenset({"1", "true", "yes", "on", "y", "t"})


def is_true(word: str) -> bool:
    """Return whether Pacemaker, its agents, corosync or SCST read the word as true."""
    return word.strip().lower() in TRUE_WORDS


def cib_of(stack: StorageStack) -> Cib:
    """Return the stack's CIB; an empty one where Pacemaker is not part of it."""
    return stack.pacemaker or NO_CIB


def told(stack: StorageStack, resource: PacemakerResource) -> PacemakerResource:
    """Return a primitive with every parameter its agent is given; as it is where the stack lacks what it serves."""
    if not resource.serves:
        return resource
    try:
        params = agents.write(resource.agent, resource.serves, stack).with_(resource.params)
    except SpecError:
        return resource
    return attrs.evolve(resource, params=Params({key: text for key, text in params.items() if text}))


def whole(stack: StorageStack) -> StorageStack:
    """Return the stack with every primitive told; the rules then need not ask the tables again and again."""
    if stack.pacemaker is None:
        return stack
    resources = tuple(told(stack, resource) for resource in stack.pacemaker.resources)
    # `serves` has said what it can; without it nothing is told twice.
    resources = tuple(attrs.evolve(r, serves="") if r.serves else r for r in resources)
    return attrs.evolve(stack, pacemaker=attrs.evolve(stack.pacemaker, resources=resources))


def of_type(stack: StorageStack, *types: str) -> tuple[PacemakerResource, ...]:
    """Return the primitives whose agent is one of these, whatever its provider, parameters whole."""
    return tuple(told(stack, r) for r in cib_of(stack).of_type(*types))


def scst_agents(stack: StorageStack) -> tuple[PacemakerResource, ...]:
    """Return the primitives of the scst-ocf family, the article's."""
    return of_type(stack, "SCSTTarget", "SCSTLun")


def address_of(resource: PacemakerResource) -> str:
    """Return the address of an IPaddr2 or portblock primitive."""
    return resource.params.get("ip", "")


def group_name_of(resource: PacemakerResource) -> str:
    """Return the volume group of an LVM or LVM-activate primitive."""
    return resource.params.get("vgname", resource.params.get("volgrpname", ""))


def members_of(stack: StorageStack, group: Group) -> tuple[PacemakerResource, ...]:
    """Return the primitives of a group in its order, parameters whole."""
    found = (cib_of(stack).resource(member) for member in group.members)
    return tuple(told(stack, resource) for resource in found if resource is not None)


def portblocks(resources: Iterable[PacemakerResource], action: str) -> tuple[PacemakerResource, ...]:
    """Return the portblock primitives that `block` or `unblock`."""
    return tuple(r for r in resources if r.agent_type == "portblock" and r.params.get("action") == action)


@value
class Export:
    """A device that a LUN's primitive puts on the network."""

    resource: PacemakerResource
    device: str
    target: str
    handler: str
    attributes: Params = field(converter=as_params)
    """What the agent is told of the device in `additional_parameters`."""


def words(text: str) -> dict[str, str]:
    """Read `key=value key=value`, as the agents' `additional_parameters` write it."""
    return {key: content for key, _, content in (word.partition("=") for word in text.split())}


def exports(stack: StorageStack) -> Iterator[Export]:
    """Yield what each LUN primitive exports."""
    for resource in of_type(stack, *LUN_AGENTS):
        params = resource.params
        yield Export(
            resource,
            params.get("device_name", resource.id),
            params.get("target_iqn", ""),
            params.get("handler", "vdisk_fileio"),
            words(params.get("additional_parameters", "")),
        )


def devices_asked(stack: StorageStack) -> Iterator[tuple[str, str, Params]]:
    """Yield (name, handler, attributes) of every SCST device, whoever makes it."""
    exported = {export.device: export for export in exports(stack)}
    for device in stack.devices:
        export = exported.pop(device.name, None)
        yield device.name, device.handler, device.attributes.with_(export.attributes if export else {})
    for export in exported.values():
        yield export.device, export.handler, export.attributes


def node_names(stack: StorageStack) -> tuple[str, ...]:
    """Return the cluster's nodes: those of the stack, else those that the CIB names."""
    return stack.node_names or tuple(node.name for node in cib_of(stack).nodes)


def replicated(stack: StorageStack) -> tuple[str, ...]:
    """Return what DRBD replicates, as `drbd:<name>` or `primitive:<id>` where only the CIB knows of it."""
    named = tuple(f"drbd:{resource.name}" for resource in stack.drbd)
    agents = (r for r in cib_of(stack).resources if r.agent == "ocf:linbit:drbd")
    return named or tuple(f"primitive:{r.id}" for r in agents)


def pacemaker_runs_drbd(stack: StorageStack) -> bool:
    """Return whether Pacemaker promotes DRBD here."""
    return any(r.agent == "ocf:linbit:drbd" for r in cib_of(stack).resources)


def fencing_works(stack: StorageStack) -> bool:
    """Return whether the configuration can fence at all: switched on, and a device is there."""
    cib = cib_of(stack)
    enabled = cib.properties.get("fencing-enabled", cib.properties.get("stonith-enabled", "true"))
    return is_true(enabled) and bool(cib.fencing_devices())


def fencing_policy(resource: DrbdResource) -> str:
    """Return DRBD's `fencing`: in `disk` with 8.4, in `net` with 9; `dont-care` is its default."""
    return resource.disk.get("fencing", resource.net.get("fencing", "dont-care"))


def has_quorum_of_its_own(resource: DrbdResource) -> bool:
    """Return whether DRBD 9 itself keeps quorum over three or more hosts, the alternative to fencing."""
    return len(resource.hosts) >= 3 and resource.options.get("quorum", "off") not in ("off", "1")


def backing_disks(stack: StorageStack) -> Iterator[tuple[DrbdResource, str]]:
    """Yield every disk that DRBD replicates, with its resource."""
    for resource in stack.drbd:
        disks = {v.disk_on(node) for v in resource.volumes for node in resource.nodes or ("",)}
        for disk in sorted(disks):
            yield resource, disk


def groups_on_drbd(stack: StorageStack) -> tuple[VolumeGroup, ...]:
    """Return the volume groups that stand on DRBD; one whose disks are not told is taken to, where there is DRBD."""
    if not stack.drbd:
        return ()
    return tuple(g for g in stack.volume_groups if not g.physical_volumes or stack.drbd_under(g))


def seconds(text: str) -> float:
    """Read a time as Pacemaker writes it (`20`, `20s`, `500ms`, `2min`); -1 where it is none."""
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    unit = text[len(digits) :].strip().lower()
    factors = {"": 1, "s": 1, "sec": 1, "ms": 0.001, "msec": 0.001, "m": 60, "min": 60, "h": 3600, "hr": 3600}
    try:
        return float(digits) * factors[unit]
    except (ValueError, KeyError):
        return -1
