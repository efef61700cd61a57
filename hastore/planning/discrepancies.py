"""What a state and a stack disagree on, and a stack with itself, that no step mends: said, never passed over.

Objects are compared by name elsewhere: a volume of another size, a device of another disk, a group on another physical
volume is there all the same. Here it is seen that it is not the same thing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain

from hastore.model.drbd import DrbdResource
from hastore.model.errors import SpecError
from hastore.model.findings import Finding, Severity
from hastore.model.lvm import VolumeGroup
from hastore.model.names import parse_size, show_size
from hastore.model.pacemaker import Cib
from hastore.model.scsi import Lun, Target
from hastore.model.stack import StorageStack
from hastore.model.state import ClusterState, HostState, LvmState, PacemakerState, ScstState, TargetState, VgState
from hastore.planning.evolve import drbd_on

_SEEN = "observed on the hosts, held against the stack"
_READ = "the stack itself"


def partitioned(state: ClusterState) -> Iterator[Finding]:
    """Yield a finding where hosts see different clusters: each side would act, and believe, for itself."""
    views = {h.name: h.pacemaker.dc for h in state.hosts.values() if isinstance(h.pacemaker, PacemakerState)}
    if len({dc for dc in views.values() if dc}) > 1:
        said = ", ".join(f"{name} says {dc or 'none'}" for name, dc in views.items())
        yield Finding(
            "cluster-partitioned",
            Severity.BLOCKING,
            f"the nodes don't agree on who leads the cluster ({said}): it is partitioned, or still electing",
            tuple(f"host:{name}" for name in views),
            evidence=_SEEN,
            mend="wait, or mend the links between the nodes",
        )


# -- a stack that contradicts itself ------------------------------------------------------------------


def contradictions(stack: StorageStack) -> Iterator[Finding]:
    """Yield what a stack says twice, differently, or of things that it does not have."""
    kinds: tuple[tuple[str, Iterable[str]], ...] = (
        ("node", stack.node_names),
        ("DRBD resource", (r.name for r in stack.drbd)),
        ("volume group", (g.name for g in stack.volume_groups)),
        ("device", (d.name for d in stack.devices)),
        ("target", (t.iqn for t in stack.targets)),
        ("address", (vip.ip for vip in stack.vips)),
        ("client", (c.host for c in stack.clients)),
        ("disk under two devices, the path", (d.path for d in stack.devices if d.path)),
        ("disk in two volume groups, the path", chain.from_iterable(g.physical_volumes for g in stack.volume_groups)),
        ("DRBD device", (v.device for r in stack.drbd for v in r.volumes)),
        ("DRBD address", (host.address for r in stack.drbd for host in r.hosts)),
        *(
            (f"disk below DRBD on {node}, the path", _disks_below(stack, node))
            for node in dict.fromkeys(node for r in stack.drbd for node in r.nodes)
        ),
    )
    for kind, names in kinds:
        for name in _twice(names):
            yield _contradiction(f"the stack has the {kind} {name} twice", name)
    for target in stack.targets:
        yield from _of_target(stack, target)
    below = {disk for r in stack.drbd for node in r.nodes for disk in _disks_below(stack, node)}
    for group in stack.volume_groups:
        for path in below.intersection(group.physical_volumes):
            summary = (
                f"volume group {group.name} is to lie on {path}, a disk below DRBD: its writes would not be replicated"
            )
            yield _contradiction(summary, f"vg:{group.name}")
    for group in stack.volume_groups:
        for volume in group.logical_volumes:
            if volume.size and not _is_size(volume.size):
                summary = (
                    f"{group.name}/{volume.name} is to have {volume.size!r}: write 20G, or 1 to 100 and %VG or %FREE"
                )
                yield _contradiction(summary, f"volume:{group.name}/{volume.name}")
    for resource in stack.drbd:
        yield from _of_addresses(stack, resource)


def _is_size(text: str) -> bool:
    """True for what lvcreate takes, and more than nothing: a size, or a share of the group or of what is free."""
    share, percent, whole = text.partition("%")
    try:
        return 0 < float(share) <= 100 and whole.upper() in {"VG", "FREE"} if percent else parse_size(text) > 0
    except (ValueError, SpecError):
        return False


def _disks_below(stack: StorageStack, node: str) -> tuple[str, ...]:
    return tuple(v.disk_on(node) for r in stack.drbd if node in r.nodes for v in r.volumes)


def _of_target(stack: StorageStack, target: Target) -> Iterator[Finding]:
    numbers = Counter((group, lun.number) for group, lun in target.all_luns())
    for (group, number), count in numbers.items():
        if count > 1:
            where = f"group {group} of {target.iqn}" if group else target.iqn
            yield _contradiction(f"LUN {number} of {where} is given {count} times", f"target:{target.iqn}")
    for _, lun in target.all_luns():
        if stack.device(lun.device) is None:
            summary = f"LUN {lun.number} of {target.iqn} shows {lun.device}, which is no device of the stack"
            yield _contradiction(summary, f"target:{target.iqn}")
    for name in _twice(chain.from_iterable(dict.fromkeys(g.initiators) for g in target.groups)):
        summary = f"{name} is named by two groups of {target.iqn}: which LUNs it sees is left to chance"
        yield _contradiction(summary, f"target:{target.iqn}")
    if not target.node and not stack.node_names and not stack.served_by_pacemaker(f"target:{target.iqn}"):
        yield _contradiction(f"nobody says on which node {target.iqn} is to run", f"target:{target.iqn}")
    if target.node and stack.node_names and target.node not in stack.node_names:
        summary = (
            f"{target.iqn} is to run on {target.node}, which is no node of the stack ({', '.join(stack.node_names)})"
        )
        yield _contradiction(summary, f"target:{target.iqn}")


def _of_addresses(stack: StorageStack, resource: DrbdResource) -> Iterator[Finding]:
    owners = {address: node.name for node in stack.nodes for address in node.addresses.values()}
    for host in resource.hosts:
        owner = owners.get(host.address.rpartition(" ")[2].rpartition(":")[0].strip("[]"), host.node)
        if owner != host.node:
            summary = f"DRBD resource {resource.name} gives {host.node} the address {host.address}, which is {owner}'s"
            yield _contradiction(summary, f"drbd:{resource.name}")


def _twice(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name, count in Counter(names).items() if count > 1)


def _contradiction(summary: str, about: str) -> Finding:
    return Finding(
        "stack-contradicts-itself", Severity.BLOCKING, summary, (about,), evidence=_READ, mend="say it once, and right"
    )


# -- a world that is not the stack's ------------------------------------------------------------------


def discrepancies(stack: StorageStack, state: ClusterState) -> Iterator[Finding]:
    """Yield what is there under the stack's names and is something else."""
    yield from partitioned(state)
    for host in state.hosts.values():
        if isinstance(host.lvm, LvmState):
            yield from _of_groups(stack, host.name, host.lvm)
        if isinstance(host.scst, ScstState):
            yield from _of_scst(stack, host, host.scst)
    for resource in stack.drbd:
        yield from _of_replica(state, resource)


def _of_groups(stack: StorageStack, host: str, lvm: LvmState) -> Iterator[Finding]:
    for group in stack.volume_groups:
        seen = lvm.groups.get(group.name)
        if seen is None:
            continue
        others = set(seen.physical_volumes) - set(group.physical_volumes)
        if group.physical_volumes and others:
            yield _elsewhere(stack, host, group, seen, others)
        for volume in group.logical_volumes:
            there = seen.logical_volumes.get(volume.name)
            if there is None or not volume.size or "%" in volume.size:
                continue
            wanted = -(-parse_size(volume.size) // seen.extent_size) * seen.extent_size
            if there.size != wanted:
                yield Finding(
                    "volume-size-differs",
                    Severity.WARNING,
                    f"{group.name}/{volume.name} has {show_size(there.size)}, the stack says {volume.size}; "
                    "a plan leaves it as it is",
                    (f"volume:{group.name}/{volume.name}", f"host:{host}"),
                    evidence=_SEEN,
                    mend="grow it by its own verb, or say in the stack what it has; nothing shrinks it",
                )


def _elsewhere(stack: StorageStack, host: str, group: VolumeGroup, seen: VgState, others: set[str]) -> Finding:
    """Tell a group of the same name from the same one seen below DRBD, which harms only once it is active there."""
    where = ", ".join(sorted(others))
    under = stack.drbd_under(group)
    below = under is not None and others <= {volume.disk_on(host) for volume in under.volumes}
    active = any(lv.active for lv in seen.logical_volumes.values())
    if below:
        how = "is active" if active else "is seen"
        summary = (
            f"volume group {group.name} on {host} {how} on {where}, below DRBD: what is written there is not replicated"
        )
    else:
        said = ", ".join(group.physical_volumes)
        summary = f"volume group {group.name} on {host} lies on {where}, the stack says {said}: another of this name"
    harmless = below and not active
    return Finding(
        "vg-elsewhere",
        Severity.DANGER if harmless else Severity.BLOCKING,
        summary,
        (f"vg:{group.name}", f"host:{host}"),
        evidence=_SEEN,
        mend="let LVM's filter show DRBD's devices alone" if below else "say in the stack where the group lies",
        override="" if harmless else "vg-elsewhere",
    )


def _of_scst(stack: StorageStack, host: HostState, scst: ScstState) -> Iterator[Finding]:
    for device in stack.devices:
        seen = scst.devices.get(device.name)
        if seen and seen.path and device.path and (seen.path, seen.handler) != (device.path, device.handler):
            yield Finding(
                "device-elsewhere",
                Severity.BLOCKING,
                f"device {device.name} on {host.name} is {seen.handler} of {seen.path}, the stack says {device.handler} "
                f"of {device.path}: clients would go on writing to another disk than it says",
                (f"device:{device.name}", f"host:{host.name}"),
                evidence=_SEEN,
                mend="say in the stack what is exported, or take its LUNs and the device away first",
                override="device-elsewhere",
            )
    for target in stack.targets:
        there = scst.targets.get(target.iqn)
        if there is not None:
            yield from _of_live_target(target, there, host.name)


def _of_live_target(target: Target, there: TargetState, host: str) -> Iterator[Finding]:
    about = (f"target:{target.iqn}", f"host:{host}")
    live = {("", lun.number): lun for lun in there.luns} | {(g.name, n.number): n for g in there.groups for n in g.luns}
    for group, lun in target.all_luns():
        seen = live.get((group, lun.number))
        if seen is not None and seen.device == lun.device and seen.read_only != lun.read_only:
            yield _differs(
                f"LUN {lun.number} of {target.iqn} is {_mode(seen)} on {host}, the stack says {_mode(lun)}", about
            )
    if there.enabled and not target.enabled:
        yield _differs(f"{target.iqn} is enabled on {host}, the stack says that it is closed", about)
    named = {group.name: set(group.initiators) for group in target.groups}
    for shown in there.groups:
        more = sorted(set(shown.initiators) - named.get(shown.name, set(shown.initiators)))
        if more:
            summary = f"group {shown.name} of {target.iqn} on {host} lets in {', '.join(more)}, too, whom the stack does not name"
            yield _differs(summary, about)


def _mode(lun: Lun) -> str:
    return "read-only" if lun.read_only else "writable"


def _differs(summary: str, about: tuple[str, ...]) -> Finding:
    return Finding(
        "target-differs",
        Severity.WARNING,
        f"{summary}; a plan leaves it as it is",
        about,
        evidence=_SEEN,
        mend="mend it by hand, or take it over into the stack",
    )


def _of_replica(state: ClusterState, resource: DrbdResource) -> Iterator[Finding]:
    for node in resource.nodes:
        here = drbd_on(state, node, resource.name)
        if here.connection == "StandAlone":
            yield Finding(
                "drbd-standalone",
                Severity.DANGER,
                f"{resource.name} on {node} is StandAlone: nothing is replicated, and it will not connect by itself",
                (f"drbd:{resource.name}", f"host:{node}"),
                evidence="drbd.conf(5): after a split brain, or `drbdadm disconnect`, nobody tries again",
                mend="find out which side's writes count (compare the logs of both) before you connect them",
            )
        elif here.up and here.connection != "Connected":
            yield Finding(
                "drbd-disconnected",
                Severity.DANGER,
                f"{resource.name} on {node} is {here.connection or 'not connected'}: what is written is on one node alone",
                (f"drbd:{resource.name}", f"host:{node}"),
                evidence=_SEEN,
                mend="bring the peer and the replication link back",
            )
        found = here.config
        if here.up and isinstance(found, DrbdResource) and _places(found, node) != _places(resource, node):
            yield Finding(
                "drbd-moves-disk",
                Severity.BLOCKING,
                f"{resource.name} on {node} is up on {_places(found, node)}, the stack says {_places(resource, node)}: "
                "drbdadm adjust would change disks below a running replica",
                (f"drbd:{resource.name}", f"host:{node}"),
                evidence=_SEEN,
                mend="say in the stack what it lies on; to move a replica, take it down and replace its disk",
            )


def _places(resource: DrbdResource, node: str) -> str:
    return ", ".join(f"{v.number}: {v.device} of {v.disk_on(node)} ({v.meta_disk})" for v in resource.volumes)


def hand_changes(desired: Cib, live: Cib, owned: Iterable[str]) -> Iterator[Finding]:
    """Yield the elements that the live CIB records as hastore's and that are not as the stack says."""
    wanted = {element.id: element for element in desired.elements()}
    present = {element.id: element for element in live.elements()}
    for id in sorted(owned):
        if id in wanted and id in present and wanted[id] != present[id]:
            meta, ours = dict(getattr(present[id], "meta", {})), dict(getattr(wanted[id], "meta", {}))
            by_hand = ", ".join(f"{k}={v}" for k, v in meta.items() if ours.get(k) != v)
            yield Finding(
                "cib-drift",
                Severity.WARNING,
                f"{id} in the live configuration is not the stack's" + (f": somebody set {by_hand}" if by_hand else ""),
                (f"resource:{id}",),
                evidence="the tag hastore-owned says that hastore made it; plan.diff() shows what differs",
                mend="apply the plan to have the stack's, or take the live one over into the stack",
            )
