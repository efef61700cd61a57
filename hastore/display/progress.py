"""Progress on a terminal: a line a step, and a bar that moves while something is waited for.

The bar is rich's where rich is installed, our own where it is not; logs and CI get plain lines.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from hastore.display.terminal import is_rich
from hastore.model.events import Event

if TYPE_CHECKING:
    from hastore.display.rich_progress import Bars

BAR = 28
_MARKS = {"step-done": "✔", "step-failed": "✖", "step-unknown": "?", "waiting": "…"}
_STYLES = {"step-done": "green", "step-failed": "bold red", "step-unknown": "bold yellow"}
_QUIET_STEP = 0.25
"""Where no terminal is, progress is printed at every quarter."""


class Progress:
    """Listens to events and shows them: `plan.apply(on_event=Progress())`.

    On a terminal the line of a wait is redrawn in place; elsewhere (logs, CI) it is printed at every quarter.
    """

    def __init__(self, stream: TextIO | None = None, *, indent: str = "  ") -> None:
        self._stream = stream or sys.stderr
        self._indent = indent
        self._alive = self._stream.isatty()
        self._open = False
        self._shown: dict[str, float] = {}
        self._bars = _bars(self._stream) if is_rich(self._stream) else None

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if event.kind == "progress":
            self._progress(event)
        elif event.kind in _MARKS:
            host = f" [{event.host}]" if event.host else ""
            line = f"{self._indent}{_MARKS[event.kind]} {event.seconds:7.1f} s  {event.text}{host}"
            if self._bars is not None:
                self._bars.line(line, _STYLES.get(event.kind, ""))
            else:
                self._line(line)

    def _progress(self, event: Event) -> None:
        if self._bars is not None:
            self._bars.move(event)
        elif self._alive:
            done = int(BAR * (event.fraction or 0.0))
            bar = f"[{'█' * done}{'·' * (BAR - done)}] " if event.fraction is not None else ""
            self._stream.write(f"\r\x1b[K{self._indent}… {event.seconds:7.1f} s  {bar}{event.text}")
            self._stream.flush()
            self._open = True
        elif event.fraction is not None and event.fraction >= self._shown.get(event.step, 0.0) + _QUIET_STEP:
            self._shown[event.step] = event.fraction
            self._line(f"{self._indent}… {event.seconds:7.1f} s  {event.text}")

    def _line(self, text: str) -> None:
        self._stream.write(("\r\x1b[K" if self._open else "") + text + "\n")
        self._stream.flush()
        self._open = False


def _bars(stream: TextIO) -> Bars:
    from hastore.display.rich_progress import Bars  # noqa: PLC0415  rich is loaded by those who look

    return Bars(stream)
