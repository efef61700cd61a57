"""Work that a client does on its LUN, and what became of it: the witness of every failover.

A writer has one write outstanding, as the recorded one had (stack/io-*.log); what was acknowledged has to be on the
storage afterwards.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass

from hastore.sim.block import Block
from hastore.sim.open_iscsi import OpenIscsi, ScsiDisk
from hastore.sim.world import Node, World

STALL_SECONDS = 1.0
"""What takes longer than this counts as a stall."""


@dataclass(frozen=True)
class Stall:
    """A standstill: when the waiting write was issued, and for how many seconds it waited."""

    at: float
    seconds: float


@dataclass(frozen=True)
class WriteError:
    """A write that failed for the application: when, and which errno."""

    at: float
    error: str


class Writer:
    """Writes to one LUN of one client, again and again, one write after the other.

    >>> writer = Writer(lab.world, "drbd01", "iqn.2016-02.local.virtual:virtual.vg1")
    >>> lab.clock.sleep(2)
    >>> len(writer.acknowledged) > 10, writer.missing()
    (True, [])
    >>> writer.stop()

    `every` is in seconds; `acknowledged` holds identities, `stalls` standstills of more than a second.
    """

    def __init__(
        self, world: World, client: str, target: str, lun: int = 0, *, every: float = 0.1, extents: int = 64
    ) -> None:
        self.world = world
        self.client: Node = world.nodes[client]
        self.target = target
        self.lun = lun
        self.every = every
        self.extents = extents
        """How many places of the LUN are written in turn."""
        self.stalls: list[Stall] = []
        self.errors: list[WriteError] = []
        self.acknowledged: list[str] = []
        """Identities of acknowledged writes, in order."""
        self.running = True
        self._where: dict[int, tuple[int, str]] = {}
        """Extent -> number and identity of the last acknowledged write there."""
        self._issued = 0
        self._outstanding: tuple[int, float] | None = None
        self._next_at = world.clock.now
        self.client.install(f"writer {target} {lun} {len(self.client.subsystems)}", self)

    @property
    def initiator(self) -> OpenIscsi:
        """The client's open-iscsi."""
        return self.client.subsystem(OpenIscsi)

    @property
    def disk(self) -> ScsiDisk | None:
        """The disk it writes to; None where the client has no session."""
        block = self.client.subsystem(Block)
        for session in self.initiator.sessions.values():
            if session.target == self.target and self.lun in session.disks:
                found = block.devices.get(session.disks[self.lun])
                return found if isinstance(found, ScsiDisk) else None
        return None

    @property
    def longest_stall(self) -> float:
        """Seconds of the longest standstill, the one that lasts included."""
        waiting = self.world.clock.now - self._outstanding[1] if self._outstanding else 0.0
        return max([stall.seconds for stall in self.stalls] + [waiting])

    @property
    def standing_still(self) -> bool:
        """Tell whether a write waits for longer than a stall takes."""
        return self._outstanding is not None and self.world.clock.now - self._outstanding[1] > STALL_SECONDS

    def stop(self) -> None:
        """Issue no more writes; what is outstanding is not waited for."""
        self.running = False

    def missing(self) -> list[str]:
        """Return acknowledged writes that the storage does not hold now; [] where every one is there.

        Only the last write of an extent can be asked for; a later one that was never acknowledged may have taken its
        place. Raises OSError where the LUN can't be read.
        """
        disk = self.disk
        if disk is None:
            raise OSError(errno.ENODEV, "no session with the target", self.target)
        return [id for extent, (number, id) in sorted(self._where.items()) if self._number(disk, extent) < number]

    def _number(self, disk: ScsiDisk, extent: int) -> int:
        content = disk.read(extent)
        if not isinstance(content, str) or not content.startswith(f"{self.client.name}-{self.lun}-"):
            return -1
        return int(content.rsplit("-", 1)[1])

    def _identity(self, number: int) -> str:
        return f"{self.client.name}-{self.lun}-{number}"

    # Subsystem

    def tick(self, _dt: float) -> None:
        """Issue the next write, or try the outstanding one again."""
        now = self.world.clock.now
        if self._outstanding is None:
            if not self.running or now < self._next_at - 1e-9:
                return
            self._outstanding = (self._issued, now)
            self._issued += 1
            self._next_at = now + self.every
        self._try(*self._outstanding, now)

    def _try(self, number: int, issued: float, now: float) -> None:
        disk = self.disk
        if disk is None:
            self._fail(now, errno.ENODEV)
            return
        extent = 1 + number % self.extents
        self.world.ledger.attempt(self.target, self.lun, extent, self._identity(number))
        try:
            disk.write(extent, self._identity(number))
        except OSError as error:
            if error.errno not in {errno.EAGAIN, errno.ENODEV}:
                self._fail(now, error.errno or errno.EIO)
            return
        self.world.ledger.acknowledge(self.target, self.lun, extent, self._identity(number))
        self.acknowledged.append(self._identity(number))
        self._where[extent] = (number, self._identity(number))
        self._outstanding = None
        if now - issued > STALL_SECONDS:
            self.stalls.append(Stall(issued, round(now - issued, 3)))

    def _fail(self, now: float, code: int) -> None:
        self.errors.append(WriteError(now, errno.errorcode.get(code, str(code))))
        if self._outstanding is not None and now - self._outstanding[1] > STALL_SECONDS:
            self.stalls.append(Stall(self._outstanding[1], round(now - self._outstanding[1], 3)))
        self._outstanding = None
        self._next_at = now + STALL_SECONDS

    def power_off(self) -> None:
        """The application is gone with its machine."""
        self.running = False
        self._outstanding = None

    def boot(self) -> None:
        """Nobody starts it again."""
