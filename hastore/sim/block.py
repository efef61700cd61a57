"""Block devices of a node: disks with contents, what stands on what, who holds what open.

Contents are kept by extents of 1 MiB: extent -> identity of the last write to it. Extent 0 holds what names the
content (`Signature`, or an LVM label). That is enough to find an acknowledged write again through LV, PV and DRBD on
either node's disk, and not more: two writes into one extent are one.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from typing import Protocol

from hastore.sim.filesystem import refuse
from hastore.sim.world import Node

EXTENT = 2**20
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def parse_size(text: str | int) -> int:
    """Return bytes for `20G`, `512M` or a number."""
    if isinstance(text, int):
        return text
    return int(text[:-1]) * _UNITS[text[-1]] if text[-1] in _UNITS else int(text)


@dataclass(frozen=True)
class Signature:
    """What blkid recognises at the start of a device."""

    type: str
    uuid: str = ""
    usage: str = "filesystem"


@dataclass(frozen=True)
class Label(Signature):
    """An LVM label with the metadata of its volume group, replaced whole by every change of the group.

    `group` is a `lvm.Group`, kept as object here: the block layer only carries it.
    """

    group: object = None


Content = str | Signature


class BlockDevice(Protocol):
    """Something below /dev that can be read and written."""

    @property
    def path(self) -> str:
        """Its path below /dev."""
        ...

    @property
    def kind(self) -> str:
        """Lsblk's TYPE: disk, lvm."""
        ...

    def size(self) -> int:
        """Return the size in bytes."""
        ...

    def read(self, extent: int, /) -> Content | None:
        """Return what an extent holds; OSError."""
        ...

    def write(self, extent: int, content: Content | None, /) -> None:
        """Replace what an extent holds; OSError."""
        ...

    def below(self) -> list[str]:
        """Return the paths of the devices that it stands on."""
        ...


@dataclass
class Disk:
    """A disk of the machine; its contents survive everything but a disk error."""

    node: Node
    path: str
    bytes: int
    kind: str = "disk"
    contents: dict[int, Content] = field(default_factory=dict)
    tail: object = None
    """DRBD's internal metadata at the end of the device (a `drbd.Metadata`)."""
    discard: bool = True
    flush: bool = True

    def size(self) -> int:
        """Return the size in bytes."""
        return self.bytes

    def read(self, extent: int) -> Content | None:
        """Return what an extent holds; OSError EIO on a disk error."""
        self._check(extent)
        return self.contents.get(extent)

    def write(self, extent: int, content: Content | None) -> None:
        """Replace what an extent holds; OSError EIO on a disk error, ENOSPC past the end."""
        self._check(extent)
        if content is None:
            self.contents.pop(extent, None)
        else:
            self.contents[extent] = content

    def below(self) -> list[str]:
        """Stand on nothing."""
        return []

    def _check(self, extent: int) -> None:
        if self.node.world.faults.disk_fails(self.node.name, self.path):
            raise refuse(errno.EIO, self.path)
        if extent * EXTENT >= self.bytes:
            raise refuse(errno.ENOSPC, self.path)


class Block:
    """All block devices of one node."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.devices: dict[str, BlockDevice] = {}
        self.aliases: dict[str, str] = {}
        self.holders: dict[str, list[str]] = {}
        self.exclusive: dict[str, str] = {}
        self.mounts: dict[str, str] = {}
        """Device path -> where it is mounted."""
        self.mounts_at_boot: dict[str, str] = {}

    def add_disk(self, path: str, size: str | int) -> Disk:
        """Add a blank disk."""
        disk = Disk(self.node, path, parse_size(size))
        self.devices[path] = disk
        return disk

    def add(self, device: BlockDevice, *aliases: str) -> None:
        """Add a device, known by other names too."""
        self.devices[device.path] = device
        self.aliases |= dict.fromkeys(aliases, device.path)

    def remove(self, path: str) -> None:
        """Take a device away."""
        self.devices.pop(path, None)
        self.aliases = {alias: real for alias, real in self.aliases.items() if real != path}

    def device(self, path: str) -> BlockDevice:
        """Return a device by any of its names; OSError ENOENT."""
        found = self.devices.get(self.aliases.get(path, path))
        if found is None:
            raise refuse(errno.ENOENT, path)
        return found

    def disk_below(self, path: str) -> Disk:
        """Return a disk; OSError ENOENT, ENOTBLK for a device that is none."""
        found = self.device(path)
        if not isinstance(found, Disk):
            raise refuse(errno.ENOTBLK, path)
        return found

    # Contents

    def read(self, path: str, extent: int) -> str | None:
        """Return the identity of the last write to an extent; None where it was never written."""
        content = self.device(path).read(extent)
        return content if isinstance(content, str) else None

    def write(self, path: str, extent: int, write_id: str) -> None:
        """Write to an extent; OSError where the device does not take it."""
        self.device(path).write(extent, write_id)

    def size(self, path: str) -> int:
        """Return a device's size in bytes."""
        return self.device(path).size()

    def signature(self, path: str) -> Signature | None:
        """Return what blkid finds on a device; OSError where it can't be read.

        DRBD's metadata at the end is found before an LVM label at the start (documented: util-linux, order of libblkid's
        superblocks).
        """
        device = self.device(path)
        head = device.read(0)
        if isinstance(device, Disk) and device.tail is not None:
            return Signature("drbd", usage="raid")
        return head if isinstance(head, Signature) else None

    def is_blank(self, path: str) -> bool:
        """Tell whether a device holds nothing at all."""
        device = self.device(path)
        return device.read(0) is None and getattr(device, "tail", None) is None

    def discards(self, path: str) -> bool:
        """Tell whether the disk at the bottom can discard."""
        return all(disk.discard for disk in self._bottom(path))

    def flushes(self, path: str) -> bool:
        """Tell whether the disk at the bottom takes cache flushes."""
        return all(disk.flush for disk in self._bottom(path))

    # Who uses what

    def open(self, path: str, holder: str, *, exclusive: bool = False) -> None:
        """Hold a device open; OSError ENOENT, EBUSY, or what reading it says (EMEDIUMTYPE on a DRBD secondary)."""
        device = self.device(path)
        if exclusive and device.path in self.exclusive:
            raise refuse(errno.EBUSY, path)
        device.read(0)
        self.holders.setdefault(device.path, []).append(holder)
        if exclusive:
            self.exclusive[device.path] = holder

    def claim(self, path: str, holder: str) -> None:
        """Hold a device alone, without reading it, as DRBD holds its disk; OSError ENOENT, EBUSY."""
        device = self.device(path)
        mapped = any(other.startswith("lvm:") for other in self.holders.get(device.path, []))
        if device.path in self.exclusive or device.path in self.mounts or mapped:
            raise refuse(errno.EBUSY, path)
        self.exclusive[device.path] = holder
        self.holders.setdefault(device.path, []).append(holder)

    def close(self, path: str, holder: str) -> None:
        """Let go of a device."""
        real = self.aliases.get(path, path)
        if holder in self.holders.get(real, []):
            self.holders[real].remove(holder)
        if self.exclusive.get(real) == holder:
            del self.exclusive[real]

    def holders_of(self, path: str) -> list[str]:
        """Return who holds a device open, mounts included."""
        real = self.aliases.get(path, path)
        mounted = [f"mount:{self.mounts[real]}"] if real in self.mounts else []
        return [*self.holders.get(real, []), *mounted]

    def children(self, path: str) -> list[str]:
        """Return the paths of the devices that stand on one."""
        return sorted(other.path for other in self.devices.values() if path in other.below())

    # Life and death

    def tick(self, _dt: float) -> None:
        """Nothing happens by itself."""

    def power_off(self) -> None:
        """Only disks stay; nobody holds anything any more."""
        self.devices = {path: device for path, device in self.devices.items() if isinstance(device, Disk)}
        self.aliases.clear()
        self.holders.clear()
        self.exclusive.clear()
        self.mounts.clear()

    def boot(self) -> None:
        """Disks are there."""

    def _bottom(self, path: str) -> list[Disk]:
        device = self.device(path)
        if isinstance(device, Disk):
            return [device]
        return [disk for lower in device.below() for disk in self._bottom(lower)]
