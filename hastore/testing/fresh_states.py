"""States to plan from, made for a stack: hosts as they come out of the box."""

from __future__ import annotations

from hastore.model.pacemaker import Cib, ClusterNode
from hastore.model.stack import StorageStack
from hastore.model.state import (
    BlockDevice,
    ClientState,
    ClusterState,
    DrbdState,
    HostState,
    LvmState,
    NodeStatus,
    PacemakerState,
    ScstState,
)


def fresh(stack: StorageStack) -> ClusterState:
    """Return blank disks, an empty cluster, SCST without a target, clients without a session."""
    nodes = stack.node_names
    cluster = PacemakerState(
        Cib(nodes=tuple(ClusterNode(name, str(number)) for number, name in enumerate(nodes, start=1))),
        dc=nodes[0] if nodes else "",
        nodes={name: NodeStatus(name, online=True) for name in nodes},
    )
    hosts = {
        name: HostState(
            name,
            blocks={path: BlockDevice(path, 20 * 2**30) for path in _disks(stack, name)},
            drbd=DrbdState("8.4.11"),
            lvm=LvmState("2.03.16"),
            scst=ScstState("3.11.0", daemon_running=True),
            pacemaker=cluster,
        )
        for name in nodes
    }
    clients = {
        c.host: HostState(c.host, client=ClientState(c.iqn or f"iqn.2026-01.test:{c.host}")) for c in stack.clients
    }
    return ClusterState(hosts | clients)


def _disks(stack: StorageStack, node: str) -> set[str]:
    replicated = {v.disk_on(node) for r in stack.drbd if node in r.nodes for v in r.volumes}
    plain = {
        path for group in stack.volume_groups if stack.drbd_under(group) is None for path in group.physical_volumes
    }
    return replicated | plain
