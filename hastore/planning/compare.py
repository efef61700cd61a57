"""Hold a stack against a state: the steps between them, and what could not be compared.

Present is left alone, absent is created, and unknown is looked at first: where a volume group may lie on
DRBD that is down, the plan brings it up and looks, and what is found then is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from hastore.model.client import Initiator
from hastore.model.drbd import DrbdResource
from hastore.model.findings import Finding, Severity
from hastore.model.lvm import LvmSettings, VolumeGroup
from hastore.model.pacemaker import Cib, Tag
from hastore.model.scsi import Target
from hastore.model.stack import StorageStack
from hastore.model.state import (
    ClientState,
    ClusterState,
    DrbdState,
    HostState,
    LvmState,
    Observed,
    PacemakerState,
    ScstState,
    Unknown,
)
from hastore.model.values import value
from hastore.planning.compose import compose
from hastore.planning.discrepancies import contradictions, discrepancies, hand_changes
from hastore.planning.evolve import client_on, drbd_on, lvm_on, scst_on, speaker, target_on, vg_on
from hastore.planning.steps import Step
from hastore.planning.steps_client import ConfigureSession, DiscoverTarget, Login, with_port
from hastore.planning.steps_cluster import AwaitCluster, PatchCib, bindings, edits_between
from hastore.planning.steps_drbd import (
    AdjustDrbd,
    AwaitConnection,
    AwaitSync,
    CreateDrbdMetadata,
    DrbdDown,
    DrbdPrimary,
    DrbdSecondary,
    DrbdUp,
    InitialPrimary,
    WriteDrbdConfig,
    same_configuration,
)
from hastore.planning.steps_lvm import ActivateVg, ConfigureLvm, CreateLv, CreatePv, CreateVg, DeactivateVg
from hastore.planning.steps_scst import (
    AddDevice,
    AddGroup,
    AddIncomingUser,
    AddInitiator,
    AddLun,
    AddTarget,
    AllowPortal,
    EnableDriver,
    EnableTarget,
    SetDeviceAttribute,
    SetTargetParameter,
)

OWNED = "hastore-owned"
"""The CIB tag that records what hastore made or adopted, and may therefore remove."""


@value
class Comparison:
    """The steps from a state to a stack, and findings on the way."""

    steps: tuple[Step, ...]
    findings: tuple[Finding, ...] = ()


def compare(stack: StorageStack, state: ClusterState) -> Comparison:
    """Return what must be done so that the state holds all that the stack says; pure."""
    findings = (*contradictions(stack), *_reachability(stack, state), *_unfit_clients(stack))
    if findings:
        return Comparison((), findings)
    drbd = [step for resource in stack.drbd for step in _drbd_steps(stack, state, resource)]
    settings = [ConfigureLvm(node, stack.lvm) for node in stack.node_names] if stack.lvm is not None else []
    lvm = [step for group in stack.volume_groups for step in _lvm_steps(stack, state, group)]
    scst = [step for target in stack.targets for step in _target_steps(stack, state, target)]
    cluster = list(_cluster_steps(stack, state))
    clients = list(_client_steps(stack, state))
    return Comparison(
        (*settings, *drbd, *lvm, *scst, *cluster, *clients), (*_drift(stack, state), *discrepancies(stack, state))
    )


# -- what can be known --------------------------------------------------------------------------------


def _reachability(stack: StorageStack, state: ClusterState) -> Iterator[Finding]:
    for node in stack.node_names:
        host = state.hosts.get(node)
        if host is None:
            yield _blocking("host-not-connected", f"{node} is in the stack, and no such host is connected", node)
            continue
        needed: dict[str, Observed[object]] = {}
        if any(node in resource.nodes for resource in stack.drbd):
            needed["DRBD"] = host.drbd
        if stack.volume_groups or stack.lvm is not None:
            needed["LVM"] = host.lvm
        if stack.pacemaker is not None:
            needed["Pacemaker"] = host.pacemaker
        if any(target.node == node for target in stack.targets):
            needed["SCST"] = host.scst
        for name, seen in needed.items():
            if not isinstance(seen, DrbdState | LvmState | PacemakerState | ScstState):
                why = seen.reason if isinstance(seen, Unknown) else "not installed there, or no driver suits"
                yield _blocking("subsystem-unknown", f"{name} on {node} can't be read: {why}", node)
    for client in stack.clients:
        host = state.hosts.get(client.host, HostState(client.host))
        if client.logins and not isinstance(host.client, ClientState):
            yield _blocking("client-unknown", f"open-iscsi on {client.host} can't be read", client.host)


def _unfit_clients(stack: StorageStack) -> Iterator[Finding]:
    for client in stack.clients:
        for mistake in client.mistakes():
            yield Finding(
                "client-unfit",
                Severity.BLOCKING,
                f"client {client.host}: {mistake}",
                (f"host:{client.host}",),
                evidence="open-iscsi usr/idbm.c: a record is lines of names and values, read with blanks stripped",
                mend="correct the Initiator in the stack",
            )


def _blocking(code: str, summary: str, host: str) -> Finding:
    return Finding(
        code,
        Severity.BLOCKING,
        summary,
        (f"host:{host}",),
        evidence="what is unknown is never taken for absent",
        mend="connect to the host, or install what is missing (cluster.explain() says what was looked for)",
    )


def _drift(stack: StorageStack, state: ClusterState) -> Iterator[Finding]:
    for resource in stack.drbd:
        for node in resource.nodes:
            found = drbd_on(state, node, resource.name).config
            if isinstance(found, DrbdResource) and not same_configuration(resource, found):
                yield Finding(
                    "drbd-config-drift",
                    Severity.WARNING,
                    f"the configuration of {resource.name} on {node} is not the stack's",
                    (f"drbd:{resource.name}", f"host:{node}"),
                    evidence=f"/etc/drbd.d/{resource.name}.res on {node}",
                    mend="apply the plan to write the stack's, or take the host's over into the stack",
                )
    pacemaker = state.pacemaker()
    if stack.pacemaker is not None and isinstance(pacemaker, PacemakerState):
        yield from hand_changes(owned_cib(compose(stack)), pacemaker.cib, owned_ids(pacemaker.cib))
    if stack.lvm is not None and _in_use(stack, state):
        yield from (
            finding for node in stack.node_names for finding in _settings_drift(node, stack.lvm, lvm_on(state, node))
        )


def _in_use(stack: StorageStack, state: ClusterState) -> bool:
    """True where the stack's storage is there already: before, other settings are no drift."""
    return any(_pacemaker_holds(state, r) for r in stack.drbd) or any(_complete(state, g) for g in stack.volume_groups)


def _settings_drift(node: str, wanted: LvmSettings, lvm: LvmState) -> Iterator[Finding]:
    others = wanted.unmet_by(lvm.settings)
    if others:
        yield Finding(
            "lvm-settings-drift",
            Severity.WARNING,
            f"lvm.conf on {node} is not the stack's in {', '.join(others)}",
            (*(f"lvm:{name}" for name in others), f"host:{node}"),
            evidence="; ".join(f"{name} is {_shown(getattr(lvm.settings, name))}" for name in others),
            mend="apply the plan to write the stack's, or take the host's over into the stack; then make the initramfs "
            "anew, which has a copy",
        )


def _shown(setting: object) -> str:
    return "not set" if setting is None else str(setting)


# -- DRBD and LVM -------------------------------------------------------------------------------------


def _pacemaker_holds(state: ClusterState, resource: DrbdResource) -> bool:
    """True where the live CIB already has an agent for the resource: then it is Pacemaker's to bring up."""
    pacemaker = state.pacemaker()
    return isinstance(pacemaker, PacemakerState) and any(
        r.params.get("drbd_resource") == resource.name for r in pacemaker.cib.of_type("drbd")
    )


def _work_host(stack: StorageStack, state: ClusterState, resource: DrbdResource) -> str:
    """Return where hand work is done: where it is primary, where good data is, else the first node.

    A node whose resource is down counts by its generation: what a run that was stopped began there goes on
    there, where a group with a system ID can be seen.
    """
    nodes = [n for n in stack.node_names if n in resource.nodes] or list(resource.nodes)
    primary = [n for n in nodes if drbd_on(state, n, resource.name).role == "Primary"]
    good = [n for n in nodes if _holds_good_data(state, n, resource)]
    return (primary or good or nodes)[0]


def _holds_good_data(state: ClusterState, node: str, resource: DrbdResource) -> bool:
    there = drbd_on(state, node, resource.name)
    up = there if there.up else drbd_on(DrbdUp(node, resource).effect(state), node, resource.name)
    return up.up_to_date


def _groups_on(stack: StorageStack, resource: DrbdResource) -> tuple[VolumeGroup, ...]:
    return tuple(g for g in stack.volume_groups if stack.drbd_under(g) == resource)


def _complete(state: ClusterState, group: VolumeGroup) -> bool:
    """True where some host sees the group with all its volumes."""
    seen = (vg_on(state, name, group.name) for name in state.hosts)
    return any(vg and all(lv.name in vg.logical_volumes for lv in group.logical_volumes) for vg in seen)


def _drbd_steps(stack: StorageStack, state: ClusterState, resource: DrbdResource) -> Iterator[Step]:
    for node in resource.nodes:
        here = drbd_on(state, node, resource.name)
        if not same_configuration(resource, here.config):
            yield WriteDrbdConfig(node, resource)
            if here.up:
                yield AdjustDrbd(node, resource)
    if _pacemaker_holds(state, resource):
        return
    groups = _groups_on(stack, resource)
    handed_over = stack.served_by_pacemaker(f"drbd:{resource.name}")
    work = _work_host(stack, state, resource)
    for node in resource.nodes:
        here = drbd_on(state, node, resource.name)
        for volume in resource.volumes:
            if here.metadata.get(volume.number) is not True and here.volume(volume.number) is None:
                yield CreateDrbdMetadata(node, resource, volume.number)
        if not here.up:
            yield DrbdUp(node, resource)
    if drbd_on(state, work, resource.name).connection != "Connected":
        yield AwaitConnection(work, resource)
    if not any(drbd_on(state, n, resource.name).up_to_date for n in resource.nodes):
        yield InitialPrimary(work, resource)
    if groups or not handed_over:
        yield DrbdPrimary(work, resource)
    yield AwaitSync(work, resource)
    if handed_over:
        yield DrbdSecondary(work, resource, tuple(f"vg:{g.name}" for g in groups))
        yield from (DrbdDown(node, resource) for node in resource.nodes)


def _lvm_steps(stack: StorageStack, state: ClusterState, group: VolumeGroup) -> Iterator[Step]:
    under = stack.drbd_under(group)
    by_hand = under is not None and not _pacemaker_holds(state, under)
    if _complete(state, group) and not by_hand:
        return
    if under is not None:
        host = _work_host(stack, state, under)
        if not by_hand and drbd_on(state, host, under.name).role != "Primary":
            return  # nobody can look inside now, and it is Pacemaker's to promote
    else:
        host = next((t.node for t in stack.targets if t.node), stack.node_names[0])
    on = f"drbd:{under.name}" if under else ""
    for path in group.physical_volumes:
        if path not in lvm_on(state, host).physical_volumes:
            yield CreatePv(host, path, on)
    if vg_on(state, host, group.name) is None:
        yield CreateVg(host, group.name, group.physical_volumes)
    present = vg_on(state, host, group.name)
    for volume in group.logical_volumes:
        if present is None or volume.name not in present.logical_volumes:
            yield CreateLv(host, group.name, volume)
    if not stack.served_by_pacemaker(f"vg:{group.name}"):
        yield ActivateVg(host, group.name)
    elif by_hand:
        yield DeactivateVg(host, group.name)


# -- SCST without Pacemaker ---------------------------------------------------------------------------


def _target_steps(stack: StorageStack, state: ClusterState, target: Target) -> Iterator[Step]:
    if stack.served_by_pacemaker(f"target:{target.iqn}"):
        return
    host = target.node or (stack.node_names[0] if stack.node_names else "")
    scst = scst_on(state, host)
    for name in dict.fromkeys(lun.device for _, lun in target.all_luns()):
        device = stack.device(name)
        if device is None:
            continue
        known = scst.devices.get(name)
        if known is None:
            yield AddDevice(host, device, _carrier(stack, device.path))
        for attribute, setting in device.attributes.items():
            if known is None or known.attributes.get(attribute) != setting:
                yield SetDeviceAttribute(host, name, attribute, setting)
    yield from _target_parts(state, target, host)
    if target.enabled:
        yield EnableTarget(host, target.iqn, target)
        yield EnableDriver(host)


def _carrier(stack: StorageStack, path: str) -> str:
    for group in stack.volume_groups:
        for volume in group.logical_volumes:
            if path in {f"/dev/{group.name}/{volume.name}", f"/dev/mapper/{group.name}-{volume.name}"}:
                return f"vg:{group.name}"
    return ""


def _target_parts(state: ClusterState, target: Target, host: str) -> Iterator[Step]:
    iqn, present = target.iqn, target_on(state, host, target.iqn)
    if present is None:
        yield AddTarget(host, iqn)
    portals = present.portals if present else ()
    yield from (AllowPortal(host, iqn, portal) for portal in target.portals if portal not in portals)
    known = present.parameters if present else {}
    for name, setting in target.parameters.items():
        if known.get(name) != setting:
            yield SetTargetParameter(host, iqn, name, setting)
    users = present.incoming_users if present else ()
    yield from (AddIncomingUser(host, iqn, user) for user in target.incoming_users if user.name not in users)
    groups = {g.name: g for g in present.groups} if present else {}
    for_all = {(lun.number, lun.device) for lun in present.luns} if present else set()
    yield from (AddLun(host, iqn, lun) for lun in target.luns if (lun.number, lun.device) not in for_all)
    for group in target.groups:
        there = groups.get(group.name)
        if there is None:
            yield AddGroup(host, iqn, group.name)
        shown = {(lun.number, lun.device) for lun in there.luns} if there else set()
        yield from (AddLun(host, iqn, lun, group.name) for lun in group.luns if (lun.number, lun.device) not in shown)
        named = there.initiators if there else ()
        yield from (AddInitiator(host, iqn, group.name, i) for i in group.initiators if i not in named)


# -- Pacemaker and clients ----------------------------------------------------------------------------


def _cluster_steps(stack: StorageStack, state: ClusterState) -> Iterator[Step]:
    if stack.pacemaker is None:
        return
    host, pacemaker = speaker(state), state.pacemaker()
    if not host or not isinstance(pacemaker, PacemakerState):
        return
    desired = owned_cib(compose(stack))
    edits = edits_between(desired, pacemaker.cib, owned_ids(pacemaker.cib) | bindings(pacemaker.cib))
    if edits:
        yield PatchCib(host, edits=edits, why=f"give Pacemaker its configuration in one patch: {len(edits)} edits")
    yield AwaitCluster(host, stack=stack)


def owned_cib(cib: Cib) -> Cib:
    """Return the CIB with the tag that says that hastore owns all of it."""
    ids = tuple(sorted(element.id for element in cib.elements()))
    others = tuple(tag for tag in cib.tags if tag.id != OWNED)
    return attrs.evolve(cib, tags=(*others, Tag(OWNED, ids))) if ids else cib


def owned_ids(cib: Cib) -> frozenset[str]:
    """Return the ids that the live CIB records as hastore's."""
    return frozenset(id for tag in cib.tags if tag.id == OWNED for id in tag.members)


def _client_steps(stack: StorageStack, state: ClusterState) -> Iterator[Step]:
    for client in stack.clients:
        known = client_on(state, client.host)
        live = {(s.target, with_port(s.portal)) for s in known.sessions}
        recorded = set(known.records)
        for login in client.logins:
            for portal in map(with_port, login.portals):
                here = (login.target, portal)
                if here not in recorded and here not in live:
                    yield DiscoverTarget(client.host, *here)
                if here in recorded or here not in live:
                    yield from _session_steps(client, state, *here)
                if here not in live:
                    yield Login(client.host, *here)


def _session_steps(client: Initiator, state: ClusterState, target: str, portal: str) -> Iterator[Step]:
    """Configure what the record lacks, also below a live session, whose next login is the next failover."""
    if not (client.chap_user or client.settings):
        return
    step = ConfigureSession(client.host, target, portal, client.chap_user, client.chap_secret, client.settings)
    if not step.ensures(state):
        yield step
