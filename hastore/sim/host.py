"""A host of a simulated world: it interprets operations, one by one, as a real host would do them."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from hastore.hosts.host import OnOutcome
from hastore.hosts.operations import (
    Await,
    Bracket,
    Condition,
    Expect,
    Operation,
    Outcome,
    Probe,
    ReadFile,
    ReadTree,
    Run,
    Status,
    WriteAttribute,
    WriteFile,
    expose,
)
from hastore.model.errors import ConnectError, HostError
from hastore.sim.clock import SimClock
from hastore.sim.faults import Killed
from hastore.sim.world import Call, Node, StillRunning, World

_POLL = 0.1
_LINK_LOST = "LINK"


class _LinkLost(Exception):
    """The connection broke; whatever was still to be reported is unknown."""


class SimHost:
    """The same door as a host behind SSH, into a simulated world.

    `round_trips` counts batches. `performed` holds every operation that was begun, in order, for tests that
    count repeated work. Faults are taken from `world.faults`.
    """

    def __init__(self, world: World, node_name: str, *, holder: str = "hastore") -> None:
        self.world = world
        self.name = node_name
        self.holder = holder
        self.round_trips = 0
        self.performed: list[Operation] = []

    @property
    def node(self) -> Node:
        """The machine behind this host."""
        return self.world.nodes[self.name]

    @property
    def clock(self) -> SimClock:
        """The clock of this host's world."""
        return self.world.clock

    def perform(self, batch: Sequence[Operation], /, *, on_outcome: OnOutcome | None = None) -> tuple[Outcome, ...]:
        """Perform the operations in order; see `hastore.hosts.host.Host`.

        Raises ConnectError where the node is off or hung, NotSimulated for what the simulator does not know, Killed
        where a test ordered it.
        """
        if not batch:
            return ()
        self.round_trips += 1
        self._connect()
        outcomes: list[Outcome] = []
        stopped = False
        try:
            for place, operation in enumerate(batch):
                if stopped and not operation.reads:
                    outcome = Outcome(operation, Status.NOT_RUN)
                else:
                    outcome = self._one(operation)
                outcomes.append(outcome)
                stopped = stopped or (not outcome.done and not operation.reads)
                if on_outcome is not None:
                    on_outcome(place, outcome)
        except _LinkLost:
            for place in range(len(outcomes), len(batch)):
                outcome = Outcome(batch[place], Status.UNKNOWN, error=_LINK_LOST)
                outcomes.append(outcome)
                if on_outcome is not None:
                    on_outcome(place, outcome)
        return tuple(outcomes)

    def stream(self, operation: Run, /) -> Iterator[bytes]:
        """Yield the lines of a program's standard output; a program with a streamer of its own yields as time passes."""
        self._connect()
        name = operation.argv[0].rsplit("/", 1)[-1]
        streamer = self.node.streams.get(name)
        if streamer is not None:
            yield from streamer(Call(self.node, (name, *operation.argv[1:]), expose(operation.stdin)))
            return
        yield from self._run(operation).stdout.splitlines(keepends=True)

    @contextmanager
    def hold(self, name: str, /) -> Iterator[None]:
        """Hold an advisory lock; HostError names the holder where another has it."""
        self._connect()
        locks = self.node.locks
        if name in locks:
            msg = f"the lock {name} is held by {locks[name]}; wait for it to end"
            raise HostError(msg, host=self.name)
        locks[name] = self.holder
        self.node.holds += 1
        try:
            yield
        finally:
            locks.pop(name, None)

    # One operation

    def _connect(self) -> None:
        if not self.node.powered or self.node.hung:
            msg = "no answer: the machine is off" if not self.node.powered else "no answer: the machine hangs"
            raise ConnectError(msg, host=self.name)

    def _one(self, operation: Operation) -> Outcome:
        if isinstance(operation, Bracket):
            return self._bracket(operation)
        self.performed.append(operation)
        struck = self.world.faults.due(self.name)
        if struck is not None and struck[1] == "before":
            self._strike(struck[0])
        began = self.world.clock.now
        if struck is not None and struck[1] == "during":
            self._half(operation)
            self._strike(struck[0])
        outcome = self._effect(operation)
        self.world.check()
        if struck is not None:
            self._strike(struck[0])
        if not self.node.powered or self.node.hung:
            raise _LinkLost
        return _timed(outcome, self.world.clock.now - began)

    def _strike(self, kind: Literal["link", "stop"]) -> None:
        if kind == "stop":
            raise Killed
        raise _LinkLost

    def _half(self, operation: Operation) -> None:
        """Do what of an operation is done before its last effect: a file's backup, but not its content."""
        if isinstance(operation, WriteFile):
            self._back_up(operation)
        elif not isinstance(operation, Expect | Await):
            self._effect(operation)
        self.world.check()

    def _effect(self, operation: Operation) -> Outcome:
        match operation:
            case Run():
                return self._run(operation)
            case ReadFile():
                return self._read(operation)
            case ReadTree():
                return self._read_tree(operation)
            case WriteFile():
                return self._write_file(operation)
            case WriteAttribute():
                return self._write_attribute(operation)
            case Expect():
                return self._ask(operation, operation.probe, operation.condition)
            case Await():
                return self._await(operation)
            case Bracket():
                return self._bracket(operation)

    def _run(self, operation: Run) -> Outcome:
        try:
            answer = self.node.run(
                *operation.argv, stdin=expose(operation.stdin), env=operation.env, timeout=operation.timeout
            )
        except FileNotFoundError:
            stderr = f"{operation.argv[0]}: command not found\n".encode()
            return Outcome(operation, Status.FAILED, exit_code=127, stderr=stderr, error="ENOENT")
        except StillRunning:
            return Outcome(operation, Status.FAILED if operation.reads else Status.UNKNOWN, error="TIMEOUT")
        status = Status.DONE if answer.exit_code in operation.ok else Status.FAILED
        return Outcome(operation, status, exit_code=answer.exit_code, stdout=answer.stdout, stderr=answer.stderr)

    def _read(self, operation: ReadFile) -> Outcome:
        try:
            return Outcome(operation, Status.DONE, stdout=self.node.files.read(operation.path))
        except OSError as error:
            return _refused(operation, error)

    def _read_tree(self, operation: ReadTree) -> Outcome:
        try:
            return Outcome(operation, Status.DONE, tree=self.node.files.tree(operation.path, operation.skip))
        except OSError as error:
            return _refused(operation, error)

    def _write_file(self, operation: WriteFile) -> Outcome:
        try:
            self._back_up(operation)
            self.node.files.write(operation.path, expose(operation.content), operation.mode)
        except OSError as error:
            return _refused(operation, error)
        return Outcome(operation, Status.DONE)

    def _back_up(self, operation: WriteFile) -> None:
        if operation.backup and self.node.files.exists(operation.path):
            self.node.files.write(operation.backup, self.node.files.read(operation.path))

    def _write_attribute(self, operation: WriteAttribute) -> Outcome:
        try:
            self.node.files.write_in_place(operation.path, expose(operation.content))
        except OSError as error:
            if error.errno == errno.EAGAIN and operation.result_path:
                return self._await_queued(operation)
            return _refused(operation, error)
        return Outcome(operation, Status.DONE)

    def _await_queued(self, operation: WriteAttribute) -> Outcome:
        deadline = self.world.clock.now + operation.deadline
        while self.world.clock.now < deadline:
            result = int(self.node.files.read(operation.result_path).split()[0])
            if abs(result) == errno.EAGAIN:
                self.world.advance(_POLL)
            elif result == 0:
                return Outcome(operation, Status.DONE)
            else:
                return Outcome(operation, Status.FAILED, error=errno.errorcode[abs(result)])
        return Outcome(operation, Status.UNKNOWN, error="TIMEOUT")

    def _await(self, operation: Await) -> Outcome:
        deadline = self.world.clock.now + operation.deadline
        while True:
            outcome = self._ask(operation, operation.probe, operation.condition)
            if outcome.done or outcome.status is Status.UNKNOWN:
                return outcome
            if self.world.clock.now + operation.interval > deadline or not self.node.powered:
                return _too_late(outcome)
            self.world.advance(operation.interval)

    def _ask(self, operation: Expect | Await, probe: Probe, condition: Condition) -> Outcome:
        found = self._effect(probe)
        status = Status.DONE if _meets(found, condition) else Status.FAILED
        if found.status is Status.UNKNOWN:
            status = Status.UNKNOWN
        error = "" if status is Status.DONE else found.error
        return Outcome(
            operation, status, exit_code=found.exit_code, stdout=found.stdout, stderr=found.stderr, error=error
        )

    def _bracket(self, operation: Bracket) -> Outcome:
        parts: list[Outcome] = []
        lost: BaseException | None = None
        stopped = False
        for inner in (*operation.enter, *operation.body):
            if lost is not None:
                parts.append(Outcome(inner, Status.UNKNOWN, error=_LINK_LOST))
                continue
            if stopped and not inner.reads:
                parts.append(Outcome(inner, Status.NOT_RUN))
                continue
            try:
                outcome = self._one(inner)
            except (_LinkLost, Killed) as error:
                lost = error
                outcome = Outcome(inner, Status.UNKNOWN, error=_LINK_LOST)
            parts.append(outcome)
            stopped = stopped or (not outcome.done and not inner.reads)
        parts += self._leave(operation)
        if lost is not None:
            raise lost
        return Outcome(operation, _worst(parts), parts=tuple(parts))

    def _leave(self, operation: Bracket) -> list[Outcome]:
        """Leave whatever happened: the host does it by itself, even when nobody listens any more."""
        outcomes = []
        for inner in operation.leave:
            if not self.node.powered:
                outcomes.append(Outcome(inner, Status.UNKNOWN, error=_LINK_LOST))
                continue
            self.performed.append(inner)
            outcomes.append(self._effect(inner))
            self.world.check()
        return outcomes


def _meets(found: Outcome, condition: Condition) -> bool:
    if condition.missing:
        return found.error == "ENOENT"
    if found.error:
        return False
    if condition.exit_codes and found.exit_code not in condition.exit_codes:
        return False
    text = found.text
    if condition.equals is not None and text.rstrip("\n") != condition.equals.rstrip("\n"):
        return False
    return all(part in text for part in condition.contains) and not any(part in text for part in condition.lacks)


def _worst(parts: Sequence[Outcome]) -> Status:
    for status in (Status.UNKNOWN, Status.FAILED, Status.NOT_RUN):
        if any(part.status is status and not (part.operation.reads and status is Status.FAILED) for part in parts):
            return Status.FAILED if status is Status.NOT_RUN else status
    return Status.DONE


def _refused(operation: Operation, error: OSError) -> Outcome:
    return Outcome(operation, Status.FAILED, error=errno.errorcode.get(error.errno or 0, "EIO"))


def _too_late(outcome: Outcome) -> Outcome:
    return Outcome(outcome.operation, Status.FAILED, outcome.exit_code, outcome.stdout, outcome.stderr, error="TIMEOUT")


def _timed(outcome: Outcome, seconds: float) -> Outcome:
    return Outcome(
        outcome.operation,
        outcome.status,
        outcome.exit_code,
        outcome.stdout,
        outcome.stderr,
        outcome.error,
        outcome.tree,
        outcome.parts,
        seconds,
    )
