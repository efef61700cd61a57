"""Foretell what Pacemaker makes of a configuration once it has settled: who runs where, and what storage is then like.

This is not a scheduler: it knows the shapes that storage clusters have (groups on the promoted node of a
DRBD clone, single primitives, clones). The real scheduler is asked in a rehearsal; what is foretold
here is held against what is seen, and a difference stops a plan.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import combinations
from typing import TypeVar

import attrs

from hastore.model.pacemaker import INFINITY, Cib, Clone, Colocation, Location, PacemakerResource
from hastore.model.scsi import Target
from hastore.model.stack import StorageStack
from hastore.model.state import (
    ClusterState,
    LvState,
    NodeStatus,
    PacemakerState,
    ResourceStatus,
    ScstDeviceState,
    ScstState,
    TargetState,
    VgState,
)
from hastore.model.values import value
from hastore.planning.evolve import (
    drbd_on,
    host_of,
    lvm_on,
    put,
    scst_on,
    with_drbd,
    with_lvm,
    with_pacemaker,
    with_scst,
    with_vg,
    without,
)
from hastore.planning.steps_drbd import DrbdUp, connected

V = TypeVar("V")
_OFF = {"stopped", "false", "no", "off", "0"}


@value
class Place:
    """Where one primitive is to be, and in which role."""

    resource: str
    node: str
    role: str = "Started"


def placement(cib: Cib, pacemaker: PacemakerState, prefer: Mapping[str, str] | None = None) -> tuple[Place, ...]:
    """Return where every primitive is to run: one Place an instance, none for what stays stopped.

    `prefer` names nodes for groups, clones (their promoted instance) or primitives; else what runs stays
    where it is, and the rest follows locations, then the order of nodes.
    """
    return _Placing(cib, pacemaker, dict(prefer or {})).places()


@value(eq=False)
class _Placing:
    """One question about placement: the configuration, the present, and wishes."""

    cib: Cib
    pacemaker: PacemakerState
    prefer: Mapping[str, str]

    @cached_property
    def usable(self) -> tuple[str, ...]:
        return tuple(n.name for n in self.pacemaker.nodes.values() if _usable(n))

    def places(self) -> tuple[Place, ...]:
        places = [place for clone in self.cib.clones for place in self.of_clone(clone)]
        for unit, members in self.units.items():
            node = self.node_of(unit)
            if node and self.enabled(unit):
                places.extend(Place(member, node) for member in members if self.enabled(member))
        return tuple(places)

    @cached_property
    def units(self) -> dict[str, tuple[str, ...]]:
        """Return what moves as one, with its members: groups, and primitives in neither group nor clone."""
        grouped = {member for group in self.cib.groups for member in group.members}
        cloned = {clone.resource for clone in self.cib.clones}
        units = {id: members for id, members in self.members.items() if id not in cloned}
        return units | {r.id: (r.id,) for r in self.cib.resources if r.id not in grouped | cloned}

    def of_clone(self, clone: Clone) -> list[Place]:
        members = self.members.get(clone.resource, (clone.resource,))
        if not self.enabled(clone.id):
            return []
        promoted = self.promoted_node(clone) if clone.promotable else ""
        unpromoted = "Unpromoted" if clone.promotable else "Started"
        return [
            Place(member, node, "Promoted" if node == promoted else unpromoted)
            for node in self.nodes_of(clone)
            for member in members
        ]

    def nodes_of(self, clone: Clone) -> tuple[str, ...]:
        limit = clone.meta.get("clone-max", "")
        return self.usable[: int(limit)] if limit.isdigit() else self.usable

    def promoted_node(self, clone: Clone) -> str:
        """Return where a promotable clone is promoted: where what depends on it goes, else where it is."""
        nodes = self.nodes_of(clone)
        for follower in self.followers.get(clone.id, ()):
            wanted = self.wanted(follower, nodes)
            if wanted:
                return wanted
        if self.prefer.get(clone.id) in nodes:
            return self.prefer[clone.id]
        now = self.pacemaker.where(clone.resource, "Promoted")
        return next((n for n in now if n in nodes), nodes[0] if nodes else "")

    def node_of(self, unit: str) -> str:
        """Return where a unit goes: with what it is bound to, else where it is wanted, else the first node."""
        for leader in self.leaders.get(unit, ()):
            clone = self.clones.get(leader)
            if clone and clone.promotable:
                return self.promoted_node(clone)
            if leader in self.units:
                return self.node_of(leader)
        return self.wanted(unit, self.usable) or (self.usable[0] if self.usable else "")

    def wanted(self, unit: str, nodes: tuple[str, ...]) -> str:
        """Return the node that wishes, locations or the present leave for a unit; may be empty."""
        locations = self.locations.get(unit, ())
        banned = {c.node for c in locations if c.score == f"-{INFINITY}"}
        allowed = [n for n in nodes if n not in banned]
        bound = [c.node for c in locations if _mandatory(c.score)]
        present = [n for member in self.units.get(unit, ()) for n in self.pacemaker.where(member)]
        wishes = [self.prefer.get(unit, ""), *bound, *present]
        return next((node for node in wishes if node in allowed), "")

    def enabled(self, id: str) -> bool:
        """True unless its target-role keeps it stopped."""
        return id not in self.stopped

    # -- what is asked again and again, read once -----------------------------------------------------

    @cached_property
    def members(self) -> dict[str, tuple[str, ...]]:
        return {group.id: group.members for group in self.cib.groups}

    @cached_property
    def clones(self) -> dict[str, Clone]:
        return {clone.id: clone for clone in self.cib.clones}

    @cached_property
    def leaders(self) -> dict[str, list[str]]:
        """Unit -> what it must run with."""
        colocations = (c for c in self.cib.constraints if isinstance(c, Colocation) and _mandatory(c.score))
        return _gathered((c.resource, c.with_resource) for c in colocations)

    @cached_property
    def followers(self) -> dict[str, list[str]]:
        """Clone -> what runs with it, or would like to."""
        colocations = (c for c in self.cib.constraints if isinstance(c, Colocation))
        return _gathered((c.with_resource, c.resource) for c in colocations)

    @cached_property
    def locations(self) -> dict[str, list[Location]]:
        return _gathered((c.resource, c) for c in self.cib.constraints if isinstance(c, Location))

    @cached_property
    def stopped(self) -> set[str]:
        metas = [(r.id, r.meta) for r in self.cib.resources]
        metas += [(g.id, g.meta) for g in self.cib.groups] + [(c.id, c.meta) for c in self.cib.clones]
        return {id for id, meta in metas if meta.get("target-role", "").lower() in _OFF}


def _gathered(pairs: Iterable[tuple[str, V]]) -> dict[str, list[V]]:
    """Return key -> all that came with it, in order."""
    found: defaultdict[str, list[V]] = defaultdict(list)
    for key, item in pairs:
        found[key].append(item)
    return found


def _mandatory(score: str) -> bool:
    return score in {INFINITY, f"+{INFINITY}"}


def _usable(node: NodeStatus) -> bool:
    return node.online and not node.standby and not node.unclean and not node.pending


# -- what the agents then make of the storage ---------------------------------------------------------


def settle(stack: StorageStack, state: ClusterState, prefer: Mapping[str, str] | None = None) -> ClusterState:
    """Return the state once the cluster has done what its configuration asks."""
    pacemaker = state.pacemaker()
    if not isinstance(pacemaker, PacemakerState):
        return state
    places = placement(pacemaker.cib, pacemaker, prefer)
    running = {(p.resource, p.node): p.role for p in places}
    known = {r.id for r in pacemaker.cib.resources}
    statuses = [ResourceStatus(p.resource, p.node, p.role) for p in places]
    statuses += [ResourceStatus(id, "", "Stopped") for id in sorted(known - {p.resource for p in places})]
    state = with_pacemaker(state, resources=tuple(statuses), failures=(), idle=True)
    served = stack.pacemaker.resources if stack.pacemaker else ()
    for node in pacemaker.nodes:
        for resource in served:
            state = _effect_of_agent(stack, state, resource, node, running.get((resource.id, node), ""))
    return _drbd_together(stack, state)


def _effect_of_agent(
    stack: StorageStack, state: ClusterState, resource: PacemakerResource, node: str, role: str
) -> ClusterState:
    kind, _, name = resource.serves.partition(":")
    if node not in state.hosts:
        return state
    if kind == "drbd":
        return _drbd_agent(stack, state, name, node, role)
    if kind == "vg":
        return _vg_agent(stack, state, resource, node, role)
    if kind == "target":
        target = stack.target(name)
        return _target_agent(state, target, node, role) if target else state
    if kind == "lun":
        return _lun_agent(stack, state, name, node, role)
    return state


def _drbd_agent(stack: StorageStack, state: ClusterState, name: str, node: str, role: str) -> ClusterState:
    resource = stack.drbd_resource(name)
    if resource is None or node not in resource.nodes:
        return state
    if not role:
        return with_drbd(state, node, name, up=False, role="Unknown", connection="", volumes=())
    if not drbd_on(state, node, name).up:
        state = DrbdUp(node, resource).effect(state)
    return with_drbd(state, node, name, role="Primary" if role == "Promoted" else "Secondary")


def _drbd_together(stack: StorageStack, state: ClusterState) -> ClusterState:
    """Let the ends of each resource that are up see each other's role and disk."""
    for resource in stack.drbd:
        up = [n for n in resource.nodes if drbd_on(state, n, resource.name).up]
        for one, other in combinations(up, 2):
            state = connected(state, resource.name, one, other)
    return state


def _vg_agent(
    stack: StorageStack, state: ClusterState, resource: PacemakerResource, node: str, role: str
) -> ClusterState:
    name = resource.serves.partition(":")[2]
    group = stack.volume_group(name)
    if group is None:
        return state
    lvm = lvm_on(state, node)
    if not role:
        hidden = {path: owner for path, owner in lvm.physical_volumes.items() if owner != name}
        return with_lvm(state, node, groups=without(lvm.groups, name), physical_volumes=hidden)
    seen = lvm.groups.get(name) or VgState(name, size=0, free=0)
    if group.physical_volumes:  # a look past DRBD found it on the disks below
        seen = attrs.evolve(seen, physical_volumes=group.physical_volumes)
    volumes = {lv.name: LvState(lv.name, 0, active=True) for lv in group.logical_volumes}
    volumes |= {lv.name: attrs.evolve(lv, active=True) for lv in seen.logical_volumes.values()}
    owned = {**lvm.physical_volumes, **dict.fromkeys(group.physical_volumes, name)}
    state = with_lvm(state, node, physical_volumes=owned)
    # LVM-activate takes the system ID over at start (resource-agents heartbeat/LVM-activate: systemid_activate)
    takes = resource.agent_type == "LVM-activate" and lvm.settings.system_id_source == "uname"
    owner = node if takes else seen.system_id
    return with_vg(state, node, attrs.evolve(seen, logical_volumes=volumes, system_id=owner))


def _target_agent(state: ClusterState, target: Target, node: str, role: str) -> ClusterState:
    scst = scst_on(state, node)
    if not isinstance(host_of(state, node).scst, ScstState) and not role:
        return state
    if not role:
        return with_scst(state, node, targets=without(scst.targets, target.iqn))
    made = scst.targets.get(target.iqn) or TargetState(target.iqn, enabled=True)
    opened = attrs.evolve(made, enabled=True)
    targets = put(scst.targets, target.iqn, opened)
    return with_scst(state, node, daemon_running=True, driver_enabled=True, targets=targets)


def _lun_agent(stack: StorageStack, state: ClusterState, name: str, node: str, role: str) -> ClusterState:
    iqn, _, number = name.rpartition("/")
    target = stack.target(iqn)
    lun = next((lun for lun in target.luns if str(lun.number) == number), None) if target else None
    device = stack.device(lun.device) if lun else None
    scst = scst_on(state, node)
    if lun is None or device is None:
        return state
    if not role:
        return with_scst(state, node, devices=without(scst.devices, device.name))
    made = scst.devices.get(device.name) or ScstDeviceState(device.name, device.handler, device.path)
    state = with_scst(state, node, devices=put(scst.devices, device.name, made))
    shown = scst_on(state, node).targets.get(iqn) or TargetState(iqn, enabled=True)
    luns = (*(other for other in shown.luns if other.number != lun.number), lun)
    opened = attrs.evolve(shown, luns=luns, enabled=True)
    return with_scst(state, node, targets=put(scst_on(state, node).targets, iqn, opened))
