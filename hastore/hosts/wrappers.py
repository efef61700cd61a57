"""Hosts that wrap another: to look only, to write a transcript, to answer from one, to count."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TextIO

from hastore.hosts.host import Host, OnOutcome
from hastore.hosts.operations import Operation, Outcome, Run
from hastore.hosts.transcript import Json, Line, dump_line, load, plain, secrets_in
from hastore.model.errors import HostError, ObserveOnly


class _Wrapper:
    """Hands everything to the host within; a wrapper changes what it is about."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.host!r})"

    @property
    def name(self) -> str:
        """The node's name."""
        return self.host.name

    def perform(self, batch: Sequence[Operation], /, *, on_outcome: OnOutcome | None = None) -> tuple[Outcome, ...]:
        """Perform the operations in order, as `Host.perform` says."""
        return self.host.perform(batch, on_outcome=on_outcome)

    def stream(self, operation: Run, /) -> Iterator[bytes]:
        """Yield lines of the program's standard output, as `Host.stream` says."""
        return self.host.stream(operation)

    def hold(self, name: str, /) -> AbstractContextManager[None]:
        """Hold an advisory lock, as `Host.hold` says."""
        return self.host.hold(name)


class ObserveOnlyHost(_Wrapper):
    """A host for looking: a batch that holds a change is turned away at the door, before anything of it runs."""

    def perform(self, batch: Sequence[Operation], /, *, on_outcome: OnOutcome | None = None) -> tuple[Outcome, ...]:
        """Perform a batch of reads; raises ObserveOnly, listing the changes, where it holds any."""
        self._turn_away([operation for operation in batch if not operation.reads])
        return super().perform(batch, on_outcome=on_outcome)

    def stream(self, operation: Run, /) -> Iterator[bytes]:
        """Stream a program that reads; raises ObserveOnly for another."""
        self._turn_away([] if operation.reads else [operation])
        return super().stream(operation)

    def hold(self, name: str, /) -> AbstractContextManager[None]:
        """Raise ObserveOnly: a lock is for those who change something."""
        msg = f"opened for looking only, and the lock {name!r} was asked for"
        raise ObserveOnly(msg, host=self.name)

    def _turn_away(self, changes: Sequence[Operation]) -> None:
        if changes:
            listed = "".join(f"\n  {change}" for change in changes)
            msg = f"opened for looking only; these would change something, and nothing was run:{listed}"
            raise ObserveOnly(msg, host=self.name)


class CountingHost(_Wrapper):
    """Counts the round trips and the operations that reach the host within."""

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.round_trips = 0
        self.operations = 0

    def perform(self, batch: Sequence[Operation], /, *, on_outcome: OnOutcome | None = None) -> tuple[Outcome, ...]:
        """Perform the batch and count it; an empty one costs nothing."""
        self.round_trips += bool(batch)
        self.operations += len(batch)
        return super().perform(batch, on_outcome=on_outcome)


class RecordingHost(_Wrapper):
    """Writes every operation and its outcome to a transcript as it arrives, secrets concealed.

    Streams and locks pass through unrecorded. `transcript` is a text file that is open for writing.
    """

    def __init__(self, host: Host, transcript: TextIO) -> None:
        super().__init__(host)
        self._transcript = transcript
        self._secrets: set[bytes] = set()

    def perform(self, batch: Sequence[Operation], /, *, on_outcome: OnOutcome | None = None) -> tuple[Outcome, ...]:
        """Perform the batch and write down what came back."""
        self._secrets.update(secrets_in(tuple(batch)))

        def record(place: int, outcome: Outcome) -> None:
            self._transcript.write(dump_line(self.name, outcome, self._secrets) + "\n")
            self._transcript.flush()
            if on_outcome is not None:
                on_outcome(place, outcome)

        return super().perform(batch, on_outcome=record)


class ReplayingHost:
    """Answers from a transcript: each operation gets the next outcome that was recorded for an equal one.

    Batches may be cut differently than they were recorded. Raises HostError where the transcript holds no
    answer, naming the operation.
    """

    def __init__(self, transcript: Iterable[Line], *, name: str = "") -> None:
        lines = tuple(transcript)
        hosts = sorted({line.host for line in lines})
        if not name and len(hosts) != 1:
            msg = f"the transcript is of {', '.join(hosts) or 'no host'}; say which one with name="
            raise ValueError(msg)
        self._name = name or hosts[0]
        self._answers: dict[str, deque[Line]] = {}
        for line in lines:
            if line.host == self._name:
                self._answers.setdefault(_key(line.operation), deque()).append(line)

    @classmethod
    def from_file(cls, path: str | Path, *, name: str = "") -> ReplayingHost:
        """Read a transcript that a RecordingHost wrote."""
        return cls(load(Path(path).read_text("utf-8"), source=str(path)), name=name)

    def __repr__(self) -> str:
        return f"ReplayingHost(name={self._name!r})"

    @property
    def name(self) -> str:
        """The node's name, as it was recorded."""
        return self._name

    def perform(self, batch: Sequence[Operation], /, *, on_outcome: OnOutcome | None = None) -> tuple[Outcome, ...]:
        """Answer each operation as it was answered when the transcript was written."""
        outcomes: list[Outcome] = []
        for place, operation in enumerate(batch):
            outcome = self._answer(operation)
            outcomes.append(outcome)
            if on_outcome is not None:
                on_outcome(place, outcome)
        return tuple(outcomes)

    def _answer(self, operation: Operation) -> Outcome:
        waiting = self._answers.get(_key(plain(operation)))
        if not waiting:
            msg = f"the transcript holds no {'more answers' if waiting is not None else 'answer'} to: {operation}"
            raise HostError(msg, host=self._name)
        return waiting.popleft().answer(operation)

    def stream(self, operation: Run, /) -> Iterator[bytes]:
        """Raise HostError: streams are not recorded."""
        msg = f"a transcript holds no streams, and this was asked for: {operation}"
        raise HostError(msg, host=self._name)

    def hold(self, name: str, /) -> AbstractContextManager[None]:
        """Hold nothing: nobody else speaks with a transcript."""
        del name
        return nullcontext()


def _key(operation: Json) -> str:
    return json.dumps(operation, sort_keys=True)
