"""What LVM keeps: segments, volumes, groups and their metadata as they lie on physical volumes, and active volumes."""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace

from hastore.sim.block import EXTENT, Block, Content
from hastore.sim.filesystem import refuse

DATA_START = 2**20
"""Bytes before the first extent of a physical volume (documented: lvm.conf default_data_alignment)."""


class LvmRefusal(Exception):
    """An LVM command said no: exit code (5 as recorded for nearly everything) and standard error."""

    def __init__(self, text: str, exit_code: int = 5) -> None:
        self.text = text
        self.exit_code = exit_code
        super().__init__(text)


@dataclass(frozen=True)
class Segment:
    """A run of physical extents."""

    pv: str
    """The physical volume's UUID."""
    start: int
    count: int


@dataclass(frozen=True)
class Volume:
    """A logical volume."""

    name: str
    uuid: str
    segments: tuple[Segment, ...]

    @property
    def extents(self) -> int:
        """How many extents it has."""
        return sum(segment.count for segment in self.segments)


@dataclass(frozen=True)
class Physical:
    """A physical volume as its group's metadata knows it."""

    uuid: str
    extents: int


@dataclass(frozen=True)
class Group:
    """A volume group's metadata."""

    name: str
    uuid: str
    seqno: int
    extent_size: int
    physicals: tuple[Physical, ...]
    volumes: tuple[Volume, ...] = ()
    system_id: str = ""
    tags: tuple[str, ...] = ()
    autoactivation: bool = True

    def volume(self, name: str) -> Volume | None:
        """Return a volume by name."""
        return next((volume for volume in self.volumes if volume.name == name), None)

    @property
    def extents(self) -> int:
        """All extents."""
        return sum(physical.extents for physical in self.physicals)

    @property
    def free(self) -> int:
        """Free extents."""
        return self.extents - sum(volume.extents for volume in self.volumes)

    def allocate(self, count: int) -> tuple[Segment, ...]:
        """Return segments for so many extents; LvmRefusal where they are not there."""
        if count > self.free:
            msg = f'Volume group "{self.name}" has insufficient free space ({self.free} extents): {count} required.'
            raise LvmRefusal(msg)
        found: list[Segment] = []
        for physical in self.physicals:
            used = {
                extent
                for volume in self.volumes
                for segment in volume.segments
                if segment.pv == physical.uuid
                for extent in range(segment.start, segment.start + segment.count)
            }
            for extent in range(physical.extents):
                if count and extent not in used:
                    count -= 1
                    found.append(Segment(physical.uuid, extent, 1))
        return joined(*found)


@dataclass
class LvDevice:
    """An active logical volume."""

    block: Block
    group: str
    volume: Volume
    extent_size: int
    places: dict[str, str]
    """PV UUID -> device path, as it was when the volume was activated."""
    kind: str = "lvm"

    @property
    def path(self) -> str:
        """The device mapper's path."""
        return mapper_path(self.group, self.volume.name)

    def size(self) -> int:
        """Return the size in bytes."""
        return self.volume.extents * self.extent_size

    def read(self, extent: int) -> Content | None:
        """Read through the physical volume."""
        path, below = self._place(extent)
        return self.block.device(path).read(below)

    def write(self, extent: int, content: Content | None) -> None:
        """Write through the physical volume."""
        path, below = self._place(extent)
        self.block.device(path).write(below, content)

    def below(self) -> list[str]:
        """Return the physical volumes' devices."""
        return sorted({self.places[segment.pv] for segment in self.volume.segments})

    def _place(self, extent: int) -> tuple[str, int]:
        wanted = extent * EXTENT
        for segment in self.volume.segments:
            length = segment.count * self.extent_size
            if wanted < length:
                return self.places[segment.pv], (DATA_START + segment.start * self.extent_size + wanted) // EXTENT
            wanted -= length
        raise refuse(errno.ENOSPC, self.path)


def joined(*segments: Segment) -> tuple[Segment, ...]:
    """Return the segments, as one where one goes on where the other ends (recorded: tvg1.vgcfg)."""
    found: list[Segment] = []
    for segment in segments:
        last = found[-1] if found else None
        if last and (last.pv, last.start + last.count) == (segment.pv, segment.start):
            found[-1] = replace(last, count=last.count + segment.count)
        else:
            found.append(segment)
    return tuple(found)


def mapper_path(group: str, volume: str) -> str:
    """Return the path below /dev/mapper: dashes in names are doubled."""
    return f"/dev/mapper/{group.replace('-', '--')}-{volume.replace('-', '--')}"
