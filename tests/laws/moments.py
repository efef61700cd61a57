"""A run of hastore cut at every operation: the worlds in which it left off, and hosts that lose their link."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from worlds import fork

from hastore.hosts.operations import Bracket, Operation, Outcome, Run
from hastore.sim.block import Block
from hastore.sim.faults import Moment
from hastore.sim.host import SimHost
from hastore.sim.lab import Lab

MOMENTS: tuple[Moment, ...] = ("before", "during", "after")
LOSSES: tuple[Literal["before", "after"], ...] = ("before", "after")
MARK = "written before hastore was stopped"
MARKED_EXTENT = 2
ONCE = (("drbdadm", "create-md"), ("drbdadm", "primary", "--force"), ("vgcreate",))
"""What must happen exactly once in a storage's life: how its argv begins."""


class WatchedHost(SimHost):
    """A simulated host that tells of every change before it happens."""

    on_change: Callable[[WatchedHost, Operation], None] | None = None

    def _one(self, operation: Operation) -> Outcome:
        if self.on_change is not None and not operation.reads and not isinstance(operation, Bracket):
            self.on_change(self, operation)
        return super()._one(operation)


class Moments:
    """The worlds just before each change that a run makes, taken while it goes on."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.worlds: list[tuple[str, Operation, Lab]] = []
        watch(lab, self._remember)

    def _remember(self, host: WatchedHost, operation: Operation) -> None:
        write_mark(self.lab)
        self.worlds.append((host.name, operation, unwatched(self.lab)))


def watch(lab: Lab, told: Callable[[WatchedHost, Operation], None] | None) -> None:
    """Have somebody told of every change on a lab's hosts; None for nobody."""
    for name, host in list(lab.hosts.items()):
        watched = host if isinstance(host, WatchedHost) else WatchedHost(lab.world, name)
        watched.performed = host.performed
        watched.on_change = told
        lab.hosts[name] = watched


def unwatched(lab: Lab) -> Lab:
    """Return a copy of a lab as its dead user leaves it: nobody is told, no lock is held."""
    told = {name: host.on_change for name, host in lab.hosts.items() if isinstance(host, WatchedHost)}
    watch(lab, None)
    copied = fork(lab)
    for name, host in lab.hosts.items():
        if isinstance(host, WatchedHost):
            host.on_change = told[name]
        copied.world.nodes[name].locks.clear()
    return copied


def stopped(lab: Lab, host: str, operation: Operation, moment: Moment) -> Lab:
    """Return the world in which hastore died before, during or after an operation that it was about to do."""
    world = unwatched(lab)
    if moment == "before":
        return world
    world.hosts[host].performed.append(operation)
    if moment == "during":
        world.hosts[host]._half(operation)
    else:
        world.hosts[host]._effect(operation)
        world.world.check()
    return world


def cut_at_next_change(lab: Lab, moment: Literal["before", "after"]) -> None:
    """Lose the link at the next change that anybody makes, before or after it took effect."""

    def strike(host: WatchedHost, _operation: Operation) -> None:
        watch(lab, None)
        if moment == "before":
            lab.world.faults.link_lost_before(host.name)
        else:
            lab.world.faults.link_lost_after_effect(host.name)

    watch(lab, strike)


# -- what must survive, what must happen once ---------------------------------------------------------


def write_mark(lab: Lab) -> None:
    """Write onto every logical volume of DRBD that can be written, as somebody with data would."""
    for path, block in _volumes(lab):
        if block.read(path, MARKED_EXTENT) != MARK:
            block.write(path, MARKED_EXTENT, MARK)


def marks(lab: Lab) -> dict[str, str | None]:
    """Return what is read where the marks were written, by device."""
    return {path: block.read(path, MARKED_EXTENT) for path, block in _volumes(lab)}


def _volumes(lab: Lab) -> Iterator[tuple[str, Block]]:
    for name in lab.nodes:
        block = lab.world.nodes[name].subsystem(Block)
        for path, device in list(block.devices.items()):
            if device.kind == "lvm" and any(below.startswith("/dev/drbd") for below in device.below()):
                yield path, block


def done_once(lab: Lab) -> dict[str, int]:
    """Return how often each command that may happen once was run, in all the world's life."""
    counts: dict[str, int] = {}
    for name, host in lab.hosts.items():
        for operation in host.performed:
            if isinstance(operation, Run) and any(operation.argv[: len(o)] == o for o in ONCE):
                shown = " ".join(operation.argv)
                key = f"{shown} on {name}" if "create-md" in shown else shown
                counts[key] = counts.get(key, 0) + 1
    return counts
