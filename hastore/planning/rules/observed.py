"""The running cluster: what only a look at it shows."""

from __future__ import annotations

from collections.abc import Iterator

from hastore.model.findings import Severity
from hastore.model.pacemaker import Location
from hastore.model.stack import StorageStack
from hastore.model.state import ClusterState, DrbdState, HostState, LvmState, PacemakerState, ScstState
from hastore.planning.rules.base import Sighting, observed_rule
from hastore.planning.rules.lvm import activation
from hastore.planning.rules.reading import fencing_works, group_name_of, is_true, of_type
from hastore.planning.steps_cluster import MOVE_PREFIX


def pacemaker_of(state: ClusterState) -> PacemakerState | None:
    """Return the cluster's state where it is known."""
    seen = state.pacemaker()
    return seen if isinstance(seen, PacemakerState) else None


def running_locations(state: ClusterState) -> Iterator[Location]:
    """Yield the location constraints of the running CIB."""
    pacemaker = pacemaker_of(state)
    if pacemaker:
        yield from (c for c in pacemaker.cib.constraints if isinstance(c, Location))


def hosts(state: ClusterState) -> Iterator[HostState]:
    """Yield the hosts in order of their names."""
    yield from (state.hosts[name] for name in sorted(state.hosts))


@observed_rule(
    "fence-constraint-left",
    Severity.WARNING,
    trap="practice 12",
    summary="DRBD's fence handler keeps a node from being promoted: it is not known to be current",
    source="drbd-utils crm-fence-peer puts drbd-fence-by-handler constraints; crm-unfence-peer takes them away",
    mend="Let the resync finish; the constraint goes by itself. Do not delete it by hand",
)
def fence_constraint_left(_stack: StorageStack, state: ClusterState) -> Iterator[Sighting]:
    """Find constraints of DRBD's fence handler."""
    for location in running_locations(state):
        if location.id.startswith("drbd-fence-by-handler"):
            yield Sighting((f"constraint:{location.id}", f"clone:{location.resource}"), location.id)


@observed_rule(
    "move-constraint-left",
    Severity.WARNING,
    trap="practice 12",
    summary="A move or ban of earlier is still in force and decides where things may run",
    source="crm_resource(8): --move leaves cli-prefer, --ban leaves cli-ban constraints (recorded)",
    mend="Clear it: crm_resource --clear --resource ID; hastore's own (hastore-move-...) the next plan takes away",
)
def move_constraint_left(_stack: StorageStack, state: ClusterState) -> Iterator[Sighting]:
    """Find what crm_resource left, and a move of hastore's that was stopped."""
    for location in running_locations(state):
        if location.id.startswith(("cli-prefer", "cli-ban", MOVE_PREFIX)):
            yield Sighting((f"constraint:{location.id}", f"resource:{location.resource}"), location.id)


@observed_rule(
    "fencing-untested",
    Severity.ADVICE,
    trap="practice 12",
    summary="No fencing is on record: nobody knows whether it works",
    source="stonith_admin(8) --history; practice: ready to switch over means fencing tested lately",
    mend="Fence a node on purpose while it is not needed",
)
def fencing_untested(_stack: StorageStack, state: ClusterState) -> Iterator[Sighting]:
    """Find clusters that can fence and never did."""
    pacemaker = pacemaker_of(state)
    if pacemaker and not pacemaker.fencing_history and fencing_works(StorageStack(pacemaker=pacemaker.cib)):
        yield Sighting(tuple(f"primitive:{d.id}" for d in pacemaker.cib.fencing_devices()), "fencing history is empty")


@observed_rule(
    "resource-failed",
    Severity.WARNING,
    trap="practice 12",
    summary="A failure is remembered: the resource will avoid this node, or is blocked",
    source="Pacemaker Explained: migration-threshold and fail counts",
    mend="Look at the reason, mend it, then clean up: crm_resource --cleanup --resource ID",
)
def resource_failed(_stack: StorageStack, state: ClusterState) -> Iterator[Sighting]:
    """Find remembered failures."""
    pacemaker = pacemaker_of(state)
    for failure in pacemaker.failures if pacemaker else ():
        shown = f"{failure.operation} on {failure.node}: {failure.reason or f'exit code {failure.exit_code}'}"
        yield Sighting((f"primitive:{failure.resource}", f"host:{failure.node}"), shown)


@observed_rule(
    "replica-not-current",
    Severity.DANGER,
    trap="practice 12",
    summary="A replica is not up to date: the data stands on one node only",
    source="drbdadm(8), status: disk states",
    mend="Bring the connection up and let the resync finish before anything is switched over",
)
def replica_not_current(_stack: StorageStack, state: ClusterState) -> Iterator[Sighting]:
    """Find replicated disks that are not UpToDate."""
    for host in hosts(state):
        drbd = host.drbd
        for name, resource in drbd.resources.items() if isinstance(drbd, DrbdState) else ():
            behind = [f"{v.number}: {v.disk}" for v in resource.volumes if v.disk != "UpToDate"]
            if resource.up and behind:
                yield Sighting((f"drbd:{name}", f"host:{host.name}"), f"volume {', '.join(behind)}")


@observed_rule(
    "scst-daemon-down",
    Severity.DANGER,
    trap="practice 13",
    summary="iscsi-scstd does not run where Pacemaker believes the target does: there is no iSCSI, and nothing can stop",
    source="recorded: killing the daemon deletes every target and LUN map; the agents then block",
    mend="Fence the node: its volumes are held open and cannot be taken down in order",
)
def scst_daemon_down(stack: StorageStack, state: ClusterState) -> Iterator[Sighting]:
    """Find nodes that should serve and have no daemon."""
    pacemaker = pacemaker_of(state)
    for resource in of_type(stack, "SCSTTarget", "SCSTLun") if pacemaker else ():
        for node in pacemaker.where(resource.id) if pacemaker else ():
            scst = state.hosts[node].scst if node in state.hosts else None
            if isinstance(scst, ScstState) and not scst.daemon_running:
                yield Sighting((f"primitive:{resource.id}", f"host:{node}"), "iscsi-scstd is not running")


@observed_rule(
    "nv-cache-unasked",
    Severity.DANGER,
    trap="trap 15",
    summary="SCST switched nv_cache on by itself: the disk below cannot flush, and acknowledged data may be lost",
    source="SCST scst_vdisk.c:516",
    mend="Use vdisk_fileio there, or a disk that can flush",
    override="nv-cache",
)
def nv_cache_unasked(stack: StorageStack, state: ClusterState) -> Iterator[Sighting]:
    """Find devices that cache although nobody asked for it."""
    for host in hosts(state):
        for name, device in host.scst.devices.items() if isinstance(host.scst, ScstState) else ():
            wanted = stack.device(name)
            asked = wanted is not None and is_true(wanted.attributes.get("nv_cache", "0"))
            if is_true(device.attributes.get("nv_cache", "0")) and not asked:
                yield Sighting((f"device:{name}", f"host:{host.name}"), f"{device.handler} nv_cache=1")


@observed_rule(
    "chap-locks-clients-out",
    Severity.WARNING,
    trap="practice 4",
    summary="The first CHAP user of an open target locks its clients out at their next login, which is the next failover",
    source="recorded: users belong to a target, not to a group",
    mend="Give the clients the user first, or use a target of its own for each tenant",
    override="chap-on-open-target",
)
def chap_locks_clients_out(stack: StorageStack, state: ClusterState) -> Iterator[Sighting]:
    """Find targets that clients use without a user and that are about to ask for one."""
    for target in stack.targets:
        for host in hosts(state):
            seen = host.scst.targets.get(target.iqn) if isinstance(host.scst, ScstState) else None
            if seen and target.incoming_users and not seen.incoming_users and seen.sessions:
                who = ", ".join(session.initiator for session in seen.sessions)
                yield Sighting((f"target:{target.iqn}", f"host:{host.name}"), f"logged in without a user: {who}")


@observed_rule(
    "lvm-group-without-system-id",
    Severity.DANGER,
    trap="practice 11",
    summary="The agent wants a volume group that has a system ID, and this one has none: it will not start",
    source="resource-agents heartbeat/LVM-activate: vg_access_mode must match what the group's metadata says",
    mend="On the node that has it: vgchange --systemid $(uname -n) GROUP, with system_id_source = uname on both",
)
def lvm_group_without_system_id(stack: StorageStack, state: ClusterState) -> Iterator[Sighting]:
    """Find groups that the agent's access mode does not fit."""
    for resource in of_type(stack, "LVM-activate"):
        for host in hosts(state):
            group = host.lvm.groups.get(group_name_of(resource)) if isinstance(host.lvm, LvmState) else None
            if group and activation(resource) == "system_id" and not group.system_id:
                yield Sighting((f"vg:{group.name}", f"primitive:{resource.id}", f"host:{host.name}"), "no system ID")


@observed_rule(
    "lvm-host-without-system-id",
    Severity.DANGER,
    trap="practice 11",
    summary="The agent takes a volume group over by this host's system ID, and the host has none: it will not start there",
    source="resource-agents heartbeat/LVM-activate: systemid_check",
    mend='Say system_id_source = "uname" in the stack\'s LVM settings, and apply it',
)
def lvm_host_without_system_id(stack: StorageStack, state: ClusterState) -> Iterator[Sighting]:
    """Find nodes whose lvm.conf gives no system ID, where the stack does not set one either."""
    if stack.lvm is not None and stack.lvm.system_id_source is not None:
        return  # what the stack says is judged without a host
    for resource in of_type(stack, "LVM-activate"):
        for host in hosts(state):
            if host.name in stack.node_names and activation(resource) == "system_id" and _without_system_id(host):
                yield Sighting((f"primitive:{resource.id}", f"host:{host.name}"), "lvm.conf sets no system_id_source")


def _without_system_id(host: HostState) -> bool:
    return isinstance(host.lvm, LvmState) and host.lvm.settings.system_id_source in (None, "none")
