"""What can be asked of a host: frozen values, and the outcomes that come back.

An operation says what is meant; a host decides how it gets there (a process here, one script over
SSH, a simulated world). Commands are argv tuples, never shell text.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from enum import Enum
from typing import Literal, TypeAlias

from hastore.model.secrets import HIDDEN, Revealed, Secret
from hastore.model.values import NO_PARAMS, Params, as_params, field, value

Content: TypeAlias = bytes | tuple[bytes | Secret | Revealed, ...]
"""Bytes on their way to a host; where secrets belong into them, the pieces in order."""


def conceal(content: Content) -> bytes:
    """Return the content for eyes: every secret replaced by asterisks."""
    if isinstance(content, bytes):
        return content
    return b"".join(piece if isinstance(piece, bytes) else HIDDEN.encode() for piece in content)


def expose(content: Content) -> bytes:
    """Return the content for the host alone; raise TypeError while a Secret is still unresolved."""
    if isinstance(content, bytes):
        return content
    pieces: list[bytes] = []
    for piece in content:
        if isinstance(piece, Secret):
            msg = f"{piece!r} was not resolved before it reached a host"
            raise TypeError(msg)
        pieces.append(piece.content if isinstance(piece, Revealed) else piece)
    return b"".join(pieces)


def _fed(content: Content) -> str:
    """Return how a shell would be given the content on standard input, secrets hidden; for eyes alone."""
    text = conceal(content).decode(errors="replace")
    if not text:
        return ""
    if "\n" not in text:
        return f" <<< {shlex.quote(text)}"
    end = "END"
    while end in text.splitlines():
        end += "_"
    return f" <<'{end}'\n{text if text.endswith(chr(10)) else text + chr(10)}{end}"


@value
class Run:
    """Run a program; it changes something unless `reads` is set."""

    argv: tuple[str, ...]
    stdin: Content = b""
    reads: bool = False
    """True where the program only looks: such operations go on after a failure before them."""
    ok: tuple[int, ...] = (0,)
    """Exit codes that let the batch go on."""
    timeout: float = 60.0
    """Seconds until the program is ended and its outcome unknown."""
    env: Params = field(default=NO_PARAMS, converter=as_params)

    def __str__(self) -> str:
        return shlex.join([*(f"{k}={v}" for k, v in self.env.items()), *self.argv]) + _fed(self.stdin)


@value
class ReadFile:
    """Read one file."""

    path: str
    reads: Literal[True] = True

    def __str__(self) -> str:
        return shlex.join(["cat", self.path])


@value
class ReadTree:
    """Read a directory tree with every file's text, as sysfs and configuration folders need it.

    Names that match a pattern of `skip` (fnmatch, on the path below `path`) are left out whole.
    Unreadable files come back with their errno. Links are not followed.
    """

    path: str
    skip: tuple[str, ...] = ()
    reads: Literal[True] = True

    def __str__(self) -> str:
        return shlex.join(["grep", "-r", "", self.path])


@value
class WriteFile:
    """Write a regular file whole: beside it first, then renamed over it, with the old one kept as `backup`."""

    path: str
    content: Content
    mode: int = 0o644
    backup: str = ""
    """Where the old content goes; empty for no backup."""
    reads: Literal[False] = False

    def __str__(self) -> str:
        kept = f"cp -p {shlex.quote(self.path)} {shlex.quote(self.backup)}\n" if self.backup else ""
        return f"{kept}install -m {self.mode:o} /dev/stdin {shlex.quote(self.path)}{_fed(self.content)}"


@value
class WriteAttribute:
    """Write a sysfs attribute in place, in one write(2).

    Where the write returns EAGAIN and `result_path` is given, the host itself waits: it reads that file
    until it no longer says EAGAIN, and takes the errno it then holds (SCST's `last_sysfs_mgmt_res`,
    scst/README "Sysfs interface"). Past `deadline` seconds the outcome is unknown.
    """

    path: str
    content: Content
    result_path: str = ""
    deadline: float = 60.0
    reads: Literal[False] = False

    def __str__(self) -> str:
        return f"printf %s {shlex.quote(conceal(self.content).decode(errors='replace'))} > {shlex.quote(self.path)}"


Probe: TypeAlias = Run | ReadFile


@value
class Condition:
    """What a probe's answer must be; everything that is given must hold.

    A missing file or program never meets a condition, except `missing=True`, which only that meets.
    """

    exit_codes: tuple[int, ...] = ()
    """For Run: any of these; empty for any code."""
    contains: tuple[str, ...] = ()
    """Each of these texts is somewhere in standard output or the file."""
    lacks: tuple[str, ...] = ()
    """None of these texts is there."""
    equals: str | None = None
    """The whole text, trailing newlines aside on both sides."""
    missing: bool = False
    """The file does not exist."""


@value
class Expect:
    """Go on only if this still holds; else the operation fails and the batch stops before any change after it."""

    probe: Probe
    condition: Condition
    because: str
    """One line for people: what it means when it does not hold."""
    reads: Literal[False] = False
    """It guards changes, so it stops them: it counts as one of them, though it changes nothing."""

    def __str__(self) -> str:
        return f"# go on only if: {self.because}\n{self.probe}"


@value
class Await:
    """Ask again every `interval` seconds, on the host itself, until it holds or `deadline` seconds are over."""

    probe: Probe
    condition: Condition
    because: str
    deadline: float = 60.0
    interval: float = 0.2
    reads: Literal[False] = False

    def __str__(self) -> str:
        return f"# wait up to {self.deadline:g} s: {self.because}\n{self.probe}"


@value
class Bracket:
    """Do `enter`, `body`, `leave`; once enter was begun, leave runs whatever happens to body or to the link.

    A watchdog on the host runs `leave` after `deadline` seconds at the latest (for SCST's `suspend`).
    The outcome's `parts` holds those of enter, body and leave, in order.
    """

    enter: tuple[Operation, ...]
    body: tuple[Operation, ...]
    leave: tuple[Operation, ...]
    deadline: float = 30.0
    reads: Literal[False] = False

    def __str__(self) -> str:
        return "\n".join(map(str, (*self.enter, *self.body, *self.leave)))


Operation: TypeAlias = Run | ReadFile | ReadTree | WriteFile | WriteAttribute | Expect | Await | Bracket


class Status(Enum):
    """What became of an operation."""

    DONE = "done"
    """It ran to its end: for Run, with an exit code in `ok`; for Expect and Await, the condition holds."""
    FAILED = "failed"
    """It was refused or did not hold; it can be seen that it changed nothing, or what it says."""
    NOT_RUN = "not run"
    """It was never begun."""
    UNKNOWN = "unknown"
    """The link or the time ran out while it may have run: look before doing anything."""


@value
class Entry:
    """One entry of a tree that was read."""

    kind: Literal["file", "dir", "link"]
    content: bytes = b""
    target: str = ""
    """Where a link points, as written."""
    mode: int = 0
    error: str = ""
    """Name of the errno that reading gave, such as `EACCES` or `EIO`."""

    @property
    def text(self) -> str:
        """The content as text; undecodable bytes survive as surrogates."""
        return self.content.decode("utf-8", "surrogateescape")


@value
class Outcome:
    """What came back from one operation."""

    operation: Operation
    status: Status
    exit_code: int | None = None
    """For Run (and the last probe of Expect and Await)."""
    stdout: bytes = b""
    """Standard output, or the content of the file."""
    stderr: bytes = b""
    error: str = ""
    """Name of the errno (`ENOENT`, `EEXIST` ...) of a file operation, or `TIMEOUT`; for a program that is not there `ENOENT`."""
    tree: Mapping[str, Entry] = field(factory=dict[str, Entry])
    """For ReadTree: path below the root -> entry, parents before children."""
    parts: tuple[Outcome, ...] = ()
    seconds: float = 0.0

    @property
    def done(self) -> bool:
        """True where the operation ran to its end."""
        return self.status is Status.DONE

    @property
    def text(self) -> str:
        """Standard output or file content as text; undecodable bytes survive as surrogates."""
        return self.stdout.decode("utf-8", "surrogateescape")

    @property
    def error_text(self) -> str:
        """Standard error as text."""
        return self.stderr.decode("utf-8", "surrogateescape")
