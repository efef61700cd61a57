"""A first look at strange nodes, without a stack: what runs, what is wrong, what would hurt, may a node go down."""

from __future__ import annotations

from collections.abc import Iterator

from hastore.display.notebook import findings_html, table_html
from hastore.model.findings import Finding, Severity, by_weight
from hastore.model.names import show_size
from hastore.model.stack import StorageStack
from hastore.model.state import (
    ClientState,
    ClusterState,
    DrbdState,
    HostState,
    LvmState,
    PacemakerState,
    ScstState,
    Unknown,
)
from hastore.model.values import field, value
from hastore.planning.disruption import logged_in
from hastore.planning.failover import explain_failover
from hastore.planning.rules import judge
from hastore.planning.serving import service_resources, serving_node
from hastore.planning.switchover import movable, not_ready


@value
class MayGoDown:
    """Whether a node may be rebooted now."""

    node: str
    verdict: str
    """`yes`, `after a switchover`, or `no`."""
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.node}: {self.verdict}" + (f" ({'; '.join(self.reasons)})" if self.reasons else "")


@value
class Look:
    """One page on a cluster; print it, or read its parts."""

    state: ClusterState = field(repr=False)
    runs: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    reboot: tuple[MayGoDown, ...] = ()

    def __str__(self) -> str:
        wrong = [f for f in self.findings if f.severity.weight <= Severity.DANGER.weight]
        hurts = [f for f in self.findings if f not in wrong and f.severity.weight <= Severity.WARNING.weight]
        parts = [
            ("What runs", self.runs or ("nothing that hastore knows",)),
            ("What is wrong", tuple(map(str, wrong)) or ("nothing found",)),
            ("What would hurt", tuple(map(str, hurts)) or ("nothing found",)),
            ("May this node be rebooted now", tuple(map(str, self.reboot)) or ("no storage node seen",)),
        ]
        return "\n\n".join("\n".join([title, *(f"  {line}" for line in lines)]) for title, lines in parts)

    def _repr_html_(self) -> str:
        runs = table_html(("what runs",), [(line,) for line in self.runs])
        reboot = table_html(("may this node be rebooted now",), [(str(line),) for line in self.reboot])
        return runs + findings_html(self.findings) + reboot


def look_at(state: ClusterState, stack: StorageStack) -> Look:
    """Return the page for a state; the stack may be what the live configuration says by itself."""
    runs = tuple(line for host in state.hosts.values() for line in _runs(host))
    findings = by_weight([*judge(stack, state), *_unreadable(state), *_unsettled(state)])
    return Look(state, runs, findings, tuple(_may_go_down(stack, state)))


def _runs(host: HostState) -> Iterator[str]:
    if isinstance(host.drbd, DrbdState):
        for resource in host.drbd.resources.values():
            disks = ", ".join(f"{v.disk}/{v.peer_disk}" for v in resource.volumes) or "down"
            yield f"{host.name}: DRBD {resource.name} {resource.role} {resource.connection} {disks}".replace("  ", " ")
    if isinstance(host.lvm, LvmState):
        for group in host.lvm.groups.values():
            active = [lv.name for lv in group.logical_volumes.values() if lv.active]
            yield f"{host.name}: volume group {group.name}, {show_size(group.size)}; active: {', '.join(active) or 'none'}"
    if isinstance(host.scst, ScstState):
        for target in host.scst.targets.values():
            who = ", ".join(dict.fromkeys(session.initiator for session in target.sessions)) or "nobody"
            enabled = "enabled" if target.enabled else "disabled"
            luns = len(target.luns) + sum(len(group.luns) for group in target.groups)
            yield f"{host.name}: target {target.iqn} {enabled}, {luns} LUN{'s' * (luns != 1)}, used by {who}"
    if isinstance(host.pacemaker, PacemakerState) and host.pacemaker.dc == host.name:
        yield from _cluster_runs(host.pacemaker)
    if isinstance(host.client, ClientState) and host.client.sessions:
        sessions = ", ".join(f"{s.target} at {s.portal} ({s.state})" for s in host.client.sessions)
        yield f"{host.name}: logged in to {sessions}"


def _cluster_runs(pacemaker: PacemakerState) -> Iterator[str]:
    online = [n.name for n in pacemaker.nodes.values() if n.online]
    yield f"Pacemaker {pacemaker.version}: {len(online)} of {len(pacemaker.nodes)} nodes online, DC {pacemaker.dc}"
    for group in pacemaker.cib.groups:
        nodes = sorted({node for member in group.members for node in pacemaker.where(member)})
        yield f"group {group.id} on {', '.join(nodes) or 'no node'}"


def _unreadable(state: ClusterState) -> Iterator[Finding]:
    """Yield what could not be read: one finding for a host that does not answer at all."""
    for host in state.hosts.values():
        seen = {"DRBD": host.drbd, "LVM": host.lvm, "SCST": host.scst, "Pacemaker": host.pacemaker}
        unknown = {name: what.reason for name, what in seen.items() if isinstance(what, Unknown)}
        where = (f"host:{host.name}",)
        if len(unknown) == len(seen) and len(set(unknown.values())) == 1:
            summary = f"{host.name} can't be looked at: {unknown['DRBD']}"
            yield Finding("unreachable", Severity.DANGER, summary, where, mend="look there by hand")
            continue
        for name, reason in unknown.items():
            summary = f"{name} on {host.name} can't be read: {reason}"
            yield Finding("unreadable", Severity.DANGER, summary, where, mend="look there by hand")


def _unsettled(state: ClusterState) -> Iterator[Finding]:
    """Yield what the cluster is busy with, or stuck in, where storage should be served and is not."""
    pacemaker = state.pacemaker()
    if not isinstance(pacemaker, PacemakerState) or not service_resources(pacemaker):
        return
    explanation = explain_failover(state)
    if not explanation.settled:
        code = "cluster-stuck" if explanation.stuck else "cluster-busy"
        severity = Severity.DANGER if explanation.stuck else Severity.WARNING
        yield Finding(
            code, severity, explanation.summary, mend="; ".join(explanation.missing) or "wait, and look again"
        )


def _may_go_down(stack: StorageStack, state: ClusterState) -> Iterator[MayGoDown]:
    pacemaker = state.pacemaker()
    if not isinstance(pacemaker, PacemakerState):
        return
    if not service_resources(pacemaker) and not stack.drbd:
        yield from (MayGoDown(node, "yes", ("it serves no storage",)) for node in pacemaker.nodes)
        return
    serving = serving_node(state)
    for node in pacemaker.nodes:
        others = [
            name for name, status in pacemaker.nodes.items() if name != node and status.online and not status.standby
        ]
        if not others:
            yield MayGoDown(node, "no", ("no other node is online to take over",))
            continue
        against = {other: _obstacles(stack, state, other) for other in others}
        ready = [other for other, reasons in against.items() if not reasons]
        if not ready:
            yield MayGoDown(
                node, "no", tuple(dict.fromkeys(reason for reasons in against.values() for reason in reasons))
            )
        elif node == serving:
            who = ", ".join(logged_in(state)) or "nobody is logged in"
            yield MayGoDown(
                node, "after a switchover", (f"it serves {who}; cluster.switchover(to={ready[0]!r}) first",)
            )
        else:
            yield MayGoDown(node, "yes", (f"{ready[0]} has current data; while {node} is down nothing is redundant",))


def _obstacles(stack: StorageStack, state: ClusterState, receiver: str) -> tuple[str, ...]:
    """Return why a node could not carry the storage alone."""
    pacemaker = state.pacemaker()
    moving = movable(pacemaker) if isinstance(pacemaker, PacemakerState) else ()
    found = not_ready(stack, state, receiver, moving)
    return tuple(f.summary for f in found if f.severity is Severity.BLOCKING)
