"""What hastore makes of a lost node, from what a real Pacemaker 2.1.5 said of one (tests/cluster/test_journey.py)."""

from __future__ import annotations

import pytest

from hastore.model.pacemaker import Cib, PacemakerResource
from hastore.model.state import ClusterState, HostState, NodeStatus, PacemakerState, ResourceStatus, Unknown
from hastore.planning.failover import explain_failover
from hastore.planning.serving import serves

PENDING = "reboot of centos01: pending"
FAILED = "reboot of centos01 by centos02: failed at 2026-11-22 19:12:35Z"
EARLIER = "reboot of centos01 by centos02: failed at 2026-11-20 08:00:00Z"
WORKED = "reboot of centos01 by centos02: success at 2026-11-21 08:00:00Z"
OTHER = "reboot of centos02 by centos01: failed at 2026-11-22 19:12:35Z"
CIB = Cib(
    resources=(
        PacemakerResource("fence_centos01", "stonith:fence_switch"),
        PacemakerResource("p_ip", "ocf:heartbeat:IPaddr2"),
    )
)


def lost(*history: str) -> ClusterState:
    """Return what centos02 sees right after centos01 was lost: its resources still count as started there."""
    pacemaker = PacemakerState(
        CIB,
        nodes={
            "centos01": NodeStatus("centos01", online=False, unclean=True),
            "centos02": NodeStatus("centos02", online=True),
        },
        resources=(ResourceStatus("p_ip", "centos01", "Started"),),
        fencing_history=history,
        quorum=True,
    )
    hosts = (HostState("centos01", pacemaker=Unknown("switched off")), HostState("centos02", pacemaker=pacemaker))
    return ClusterState({host.name: host for host in hosts})


@pytest.mark.parametrize(
    ("history", "stuck"),
    [
        ((), False),
        ((PENDING,), False),
        ((FAILED,), True),
        ((PENDING, FAILED), False),
        ((PENDING, FAILED, FAILED), True),
        ((WORKED, EARLIER, EARLIER), False),
        ((PENDING, WORKED, EARLIER, EARLIER), False),
        ((PENDING, OTHER, OTHER), False),
        ((FAILED, WORKED), True),
    ],
    ids=str,
)
def test_a_failover_is_stuck_where_fencing_failed_this_time(history: tuple[str, ...], stuck: bool) -> None:
    explanation = explain_failover(lost(*history))
    assert explanation.stuck == stuck
    assert not explanation.settled
    assert not stuck or (FAILED in explanation.missing[0] and "stonith_admin --confirm" in explanation.missing[1])


def test_what_runs_on_a_lost_node_serves_nobody() -> None:
    assert not serves(lost())
