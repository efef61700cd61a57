"""Who loses I/O by a plan, and for about how long."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from hastore.model.cib_edits import Put, Remove
from hastore.model.pacemaker import Cib, Clone, Colocation, Group, PacemakerResource
from hastore.model.state import ClientState, ClusterState, PacemakerState, ScstState
from hastore.model.values import value
from hastore.planning.serving import service_resources
from hastore.planning.steps import Step
from hastore.planning.steps_cluster import AwaitCluster, PatchCib

RECORDED_MOVE = (56.4, 63.5)
"""Seconds a client's I/O stood still when a group of the article's agents moved (recording stack: io-move, io-standby)."""
RECORDED_GROUP: tuple[str, ...] = ("LVM", "SCSTTarget", "SCSTLun", "IPaddr2")
"""The members of the group that was recorded; DRBD's demotion and promotion are part of the figures, too."""
EACH_MORE: Mapping[str, tuple[float, float]] = {
    "IPaddr2": (5.0, 8.0),
    "SCSTLun": (1.0, 13.0),
    "SCSTTarget": (2.0, 11.0),
    "LVM": (8.0, 21.0),
}
"""Seconds that a further member takes to stop and start (recording stack: journals; emulated machines)."""
ANY_MORE = (0.2, 2.0)
"""The same for any other agent (portblock, MailTo): assumed."""
BASIS = "recorded for the article's agents on emulated machines, portblock and MailTo assumed"
RECORDED_RESTART = (30.0, 63.5)
"""Seconds assumed for a restart of the group's end on the same node: no more than a move."""


@value
class Disruption:
    """One interruption: whose I/O, why, and about how long."""

    why: str
    clients: tuple[str, ...]
    """Initiator names with sessions now, or the hosts of clients; empty where nobody is logged in."""
    seconds: tuple[float, float]
    """Least and most."""
    basis: str
    """`recorded` (and where) or `assumed`."""

    def __str__(self) -> str:
        who = f"{', '.join(self.clients)} lose I/O" if self.clients else "no service, and nobody is logged in"
        low, high = self.seconds
        span = "" if math.isinf(low) else f" for about {low:.0f} to {high:.0f} s"
        return f"{self.why}: {who}{span} ({self.basis})"


def disruptions(steps: Iterable[Step], state: ClusterState) -> tuple[Disruption, ...]:
    """Return the interruptions that the steps bring to the storage that is served in this state."""
    pacemaker = state.pacemaker()
    if not isinstance(pacemaker, PacemakerState):
        return ()
    clients = logged_in(state)
    found: list[Disruption] = []
    served = {r.id for r in service_resources(pacemaker) if pacemaker.where(r.id)}
    for step in steps:
        if isinstance(step, AwaitCluster):
            moved = [unit for unit, node in step.prefer.items() if _moves(pacemaker, unit, node)]
            if moved and served and not any("move" in d.why for d in found):
                why = f"{moved[0]} moves to {step.prefer[moved[0]]}"
                found.append(Disruption(why, clients, _move_time(pacemaker, moved), BASIS))
        if isinstance(step, PatchCib):
            stopped = sorted(stops(step, pacemaker) & served)
            if stopped:
                why = f"stop of {', '.join(stopped)}"
                found.append(Disruption(why, clients, (math.inf, math.inf), "until somebody starts it again"))
            restarted = sorted(restarts(step, pacemaker) & served)
            if restarted:
                why = f"restart of {', '.join(restarted)}"
                found.append(Disruption(why, clients, RECORDED_RESTART, "assumed: at most as long as a move"))
    return tuple(found)


def _move_time(pacemaker: PacemakerState, units: Sequence[str]) -> tuple[float, float]:
    """Return how long the slowest unit's move takes: what was recorded, and more for members beyond that group."""
    return max(_unit_time(pacemaker.cib, unit) for unit in units)


def _unit_time(cib: Cib, unit: str) -> tuple[float, float]:
    members = next((g.members for g in cib.groups if g.id == unit), (unit,))
    kinds = Counter(_kind(resource) for member in members if (resource := cib.resource(member)))
    more = list((kinds - Counter(RECORDED_GROUP)).elements())
    low, high = (sum(EACH_MORE.get(kind, ANY_MORE)[end] for kind in more) for end in (0, 1))
    return RECORDED_MOVE[0] + low, RECORDED_MOVE[1] + high


def _kind(resource: PacemakerResource) -> str:
    return "LVM" if resource.agent_type == "LVM-activate" else resource.agent_type


def logged_in(state: ClusterState) -> tuple[str, ...]:
    """Return who has sessions: initiators as targets see them, and client hosts as they see themselves."""
    hosts = state.hosts.values()
    by_target = {
        session.initiator
        for host in hosts
        if isinstance(host.scst, ScstState)
        for target in host.scst.targets.values()
        for session in target.sessions
    }
    by_client = {host.name for host in hosts if isinstance(host.client, ClientState) and host.client.sessions}
    return tuple(sorted(by_client or by_target))


def _moves(pacemaker: PacemakerState, unit: str, node: str) -> bool:
    members = next((g.members for g in pacemaker.cib.groups if g.id == unit), (unit,))
    now = {n for member in members for n in pacemaker.where(member)}
    return bool(now) and node not in now


def restarts(patch: PatchCib, pacemaker: PacemakerState) -> frozenset[str]:
    """Return the running primitives that a patch restarts: changed parameters, and what comes after them in a group.

    A group's member that is put before others restarts those after it (seen with crm_simulate; a resource
    of its own beside the group restarts nothing).
    """
    live = pacemaker.cib
    touched: set[str] = set()
    for edit in patch.edits:
        if isinstance(edit, Put) and isinstance(edit.element, PacemakerResource):
            before = live.resource(edit.element.id)
            if before is not None and (before.params, before.agent) != (edit.element.params, edit.element.agent):
                touched |= {before.id, *_after_in_group(live, before.id)}
        elif isinstance(edit, Put) and isinstance(edit.element, Group):
            touched |= _regrouped(live, edit.element)
        elif isinstance(edit, Remove):
            touched |= {edit.id, *_after_in_group(live, edit.id)}
    return frozenset(id for id in touched if pacemaker.where(id))


def stops(patch: PatchCib, pacemaker: PacemakerState) -> frozenset[str]:
    """Return the running primitives that a patch stops for good, by `target-role` of theirs, their group or clone."""
    stopped: set[str] = set()
    for edit in patch.edits:
        element = edit.element if isinstance(edit, Put) else None
        if isinstance(element, PacemakerResource | Group | Clone) and element.meta.get("target-role") == "Stopped":
            clone_of = element.resource if isinstance(element, Clone) else element.id
            members = next((g.members for g in pacemaker.cib.groups if g.id == clone_of), (clone_of,))
            stopped |= {*members, *(later for member in members for later in _after_in_group(pacemaker.cib, member))}
            if isinstance(element, Clone):
                stopped |= _bound_to(element.id, pacemaker.cib)
    return frozenset(id for id in stopped if pacemaker.where(id))


def _bound_to(clone: str, cib: Cib) -> set[str]:
    """Return the members of what a mandatory colocation keeps with a clone: they stop with it."""
    units = {c.resource for c in cib.constraints if isinstance(c, Colocation) and c.with_resource == clone}
    return {member for group in cib.groups if group.id in units for member in group.members} | units


def _after_in_group(cib: Cib, member: str) -> Sequence[str]:
    group = cib.group_of(member)
    return group.members[group.members.index(member) + 1 :] if group else ()


def _regrouped(cib: Cib, group: Group) -> set[str]:
    before = next((g.members for g in cib.groups if g.id == group.id), ())
    same = 0
    while same < min(len(before), len(group.members)) and before[same] == group.members[same]:
        same += 1
    return set(before[same:])
