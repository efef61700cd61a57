"""A first look at strange nodes, and failovers that hastore watches and explains."""

from __future__ import annotations

import pytest
from article_world import NODES, blank, provisioned

import hastore
from hastore.sim.workload import Writer


def verdicts(look: hastore.Look) -> dict[str, str]:
    return {line.node: line.verdict for line in look.reboot}


def test_a_look_needs_no_stack_and_says_who_may_be_rebooted() -> None:
    lab, _ = provisioned()
    look = hastore.connect(*lab.hosts.values(), looking_only=True).look()
    assert verdicts(look) == {"centos01": "after a switchover", "centos02": "yes"}
    assert any("DRBD vg1 Primary Connected UpToDate/UpToDate" in line for line in look.runs)
    page = str(look)
    assert [page.index(title) for title in ("What runs", "What is wrong", "What would hurt", "May this node")]


def test_without_current_data_elsewhere_nobody_may_be_rebooted() -> None:
    lab, cluster = provisioned()
    lab.world.cut_link(*NODES, network="eth1")
    lab.clock.sleep(60)
    assert verdicts(cluster.look()) == dict.fromkeys(NODES, "no")


def test_blank_nodes_get_a_page_too() -> None:
    look = hastore.connect(*blank().hosts.values()).look()
    assert verdicts(look) == dict.fromkeys(NODES, "yes")
    assert "it serves no storage" in str(look)
    assert any("Pacemaker" in line for line in look.runs)


def test_a_fenced_failover_is_followed_to_its_end_and_loses_nothing() -> None:
    lab, cluster = provisioned()
    writer = Writer(lab.world, "drbd01", cluster.stack.targets[0].iqn)
    lab.clock.sleep(5)
    lab.world.nodes["centos01"].power_off()
    failover = cluster.follow()
    assert failover.explanation.settled
    assert any("fences it before anything" in line for line in failover.lines)
    lab.clock.sleep(10)
    assert writer.missing() == []
    assert failover.stall > 0
    assert [v.code for v in lab.world.violations] == []


def test_a_failover_without_working_fencing_is_stuck_and_says_what_would_help() -> None:
    lab, cluster = provisioned()
    lab.world.faults.fencing_fails = True
    lab.world.nodes["centos01"].power_off()
    failover = cluster.follow()
    assert failover.explanation.stuck
    assert "fencing it failed" in failover.explanation.summary
    missing = " ".join(failover.explanation.missing)
    assert "ping" in missing
    assert "stonith_admin --confirm" in missing
    codes = [finding.code for finding in cluster.look().findings]
    assert "cluster-stuck" in codes
    assert codes.count("unreachable") == 1
    assert [v.code for v in lab.world.violations] == []


def test_a_planned_switchover_promises_a_stall_and_measures_it() -> None:
    lab, cluster = provisioned()
    writer = Writer(lab.world, "drbd01", cluster.stack.targets[0].iqn)
    lab.clock.sleep(5)
    plan = cluster.switchover(to="centos02")
    assert [disruption.clients for disruption in plan.disruptions] == [("drbd01",)]
    report = plan.apply()
    lab.clock.sleep(5)
    assert report.promised_stall is not None
    assert report.stall is not None
    low, high = report.promised_stall
    assert low <= writer.longest_stall <= high
    assert low <= report.stall <= high
    assert writer.missing() == []
    assert cluster.switchover(to="centos02").empty
    assert cluster.plan().empty


def test_a_switchover_to_a_node_that_is_not_ready_is_refused_with_the_reason() -> None:
    lab, cluster = provisioned()
    lab.world.cut_link(*NODES, network="eth1")
    lab.clock.sleep(60)
    with pytest.raises(hastore.Refused, match="vg1"):
        cluster.switchover(to="centos02").apply()
    summaries = [finding.summary for finding in cluster.switchover(to="nosuch").blocking]
    assert "nosuch is no node of this cluster (centos01, centos02)" in summaries


@pytest.mark.parametrize("resource", ["g_vg1", "ms_drbd_vg1", "p_target_vg1"])
def test_stopping_says_who_loses_storage_until_it_is_started_again(resource: str) -> None:
    _, cluster = provisioned()
    cluster.observe()
    plan = cluster.resources[resource].stop()
    assert [disruption.clients for disruption in plan.disruptions] == [("drbd01",)]
    assert "drbd01 lose I/O (until somebody starts it again)" in str(plan)


def test_a_plan_that_is_not_applied_changes_nothing_not_even_the_stack() -> None:
    _, cluster = provisioned()
    before = cluster.stack
    device = hastore.ScstDevice("VDISK-LUN02", "/dev/vg1/lun2")
    plan = cluster.targets[before.targets[0].iqn].add_lun(1, device)
    assert plan.steps
    assert cluster.stack == before


def test_a_host_that_could_not_be_compared_is_never_an_empty_plan() -> None:
    lab, cluster = provisioned()
    assert cluster.plan().empty
    lab.world.nodes["centos02"].power_off()
    plan = cluster.plan()
    assert not plan.steps
    assert not plan.empty
    assert plan
    with pytest.raises(hastore.Refused, match="centos02"):
        plan.apply()
