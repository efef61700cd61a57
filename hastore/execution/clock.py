"""Time as execution knows it: handed in, so that a simulated world can bring its own."""

from __future__ import annotations

import time
from typing import Protocol, runtime_checkable


class Clock(Protocol):
    """Something that tells the time and lets it pass."""

    @property
    def now(self) -> float:
        """Seconds since some moment, never going back."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Let that many seconds pass."""
        ...


@runtime_checkable
class HasClock(Protocol):
    """A host that lives in a time of its own, as simulated ones do."""

    @property
    def clock(self) -> Clock:
        """The clock of the host's world."""
        ...


class SystemClock:
    """The machine's monotonic clock."""

    @property
    def now(self) -> float:
        """See `Clock.now`."""
        return time.monotonic()

    def sleep(self, seconds: float, /) -> None:
        """See `Clock.sleep`."""
        time.sleep(seconds)
