"""What is there under the stack's names and is something else, and stacks that contradict themselves: never passed over."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest
from small_world import lab, stack

import hastore
from hastore import sim
from hastore.demo import article_stack
from hastore.hosts.operations import Run
from hastore.model.state import ClusterState, HostState, LvState, PacemakerState, VgState
from hastore.planning.compare import compare
from hastore.planning.evolve import with_vg
from hastore.planning.steps_drbd import same_configuration

Stack = hastore.StorageStack


def codes(plan: hastore.Plan) -> set[str]:
    return {finding.code for finding in plan.findings}


def target_of(base: Stack) -> tuple[hastore.Target, hastore.InitiatorGroup]:
    return base.targets[0], base.targets[0].groups[0]


def with_luns(base: Stack, *luns: hastore.Lun) -> Stack:
    target, group = target_of(base)
    return attrs.evolve(base, targets=(attrs.evolve(target, groups=(attrs.evolve(group, luns=luns),)),))


def with_sizes(base: Stack, size: str) -> Stack:
    volumes = tuple(hastore.LogicalVolume(name, size) for name in "abc")
    return attrs.evolve(base, volume_groups=(attrs.evolve(base.volume_groups[0], logical_volumes=volumes),))


def with_device(base: Stack, path: str) -> Stack:
    return attrs.evolve(base, devices=(base.devices[0], attrs.evolve(base.devices[1], path=path)))


def with_target(base: Stack, **changes: object) -> Stack:
    return attrs.evolve(base, targets=(attrs.evolve(base.targets[0], **changes),))  # type: ignore[arg-type]  # fields by name


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda s: with_device(s, path="/dev/vg0/a"), "/dev/vg0/a twice"),
        (lambda s: with_luns(s, hastore.Lun(0, "disk_a"), hastore.Lun(0, "disk_b")), "LUN 0 of group db .* 2 times"),
        (lambda s: with_luns(s, hastore.Lun(0, "disk_x")), "disk_x, which is no device"),
        (lambda s: attrs.evolve(s, targets=s.targets * 2), "target iqn.* twice"),
        (lambda s: attrs.evolve(s, nodes=s.nodes * 2), "node store twice"),
        (lambda s: with_target(s, node="store.example.com"), "store.example.com, which is no node of the stack"),
        (lambda s: attrs.evolve(with_target(s, node=""), nodes=()), "nobody says on which node"),
        (lambda s: with_sizes(s, "0G"), "to have '0G'"),
        (lambda s: with_sizes(s, "150%VG"), "to have '150%VG'"),
        (lambda s: with_sizes(s, "some%FREE"), "to have 'some%FREE'"),
        (lambda s: with_sizes(s, "20 Q"), "to have '20 Q'"),
    ],
)
def test_a_stack_that_contradicts_itself_is_refused(spoil: Callable[[Stack], Stack], said: str) -> None:
    plan = hastore.connect(*lab().hosts.values()).plan(spoil(stack()))
    assert not plan.steps
    with pytest.raises(hastore.Refused, match=said):
        plan.apply()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda r: attrs.evolve(r, hosts=tuple(attrs.evolve(h, node=n) for h, n in _swapped(r))), "which is centos0"),
        (lambda r: attrs.evolve(r, volumes=(attrs.evolve(r.volumes[0], disk="/dev/drbd0"),)), "disk below DRBD"),
    ],
)
def test_drbd_that_contradicts_the_rest_is_refused(
    spoil: Callable[[hastore.DrbdResource], hastore.DrbdResource], said: str
) -> None:
    base = article_stack()
    plan = hastore.connect(*sim.article().hosts.values()).plan(attrs.evolve(base, drbd=(spoil(base.drbd[0]),)))
    assert not plan.steps
    with pytest.raises(hastore.Refused, match=said):
        plan.apply()


def _swapped(resource: hastore.DrbdResource) -> list[tuple[hastore.DrbdHost, str]]:
    return list(zip(resource.hosts, reversed(resource.nodes), strict=True))


@pytest.mark.parametrize(
    ("spoil", "code", "blocks"),
    [
        (lambda s: with_sizes(s, "2G"), "volume-size-differs", False),
        (lambda s: with_device(s, path="/dev/vg0/c"), "device-elsewhere", True),
        (lambda s: with_luns(s, hastore.Lun(0, "disk_a", read_only=True), hastore.Lun(1, "disk_b")), "target-differs", False),
        (lambda s: with_target(s, enabled=False), "target-differs", False),
        (
            lambda s: attrs.evolve(s, volume_groups=(attrs.evolve(s.volume_groups[0], physical_volumes=("/dev/drbd0",)),)),
            "vg-elsewhere",
            True,
        ),
    ],
)  # fmt: skip
def test_another_thing_of_the_same_name_is_said(spoil: Callable[[Stack], Stack], code: str, *, blocks: bool) -> None:
    cluster = hastore.connect(*lab().hosts.values())
    cluster.plan(stack()).apply()
    assert code not in codes(cluster.plan(stack()))
    plan = cluster.plan(spoil(stack()))
    assert code in codes(plan)
    assert code in str(plan)
    assert (code in {finding.code for finding in plan.blocking}) is blocks


def test_a_volume_of_the_right_size_in_extents_is_no_finding() -> None:
    cluster = hastore.connect(*lab().hosts.values())
    odd = with_sizes(stack(), "1023M")
    cluster.plan(odd).apply()
    assert "volume-size-differs" not in codes(cluster.plan(odd))


@pytest.mark.parametrize("active", [False, True])
def test_a_group_that_lvm_sees_below_drbd_harms_once_it_is_active(
    article: tuple[sim.Lab, hastore.Cluster], *, active: bool
) -> None:
    _, cluster = article
    state = cluster.observe()
    group = VgState("vg1", 0, 0, physical_volumes=("/dev/sdb",), logical_volumes={"lun1": LvState("lun1", 0, active)})
    seen = compare(cluster.stack, with_vg(state, "centos02", group)).findings
    (found,) = (finding for finding in seen if finding.code == "vg-elsewhere")
    assert "below DRBD" in found.summary
    assert (found.severity is hastore.Severity.BLOCKING) is active


def test_what_somebody_stopped_at_night_is_said_before_it_is_started(article: tuple[sim.Lab, hastore.Cluster]) -> None:
    _, cluster = article
    cluster.resources["g_vg1"].stop().apply()
    plan = cluster.plan()
    assert "somebody set target-role=Stopped" in str(plan)
    plan.apply()
    assert "cib-drift" not in codes(cluster.plan())


def test_a_replica_that_stands_alone_is_said(article: tuple[sim.Lab, hastore.Cluster]) -> None:
    lab_, cluster = article
    lab_.hosts["centos02"].perform([Run(("drbdadm", "disconnect", "vg1"))])
    assert {"drbd-standalone", "drbd-disconnected"} <= codes(cluster.plan())


def test_two_halves_of_a_cluster_are_no_cluster(article: tuple[sim.Lab, hastore.Cluster]) -> None:
    _, cluster = article
    state = cluster.observe()
    hosts: dict[str, HostState] = dict(state.hosts)
    for name in ("centos01", "centos02"):
        view = hosts[name].pacemaker
        assert isinstance(view, PacemakerState)
        hosts[name] = attrs.evolve(hosts[name], pacemaker=attrs.evolve(view, dc=name))
    parted = ClusterState(hosts)
    assert "cluster-partitioned" in {f.code for f in compare(cluster.stack, parted).findings}
    assert "cluster-partitioned" not in {f.code for f in compare(cluster.stack, state).findings}


def test_a_host_without_the_secret_has_another_configuration() -> None:
    ours = attrs.evolve(article_stack().drbd[0], secret=hastore.Secret.environment("DRBD_SECRET"))
    theirs = attrs.evolve(ours, secret=hastore.Secret.literal("what the file says"))
    assert same_configuration(ours, theirs)
    assert not same_configuration(ours, attrs.evolve(ours, secret=None))
    assert not same_configuration(attrs.evolve(ours, secret=None), theirs)
