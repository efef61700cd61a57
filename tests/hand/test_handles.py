"""Handles: the objects of a cluster by name, each verb a plan that acts on apply alone."""

from __future__ import annotations

import pytest
from small_world import CLIENT_IQN, IQN, lab, stack

import hastore
from hastore import sim
from hastore.model.state import ScstState


@pytest.fixture
def small() -> tuple[sim.Lab, hastore.Cluster]:
    world = lab()
    cluster = hastore.connect(*world.hosts.values(), stack=stack())
    cluster.plan().apply()
    return world, cluster


def test_threads_num_on_the_fly(small: tuple[sim.Lab, hastore.Cluster]) -> None:
    _, cluster = small
    plan = cluster.luns["disk_a"].set(threads_num=4)
    assert [step.title for step in plan.steps] == ["set threads_num=4 on device disk_a"]
    assert cluster.luns["a"].attributes["threads_num"] == "2"
    plan.apply()
    cluster.observe()
    assert cluster.luns["a"].attributes["threads_num"] == "4"


def test_a_value_that_crashes_kernels_is_refused_before_it_is_written(small: tuple[sim.Lab, hastore.Cluster]) -> None:
    _, cluster = small
    with pytest.raises(hastore.HastoreError, match="threads_num"):
        cluster.luns["disk_a"].set(threads_num=99999).apply()


def test_a_lun_is_added_to_a_group(small: tuple[sim.Lab, hastore.Cluster]) -> None:
    world, cluster = small
    device = hastore.ScstDevice("disk_c", "/dev/vg0/c", attributes={"t10_dev_id": "c-1"})
    plan = cluster.targets[IQN].add_lun(2, device, group="db")
    assert not plan.disruptions
    plan.apply()
    scst = cluster.observe().hosts["store"].scst
    assert isinstance(scst, ScstState)
    assert [lun.number for lun in scst.targets[IQN].groups[0].luns] == [0, 1, 2]
    assert world.world.violations == []


def test_a_taken_lun_is_refused(small: tuple[sim.Lab, hastore.Cluster]) -> None:
    with pytest.raises(hastore.SpecError, match="LUN 1"):
        small[1].targets[IQN].add_lun(1, hastore.ScstDevice("x", "/dev/vg0/x"), group="db")


def test_a_volume_is_extended_and_never_shrunk(small: tuple[sim.Lab, hastore.Cluster]) -> None:
    _, cluster = small
    cluster.volume_groups["vg0"].extend("a", to="3G").apply()
    lvm = cluster.observe().hosts["store"].lvm
    assert lvm.groups["vg0"].logical_volumes["a"].size == 3 * 2**30  # type: ignore[union-attr]  # it is known here
    with pytest.raises(hastore.SpecError, match="shrink"):
        cluster.volume_groups["vg0"].extend("a", to="512M")
    with pytest.raises(hastore.Refused, match="free"):
        cluster.volume_groups["vg0"].extend("a", to="1T").apply()
    with pytest.raises(hastore.SpecError, match="no connected host sees"):
        cluster.volume_groups["vg0"].extend("nosuch", to="1T")


def test_a_client_logs_out_and_in_again(small: tuple[sim.Lab, hastore.Cluster]) -> None:
    _, cluster = small
    cluster.clients["client"].logout(IQN).apply()
    scst = cluster.observe().hosts["store"].scst
    assert isinstance(scst, ScstState)
    assert scst.targets[IQN].sessions == ()
    cluster.clients["client"].login(IQN).apply()
    scst = cluster.observe().hosts["store"].scst
    assert isinstance(scst, ScstState)
    assert [session.initiator for session in scst.targets[IQN].sessions] == [CLIENT_IQN]


def test_a_plan_shows_itself_everywhere(small: tuple[sim.Lab, hastore.Cluster]) -> None:
    _, cluster = small
    plan = cluster.luns["disk_a"].set(threads_num=4)
    assert "threads_num=4" in str(plan)
    assert "threads_num=4" in plan._repr_html_()
    assert any("threads_num" in command for _, command in plan.commands())
    assert repr(plan) == "<Plan: 1 steps in 1 waves>"


def test_the_topology_draws_who_serves_whom(small: tuple[sim.Lab, hastore.Cluster]) -> None:
    _, cluster = small
    picture = cluster.topology()
    assert IQN in str(picture)
    assert "<svg" in picture.svg
    assert "active" in picture.svg
