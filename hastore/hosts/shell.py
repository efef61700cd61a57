"""What hosts that are reached through a sh share: start it, hand it the script, read the frames."""

from __future__ import annotations

import getpass
import os
import re
import secrets
import selectors
import subprocess
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Final

import attrs

from hastore.hosts.frames import FrameReader
from hastore.hosts.host import OnOutcome
from hastore.hosts.operations import Await, Bracket, Expect, Operation, Outcome, Run, WriteAttribute
from hastore.hosts.script import BOOTSTRAP, ONE_LINE, compile_batch, compile_hold, compile_stream
from hastore.model.errors import ConnectError, HostError

_FILE_ALLOWANCE: Final = 120.0
"""Seconds for an operation that brings no limit of its own, before the link counts as lost."""
_START_ALLOWANCE: Final = 30.0
_LOCK_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@attrs.frozen
class _Ending:
    """How the process that carried a batch ended: by itself or by us, and what it said on standard error."""

    exit_code: int
    ended_here: bool
    stderr: bytes


class ShellHost(ABC):
    """A host reached through a POSIX sh: each batch is one script; a subclass knows the way to a sh."""

    def __init__(self, amendments: str = "") -> None:
        self._amendments = amendments

    @property
    @abstractmethod
    def name(self) -> str:
        """The node's name (`uname -n`)."""

    @property
    def _label(self) -> str:
        """What errors call the host; no connection is opened to find out."""
        return self.name

    @abstractmethod
    def _argv(self, bootstrap: str) -> Sequence[str]:
        """Return the argv that starts a sh there with this text as its `-c`; the text is ours, never data."""

    @abstractmethod
    def _is_intact(self, exit_code: int) -> bool:
        """Say whether all that the far shell wrote has arrived, given how its process here ended."""

    def _launch(self, bootstrap: str, errors: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start a sh there, pipes at its standard input and output; raise ConnectError where that cannot be done."""
        argv = self._argv(bootstrap)
        try:
            return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)  # noqa: S603  # an argv of ours; data travels on standard input
        except OSError as error:
            msg = f"cannot start {argv[0]}: {error.strerror}"
            raise ConnectError(msg, host=self._label) from error

    def perform(self, batch: Sequence[Operation], /, *, on_outcome: OnOutcome | None = None) -> tuple[Outcome, ...]:
        """Perform the operations in order, in one round trip, as `Host.perform` says."""
        if not batch:
            return ()
        token = secrets.token_hex(16)
        script = compile_batch(batch, token, self._amendments)
        reader = FrameReader(batch, token, on_outcome)
        ending = self._carry(script, reader, _START_ALLOWANCE + sum(map(_allowance, batch)))
        intact = not ending.ended_here and self._is_intact(ending.exit_code)
        if reader.refused or (intact and not reader.ready):
            said = ending.stderr.decode(errors="replace").strip()
            why = reader.refused or said or f"its sh ended at once with exit code {ending.exit_code}"
            raise ConnectError(why, host=self._label)
        return reader.close(intact=intact, why=ending.stderr)

    def _carry(self, script: bytes, reader: FrameReader, allowance: float) -> _Ending:
        with self._start(BOOTSTRAP) as (process, errors):
            sender = threading.Thread(target=_send, args=(process.stdin, script), daemon=True)
            sender.start()
            deadline = time.monotonic() + allowance
            for data in _arriving(process.stdout, deadline):
                reader.feed(data)
                if reader.over:
                    break
            late = time.monotonic() >= deadline
            ended_here = late or not _ended(process)
            if ended_here:
                _end(process)
            sender.join(1.0)
            errors.seek(0)
            return _Ending(process.returncode, ended_here, errors.read())

    def stream(self, operation: Run, /) -> Iterator[bytes]:
        """Yield lines of the program's standard output until it ends or the caller closes the iterator.

        The program ends with the iterator. Raises HostError where it is not there or cannot be started.
        """
        with self._start(ONE_LINE) as (process, errors):
            assert process.stdin is not None  # noqa: S101  # it was opened as a pipe
            assert process.stdout is not None  # noqa: S101  # the same
            process.stdin.write(compile_stream(operation))
            process.stdin.flush()
            yield from process.stdout
            code = process.wait()
            if code in {126, 127} and code not in operation.ok:
                errors.seek(0)
                msg = f"{operation.argv[0]} cannot be run: {errors.read().decode(errors='replace').strip()}"
                raise HostError(msg, host=self._label)

    @contextmanager
    def hold(self, name: str, /) -> Iterator[None]:
        """Hold an advisory lock of this name there; it is gone with the connection.

        Raises HostError where another holds it, naming the holder, and ValueError for a name that is no plain word.
        """
        if not _LOCK_NAME.fullmatch(name):
            msg = f"{name!r} cannot name a lock: letters, digits, dots, dashes and underscores only"
            raise ValueError(msg)
        with self._start(ONE_LINE) as (process, errors):
            assert process.stdin is not None  # noqa: S101  # it was opened as a pipe
            assert process.stdout is not None  # noqa: S101  # the same
            process.stdin.write(compile_hold(name, _who_asks()))
            process.stdin.flush()
            answer = process.stdout.readline().decode(errors="replace").strip()
            if answer != "held":
                errors.seek(0)
                why = answer or errors.read().decode(errors="replace").strip() or "no answer came"
                msg = f"the lock {name!r} cannot be held: {why}"
                raise HostError(msg, host=self._label)
            yield

    @contextmanager
    def _start(self, bootstrap: str) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
        with tempfile.TemporaryFile() as errors:
            process = self._launch(bootstrap, errors)
            try:
                yield process, errors
            finally:
                _end(process)


def _send(pipe: IO[bytes] | None, script: bytes) -> None:
    # A far side that is gone before it read everything shows itself by the missing frames.
    if pipe is not None:
        with suppress(OSError, ValueError), pipe:
            pipe.write(script)


def _arriving(pipe: IO[bytes] | None, deadline: float) -> Iterator[bytes]:
    """Yield what arrives until the other end closes or the deadline (of the monotonic clock) is over."""
    if pipe is None:
        return
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            if selector.select(left):
                data = os.read(pipe.fileno(), 1 << 18)
                if not data:
                    return
                yield data


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Say whether the process ends by itself in a moment."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(5.0)
    return process.returncode is not None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close the pipes, so that the script stops by itself; end the process where that is not enough."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    for insist in (None, process.terminate, process.kill):
        if insist is not None:
            insist()
        with suppress(subprocess.TimeoutExpired):
            process.wait(1.0)
            return


def _allowance(operation: Operation) -> float:
    """Return the seconds an operation may take by its own limits."""
    match operation:
        case Run():
            return operation.timeout + 5
        case WriteAttribute():
            return operation.deadline + 5
        case Expect():
            return _allowance(operation.probe)
        case Await():
            return operation.deadline + operation.interval + _allowance(operation.probe)
        case Bracket():
            inner = (*operation.enter, *operation.body, *operation.leave)
            return operation.deadline + sum(map(_allowance, inner))
        case _:
            return _FILE_ALLOWANCE


def _who_asks() -> str:
    """Return who holds a lock, for those who find it held."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{os.uname().nodename}, process {os.getpid()}"
