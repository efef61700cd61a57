"""What happens while hastore works, as values: for progress bars, journals and tests."""

from __future__ import annotations

from typing import Literal

from hastore.model.values import value

EventKind = Literal[
    "observing",
    "planned",
    "wave-started",
    "step-started",
    "operation",
    "progress",
    "step-done",
    "step-failed",
    "step-unknown",
    "waiting",
    "done",
    "stopped",
]


@value
class Event:
    """One thing that happened; never holds a secret."""

    kind: EventKind
    text: str
    """One line for people."""
    host: str = ""
    step: str = ""
    """The step's key, where it belongs to one."""
    fraction: float | None = None
    """Progress from 0 to 1, where it is known."""
    seconds: float = 0.0
    """On the clock of the execution, since apply began."""
