"""A plan must not promise a move that the cluster will not make."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

import hastore
from hastore import sim
from hastore.hosts.operations import Run
from hastore.model.pacemaker import Location
from hastore.model.state import ClusterState, PacemakerState
from hastore.planning.evolve import speaker, with_pacemaker
from hastore.planning.switchover import switchover


def view(state: ClusterState) -> PacemakerState:
    seen = state.pacemaker()
    assert isinstance(seen, PacemakerState)
    return seen


def with_cib(state: ClusterState, **changes: object) -> ClusterState:
    return with_pacemaker(state, cib=attrs.evolve(view(state).cib, **changes))  # type: ignore[arg-type]  # fields by name


def banned(state: ClusterState) -> ClusterState:
    ban = Location("cli-ban-g_vg1-on-centos02", "g_vg1", "centos02", "-INFINITY")
    return with_cib(state, constraints=(*view(state).cib.constraints, ban))


def unmanaged(state: ClusterState) -> ClusterState:
    loose = tuple(attrs.evolve(r, managed=r.id != "p_lvm_vg1") for r in view(state).resources)
    return with_pacemaker(state, resources=loose)


def stopped(state: ClusterState) -> ClusterState:
    return with_cib(state, properties=view(state).cib.properties.with_({"stop-all-resources": "true"}))


def unseen(state: ClusterState) -> ClusterState:
    return ClusterState({name: host for name, host in state.hosts.items() if name != "centos02"})


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (banned, "receiver-banned"),
        (unmanaged, "unit-unmanaged"),
        (stopped, "cluster-not-acting"),
        (unseen, "receiver-unseen"),
        (lambda state: with_cib(state, groups=(), constraints=()), "nothing-to-move"),
    ],
)
def test_a_move_that_cannot_be_is_refused(
    article: tuple[sim.Lab, hastore.Cluster], spoil: Callable[[ClusterState], ClusterState], code: str
) -> None:
    _, cluster = article
    state = cluster.observe()
    assert not switchover(cluster.stack, state, "centos02").blocking
    assert code in {finding.code for finding in switchover(cluster.stack, spoil(state), "centos02").blocking}


def test_a_cluster_in_maintenance_moves_nothing_and_no_node_may_go_down(
    article: tuple[sim.Lab, hastore.Cluster],
) -> None:
    lab, cluster = article
    maintenance = ("crm_attribute", "--type", "crm_config", "--name", "maintenance-mode", "--update", "true")
    lab.hosts["centos01"].perform([Run(maintenance)])
    cluster.clock.sleep(5)
    with pytest.raises(hastore.Refused, match="maintenance-mode is on"):
        cluster.switchover(to="centos02").apply()
    assert {node.verdict for node in cluster.look().reboot} == {"no"}


def test_the_side_with_quorum_is_spoken_to(article: tuple[sim.Lab, hastore.Cluster]) -> None:
    _, cluster = article
    state = cluster.observe()
    first = state.hosts["centos01"]
    cut_off = attrs.evolve(view(state), quorum=False)
    parted = ClusterState({**state.hosts, "centos01": attrs.evolve(first, pacemaker=cut_off)})
    assert speaker(parted) == "centos02"
    assert {step.host for step in switchover(cluster.stack, parted, "centos02").steps} == {"centos02"}
