"""The topology as values: who holds which disk, replica, volume, target, address and session, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from hastore.model.names import show_size
from hastore.model.stack import StorageStack
from hastore.model.state import (
    ClientState,
    ClusterState,
    DrbdResourceState,
    DrbdState,
    HostState,
    LvmState,
    PacemakerState,
    ScstState,
    Unknown,
)
from hastore.model.values import value

Mood = Literal["active", "standby", "wrong", "unknown", "idle"]
"""How a box stands: serving, ready to serve, broken, unreadable, or there without a part in it."""

ROWS = ("address", "target", "volume", "replica", "disk")
"""The floors of a storage node, from the clients' side down."""


@value
class Box:
    """One thing on one machine."""

    id: str
    row: str
    """One of ROWS, or `client`."""
    title: str
    lines: tuple[str, ...] = ()
    mood: Mood = "idle"


@value
class Machine:
    """A storage node or a client, with its boxes."""

    name: str
    boxes: tuple[Box, ...] = ()
    mood: Mood = "idle"
    note: str = ""
    """One line under the name: `active`, `standby`, `offline` ..."""


@value
class Link:
    """A connection between two boxes."""

    start: str
    end: str
    label: str = ""
    mood: Mood = "active"


@value
class Topology:
    """The whole picture, ready for drawing or for a terminal."""

    nodes: tuple[Machine, ...] = ()
    clients: tuple[Machine, ...] = ()
    links: tuple[Link, ...] = ()
    troubles: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines: list[str] = []
        for machine in (*self.clients, *self.nodes):
            lines.append(f"{machine.name}" + (f" ({machine.note})" if machine.note else ""))
            lines.extend(f"  [{b.mood}] {b.row}: {b.title} {' '.join(b.lines)}".rstrip() for b in machine.boxes)
        lines.extend(f"{link.start} -- {link.end} {link.label}".rstrip() for link in self.links)
        lines.extend(f"! {trouble}" for trouble in self.troubles)
        return "\n".join(lines)


def topology(stack: StorageStack, state: ClusterState) -> Topology:
    """Return the picture of a state; the stack names what should be there."""
    storage = [h for h in state.hosts.values() if not isinstance(h.client, ClientState) or h.name in stack.node_names]
    users = [h for h in state.hosts.values() if h not in storage]
    nodes = tuple(_node(stack, state, host) for host in storage)
    clients = tuple(_client(host) for host in users)
    links = (*_replication(nodes, storage), *_sessions(nodes, users))
    return Topology(nodes, clients, links, tuple(_troubles(state)))


# -- storage nodes ------------------------------------------------------------------------------------


def _node(stack: StorageStack, state: ClusterState, host: HostState) -> Machine:
    pacemaker = state.pacemaker()
    status = pacemaker.nodes.get(host.name) if isinstance(pacemaker, PacemakerState) else None
    boxes = tuple(
        box
        for row in (_addresses(state, host), _targets(host), _volumes(host), _replicas(host), _disks(stack, host))
        for box in row
    )
    if isinstance(host.drbd, Unknown) and isinstance(host.pacemaker, Unknown):
        return Machine(host.name, boxes, "unknown", "can't be read")
    if status is not None and (status.unclean or not status.online):
        return Machine(host.name, boxes, "wrong", "unclean" if status.unclean else "offline")
    active = any(box.mood == "active" for box in boxes if box.row in {"address", "target", "volume"})
    note = "active" if active else "standby"
    if status is not None and status.standby:
        note = "in standby"
    return Machine(host.name, boxes, "active" if active else "standby", note)


def _addresses(state: ClusterState, host: HostState) -> Iterator[Box]:
    pacemaker = state.pacemaker()
    if not isinstance(pacemaker, PacemakerState):
        return
    for resource in pacemaker.cib.resources:
        if resource.agent_type == "IPaddr2" and host.name in pacemaker.where(resource.id):
            ip = resource.params.get("ip", "?")
            several = len(set(pacemaker.where(resource.id))) > 1
            yield Box(f"{host.name}/vip/{ip}", "address", ip, (resource.id,), "wrong" if several else "active")


def _targets(host: HostState) -> Iterator[Box]:
    if not isinstance(host.scst, ScstState):
        return
    for target in host.scst.targets.values():
        luns = [*target.luns, *(lun for group in target.groups for lun in group.luns)]
        shown = tuple(f"LUN {lun.number}: {lun.device}" for lun in luns[:4])
        more = (f"and {len(luns) - 4} more",) if len(luns) > 4 else ()
        mood: Mood = "active" if target.enabled else "idle"
        yield Box(f"{host.name}/target/{target.iqn}", "target", target.iqn, (*shown, *more), mood)


def _volumes(host: HostState) -> Iterator[Box]:
    if not isinstance(host.lvm, LvmState) or not isinstance(host.drbd, DrbdState):
        return
    for group in host.lvm.groups.values():
        if not any(path.startswith("/dev/drbd") for path in group.physical_volumes):
            continue
        volumes = tuple(f"{lv.name} {show_size(lv.size)}" for lv in group.logical_volumes.values())
        active = any(lv.active for lv in group.logical_volumes.values())
        yield Box(f"{host.name}/vg/{group.name}", "volume", f"VG {group.name}", volumes, "active" if active else "idle")


def _replicas(host: HostState) -> Iterator[Box]:
    if not isinstance(host.drbd, DrbdState):
        return
    for resource in host.drbd.resources.values():
        disks = ", ".join(v.disk for v in resource.volumes) or "down"
        yield Box(
            f"{host.name}/drbd/{resource.name}",
            "replica",
            f"DRBD {resource.name}",
            (resource.role, disks),
            _mood(resource),
        )


def _mood(resource: DrbdResourceState) -> Mood:
    if not resource.up:
        return "idle"
    bad = any(v.disk in {"Diskless", "Failed", "Outdated"} for v in resource.volumes)
    if bad or resource.connection == "StandAlone":
        return "wrong"
    return "active" if resource.role == "Primary" else "standby"


def _disks(stack: StorageStack, host: HostState) -> Iterator[Box]:
    if not isinstance(host.blocks, Mapping):
        return
    for path in dict.fromkeys(v.disk_on(host.name) for r in stack.drbd if host.name in r.nodes for v in r.volumes):
        disk = host.blocks.get(path)
        if disk is None:
            yield Box(f"{host.name}/disk/{path}", "disk", path, ("missing",), "wrong")
        else:
            yield Box(f"{host.name}/disk/{path}", "disk", path, (show_size(disk.size),))


# -- clients and links --------------------------------------------------------------------------------


def _client(host: HostState) -> Machine:
    if not isinstance(host.client, ClientState):
        return Machine(host.name, (), "unknown", "can't be read")
    sessions = tuple(f"{s.portal} {s.state}" for s in host.client.sessions)
    lost = any(s.state not in {"LOGGED_IN", "LOGGED IN"} for s in host.client.sessions)
    mood: Mood = "wrong" if lost else "active" if sessions else "idle"
    box = Box(
        f"{host.name}/sessions", "client", host.client.iqn or "no initiator name", sessions or ("not logged in",), mood
    )
    return Machine(host.name, (box,), mood, "client")


def _replication(nodes: tuple[Machine, ...], hosts: list[HostState]) -> Iterator[Link]:
    known = {box.id for node in nodes for box in node.boxes}
    seen: set[frozenset[str]] = set()
    for host in hosts:
        resources = host.drbd.resources if isinstance(host.drbd, DrbdState) else {}
        for resource in resources.values():
            for peer in hosts:
                ends = (f"{host.name}/drbd/{resource.name}", f"{peer.name}/drbd/{resource.name}")
                if peer is host or ends[1] not in known or frozenset(ends) in seen:
                    continue
                seen.add(frozenset(ends))
                yield Link(*ends, *_replication_label(resource))


def _replication_label(resource: DrbdResourceState) -> tuple[str, Mood]:
    done = next((v.done for v in resource.volumes if v.done is not None), None)
    if done is not None:
        return f"resync {done:.0%}", "standby"
    if resource.connection == "Connected":
        return "replicates", "active"
    return resource.connection or "down", "wrong" if resource.up else "idle"


def _sessions(nodes: tuple[Machine, ...], users: list[HostState]) -> Iterator[Link]:
    by_ip = {box.title: box.id for node in nodes for box in node.boxes if box.row == "address"}
    by_target = {box.title: box.id for node in nodes for box in node.boxes if box.row == "target"}
    for host in users:
        if isinstance(host.client, ClientState):
            for session in host.client.sessions:
                ip = session.portal.rpartition(":")[0] or session.portal
                end = by_ip.get(ip) or by_target.get(session.target)
                if end:
                    fine = session.state in {"LOGGED_IN", "LOGGED IN"}
                    yield Link(f"{host.name}/sessions", end, "", "active" if fine else "wrong")


# -- what is wrong ------------------------------------------------------------------------------------


def _troubles(state: ClusterState) -> Iterator[str]:
    pacemaker = state.pacemaker()
    if isinstance(pacemaker, PacemakerState):
        if not pacemaker.quorum:
            yield "the cluster has no quorum"
        yield from (f"{n.name} is offline" for n in pacemaker.nodes.values() if not n.online)
        for failure in pacemaker.failures:
            yield f"{failure.operation} of {failure.resource} failed on {failure.node}: {failure.reason}".rstrip(": ")
    for host in state.hosts.values():
        if isinstance(host.drbd, DrbdState):
            for resource in host.drbd.resources.values():
                if resource.up and resource.connection not in {"Connected", ""}:
                    yield f"DRBD {resource.name} on {host.name} is {resource.connection}"
        elif isinstance(host.drbd, Unknown):
            yield f"{host.name}: {host.drbd.reason}"
