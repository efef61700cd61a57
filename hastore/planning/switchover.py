"""A planned move of the storage: is the receiver ready, what moves, and nothing left behind."""

from __future__ import annotations

from collections.abc import Iterator

from hastore.model.cib_edits import Put, Remove
from hastore.model.findings import Finding, Severity, by_weight
from hastore.model.pacemaker import INFINITY, Colocation, Group, Location
from hastore.model.stack import StorageStack
from hastore.model.state import ClusterState, DrbdState, PacemakerState
from hastore.planning.discrepancies import partitioned
from hastore.planning.evolve import drbd_on, host_of, speaker
from hastore.planning.planner import Schedule, arrange
from hastore.planning.steps_cluster import MOVE_PREFIX, AwaitCluster, PatchCib, Unbind, bindings

_NEVER = f"-{INFINITY}"
UNBINDING = "take the binding away again"
_ACCEPT = "accept-"
OVERRIDES = frozenset(
    _ACCEPT + code for code in ("receiver-failcount", "receiver-resync", "receiver-disconnected", "drbd-fenced")
)
"""What may stand in a move's way and be accepted by name."""


def switchover(stack: StorageStack, state: ClusterState, to: str, units: tuple[str, ...] = ()) -> Schedule:
    """Return the schedule that moves groups (all on DRBD, or those named) to a node; empty where they are there.

    Binds them to the node by a constraint, waits, removes it, and waits again to see that they stay. What a move
    that was stopped left bound is set free, too.
    """
    pacemaker = state.pacemaker()
    if not isinstance(pacemaker, PacemakerState):
        return Schedule(
            findings=(
                _finding(
                    "pacemaker-unknown", "Pacemaker can't be read", "look at cluster.explain()", overridable=False
                ),
            )
        )
    moving = tuple(unit for unit in units or movable(pacemaker) if not _is_at(pacemaker, unit, to))
    if not (units or movable(pacemaker)):
        summary = "no group of this cluster can be moved: nothing follows a promoted DRBD clone, and there is no group"
        return Schedule(
            findings=(_finding("nothing-to-move", summary, "name what to move: cluster.resources[ID].move(NODE)"),)
        )
    host = speaker(state)
    bound = {f"{MOVE_PREFIX}{unit}" for unit in moving}
    left = bindings(pacemaker.cib) - bound
    free = tuple(Remove(id) for id in sorted(bound | left))
    if not moving:
        waiting = AwaitCluster(host, stack=stack, prefer=dict.fromkeys(units or movable(pacemaker), to), staying=True)
        return arrange((Unbind(host, edits=free, why=UNBINDING), waiting), state) if left else Schedule()
    findings = by_weight([*not_ready(stack, state, to, moving)])
    prefer = dict.fromkeys(moving, to)
    bind = tuple(Put(Location(f"{MOVE_PREFIX}{unit}", unit, to, INFINITY)) for unit in moving)
    steps = (
        PatchCib(host, 0, edits=bind, why=f"bind {', '.join(moving)} to {to} for the move"),
        AwaitCluster(host, 0, stack=stack, prefer=prefer),
        Unbind(host, 1, edits=free, why=UNBINDING),
        AwaitCluster(host, 1, stack=stack, prefer=prefer, staying=True),
    )
    schedule = arrange(steps, state)
    return Schedule(schedule.waves, by_weight([*findings, *schedule.findings]), schedule.predicted)


def movable(pacemaker: PacemakerState) -> tuple[str, ...]:
    """Return the groups that follow the promoted side of a DRBD clone; where there are none, all groups."""
    promotable = {clone.id for clone in pacemaker.cib.clones if clone.promotable}
    following = {
        c.resource for c in pacemaker.cib.constraints if isinstance(c, Colocation) and c.with_resource in promotable
    }
    groups = tuple(g.id for g in pacemaker.cib.groups)
    return tuple(g for g in groups if g in following) or groups


def _is_at(pacemaker: PacemakerState, unit: str, node: str) -> bool:
    group = next((g for g in pacemaker.cib.groups if g.id == unit), Group(unit, (unit,)))
    return all(pacemaker.where(member) == (node,) for member in group.members)


def not_ready(stack: StorageStack, state: ClusterState, to: str, moving: tuple[str, ...]) -> Iterator[Finding]:
    """Yield what speaks against moving to a node now (facts: receivers UpToDate, no resync, no failures, fencing)."""
    pacemaker = state.pacemaker()
    if not isinstance(pacemaker, PacemakerState):
        return
    yield from partitioned(state)
    yield from _not_acting(pacemaker, to, moving)
    yield from _node_not_ready(pacemaker, to)
    yield from _replication_not_ready(stack, state, to)
    members = {m for g in pacemaker.cib.groups if g.id in moving for m in g.members} | set(moving)
    for failure in pacemaker.failures:
        if failure.node == to and failure.resource in members:
            summary = f"{failure.resource} failed on {to} before ({failure.operation}): it will not start there"
            yield _finding("receiver-failcount", summary, f"find out why, then clean up {failure.resource}")
    for element in pacemaker.cib.constraints:
        if isinstance(element, Location) and element.id.startswith(("cli-ban-", "cli-prefer-")):
            yield _finding(
                "leftover-constraint",
                f"{element.id} binds {element.resource}: somebody's move was never cleared",
                f"clear it (crm_resource --clear --resource {element.resource})",
                Severity.WARNING,
            )
    fenced = any(id.startswith("drbd-fence-by-handler-") for id in _all_ids(pacemaker))
    if fenced:
        yield _finding(
            "drbd-fenced",
            "DRBD's fence handler forbids promotion (drbd-fence-by-handler-*): a peer is not UpToDate",
            "wait for the resync; its end takes the constraint away",
        )
    if not pacemaker.cib.fencing_devices() or _off(pacemaker.cib.properties.get("stonith-enabled", "true")):
        yield _finding(
            "switchover-without-fencing",
            "no fencing works: if the move gets stuck, nothing can end it safely",
            "configure and test a fencing device",
            Severity.WARNING,
        )


def _not_acting(pacemaker: PacemakerState, to: str, moving: tuple[str, ...]) -> Iterator[Finding]:
    """Yield why Pacemaker would not do what the move's constraint asks of it."""
    properties = pacemaker.cib.properties
    for name in ("maintenance-mode", "stop-all-resources"):
        if _on(properties.get(name, "false")):
            yield _finding(
                "cluster-not-acting", f"{name} is on: the cluster moves nothing", f"set {name}=false", overridable=False
            )
    for unit in moving:
        loose = _unmanaged(pacemaker, unit)
        if loose:
            summary = f"{', '.join(loose)} is not managed: the cluster neither stops nor starts it"
            yield _finding("unit-unmanaged", summary, f"crm resource manage {unit}", overridable=False)
        for banned in pacemaker.cib.constraints:
            if isinstance(banned, Location) and (banned.resource, banned.node, banned.score) == (unit, to, _NEVER):
                summary = f"{banned.id} forbids {unit} on {to}: the move's own constraint does not outweigh it"
                yield _finding("receiver-banned", summary, f"take {banned.id} away", overridable=False)


def _unmanaged(pacemaker: PacemakerState, unit: str) -> tuple[str, ...]:
    """Return the primitives of a unit, and of clones it follows, that run and are not managed."""
    members = {unit, *(m for g in pacemaker.cib.groups if g.id == unit for m in g.members)}
    followed = {
        c.with_resource for c in pacemaker.cib.constraints if isinstance(c, Colocation) and c.resource in members
    }
    members |= {clone.resource for clone in pacemaker.cib.clones if clone.id in followed}
    return tuple(dict.fromkeys(r.id for r in pacemaker.resources if r.id in members and not r.managed))


def _node_not_ready(pacemaker: PacemakerState, to: str) -> Iterator[Finding]:
    node = pacemaker.nodes.get(to)
    if node is None:
        known = ", ".join(pacemaker.nodes) or "none"
        yield _finding(
            "receiver-unknown", f"{to} is no node of this cluster ({known})", "name one of its nodes", overridable=False
        )
    elif not node.online or node.unclean or node.pending:
        yield _finding("receiver-offline", f"{to} is not online", "bring it up first", overridable=False)
    elif node.standby:
        yield _finding("receiver-standby", f"{to} is in standby", "bring it back online first", overridable=False)
    elif node.maintenance:
        yield _finding(
            "receiver-maintenance", f"{to} is in maintenance", "end the maintenance first", overridable=False
        )
    if not pacemaker.quorum:
        yield _finding(
            "no-quorum", "the cluster has no quorum: it will not act", "bring the missing nodes back", overridable=False
        )


def _replication_not_ready(stack: StorageStack, state: ClusterState, to: str) -> Iterator[Finding]:
    for resource in stack.drbd:
        if to not in resource.nodes:
            continue
        if not isinstance(host_of(state, to).drbd, DrbdState):
            summary = f"{resource.name} on {to} can't be seen: nobody knows whether its data is current"
            yield _finding("receiver-unseen", summary, f"connect to {to}, too", overridable=False)
            continue
        there = drbd_on(state, to, resource.name)
        if not there.up_to_date:
            disks = ", ".join(v.disk for v in there.volumes) or "down"
            yield _finding(
                "receiver-not-up-to-date",
                f"{resource.name} on {to} is {disks}: promoting it would show old data",
                "wait for the resync, or mend the replication",
                overridable=False,
            )
            continue
        dirty = sum(v.out_of_sync for v in there.volumes)
        resync = next((v for v in there.volumes if v.replication.startswith(("Sync", "PausedSync", "Verify"))), None)
        if dirty or resync:
            what = f"{resync.replication}" if resync else f"{dirty} KiB out of sync"
            yield _finding("receiver-resync", f"{resource.name} on {to}: {what}", "wait until it is over")
        if there.connection != "Connected":
            summary = (
                f"{resource.name} on {to} is {there.connection or 'down'}: nobody knows whether its data is current"
            )
            yield _finding("receiver-disconnected", summary, "mend the replication link first")


def _all_ids(pacemaker: PacemakerState) -> Iterator[str]:
    yield from (c.id for c in pacemaker.cib.constraints)
    yield from (f.id for f in pacemaker.cib.foreign)


def _on(text: str) -> bool:
    return text.lower() in {"true", "yes", "on", "1", "y"}


def _off(text: str) -> bool:
    return text.lower() in {"false", "no", "off", "0", "n"}


def _finding(
    code: str, summary: str, mend: str, severity: Severity = Severity.BLOCKING, *, overridable: bool = True
) -> Finding:
    override = f"{_ACCEPT}{code}" if severity is Severity.BLOCKING and overridable else ""
    return Finding(code, severity, summary, mend=mend, override=override, evidence="observed before the move")
