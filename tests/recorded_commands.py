"""Recordings of single commands: `X.cmd`, `X.out`, `X.err` and `X.rc` below tests/recordings."""

from __future__ import annotations

from pathlib import Path

from hastore.hosts.operations import Outcome, Run, Status
from hastore.model.values import value

RECORDINGS = Path(__file__).parent / "recordings"


@value
class RecordedCommand:
    """A command line, and how it ended; nothing was kept of a stream that stayed silent."""

    line: str
    exit_code: int
    out: str
    err: str

    @property
    def outcome(self) -> Outcome:
        """What a host would report of it."""
        status = Status.FAILED if self.exit_code else Status.DONE
        words = Run(tuple(self.line.split()))
        return Outcome(words, status, self.exit_code, self.out.encode(), self.err.encode())


def recorded(room: str, name: str) -> RecordedCommand:
    """Return a recorded command by room and name."""

    def part(kind: str) -> str:
        path = RECORDINGS / room / f"{name}.{kind}"
        return path.read_text() if path.exists() or kind not in {"out", "err"} else ""

    return RecordedCommand(part("cmd").strip(), int(part("rc")), part("out"), part("err"))
