"""A simulated world: nodes with disks and files, links between them, time, and a list of what went wrong.

Python methods for simulated agents and clients (no shell needed), by subsystem; `node.subsystem(Kind)`:

- `network.Network`: `add_address(ip, prefix, nic)`, `remove_address(ip)`, `has_address(ip)`, `block(ip, port)`,
  `unblock(ip, port)`, `blocked(ip, port)`
- `block.Block`: `read(device, extent)`, `write(device, extent, write_id)`, `size(device)`, `signature(device)`,
  `holders_of(device)`
- `world.ledger`: `attempt(target, lun, extent, write_id)` before, `acknowledge(...)` after a client's write: `write-lost` is
  then found by itself
- `drbd.Drbd`: `up(res)`, `down(res)`, `attach`, `connect`, `disconnect`, `promote(res, force=False)`,
  `demote(res)`, `role(res)`, `cstate(res)`, `dstates(res)`, `configured(res)`; a refusal raises `DrbdRefusal` (exit code, text)
- `lvm.Lvm`: `activate(vg)`, `deactivate(vg)`, `active(vg)`, `visible(vg)`; a refusal raises `LvmRefusal`
- `scst.Scst`: `start_daemon()`, `kill_daemon()`, `daemon_runs`, `add_device(handler, name, **attributes)`, `del_device(name)`,
  `add_target(iqn)`, `del_target(iqn)`, `enable(iqn, on)`, `add_lun(iqn, lun, device, group="")`, `del_lun(...)`,
  `set_attribute(path, text)`, `read(path)`, `login(initiator, client_ip, portal, iqn) -> Session`,
  `logout(session)`; a session has `write(lun, extent, write_id, sync=True)`, `read(lun, extent)`, `lun_numbers()`, `alive`;
  a refusal raises OSError with the kernel's errno, a write that would hang BlockingIOError
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NoReturn, Protocol, TypeVar

from hastore.model.errors import NotSimulated
from hastore.sim.clock import SimClock
from hastore.sim.faults import Faults
from hastore.sim.filesystem import FileSystem
from hastore.sim.ledger import Ledger

STEP = 0.1
"""Seconds of one tick of the world."""

T = TypeVar("T")


@dataclass(frozen=True)
class Violation:
    """A broken invariant: its code, what happened for people, and when (seconds)."""

    code: str
    text: str
    at: float


@dataclass(frozen=True)
class Event:
    """Something that happened in the world, for the log."""

    at: float
    node: str
    text: str


@dataclass(frozen=True)
class Reply:
    """What a program answers."""

    exit_code: int = 0
    stdout: bytes = b""
    stderr: bytes = b""


def reply(exit_code: int = 0, out: str = "", err: str = "") -> Reply:
    """Return a Reply from text."""
    return Reply(exit_code, out.encode("utf-8", "surrogateescape"), err.encode("utf-8", "surrogateescape"))


class StillRunning(Exception):
    """A program did not end before the caller's timeout."""


@dataclass(frozen=True)
class Call:
    """One start of a program on a node."""

    node: Node
    argv: tuple[str, ...]
    stdin: bytes = b""
    env: Mapping[str, str] = field(default_factory=dict)
    deadline: float = float("inf")
    """Until when (seconds of the world's clock) the caller waits for its end."""

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Let time pass until it holds; raise StillRunning past the caller's deadline."""
        world = self.node.world
        while not holds():
            if world.clock.now >= self.deadline or not self.node.powered:
                raise StillRunning
            world.advance(STEP)

    def unknown(self, what: str = "") -> NotSimulated:
        """Return the error that says honestly that this call is not simulated, ready to be raised."""
        detail = f" ({what})" if what else ""
        return NotSimulated(f"not simulated: {' '.join(self.argv)}{detail}", host=self.node.name)

    def give_up(self, what: str = "") -> NoReturn:
        """Raise NotSimulated for this call."""
        raise self.unknown(what)


Program = Callable[[Call], Reply]
"""Must be a module's function or a bound method of a subsystem, so that a world can be copied deeply."""


Streamer = Callable[[Call], Iterator[bytes]]


class Subsystem(Protocol):
    """What lives on a node and in time."""

    def tick(self, dt: float, /) -> None:
        """Let dt seconds pass."""
        ...

    def power_off(self) -> None:
        """Lose everything volatile."""
        ...

    def boot(self) -> None:
        """Come up as after a boot of the machine."""
        ...


class Node:
    """One machine of the world."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.files = FileSystem(name)
        self.programs: dict[str, Program] = {}
        self.absent_programs: set[str] = set()
        """Programs known not to be installed here: calling one gives ENOENT instead of NotSimulated."""
        self.streams: dict[str, Streamer] = {}
        """Programs that go on talking as time passes, for `Host.stream`."""
        self.subsystems: dict[str, Subsystem] = {}
        self.locks: dict[str, str] = {}
        """Advisory locks -> who holds them; a power-off frees them."""
        self.holds = 0
        """How often a lock was taken here: what was made under one lock belongs to one change."""
        self.powered = True
        self.hung = False
        """A hung node is powered, holds its state and answers nobody."""

    def install(self, name: str, subsystem: Subsystem) -> None:
        """Add a subsystem under its name."""
        self.subsystems[name] = subsystem

    def subsystem(self, kind: type[T]) -> T:
        """Return the node's subsystem of this class; raise NotSimulated where it has none."""
        for candidate in self.subsystems.values():
            if isinstance(candidate, kind):
                return candidate
        msg = f"this node has no simulated {kind.__name__}"
        raise NotSimulated(msg, host=self.name)

    def has(self, kind: type[object]) -> bool:
        """Tell whether the node has a subsystem of this class."""
        return any(isinstance(candidate, kind) for candidate in self.subsystems.values())

    def run(self, *argv: str, stdin: bytes = b"", env: Mapping[str, str] | None = None, timeout: float = 60.0) -> Reply:
        """Run a program here and return its reply; NotSimulated where nobody knows it, FileNotFoundError where it is absent."""
        name = argv[0].rsplit("/", 1)[-1]
        program = self.programs.get(name)
        if program is None:
            if name in self.absent_programs:
                raise FileNotFoundError(name)
            msg = f"not simulated: {' '.join(argv)}"
            raise NotSimulated(msg, host=self.name)
        deadline = self.world.clock.now + timeout
        return program(Call(self, (name, *argv[1:]), stdin, dict(env or {}), deadline))

    def power_off(self) -> None:
        """Cut the power: volatile state is gone, disks and files stay."""
        if not self.powered:
            return
        self.powered = False
        self.locks.clear()
        self.world.log(self.name, "power off")
        for subsystem in self.subsystems.values():
            subsystem.power_off()

    def boot(self) -> None:
        """Switch the machine on and boot it."""
        if self.powered:
            return
        self.powered = True
        self.hung = False
        self.world.log(self.name, "boot")
        for subsystem in self.subsystems.values():
            subsystem.boot()


class World:
    """All nodes, the links between them, and time; copy.deepcopy forks it."""

    def __init__(self, clock: SimClock | None = None) -> None:
        self.clock = clock or SimClock()
        self.clock.world = self
        self.nodes: dict[str, Node] = {}
        self.faults = Faults()
        self.ledger = Ledger()
        self.violations: list[Violation] = []
        self.events: list[Event] = []
        self.checks: list[Callable[[World], None]] = []
        """Called after each operation and tick; each reports by `violate`."""
        self._cut: set[tuple[frozenset[str], str | None]] = set()
        self._standing: set[tuple[str, str]] = set()
        self._ticking = False
        self._remainder = 0.0

    def add_node(self, name: str) -> Node:
        """Add a machine, powered on."""
        node = Node(self, name)
        self.nodes[name] = node
        return node

    # Links

    def cut_link(self, a: str, b: str, network: str | None = None) -> None:
        """Cut the link of two nodes in one network, or in all."""
        self._cut.add((frozenset((a, b)), network))
        self.log(a, f"link to {b} cut" + (f" in {network}" if network else ""))

    def join_link(self, a: str, b: str, network: str | None = None) -> None:
        """Mend the link of two nodes in one network, or in all."""
        pair = frozenset((a, b))
        self._cut = {
            (nodes, name) for nodes, name in self._cut if nodes != pair or (network is not None and name != network)
        }
        self.log(a, f"link to {b} joined" + (f" in {network}" if network else ""))

    def connected(self, a: str, b: str, network: str | None = None) -> bool:
        """Tell whether packets pass between two nodes in a network; a node always reaches itself."""
        if not (self.nodes[a].powered and self.nodes[b].powered):
            return False
        if self.nodes[a].hung or self.nodes[b].hung:
            return False
        pair = frozenset((a, b))
        return a == b or not ((pair, None) in self._cut or (network is not None and (pair, network) in self._cut))

    # Time

    def advance(self, seconds: float) -> None:
        """Let time pass in steps of STEP seconds; parts of a step are kept for later."""
        if self._ticking:
            msg = "a subsystem tried to let time pass inside a tick"
            raise RuntimeError(msg)
        target = self.clock.now + seconds
        self._remainder += seconds
        while self._remainder >= STEP - 1e-9:
            self._remainder -= STEP
            self.clock.now = round(target - self._remainder, 6)
            self._tick()
        self.clock.now = round(target, 6)

    def _tick(self) -> None:
        self._ticking = True
        try:
            for node in list(self.nodes.values()):
                for subsystem in list(node.subsystems.values()):
                    if node.powered:
                        subsystem.tick(STEP)
        finally:
            self._ticking = False
        self.check()

    # What went wrong

    def check(self) -> None:
        """Check all invariants; each broken one is recorded once for as long as it stays broken."""
        before = self._standing
        self._standing = set()
        for check in self.checks:
            check(self)
        for code, text in sorted(self._standing - before):
            self._record(code, text)

    def broken(self, code: str, text: str) -> None:
        """Report, from a check, that an invariant does not hold now."""
        self._standing.add((code, text))

    def violate(self, code: str, text: str) -> None:
        """Record a violation that is an event, such as a write to a device that was not blank."""
        self._record(code, text)

    def _record(self, code: str, text: str) -> None:
        self.violations.append(Violation(code, text, round(self.clock.now, 3)))
        self.log("", f"violation {code}: {text}")

    def log(self, node: str, text: str) -> None:
        """Note an event."""
        self.events.append(Event(round(self.clock.now, 3), node, text))

    def dump(self) -> World:
        """Return a deep copy: a fork of the world that goes its own way."""
        return copy.deepcopy(self)
