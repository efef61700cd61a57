"""What DRBD holds: metadata on disks, volumes and resources that are up."""

from __future__ import annotations

import errno
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, cast

from hastore.sim.block import EXTENT, Block, Content, Disk
from hastore.sim.drbd_config import HostConfig, ResourceConfig, VolumeConfig
from hastore.sim.filesystem import refuse
from hastore.sim.network import Network

if TYPE_CHECKING:
    from hastore.sim.drbd import Drbd
    from hastore.sim.world import Node

JUST_CREATED = 4
DEFAULT_RATE = 100 * 1024
"""KiB/s of a resync without a fixed rate (documented: c-max-rate 100M)."""


class DrbdRefusal(Exception):
    """DRBD said no: exit code and text on standard error."""

    def __init__(self, text: str, exit_code: int) -> None:
        self.text = text
        self.exit_code = exit_code
        super().__init__(text)


def refused(text: str, exit_code: int) -> NoReturn:
    """Raise DrbdRefusal."""
    raise DrbdRefusal(text, exit_code)


@dataclass
class Metadata:
    """What lies in DRBD's metadata on a disk."""

    current: int = JUST_CREATED
    bitmap: int = 0
    history: tuple[int, int] = (0, 0)
    disk: str = "Inconsistent"
    """Inconsistent, Outdated, Consistent or UpToDate, as it was last known."""
    primary: bool = False
    connected: bool = False
    peer_outdated: bool = False
    crashed_primary: bool = False
    attached: bool = False
    everything: bool = False
    """All is out of sync with the peer."""
    dirty: set[int] = field(default_factory=set)
    """Extents out of sync with the peer."""
    size_kib: int = 0

    def rotate(self, old: int) -> None:
        """Push an identifier into the history."""
        self.history = (old, self.history[0])

    def set_bitmap(self, identifier: int) -> None:
        """Set the bitmap's base; the one before goes into the history."""
        if self.bitmap:
            self.rotate(self.bitmap)
        self.bitmap = identifier

    def out_of_sync(self) -> int:
        """Return KiB out of sync."""
        return self.size_kib if self.everything else min(len(self.dirty) * EXTENT // 1024, self.size_kib)


@dataclass
class Volume:
    """A volume of a resource that is up."""

    config: VolumeConfig
    resource: Resource
    disk: str = "Diskless"
    peer_disk: str = "DUnknown"
    replication: str = "Off"
    total: int = 0
    """KiB of the resync that runs."""
    left: float = 0.0
    started: float = 0.0
    sent: int = 0
    received: int = 0
    written: int = 0
    was_read: int = 0
    size_kib: int = 0
    kind: str = "disk"
    paused_here: bool = False
    paused_there: bool = False

    @property
    def path(self) -> str:
        """The device's path."""
        return self.config.device

    @property
    def metadata(self) -> Metadata:
        """The metadata on the disk below; raises DrbdRefusal where there is none."""
        return metadata_of(self.resource.drbd.node, self.config)

    def below(self) -> list[str]:
        """Stand on the disk while attached."""
        return [self.config.disk] if self.disk != "Diskless" else []

    def size(self) -> int:
        """Return the size in bytes."""
        return self.size_kib * 1024

    def read(self, extent: int) -> Content | None:
        """Read as the Primary; OSError EMEDIUMTYPE on a secondary (recorded: "Wrong medium type"), EIO without data."""
        self._check_role()
        if self.disk == "UpToDate":
            return self.disk_below().read(extent)
        peer = self.resource.peer_volume(self.config.number)
        if peer is not None and peer.disk == "UpToDate":
            return peer.disk_below().read(extent)
        raise refuse(errno.EIO, self.path)

    def write(self, extent: int, content: Content | None) -> None:
        """Write as the Primary, to both sides while connected (protocol C).

        OSError EMEDIUMTYPE on a secondary, EIO without good data; BlockingIOError where the write would hang: I/O is
        suspended, or the peer is silent and not given up yet.
        """
        self._check_role()
        resource = self.resource
        if resource.suspended or resource.suspended_by_fencing or resource.stalls():
            raise BlockingIOError(errno.EAGAIN, "I/O hangs", self.path)
        peer = resource.peer_volume(self.config.number)
        peer_usable = peer is not None and peer.disk not in {"Diskless", "Outdated"}
        if self.disk != "UpToDate" and not (peer is not None and peer.disk == "UpToDate"):
            raise refuse(errno.EIO, self.path)
        if self.disk != "Diskless":
            self.write_here(extent, content)
            self.written += EXTENT // 1024
        if peer is not None and peer_usable:
            peer.write_here(extent, content)
            self.sent += EXTENT // 1024
            peer.received += EXTENT // 1024
        if peer is None or not peer_usable:
            self.metadata.dirty.add(extent)
        elif self.disk == "Diskless":
            peer.metadata.dirty.add(extent)

    def write_here(self, extent: int, content: Content | None) -> None:
        """Write to the own disk alone; a disk error detaches it, and is the Primary's trouble only without a good peer."""
        try:
            self.disk_below().write(extent, content)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            self.resource.drbd.fail_disk(self)
            peer = self.resource.peer_volume(self.config.number)
            if self.resource.role == "Primary" and (peer is None or peer.disk != "UpToDate"):
                raise

    def disk_below(self) -> Disk:
        """Return the disk that the volume stands on."""
        return self.resource.drbd.block.disk_below(self.config.disk)

    def _check_role(self) -> None:
        if self.resource.role != "Primary":
            raise refuse(errno.EMEDIUMTYPE, self.path)


@dataclass
class Resource:
    """A resource that is up on a node."""

    drbd: Drbd
    config: ResourceConfig
    role: str = "Secondary"
    connection: str = "StandAlone"
    volumes: dict[int, Volume] = field(default_factory=dict)
    suspended: bool = False
    suspended_by_fencing: bool = False
    discard_my_data: bool = False
    two_primaries: bool = False
    silent_since: float | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return self.config.name

    @property
    def me(self) -> HostConfig:
        """This node's part of the configuration."""
        return self.config.hosts[self.drbd.node.name]

    @property
    def connected(self) -> bool:
        """Tell whether the peers talk."""
        return self.connection == "Connected"

    def peer(self) -> Resource | None:
        """Return the peer's side where it is up there at all."""
        other = self.config.peer_of(self.drbd.node.name)
        node = self.drbd.node.world.nodes.get(other.name) if other else None
        if node is None or not node.powered or "drbd" not in node.subsystems:
            return None
        return cast("Drbd", node.subsystems["drbd"]).resources.get(self.name)

    def peer_volume(self, number: int) -> Volume | None:
        """Return the peer's volume while connected."""
        peer = self.peer() if self.connected else None
        return peer.volumes.get(number) if peer is not None and peer.connected else None

    def peer_role(self) -> str:
        """Return the peer's role as it is known here."""
        peer = self.peer() if self.connected else None
        return peer.role if peer is not None else "Unknown"

    def reachable(self) -> bool:
        """Tell whether packets reach the peer."""
        other = self.config.peer_of(self.drbd.node.name)
        if other is None or other.name not in self.drbd.node.world.nodes:
            return False
        network = self.drbd.node.subsystem(Network).network_of(self.me.ip)
        return self.drbd.node.world.connected(self.drbd.node.name, other.name, network or None)

    def stalls(self) -> bool:
        """Tell whether a write would wait for a peer that does not answer."""
        return self.connected and not self.reachable()

    def note(self) -> None:
        """Keep in the metadata what a later attach must know."""
        for volume in self.volumes.values():
            if volume.disk == "Diskless":
                continue
            metadata = volume.metadata
            metadata.disk = volume.disk
            metadata.primary = self.role == "Primary"
            metadata.connected = self.connected
            metadata.peer_outdated = volume.peer_disk in {"Outdated", "Inconsistent"}

    @property
    def fencing(self) -> str:
        """The fencing policy."""
        return self.config.option("disk", "fencing") or self.config.option("net", "fencing") or "dont-care"


PEER_UNREACHABLE = 5
"""With good data of its own a node takes such a peer for dead (recorded: stack/journal-crash.node2.txt)."""


def metadata_of(node: Node, config: VolumeConfig) -> Metadata:
    """Return the metadata on a volume's disk; DrbdRefusal as drbdadm says it where there is none (recorded)."""
    tail = node.subsystem(Block).disk_below(config.disk).tail
    if not isinstance(tail, Metadata):
        msg = "No valid meta data found\n"
        refused(msg, 1)
    return tail


def usable_kib(size: int) -> int:
    """Return the KiB left beside internal metadata.

    Recorded: 1 GiB leaves 1048508 KiB (4 KiB superblock, 32 KiB activity log, bitmap of one bit for 4 KiB).
    """
    kib = size // 1024
    bitmap = -(-kib // 4 // 8 // 4096) * 4
    return kib - 36 - bitmap


def new_current(volume: Volume, generator: random.Random) -> None:
    """Begin a new generation: what the peer last had becomes the bitmap's base."""
    metadata = volume.metadata
    metadata.set_bitmap(metadata.current)
    mark = 1 if volume.resource.role == "Primary" else 0
    metadata.current = (generator.getrandbits(64) & ~1) | mark


def cstate(volume: Volume) -> str:
    """Return the connection's state as 8.4 shows it for a volume: with the resync in it."""
    if not volume.resource.connected:
        return volume.resource.connection
    if volume.replication in {"Off", "Established"}:
        return "Connected"
    if volume.replication in {"SyncSource", "SyncTarget"} and (volume.paused_here or volume.paused_there):
        return "PausedSyncS" if volume.replication == "SyncSource" else "PausedSyncT"
    return volume.replication


def rate_kib(resource: Resource) -> float:
    """Return a resync's speed in KiB/s: the fixed rate where c-plan-ahead is 0 or a rate is given, else the default."""
    text = resource.config.option("disk", "resync-rate")
    if not text:
        return DEFAULT_RATE
    units = {"K": 1, "M": 1024, "G": 1024**2}
    return float(text[:-1]) * units[text[-1].upper()] if text[-1].upper() in units else float(text)
