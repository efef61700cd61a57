"""The test bed itself: a real cluster comes up, runs an article-like CIB in the right order, and fences."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from article_cib import GROUP, VIPS, article_cib
from cluster_status import Status
from real_cluster import RealCluster

pytestmark = [pytest.mark.oracle, pytest.mark.cluster]
NODES = {"centos01", "centos02"}
STUBBED = [name for name, (agent, _) in GROUP.items() if agent != "heartbeat:IPaddr2"]


def all_on_one_node(status: Status) -> bool:
    places = [status.promoted("p_drbd_vg1"), *(status.running(name) for name in GROUP)]
    return len(places[0]) == 1 and all(place == places[0] for place in places) and status.running("p_drbd_vg1") == NODES


def run_article(cluster: RealCluster) -> str:
    cluster.replace_cib(article_cib())
    cluster.wait_for(all_on_one_node)
    (active,) = cluster.status().promoted("p_drbd_vg1")
    return active


def test_the_article_runs_in_order_and_fails_over_when_its_node_is_fenced(cluster: RealCluster) -> None:
    active = run_article(cluster)
    (other,) = NODES - {active}
    assert cluster.status().failures == []

    starts = [call for call in cluster.calls() if call.action in ("start", "promote") and call.resource != "p_drbd_vg1"]
    assert [(call.resource, call.node) for call in starts] == [(name, active) for name in STUBBED]
    (promotion,) = [call for call in cluster.calls() if call.action == "promote"]
    assert promotion.node == active
    assert promotion.end <= starts[0].begin
    assert all(earlier.end <= later.begin for earlier, later in pairwise(starts))
    for address, _ in VIPS.values():
        assert [name for name, node in cluster.nodes.items() if node.holds_address(address)] == [active]

    cluster.forget_calls()
    crashed_at = time.time()
    cluster[active].crash()
    cluster.wait_for(
        lambda status: status.promoted("p_drbd_vg1") == {other} and all(status.running(n) == {other} for n in GROUP)
    )
    assert cluster.power is not None
    ((fenced_at, action, victim),) = [event for event in cluster.power.log if event[0] >= crashed_at]
    assert (action, victim) == ("reboot", active)
    promotions = [call for call in cluster.calls() if call.action == "promote"]
    assert [call.node for call in promotions] == [other]
    assert promotions[0].begin > fenced_at, "promoted before the other node was known to be dead"
    cluster.wait_for(lambda status: status.online == NODES and status.running("p_drbd_vg1") == NODES)


def test_a_partitioned_node_is_fenced_and_its_address_is_never_on_both(cluster: RealCluster) -> None:
    active = run_article(cluster)
    cluster[active].unplug()
    cluster.wait_for(lambda _: cluster.power is not None and bool(cluster.power.log))
    cluster.wait_for(lambda status: all_on_one_node(status) and status.online == NODES)
    for address, _ in VIPS.values():
        assert sum(node.holds_address(address) for node in cluster.nodes.values()) == 1


def test_stub_agents_obey(cluster: RealCluster) -> None:
    for node in cluster.nodes.values():
        node.order("p_target_vg1", "start", exit_code=1)
        node.order("p_lvm_vg1", "start", delay=0.5)
    cluster.replace_cib(article_cib())
    cluster.wait_for(lambda status: {failure["op_key"] for failure in status.failures} == {"p_target_vg1_start_0"})
    cluster.wait_until_idle()
    calls = cluster.calls()
    assert {call.exit_code for call in calls if (call.resource, call.action) == ("p_target_vg1", "start")} == {1}
    slow = [call.end - call.begin for call in calls if (call.resource, call.action) == ("p_lvm_vg1", "start")]
    assert slow
    assert min(slow) > 0.5
    assert not [call for call in calls if (call.resource, call.action) == ("p_lu_vg1_lun1", "start")]
