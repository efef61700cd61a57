"""The article's cluster lives: it starts, moves, loses nodes and links, while a client writes."""

from __future__ import annotations

from functools import cache

import pytest
from storage_clusters import IQN, VIPS, Stack, running

from hastore.sim.cluster import Pacemaker
from hastore.sim.drbd import Drbd
from hastore.sim.network import Network
from hastore.sim.scst import Scst

ARTICLE_STALL = (50.0, 66.0)
"""Seconds; recorded were 56.4 for a move and 63.5 for a standby (stack/io-*.log)."""
OTHER = {"centos01": "centos02", "centos02": "centos01"}
GROUP = [
    "p_lvm_vg1", "p_target_vg1", "p_lu_vg1_lun1", "p_ip_vg1", "p_ip_vg1_2", "p_portblock_vg1", "p_portblock_vg1_unblock",
    "p_portblock_vg1_2", "p_portblock_vg1_2_unblock", "p_email_admin",
]  # fmt: skip


@cache
def _once(*, fencing: bool = False, master: bool = True) -> Stack:
    return running(fencing=fencing, master=master)


def stack(*, fencing: bool = False, master: bool = True) -> Stack:
    """Return a fresh copy of a cluster that runs."""
    import copy

    return copy.deepcopy(_once(fencing=fencing, master=master))


@pytest.mark.parametrize("master", [True, False])
def test_everything_starts_on_one_node_in_the_groups_order(master: bool) -> None:
    cluster = stack(master=master)
    assert cluster.where("p_drbd_vg1") == {"centos01": "Promoted", "centos02": "Unpromoted"}
    for id in GROUP:
        assert cluster.where(id) == {"centos01": "Started"}, id
    starts = [e.text for e in cluster.world.events if "address 192.168" in e.text or "vg1 Primary" in e.text]
    assert starts.index("vg1 Primary") < starts.index(f"address {VIPS[0]} up") < starts.index(f"address {VIPS[1]} up")
    assert not cluster.node("centos01").subsystem(Network).blocked(VIPS[0], 3260)
    assert "two-primaries" not in cluster.violations()


def test_the_articles_lun_options_never_reach_scst() -> None:
    """Trap 3: several words in additional_parameters are dropped without a word."""
    device = stack().node("centos01").subsystem(Scst).devices["VDISK-LUN01"]
    assert device.value("nv_cache") == "0"


def test_a_move_by_location_constraint_loses_nothing_and_stalls_about_a_minute() -> None:
    cluster = stack()
    writer = cluster.writer()
    location = '<rsc_location id="move" rsc="g_vg1" node="centos02" score="INFINITY"/>'
    cluster.run("centos01", "cibadmin", "-C", "-o", "constraints", "-X", location)
    cluster.settle()
    cluster.world.advance(10)
    assert cluster.active() == "centos02"
    assert cluster.where("p_drbd_vg1") == {"centos02": "Promoted", "centos01": "Unpromoted"}
    assert ARTICLE_STALL[0] < writer.longest_stall < ARTICLE_STALL[1]
    assert writer.errors == []
    assert writer.missing() == []
    assert not cluster.violations() & {"two-primaries", "write-lost", "lun-on-secondary"}


def test_standby_moves_everything_and_back_it_stays() -> None:
    cluster = stack()
    writer = cluster.writer()
    cluster.run("centos02", "crm_attribute", "-N", "centos01", "-n", "standby", "-v", "on")
    cluster.settle()
    cluster.world.advance(10)
    assert cluster.where("p_drbd_vg1") == {"centos02": "Promoted"}
    assert ARTICLE_STALL[0] < writer.longest_stall < ARTICLE_STALL[1]
    cluster.run("centos02", "crm_standby", "-N", "centos01", "-v", "off")
    cluster.settle()
    cluster.world.advance(20)
    cluster.settle()
    assert cluster.where("p_drbd_vg1") == {"centos02": "Promoted", "centos01": "Unpromoted"}
    assert cluster.active() == "centos02"
    assert "drbd-fence-by-handler" not in cluster.run("centos01", "cibadmin", "-Q", "-o", "constraints")
    assert len(writer.stalls) == 1
    assert writer.missing() == []


@pytest.mark.parametrize("fencing", [False, True])
def test_the_other_node_takes_over_when_the_active_one_loses_power(fencing: bool) -> None:
    cluster = stack(fencing=fencing)
    writer = cluster.writer()
    active = cluster.active()
    cluster.node(active).power_off()
    cluster.world.advance(90)
    cluster.settle()
    assert cluster.active() == OTHER[active]
    assert 20 < writer.longest_stall < 66
    assert writer.errors == []
    assert writer.missing() == []
    assert bool(cluster.lab.cluster.fencings) is fencing
    if fencing:
        assert cluster.where("p_drbd_vg1") == {OTHER[active]: "Promoted", active: "Unpromoted"}, (
            "the fenced node came back"
        )
    assert not cluster.violations() & {"two-primaries", "write-lost"}


def test_where_fencing_fails_nothing_starts_until_a_person_confirms() -> None:
    cluster = stack(fencing=True)
    cluster.world.faults.fencing_fails = True
    active = cluster.active()
    cluster.node(active).power_off()
    cluster.world.advance(120)
    assert cluster.node(OTHER[active]).subsystem(Drbd).role("vg1") == "Secondary"
    assert all(fencing.state == "failed" for fencing in cluster.lab.cluster.fencings)
    cluster.run(OTHER[active], "stonith_admin", "--confirm", active)
    cluster.settle()
    assert cluster.active() == OTHER[active]


def test_a_partition_without_fencing_makes_two_primaries() -> None:
    """Trap 1: what the article's cluster does when its nodes lose sight of each other."""
    cluster = stack()
    writer = cluster.writer()
    cluster.world.cut_link("centos01", "centos02")
    cluster.world.advance(90)
    assert {"two-primaries", "write-lost"} <= cluster.violations()
    both = [cluster.node(name).subsystem(Network).has_address(VIPS[0]) for name in ("centos01", "centos02")]
    assert both == [True, True]
    assert len(writer.acknowledged) > 500


def test_a_partition_with_fencing_keeps_one_primary_and_every_write() -> None:
    cluster = stack(fencing=True)
    writer = cluster.writer()
    cluster.world.cut_link("centos01", "centos02")
    cluster.world.advance(90)
    cluster.settle()
    assert not cluster.violations() & {"two-primaries", "write-lost"}
    assert writer.missing() == []


def test_a_killed_daemon_ends_in_a_total_outage() -> None:
    """Recorded: the LUN agent's stop does nothing, the device holds the volume, the cluster is blocked (failover-daemon-killed)."""
    cluster = stack()
    writer = cluster.writer()
    cluster.node("centos01").subsystem(Scst).kill_daemon()
    cluster.world.advance(300)
    assert any(error.error == "EIO" for error in writer.errors)
    assert 115 < writer.longest_stall < 130
    assert "VDISK-LUN01" in cluster.node("centos01").subsystem(Scst).devices
    assert cluster.where("p_lu_vg1_lun1") == {}
    told = cluster.run("centos02", "crm_mon", "--output-as=xml")
    assert 'op_key="p_lvm_vg1_stop_0" node="centos01" exitstatus="error"' in told
    assert (
        'id="p_lvm_vg1" resource_agent="ocf:heartbeat:LVM" role="Started" active="true" orphaned="false" blocked="true"'
        in told
    )


def test_a_lun_by_blockio_can_never_be_stopped() -> None:
    """Trap 5: the agent deletes every device through vdisk_fileio."""
    cluster = stack()
    cluster.run("centos01", "crm_attribute", "-t", "crm_config", "-n", "maintenance-mode", "-v", "true")
    pair = '<nvpair id="p_lu_vg1_lun1-params-handler" name="handler" value="vdisk_blockio"/>'
    cluster.run("centos01", "cibadmin", "-M", "-o", "resources", "-X", pair)
    cluster.run("centos01", "crm_attribute", "-t", "crm_config", "-n", "maintenance-mode", "-v", "false")
    cluster.settle()
    assert 'op_key="p_lu_vg1_lun1_stop_0"' in cluster.run("centos01", "crm_mon", "--output-as=xml")


def test_a_stop_that_takes_longer_than_its_timeout_blocks_the_group() -> None:
    """Trap 6: without a stop timeout Pacemaker waits 20 s."""
    cluster = stack()
    stopping = '<op id="p_lu-stop" name="stop" interval="0" timeout="3"/>'
    primitive = f'<primitive id="p_lu_vg1_lun1"><operations>{stopping}</operations></primitive>'
    cluster.run("centos01", "cibadmin", "-M", "-o", "resources", "-X", primitive)
    cluster.run("centos01", "crm_standby", "-N", "centos01", "-v", "on")
    cluster.settle()
    told = cluster.run("centos02", "crm_mon", "--output-as=xml")
    assert 'status="Timed Out"' in told
    assert 'role="Started" active="true" orphaned="false" blocked="true" managed="false" failed="true"' in told
    assert cluster.where("p_lu_vg1_lun1") == {"centos01": "Started"}


def test_maintenance_mode_leaves_everything_where_it_is() -> None:
    cluster = stack()
    cluster.run("centos01", "crm_attribute", "-t", "crm_config", "-n", "maintenance-mode", "-v", "true")
    cluster.run("centos01", "crm_standby", "-N", "centos01", "-v", "on")
    cluster.settle()
    cluster.world.advance(30)
    assert cluster.active() == "centos01"


def test_a_resource_taken_from_the_configuration_is_stopped() -> None:
    cluster = stack()
    cluster.run("centos01", "cibadmin", "-D", "--xpath", "//primitive[@id='p_email_admin']")
    cluster.settle()
    assert "p_email_admin" not in cluster.run("centos01", "crm_mon", "--output-as=xml")
    assert any("releasing" in event.text for event in cluster.world.events)
    assert cluster.active() == "centos01"


def test_a_failed_monitor_is_counted_and_recovered_and_cleaned_up() -> None:
    cluster = stack()
    cluster.node("centos01").subsystem(Network).remove_address(VIPS[1])
    cluster.world.advance(15)
    cluster.settle()
    assert cluster.node("centos01").subsystem(Network).has_address(VIPS[1])
    told = cluster.run("centos01", "crm_mon", "--output-as=xml")
    assert 'id="p_ip_vg1_2" orphan="false" migration-threshold="1000000" fail-count="1"' in told
    cluster.run("centos02", "crm_resource", "--cleanup", "-r", "p_ip_vg1_2")
    cluster.settle()
    assert "fail-count=" not in cluster.run("centos01", "crm_mon", "--output-as=xml")


def test_without_a_running_cluster_every_tool_says_so() -> None:
    cluster = stack()
    node = cluster.node("centos01")
    node.subsystem(Pacemaker).power_off()
    assert node.run("cibadmin", "-Q").exit_code == 102
    told = node.run("crm_mon", "--output-as=xml")
    assert told.exit_code == 102
    assert b'<status code="102" message="Not connected">' in told.stdout


def test_a_forked_world_goes_its_own_way() -> None:
    cluster = stack()
    fork = cluster.world.dump()
    fork.nodes["centos01"].power_off()
    fork.advance(90)
    assert fork.nodes["centos02"].subsystem(Drbd).role("vg1") == "Primary"
    assert cluster.node("centos01").powered
    assert cluster.active() == "centos01"


def test_the_same_commands_give_the_same_world() -> None:
    logs = []
    for _ in range(2):
        cluster = stack()
        cluster.run("centos01", "crm_standby", "-N", "centos01", "-v", "on")
        cluster.settle()
        logs.append(cluster.log())
    assert logs[0] == logs[1]


def test_a_client_sees_the_target_on_both_portals() -> None:
    cluster = stack()
    told = cluster.run("drbd01", "iscsiadm", "-m", "discovery", "-t", "st", "-p", VIPS[0])
    assert told.splitlines() == [f"{vip}:3260,1 {IQN}" for vip in VIPS]
