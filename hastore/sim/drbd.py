"""DRBD 8.4's kernel side on one node: metadata, disks, roles; what agents and drbdadm ask of it.

The rules follow what the recordings show (tests/recordings/drbd84: states and generation identifiers before and after
each step) and DRBD's manual. Data really moves: what a Primary writes lies on both disks while they are connected, and
on one while they are not. What goes on between two peers is in `drbd_peers`.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from hastore.sim import drbd_peers as peers
from hastore.sim.block import Block, Disk
from hastore.sim.drbd_config import ConfigError, ResourceConfig, VolumeConfig, read_config
from hastore.sim.drbd_state import (
    JUST_CREATED,
    DrbdRefusal,
    Metadata,
    Resource,
    Volume,
    cstate,
    metadata_of,
    new_current,
    refused,
    usable_kib,
)
from hastore.sim.world import Node

FencePeer = Callable[[Resource], int]
"""Simulates the fence-peer handler; returns its exit code (4: the peer is outdated, 7: it was shot, 5: unreachable)."""


PEER_UNREACHABLE = 5
"""The handler's exit code where nobody could reach the peer."""


class Drbd:
    """The DRBD of one node."""

    def __init__(self, node: Node, *, loaded: bool = True) -> None:
        self.node = node
        self.loaded = loaded
        self.resources: dict[str, Resource] = {}
        self.fence_peer: FencePeer | None = None
        """Set by whoever simulates the handler; without one the peer counts as outdated (assumed)."""
        self.random = random.Random(f"drbd {node.name}")  # noqa: S311 -- a reproducible world, no secret

    @property
    def block(self) -> Block:
        """The node's block layer."""
        return self.node.subsystem(Block)

    # What agents ask

    def config(self, name: str) -> ResourceConfig:
        """Return a resource's configuration on this host; DrbdRefusal as drbdadm says it (recorded)."""
        try:
            found = read_config(self.node)
        except ConfigError as error:
            msg = f"{error}\n"
            refused(msg, 10)
        if not found:
            msg = "no resources defined!\n"
            refused(msg, 1)
        if name not in found or self.node.name not in found[name].hosts:
            msg = f"'{name}' not defined in your config (for this host).\n"
            refused(msg, 1)
        return found[name]

    def configured(self, name: str) -> bool:
        """Tell whether the files know a resource."""
        try:
            self.config(name)
        except DrbdRefusal:
            return False
        return True

    def role(self, name: str) -> str:
        """Return Primary, Secondary, or Unconfigured while it is down."""
        return self.resources[name].role if name in self.resources else "Unconfigured"

    def cstate(self, name: str) -> str:
        """Return the connection's state, or Unconfigured."""
        return cstate(next(iter(self.resources[name].volumes.values()))) if name in self.resources else "Unconfigured"

    def dstates(self, name: str) -> tuple[str, str]:
        """Return the own and the peer's disk state of the first volume."""
        volume = next(iter(self.resources[name].volumes.values()))
        return volume.disk, volume.peer_disk

    # Metadata

    def create_metadata(self, name: str, *, volumes: tuple[int, ...] = ()) -> None:
        """Write fresh metadata on a resource's disks, or on those of some volumes (`create-md`, confirmed)."""
        for config in self.config(name).hosts[self.node.name].volumes:
            if volumes and config.number not in volumes:
                continue
            disk = self._disk(config)
            if disk.path in self.block.exclusive:
                msg = (
                    f"open({config.disk}) failed: Device or resource busy\n\nExclusive open failed. Do it anyways?\n"
                    f"Device '{config.minor}' is configured!\n"
                )
                refused(msg, 20)
            if not self.block.is_blank(config.disk):
                text = f"create-md on {self.node.name}:{config.disk}, which was not blank"
                self.node.world.violate("device-not-blank", text)
            disk.tail = Metadata(everything=True, size_kib=usable_kib(disk.bytes))

    def wipe_metadata(self, name: str) -> None:
        """Remove a resource's metadata (`wipe-md`)."""
        for config in self.config(name).hosts[self.node.name].volumes:
            metadata_of(self.node, config)
            self._disk(config).tail = None

    # Up and down

    def up(self, name: str) -> None:
        """Bring a resource up: disks attached, waiting for the peer (`drbdadm up`)."""
        config = self.config(name)
        if name in self.resources:
            first = config.hosts[self.node.name].volumes[0]
            msg = (
                f"Device '{first.minor}' is configured!\n"
                f"Command 'drbdmeta {first.minor} v08 {first.disk} internal apply-al' terminated with exit code 20\n"
            )
            refused(msg, 1)
        resource = self.new(config)
        try:
            for volume in resource.volumes.values():
                self._attach(volume)
        except DrbdRefusal:
            if all(volume.disk == "Diskless" for volume in resource.volumes.values()):
                self._remove(resource)
            raise
        self.connect(name)

    def new(self, config: ResourceConfig) -> Resource:
        """Make a resource with its minors, diskless and StandAlone."""
        resource = Resource(self, config)
        resource.two_primaries = config.option("net", "allow-two-primaries", "no") not in {"no", ""}
        self.resources[config.name] = resource
        for part in config.hosts[self.node.name].volumes:
            volume = Volume(part, resource)
            resource.volumes[part.number] = volume
            alias = f"/dev/drbd/by-res/{config.name}"
            names = [f"{alias}/{part.number}", *([alias] if part.number == 0 else [])]
            self.block.add(volume, *names)
        return resource

    def down(self, name: str) -> None:
        """Take a resource down (`drbdadm down`); DrbdRefusal while it is held open or the peer needs it."""
        resource = self.resources.get(name)
        if resource is None:
            self.config(name)
            return
        end = f"Command 'drbdsetup-84 down {name}' terminated with exit code 11\n"
        info = "additional info from kernel:\nfailed to {}\n"
        if resource.role == "Primary" and self.is_open(resource):
            text = f"{name}: State change failed: (-12) Device is held open by someone\n{info.format('demote')}{end}"
            refused(text, 11)
        if peers.needed_by_peer(resource):
            text = f"{name}: State change failed: (-10) State change was refused by peer node\n"
            refused(text + info.format("disconnect") + end, 11)
        if resource.role == "Primary":
            self.demote(name)
        peers.disconnect(resource)
        for volume in resource.volumes.values():
            self._detach(volume)
        self._remove(resource)

    def attach(self, name: str) -> None:
        """Attach a resource's disks."""
        resource = self._up(name)
        resource.config.options["disk"] = self.config(name).options.get("disk", {})
        for volume in resource.volumes.values():
            self._attach(volume)
        peer = resource.peer() if resource.connected else None
        if peer is not None:
            peers.handshake(resource, peer)

    def detach(self, name: str) -> None:
        """Detach a resource's disks; the peer alone goes on."""
        resource = self._up(name)
        peer = resource.peer() if resource.connected else None
        good_peer = peer is not None and all(volume.disk == "UpToDate" for volume in peer.volumes.values())
        if resource.role == "Primary" and not good_peer:
            minor = next(iter(resource.volumes.values())).config.minor
            msg = f"{minor}: State change failed: (-2) Need access to UpToDate data\n"
            refused(msg + f"Command 'drbdsetup-84 detach {minor}' terminated with exit code 17\n", 17)
        for volume in resource.volumes.values():
            self._detach(volume)
            other = resource.peer_volume(volume.config.number)
            if other is not None:
                other.peer_disk = "Diskless"
                if other.disk == "UpToDate" and "Primary" in {resource.role, peer.role if peer else ""}:
                    new_current(other, self.random)
                    other.metadata.primary = True

    def connect(self, name: str, *, discard_my_data: bool = False) -> None:
        """Wait for the peer; DrbdRefusal where it already does (recorded: (102))."""
        resource = self._up(name)
        if resource.connection != "StandAlone":
            text = f"{name}: Failure: (102) Local address(port) already in use.\n"
            other = resource.config.peer_of(self.node.name)
            net = " ".join(f"--{key}={value}" for key, value in resource.config.options.get("net", {}).items())
            where = f"ipv4:{resource.me.address} ipv4:{other.address if other else ''}"
            end = f"Command 'drbdsetup-84 connect {name} {where} {net}' terminated with exit code 10\n"
            refused(text + end, 10)
        resource.connection = "WFConnection"
        resource.discard_my_data = discard_my_data

    def disconnect(self, name: str) -> None:
        """Leave the peer (`drbdadm disconnect`); DrbdRefusal where the peer needs this side's data (recorded)."""
        resource = self._up(name)
        other = resource.config.peer_of(self.node.name)
        where = f"ipv4:{resource.me.address} ipv4:{other.address if other else ''}"
        if resource.connection == "StandAlone":
            text = (
                "??: Failure: (162) Invalid configuration request\nadditional info from kernel:\nunknown connection\n"
            )
            refused(text + f"Command 'drbdsetup-84 disconnect {where}' terminated with exit code 10\n", 10)
        if peers.needed_by_peer(resource):
            text = "??: State change failed: (-10) State change was refused by peer node\n"
            refused(text + f"Command 'drbdsetup-84 disconnect {where}' terminated with exit code 11\n", 11)
        peers.disconnect(resource)

    # Roles

    def promote(self, name: str, *, force: bool = False) -> None:
        """Become Primary; DrbdRefusal with the recorded codes: 17 without good data, 11 with a Primary peer, 10 while down."""
        resource = self.resources.get(name)
        minor = self.config(name).hosts[self.node.name].volumes[0].minor
        end = f"Command 'drbdsetup-84 primary {minor}' terminated with exit code "
        if resource is None:
            text = f"{minor}: Failure: (127) Device minor not allocated\nadditional info from kernel:\nunknown minor\n"
            refused(f"{text}{end}10\n", 10)
        if resource.role == "Primary":
            return
        if resource.peer_role() == "Primary" and not resource.two_primaries:
            text = f"{minor}: State change failed: (-1) Multiple primaries not allowed by config\n"
            refused(f"{text}{end}11\n", 11)
        if not self._has_good_data(resource, force=force):
            text = f"{minor}: State change failed: (-2) Need access to UpToDate data\n"
            refused(f"{text}{end}17\n", 17)
        resource.role = "Primary"
        for volume in resource.volumes.values():
            self._promote_volume(volume, force=force)
        self.node.world.log(self.node.name, f"{name} Primary")
        peer = resource.peer() if resource.connected else None
        if peer is not None:
            peers.handshake(resource, peer)

    def ask_handler_again(self, name: str) -> None:
        """Go on with I/O once the fence-peer handler, asked again, says that the peer is out of the way."""
        resource = self._up(name)
        resource.suspended_by_fencing = not self.fence(resource)

    def demote(self, name: str) -> None:
        """Become Secondary; DrbdRefusal code 11 while the device is held open (recorded)."""
        resource = self._up(name)
        minor = next(iter(resource.volumes.values())).config.minor
        if resource.role == "Primary" and self.is_open(resource):
            text = f"{minor}: State change failed: (-12) Device is held open by someone\n"
            refused(text + f"Command 'drbdsetup-84 secondary {minor}' terminated with exit code 11\n", 11)
        if resource.role == "Primary":
            self.node.world.log(self.node.name, f"{name} Secondary")
        resource.role = "Secondary"
        for volume in resource.volumes.values():
            if volume.disk != "Diskless":
                volume.metadata.current &= ~1
        resource.note()

    def is_open(self, resource: Resource) -> bool:
        """Tell whether anybody holds one of the devices open."""
        return any(self.block.holders_of(volume.path) for volume in resource.volumes.values())

    # Data

    def outdate(self, name: str) -> None:
        """Mark the disks Outdated; a Primary's, and those of a connected peer in good order, stay as they are."""
        resource = self._up(name)
        if resource.role == "Primary":
            minor = next(iter(resource.volumes.values())).config.minor
            msg = f"{minor}: State change failed: (-7) Refusing to be Outdated while Connected\n"
            refused(msg, 17)
        for volume in resource.volumes.values():
            if not resource.connected and volume.disk in {"UpToDate", "Consistent"}:
                volume.disk = "Outdated"
        resource.note()

    def invalidate(self, name: str) -> None:
        """Give up the own data and take all of the peer's."""
        resource = self._up(name)
        minor = next(iter(resource.volumes.values())).config.minor
        if any(volume.replication in {"SyncSource", "SyncTarget"} for volume in resource.volumes.values()):
            msg = f"{minor}: State change failed: (-8) Can not start OV/resync since it is already active\n"
            refused(msg, 11)
        peer = resource.peer() if resource.connected else None
        if resource.role == "Primary" and peer is None:
            msg = f"{minor}: State change failed: (-2) Need access to UpToDate data\n"
            refused(msg, 17)
        for number, volume in resource.volumes.items():
            volume.metadata.everything = True
            volume.disk = "Inconsistent"
            if peer is not None:
                peers.start_sync(peer.volumes[number], volume, full=True)
        resource.note()

    def skip_initial_sync(self, name: str) -> None:
        """Declare both sides equal (`new-current-uuid --clear-bitmap`), right after create-md on both alone."""
        resource = self._up(name)
        peer = resource.peer() if resource.connected else None
        sides = [resource, *([peer] if peer else [])]
        for number in resource.volumes:
            fresh = all(side.volumes[number].metadata.current & ~1 == JUST_CREATED for side in sides)
            if not fresh or peer is None:
                minor = resource.volumes[number].config.minor
                msg = f"{minor}: Failure: (140) Bad disk/meta-data state for new-current-uuid\n"
                refused(msg, 10)
            identifier = self.random.getrandbits(64) & ~1
            for side in sides:
                metadata = side.volumes[number].metadata
                metadata.current, metadata.bitmap, metadata.history = identifier, 0, (0, 0)
                metadata.everything = False
                metadata.dirty.clear()
                side.volumes[number].disk = side.volumes[number].peer_disk = "UpToDate"
        for side in sides:
            side.note()

    def pause(self, name: str, *, on: bool) -> None:
        """Pause or resume a resync from this side."""
        for number, volume in self._up(name).volumes.items():
            volume.paused_here = on
            other = self.resources[name].peer_volume(number)
            if other is not None:
                other.paused_there = on

    def suspend_io(self, name: str, *, on: bool) -> None:
        """Freeze or thaw I/O."""
        self._up(name).suspended = on

    def resize(self, name: str) -> None:
        """Grow to what both disks hold (`drbdadm resize`); the new part is resynchronised from the Primary."""
        resource = self._up(name)
        peer = resource.peer() if resource.connected else None
        for number, volume in resource.volumes.items():
            sides = [volume, *([peer.volumes[number]] if peer else [])]
            room = min(usable_kib(side.disk_below().bytes) for side in sides)
            for side in sides:
                side.size_kib = side.metadata.size_kib = room

    def adjust(self, name: str) -> None:
        """Bring the kernel to what the files say, without touching what already is so."""
        config = self.config(name)
        if name not in self.resources:
            self.up(name)
            return
        resource = self.resources[name]
        resource.config = config
        resource.two_primaries = config.option("net", "allow-two-primaries", "no") not in {"no", ""}
        if any(volume.disk == "Diskless" for volume in resource.volumes.values()):
            self.attach(name)
        if resource.connection == "StandAlone":
            self.connect(name)

    def fail_disk(self, volume: Volume) -> None:
        """Do what `on-io-error detach` does (documented; the other policies are not simulated)."""
        self.node.world.log(self.node.name, f"{volume.path}: disk failed, detached")
        self._detach(volume)
        other = volume.resource.peer_volume(volume.config.number)
        if other is not None:
            other.peer_disk = "Diskless"
            if other.disk == "UpToDate":
                new_current(other, self.random)

    # Life and death

    def tick(self, dt: float) -> None:
        """Connect, notice silent peers, resynchronise."""
        for resource in list(self.resources.values()):
            if resource.connection == "WFConnection":
                peers.try_connect(resource)
            elif resource.connected:
                peers.watch_peer(resource)
                for volume in resource.volumes.values():
                    if volume.replication == "SyncSource" and not resource.stalls():
                        peers.resync(volume, dt)

    def power_off(self) -> None:
        """Forget everything but the metadata on the disks."""
        self.resources.clear()

    def boot(self) -> None:
        """Load the module; resources stay down until somebody brings them up (Pacemaker does)."""
        self.loaded = True

    def _up(self, name: str) -> Resource:
        config = self.config(name)
        if name not in self.resources:
            minor = config.hosts[self.node.name].volumes[0].minor
            text = f"{minor}: Failure: (127) Device minor not allocated\nadditional info from kernel:\nunknown minor\n"
            refused(text, 10)
        return self.resources[name]

    def _disk(self, config: VolumeConfig) -> Disk:
        try:
            return self.block.disk_below(config.disk)
        except OSError as error:
            msg = f"open({config.disk}) failed: {error.strerror}\n"
            refused(msg, 20)

    def _attach(self, volume: Volume) -> None:
        if volume.disk != "Diskless":
            return
        metadata = metadata_of(self.node, volume.config)
        minor = volume.config.minor
        try:
            self.block.claim(volume.config.disk, f"drbd:{minor}")
        except OSError:
            text = f"{minor}: Failure: (104) Can not open backing device.\n"
            end = f"Command 'drbdsetup-84 attach {minor} {volume.config.disk} {volume.config.disk} internal'"
            refused(f"{text}{end} terminated with exit code 10\n", 10)
        if metadata.primary and metadata.attached:
            metadata.crashed_primary = True
        metadata.attached = True
        metadata.primary = False
        volume.size_kib = metadata.size_kib
        volume.disk = metadata.disk
        if metadata.disk in {"Consistent", "UpToDate"}:
            certain = volume.resource.fencing == "dont-care" or metadata.peer_outdated
            volume.disk = "UpToDate" if certain else "Consistent"

    def _detach(self, volume: Volume) -> None:
        if volume.disk == "Diskless":
            return
        metadata = volume.metadata
        metadata.disk = "Consistent" if volume.disk == "UpToDate" else volume.disk
        metadata.attached = False
        volume.disk = "Diskless"
        self.block.close(volume.config.disk, f"drbd:{volume.config.minor}")

    def _remove(self, resource: Resource) -> None:
        for volume in resource.volumes.values():
            self.block.remove(volume.path)
        self.resources.pop(resource.name, None)

    def _has_good_data(self, resource: Resource, *, force: bool) -> bool:
        for number, volume in resource.volumes.items():
            other = resource.peer_volume(number)
            if volume.disk == "UpToDate" or (other is not None and other.disk == "UpToDate"):
                continue
            if volume.disk == "Consistent" and not resource.connected and self.fence(resource):
                volume.disk = "UpToDate"
            elif not (force and volume.disk != "Diskless"):
                return False
        if resource.fencing != "dont-care" and not resource.connected:
            known = all(v.peer_disk in {"Outdated", "Inconsistent"} for v in resource.volumes.values())
            return known or self.fence(resource) or force
        return True

    def fence(self, resource: Resource) -> bool:
        """Call the fence-peer handler; True where the peer is out of the way."""
        code = self.fence_peer(resource) if self.fence_peer else 4
        good = all(volume.disk == "UpToDate" for volume in resource.volumes.values())
        fenced = code in {4, 6, 7} or (code == PEER_UNREACHABLE and good)
        if fenced:
            for volume in resource.volumes.values():
                volume.peer_disk = "Outdated"
        self.node.world.log(self.node.name, f"fence-peer for {resource.name}: exit code {code}")
        return fenced

    def _promote_volume(self, volume: Volume, *, force: bool) -> None:
        if volume.disk == "Diskless":
            return
        metadata = volume.metadata
        forced = force and volume.disk != "UpToDate"
        volume.disk = "UpToDate" if forced else volume.disk
        alone = not volume.resource.connected or volume.peer_disk in {"Diskless", "Failed"}
        if (alone and metadata.bitmap == 0 and volume.disk == "UpToDate") or forced:
            new_current(volume, self.random)
        metadata.current |= 1
        metadata.crashed_primary = False
        volume.resource.note()


__all__ = ["Drbd", "DrbdRefusal", "FencePeer", "Resource"]
