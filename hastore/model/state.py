"""The observed state: what hosts really hold, each thing present, absent or unknown.

Absent may be created; unknown may not: a DRBD secondary can't be read, so what lies on it is unknown
there and never absent (recording drbd84: "Wrong medium type").
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property
from typing import Literal, TypeAlias, TypeVar

from hastore.model.drbd import DrbdResource
from hastore.model.lvm import LvmSettings
from hastore.model.pacemaker import Cib
from hastore.model.scsi import InitiatorGroup, Lun
from hastore.model.values import NO_PARAMS, Params, as_params, field, value


@value
class Absent:
    """It is known not to be there."""


@value
class Unknown:
    """It can't be known from here, and why."""

    reason: str


ABSENT = Absent()
T = TypeVar("T")
Observed: TypeAlias = T | Absent | Unknown
"""A thing present (itself), absent or unknown."""


@value
class BlockDevice:
    """A block device as lsblk shows it."""

    path: str
    size: int
    """Bytes."""
    signature: str = ""
    """What blkid found on it (`ext4`, `LVM2_member`, `drbd`, `dos` ...); empty where it found nothing."""
    kind: str = "disk"
    """lsblk's TYPE: disk, part, lvm, loop ..."""
    mountpoint: str = ""
    children: tuple[str, ...] = ()
    """Paths of devices that stand on it."""

    @property
    def blank(self) -> bool:
        """True where nothing was found on it and nothing uses it."""
        return not (self.signature or self.mountpoint or self.children)


# -- DRBD ---------------------------------------------------------------------------------------------


@value
class DrbdVolumeState:
    """One volume of a resource that is up; states in DRBD's words."""

    number: int
    minor: int
    disk: str
    """UpToDate, Inconsistent, Outdated, Consistent, Diskless, Attaching, Negotiating, Failed, DUnknown ..."""
    peer_disk: str = "DUnknown"
    replication: str = ""
    """Established, SyncSource, SyncTarget, PausedSyncS, VerifyS ...; empty while not connected."""
    done: float | None = None
    """Of a resync, from 0 to 1."""
    out_of_sync: int = 0
    """KiB."""
    speed: int | None = None
    """KiB/s of a resync."""
    seconds_left: int | None = None
    size: int = 0
    """Bytes; 0 where not known."""


@value
class DrbdResourceState:
    """A DRBD resource on one host."""

    name: str
    config: Observed[DrbdResource] = ABSENT
    """What the host's configuration files say of it."""
    config_path: str = ""
    """The file that says it; empty where none does."""
    up: bool = False
    role: Literal["Primary", "Secondary", "Unknown"] = "Unknown"
    peer_role: str = "Unknown"
    connection: str = ""
    """Connected, Connecting, StandAlone ...; empty while down."""
    volumes: tuple[DrbdVolumeState, ...] = ()
    suspended: bool = False
    metadata: Mapping[int, bool | None] = field(factory=dict[int, "bool | None"])
    """Volume number -> has DRBD metadata; None where it could not be told."""
    generations: Mapping[int, str] = field(factory=dict[int, str])
    """Volume number -> the line of `drbdadm get-gi`, readable while the resource is down, too."""

    def volume(self, number: int) -> DrbdVolumeState | None:
        """Return the volume's state, or None."""
        return next((v for v in self.volumes if v.number == number), None)

    @property
    def up_to_date(self) -> bool:
        """True where it is up and every volume's own disk is UpToDate."""
        return self.up and bool(self.volumes) and all(v.disk == "UpToDate" for v in self.volumes)


@value
class DrbdState:
    """DRBD on one host."""

    version: str
    """Of the kernel module, such as `8.4.11`."""
    resources: Mapping[str, DrbdResourceState] = field(factory=dict[str, DrbdResourceState])
    module_loaded: bool = True


# -- LVM ----------------------------------------------------------------------------------------------


@value
class LvState:
    """A logical volume."""

    name: str
    size: int
    active: bool = False
    open: bool = False


@value
class VgState:
    """A volume group that this host can see."""

    name: str
    size: int
    free: int
    extent_size: int = 4 * 2**20
    physical_volumes: tuple[str, ...] = ()
    logical_volumes: Mapping[str, LvState] = field(factory=dict[str, LvState])
    system_id: str = ""
    tags: tuple[str, ...] = ()


@value
class LvmState:
    """LVM on one host. A physical volume of no group has an entry with an empty group name."""

    version: str = ""
    groups: Mapping[str, VgState] = field(factory=dict[str, VgState])
    physical_volumes: Mapping[str, str] = field(factory=dict[str, str])
    """Path -> name of its group, or empty."""
    settings: LvmSettings = field(factory=LvmSettings)
    config_text: str | None = field(default=None, repr=False, eq=False)
    """The whole lvm.conf as it was read, for what edits it; None where there is none, or nobody looked."""


# -- SCST ---------------------------------------------------------------------------------------------


@value
class ScstDeviceState:
    """A device of SCST as it answers."""

    name: str
    handler: str
    path: str = ""
    attributes: Params = field(default=NO_PARAMS, converter=as_params)
    """Every readable attribute, the `[key]` mark and trailing newlines taken off."""
    changed: frozenset[str] = frozenset()
    """Attributes marked `[key]`: they differ from the default."""
    size: int = 0


@value
class SessionState:
    """A live session of a target."""

    initiator: str
    name: str
    """The directory's name: the initiator's, or `<initiator>_1` ... for further ones."""
    ips: tuple[str, ...] = ()
    group: str = ""
    """Whose LUNs it was given: a group's name, or empty for the target's own."""
    active_commands: int = 0


@value
class TargetState:
    """A target as SCST holds it."""

    iqn: str
    enabled: bool
    portals: tuple[str, ...] = ()
    parameters: Params = field(default=NO_PARAMS, converter=as_params)
    luns: tuple[Lun, ...] = ()
    groups: tuple[InitiatorGroup, ...] = ()
    incoming_users: tuple[str, ...] = ()
    """Names alone."""
    sessions: tuple[SessionState, ...] = ()
    rel_tgt_id: int = 0


@value
class ScstState:
    """SCST on one host."""

    version: str
    daemon_running: bool = False
    """iscsi-scstd; without it there is no iSCSI."""
    driver_enabled: bool = False
    devices: Mapping[str, ScstDeviceState] = field(factory=dict[str, ScstDeviceState])
    """Virtual devices; local SCSI disks of dev_disk are foreign and left out."""
    targets: Mapping[str, TargetState] = field(factory=dict[str, TargetState])
    setup_id: str = ""


# -- Pacemaker ----------------------------------------------------------------------------------------


@value
class NodeStatus:
    """A node as Pacemaker sees it."""

    name: str
    online: bool
    standby: bool = False
    maintenance: bool = False
    pending: bool = False
    unclean: bool = False
    dc: bool = False


@value
class ResourceStatus:
    """One instance of a primitive as Pacemaker sees it."""

    id: str
    node: str
    """Where it runs; empty where it is stopped."""
    role: str
    """Started, Stopped, Promoted, Unpromoted (older words are translated)."""
    failed: bool = False
    managed: bool = True
    blocked: bool = False
    orphaned: bool = False


@value
class Failure:
    """A failed operation that Pacemaker remembers."""

    resource: str
    node: str
    operation: str
    exit_code: int = 1
    reason: str = ""
    failcount: int = 0


@value
class PacemakerState:
    """A cluster as one of its nodes sees it."""

    cib: Cib
    version: str = ""
    quorum: bool = True
    dc: str = ""
    nodes: Mapping[str, NodeStatus] = field(factory=dict[str, NodeStatus])
    resources: tuple[ResourceStatus, ...] = ()
    failures: tuple[Failure, ...] = ()
    idle: bool = True
    """No transition is under way, as far as status tells."""
    node_attributes: Mapping[str, Params] = field(factory=dict[str, Params])
    """Transient attributes by node (`master-p_drbd_vg1` ...)."""
    fencing_history: tuple[str, ...] = ()
    cib_xml: str = field(default="", repr=False)
    """The configuration as it was read, for guarded patches."""

    def where(self, resource: str, role: str = "") -> tuple[str, ...]:
        """Return the nodes where a primitive runs, in this role where one is given."""
        return tuple(r.node for r in self._running.get(resource, ()) if role in ("", r.role))

    @cached_property
    def _running(self) -> Mapping[str, list[ResourceStatus]]:
        """Primitive -> its instances that run."""
        found: defaultdict[str, list[ResourceStatus]] = defaultdict(list)
        for status in self.resources:
            if status.node and status.role != "Stopped":
                found[status.id].append(status)
        return found


# -- clients ------------------------------------------------------------------------------------------


@value
class ClientSession:
    """A session as the initiator sees it."""

    target: str
    portal: str
    state: str = "LOGGED_IN"
    devices: tuple[str, ...] = ()
    """Such as `sdc`."""


@value
class NodeRecord:
    """A node record: what open-iscsi keeps of a target at a portal, for the next login. Passwords are not kept here."""

    target: str
    portal: str
    """`ip:port`."""
    settings: Params = field(default=NO_PARAMS, converter=as_params)
    """What is set, without passwords, in the order of the record."""
    has_password: bool = False
    """A CHAP password is set; which one, nobody tells."""
    mutual: bool = False
    """A password for the target is set, too."""
    interface: str = "default"
    path: str = ""
    """The file that holds it; empty where it is not known."""
    shown: str = field(default="", repr=False, eq=False)
    """The record as iscsiadm shows it, passwords masked, for what edits it; empty where nobody looked."""


@value
class ClientState:
    """open-iscsi on one client."""

    iqn: str = ""
    sessions: tuple[ClientSession, ...] = ()
    nodes: tuple[NodeRecord, ...] = ()
    version: str = ""

    @property
    def records(self) -> tuple[tuple[str, str], ...]:
        """Node records as (target, portal)."""
        return tuple(dict.fromkeys((node.target, node.portal) for node in self.nodes))

    def nodes_of(self, target: str, portal: str) -> tuple[NodeRecord, ...]:
        """Return the records of a target at a portal, one an interface; usually it is one."""
        return tuple(node for node in self.nodes if (node.target, node.portal) == (target, portal))


# -- together -----------------------------------------------------------------------------------------


@value
class HostState:
    """One host: every subsystem it has; ABSENT where it has none, Unknown where it could not be read."""

    name: str
    blocks: Observed[Mapping[str, BlockDevice]] = ABSENT
    drbd: Observed[DrbdState] = ABSENT
    lvm: Observed[LvmState] = ABSENT
    scst: Observed[ScstState] = ABSENT
    pacemaker: Observed[PacemakerState] = ABSENT
    client: Observed[ClientState] = ABSENT


@value
class ClusterState:
    """Every host that was looked at."""

    hosts: Mapping[str, HostState] = field(factory=dict[str, HostState])

    def pacemaker(self) -> Observed[PacemakerState]:
        """Return the cluster's state from the node that knows most: one with quorum first, then any."""
        seen = [h.pacemaker for h in self.hosts.values() if isinstance(h.pacemaker, PacemakerState)]
        if seen:
            return max(seen, key=lambda state: (state.quorum, state.cib.version))
        unknown = [h.pacemaker for h in self.hosts.values() if isinstance(h.pacemaker, Unknown)]
        return unknown[0] if unknown else ABSENT
