"""Read the framed stream that a compiled batch answers with, and make outcomes of it as they come.

::

    TOKEN ready                         the script began; nothing was run before
    TOKEN begin PLACE                   what follows is the operation's standard output, bytes as they are
    TOKEN contents, TOKEN edge          parts of a tree's output
    TOKEN err                           what follows is its standard error
    TOKEN end PLACE STATUS CODE ERRNO
    TOKEN over                          the batch was gone through
    TOKEN refused WHY                   nothing was run

Every line of these is preceded by a newline that is part of it. The token is random, so that output cannot
hold it. Places count from 0; parts of a bracket add `_` and their own place.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import attrs

from hastore.hosts.errnos import name_in, name_of_number
from hastore.hosts.host import OnOutcome
from hastore.hosts.operations import Bracket, Entry, Operation, Outcome, ReadTree, Status

_KINDS: Final = {"f": "file", "d": "dir", "u": "dir", "l": "link"}


@attrs.define
class _Open:
    """An operation that began and has not ended."""

    place: str
    began: float
    stdout: bytes = b""
    stderr: bytes = b""


class FrameReader:
    """Takes bytes as they arrive and gathers the outcomes of a batch.

    `clock` gives seconds; an operation's `seconds` are those between its frames' arrivals.
    """

    def __init__(
        self,
        batch: Sequence[Operation],
        token: str,
        on_outcome: OnOutcome | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.batch = tuple(batch)
        self.ready = False
        self.over = False
        self.refused = ""
        self._on_outcome = on_outcome
        self._clock = clock
        self._mark = b"\n" + token.encode() + b" "
        self._buffer = bytearray()
        self._searched = 0
        self._open: list[_Open] = []
        self._section = ""
        self._parts: dict[str, Outcome] = {}
        self._told = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes; on_outcome is called for every operation of the batch that ended in them."""
        self._buffer += data
        while (found := self._next_frame()) is not None:
            text, frame = found
            self._keep(text)
            self._take(frame)

    def _next_frame(self) -> tuple[bytes, list[str]] | None:
        start = self._buffer.find(self._mark, self._searched)
        if start < 0:
            self._searched = max(0, len(self._buffer) - len(self._mark))
            return None
        end = self._buffer.find(b"\n", start + len(self._mark))
        if end < 0:
            self._searched = start
            return None
        while self._is_edge(start, end):
            # A tree's edges are cut out later, all at once: thousands of them would make this quadratic.
            start = self._buffer.find(self._mark, end)
            end = self._buffer.find(b"\n", start + len(self._mark)) if start >= 0 else -1
            if end < 0:
                self._searched = start if start >= 0 else max(0, len(self._buffer) - len(self._mark))
                return None
        text = bytes(self._buffer[:start])
        frame = bytes(self._buffer[start + len(self._mark) : end]).decode("utf-8", "replace").split(" ")
        del self._buffer[: end + 1]
        self._searched = 0
        return text, frame

    def _is_edge(self, start: int, end: int) -> bool:
        return bytes(self._buffer[start + len(self._mark) : end]) in {b"edge", b"contents"}

    def _keep(self, text: bytes) -> None:
        if not self._open:
            return
        if self._section == "err":
            self._open[-1].stderr += text
        else:
            self._open[-1].stdout += text

    def _take(self, frame: list[str]) -> None:
        self._section = ""
        match frame:
            case ["ready"]:
                self.ready = True
            case ["over"]:
                self.over = True
            case ["refused", *why]:
                self.refused = " ".join(why)
            case ["begin", place]:
                self._open.append(_Open(place, self._clock()))
            case ["err"]:
                self._section = "err"
            case ["end", place, status, code, trouble]:
                self._end(place, Status(status), int(code) if code != "-" else None, trouble)
            case _:
                pass

    def _end(self, place: str, status: Status, code: int | None, trouble: str) -> None:
        opened = self._open.pop()
        outcome = Outcome(
            self._operation(place),
            status,
            code,
            opened.stdout,
            opened.stderr,
            _error_name(trouble, opened.stderr),
            seconds=self._clock() - opened.began,
        )
        self._parts[place] = self._completed(outcome, place)
        if "_" not in place:
            self._tell(int(place))

    def _operation(self, place: str) -> Operation:
        first, *rest = map(int, place.split("_"))
        operation = self.batch[first]
        for index in rest:
            operation = _inner(operation)[index]
        return operation

    def _completed(self, outcome: Outcome, place: str) -> Outcome:
        if isinstance(outcome.operation, ReadTree):
            tree = read_tree(outcome.stdout, self._mark) if outcome.done else {}
            return attrs.evolve(outcome, stdout=b"", tree=tree)
        if isinstance(outcome.operation, Bracket):
            return attrs.evolve(outcome, parts=self._parts_of(outcome.operation, place, Status.NOT_RUN))
        return outcome

    def _parts_of(self, bracket: Bracket, place: str, missing: Status) -> tuple[Outcome, ...]:
        inner = enumerate(_inner(bracket))
        return tuple(self._parts.get(f"{place}_{index}") or Outcome(part, missing) for index, part in inner)

    def _tell(self, place: int) -> None:
        if self._on_outcome is not None:
            self._on_outcome(place, self._parts[str(place)])
        self._told = place + 1

    def close(self, *, intact: bool, why: bytes = b"") -> tuple[Outcome, ...]:
        """Return an outcome for each operation, once no more bytes will come.

        `intact` says that everything the script wrote has arrived: then an operation whose beginning was not
        seen did not begin. Else all that was not reported may have run. `why` is put into the standard error of
        those that are unknown.
        """
        begun = {opened.place.split("_", 1)[0] for opened in self._open}
        certain = intact or self.over
        for place, operation in enumerate(self.batch):
            if str(place) in self._parts:
                continue
            unknown = str(place) in begun or not certain
            self._parts[str(place)] = (
                self._unfinished(operation, str(place), why) if unknown else Outcome(operation, Status.NOT_RUN)
            )
            self._tell(place)
        return tuple(self._parts[str(place)] for place in range(len(self.batch)))

    def _unfinished(self, operation: Operation, place: str, why: bytes) -> Outcome:
        parts = self._parts_of(operation, place, Status.UNKNOWN) if isinstance(operation, Bracket) else ()
        seen = next((opened for opened in self._open if opened.place == place), _Open(place, self._clock()))
        return Outcome(operation, Status.UNKNOWN, None, seen.stdout, seen.stderr + why, parts=parts)


def _inner(operation: Operation) -> tuple[Operation, ...]:
    return (*operation.enter, *operation.body, *operation.leave) if isinstance(operation, Bracket) else ()


def _error_name(trouble: str, stderr: bytes) -> str:
    if trouble == "-":
        return ""
    if trouble == "?":
        return name_in(stderr) or "EIO"
    return name_of_number(int(trouble[1:])) if trouble.startswith("#") else trouble


def read_tree(stdout: bytes, mark: bytes) -> dict[str, Entry]:
    """Return the entries of a tree that was walked: `kind mode path NUL target NUL` each, then the contents."""
    listed, _, contents = stdout.partition(mark + b"contents\n")
    chunks = iter(contents.split(mark + b"edge\n")[1:])
    entries = {path: entry for path, entry in _entries(listed, chunks) if path}
    return dict(sorted(entries.items(), key=lambda item: item[0].split("/")))


def _entries(listed: bytes, chunks: Iterator[bytes]) -> Iterator[tuple[str, Entry]]:
    fields = listed.split(b"\0")
    for head, target in zip(fields[::2], fields[1::2], strict=False):
        kind, mode, raw_path = head.split(b" ", 2)
        path = _text(raw_path).removeprefix(".").removeprefix("/")
        content, error = _content(next(chunks, b""), raw_path) if kind == b"f" else (b"", "")
        yield (
            path,
            Entry(
                _KINDS[_text(kind)],  # type: ignore[arg-type]  # a Literal out of a table of three
                content,
                _text(target),
                int(mode or b"0", 8),
                "EACCES" if kind == b"u" else error,
            ),
        )


def _content(chunk: bytes, path: bytes) -> tuple[bytes, str]:
    """Split what cat gave for a file from what it said when it could not read on."""
    start = chunk.rfind(b"cat: ") if chunk.endswith(b"\n") else -1
    said = chunk[start + len(b"cat: ") :] if start >= 0 else b""
    own = path.rsplit(b"/", 1)[-1] in said or said.startswith(b"read error: ")
    name = name_in(said) if own else ""
    return (chunk[:start], name) if name else (chunk, "")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
