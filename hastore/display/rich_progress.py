"""A bar a wait, moving together at the foot of the terminal; loaded only where rich is installed and a terminal looks on."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from hastore.model.events import Event


class Bars:
    """Bars by step, gone as soon as a line is to be printed."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, highlight=False)
        self._live: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def move(self, event: Event) -> None:
        """Move the bar of the event's step to its fraction; one of unknown length pulses."""
        live = self._live or self._begin()
        if event.step not in self._tasks:
            self._tasks[event.step] = live.add_task("", total=None)
        total = None if event.fraction is None else 1.0
        live.update(self._tasks[event.step], description=_said(event), total=total, completed=event.fraction or 0.0)
        live.refresh()

    def line(self, text: str, style: str = "") -> None:
        """Take the bars away and print a line above where they were."""
        if self._live is not None:
            self._live.stop()
            self._live, self._tasks = None, {}
        self._console.print(Text(text, style), soft_wrap=True)

    def _begin(self) -> Progress:
        columns = (TextColumn("  … "), BarColumn(bar_width=28), TextColumn("{task.description}", markup=False))
        # no thread and no hidden cursor: where apply raises in the middle, the terminal is left as it was
        self._live = Progress(
            *columns,
            console=self._console,
            transient=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()
        self._console.show_cursor()
        return self._live


def _said(event: Event) -> str:
    return f"{event.seconds:7.1f} s  {event.text}"
