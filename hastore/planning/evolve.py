"""Small pure changes of a ClusterState: what steps' effects are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import attrs

from hastore.model.state import (
    ClientState,
    ClusterState,
    DrbdResourceState,
    DrbdState,
    HostState,
    LvmState,
    PacemakerState,
    ScstState,
    TargetState,
    VgState,
)

V = TypeVar("V")


def host_of(state: ClusterState, name: str) -> HostState:
    """Return a host's state; an empty one where it was not looked at."""
    return state.hosts.get(name) or HostState(name)


def with_host(state: ClusterState, name: str, **changes: Any) -> ClusterState:
    """Return the state with fields of one host changed."""
    return attrs.evolve(state, hosts=put(state.hosts, name, attrs.evolve(host_of(state, name), **changes)))


def put(mapping: Mapping[str, V], key: str, item: V) -> dict[str, V]:
    """Return a copy of the mapping with one entry set."""
    return {**mapping, key: item}


def without(mapping: Mapping[str, V], key: str) -> dict[str, V]:
    """Return a copy of the mapping without an entry."""
    return {name: item for name, item in mapping.items() if name != key}


# -- DRBD ---------------------------------------------------------------------------------------------


def drbd_on(state: ClusterState, host: str, resource: str) -> DrbdResourceState:
    """Return a DRBD resource's state on a host; an empty one where nothing is known of it."""
    drbd = host_of(state, host).drbd
    found = drbd.resources.get(resource) if isinstance(drbd, DrbdState) else None
    return found or DrbdResourceState(resource)


def with_drbd(state: ClusterState, host: str, resource: str, **changes: Any) -> ClusterState:
    """Return the state with a DRBD resource on one host changed."""
    drbd = host_of(state, host).drbd
    drbd = drbd if isinstance(drbd, DrbdState) else DrbdState("")
    changed = attrs.evolve(drbd_on(state, host, resource), **changes)
    return with_host(state, host, drbd=attrs.evolve(drbd, resources=put(drbd.resources, resource, changed)))


# -- LVM ----------------------------------------------------------------------------------------------


def lvm_on(state: ClusterState, host: str) -> LvmState:
    """Return LVM's state on a host; an empty one where it is not known."""
    lvm = host_of(state, host).lvm
    return lvm if isinstance(lvm, LvmState) else LvmState()


def vg_on(state: ClusterState, host: str, group: str) -> VgState | None:
    """Return a volume group as a host sees it, or None."""
    return lvm_on(state, host).groups.get(group)


def with_lvm(state: ClusterState, host: str, **changes: Any) -> ClusterState:
    """Return the state with LVM on one host changed."""
    return with_host(state, host, lvm=attrs.evolve(lvm_on(state, host), **changes))


def with_vg(state: ClusterState, host: str, group: VgState) -> ClusterState:
    """Return the state with one volume group on one host set."""
    return with_lvm(state, host, groups=put(lvm_on(state, host).groups, group.name, group))


# -- SCST ---------------------------------------------------------------------------------------------


def scst_on(state: ClusterState, host: str) -> ScstState:
    """Return SCST's state on a host; an empty one where it is not known."""
    scst = host_of(state, host).scst
    return scst if isinstance(scst, ScstState) else ScstState("")


def with_scst(state: ClusterState, host: str, **changes: Any) -> ClusterState:
    """Return the state with SCST on one host changed."""
    return with_host(state, host, scst=attrs.evolve(scst_on(state, host), **changes))


def target_on(state: ClusterState, host: str, iqn: str) -> TargetState | None:
    """Return a target as SCST holds it on a host, or None."""
    return scst_on(state, host).targets.get(iqn)


def with_target(state: ClusterState, host: str, iqn: str, **changes: Any) -> ClusterState:
    """Return the state with one target on one host changed or made."""
    target = target_on(state, host, iqn) or TargetState(iqn, enabled=False)
    return with_scst(state, host, targets=put(scst_on(state, host).targets, iqn, attrs.evolve(target, **changes)))


# -- Pacemaker and clients ----------------------------------------------------------------------------


def with_pacemaker(state: ClusterState, **changes: Any) -> ClusterState:
    """Return the state with the cluster's state changed on every host that knows it."""
    for name, host in state.hosts.items():
        if isinstance(host.pacemaker, PacemakerState):
            state = with_host(state, name, pacemaker=attrs.evolve(host.pacemaker, **changes))
    return state


def speaker(state: ClusterState) -> str:
    """Return the host through which the cluster is spoken to: the one whose view is `state.pacemaker()`; empty for none."""
    view = state.pacemaker()
    return next((h.name for h in state.hosts.values() if isinstance(view, PacemakerState) and h.pacemaker is view), "")


def client_on(state: ClusterState, host: str) -> ClientState:
    """Return the initiator's state on a client; an empty one where it is not known."""
    client = host_of(state, host).client
    return client if isinstance(client, ClientState) else ClientState()
