"""Is the storage served right now, and by whom: the question behind every stall."""

from __future__ import annotations

from hastore.model.pacemaker import PacemakerResource
from hastore.model.state import ClusterState, PacemakerState, Unknown

_SERVICE_AGENTS = {"SCSTTarget", "SCSTLun", "iSCSITarget", "iSCSILogicalUnit", "IPaddr2"}


def service_resources(pacemaker: PacemakerState) -> tuple[PacemakerResource, ...]:
    """Return the primitives whose absence clients feel: targets, LUNs, service addresses, unblocked ports."""
    return tuple(
        r
        for r in pacemaker.cib.resources
        if r.agent_type in _SERVICE_AGENTS or (r.agent_type == "portblock" and r.params.get("action") == "unblock")
    )


def serves(state: ClusterState) -> bool:
    """True where everything that clients need is seen to run; False where something is not, or nothing is known.

    What runs on a lost node is believed by the cluster until the node is fenced, and by nobody else (crm_mon shows
    it as started there: seen with Pacemaker 2.1.5, tests/cluster/test_journey).
    """
    pacemaker = state.pacemaker()
    if not isinstance(pacemaker, PacemakerState):
        return False
    alive = {n.name for n in pacemaker.nodes.values() if n.online and not n.unclean and not silent(state, n.name)}
    return all(alive.intersection(pacemaker.where(r.id)) for r in service_resources(pacemaker))


def silent(state: ClusterState, node: str) -> bool:
    """True where a node of the cluster is connected, and gave no answer about it."""
    host = state.hosts.get(node)
    return host is not None and isinstance(host.pacemaker, Unknown)


def serving_node(state: ClusterState) -> str:
    """Return the node that runs what clients need; empty where none or several do."""
    pacemaker = state.pacemaker()
    if not isinstance(pacemaker, PacemakerState):
        return ""
    nodes = {node for r in service_resources(pacemaker) for node in pacemaker.where(r.id)}
    return nodes.pop() if len(nodes) == 1 else ""
