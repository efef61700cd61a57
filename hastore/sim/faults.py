"""Faults that tests order: armed beforehand, they strike at a counted operation or while they last."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

Moment = Literal["before", "during", "after"]


class Killed(BaseException):
    """hastore itself died in the middle of `perform` (a BaseException: nothing may catch and go on)."""


@dataclass
class _Strike:
    kind: Literal["link", "stop"]
    countdown: int
    moment: Moment


@dataclass
class Faults:
    """What goes wrong, and when.

    Operations are counted a host from the moment of arming, the first is 1; the parts of a Bracket count each.
    """

    _strikes: dict[str, list[_Strike]] = field(default_factory=dict)
    _eagain: list[tuple[str, str, float]] = field(default_factory=list)
    _disk_errors: set[tuple[str, str]] = field(default_factory=set)
    resync_factor: float = 1.0
    """Resync speed times this; 0 stands still."""
    fencing_fails: bool = False
    """No fencing device works."""

    def link_lost_before(self, host: str, n: int = 1) -> None:
        """Lose the link before the n-th operation takes effect; it and all after it are reported UNKNOWN."""
        self._arm(host, _Strike("link", n, "before"))

    def link_lost_after_effect(self, host: str, n: int = 1) -> None:
        """Lose the link after the n-th operation took effect; it and all after it are reported UNKNOWN."""
        self._arm(host, _Strike("link", n, "after"))

    def stop_after(self, host: str, n: int = 1, moment: Moment = "after") -> None:
        """Raise Killed at the n-th operation: before it, during it (half done), or after its effect and before its report."""
        self._arm(host, _Strike("stop", n, moment))

    def eagain(self, node: str, seconds: float, path: str = "*") -> None:
        """Let the SCST management writes of a node whose path (below scst_tgt) matches be queued this long."""
        self._eagain.append((node, path, seconds))

    def disk_error(self, node: str, device: str) -> None:
        """Let every read and write of a disk fail with EIO."""
        self._disk_errors.add((node, device))

    def mend_disk(self, node: str, device: str) -> None:
        """Let a disk work again."""
        self._disk_errors.discard((node, device))

    def slow_resync(self, factor: float) -> None:
        """Multiply the speed of every resync."""
        self.resync_factor = factor

    def clear(self) -> None:
        """Mend everything."""
        self.__init__()  # type: ignore[misc]  # the one list of defaults is the dataclass's own

    def due(self, host: str) -> tuple[Literal["link", "stop"], Moment] | None:
        """Count one operation on a host and tell what strikes it; asked by SimHost alone."""
        struck: _Strike | None = None
        for strike in self._strikes.get(host, []):
            strike.countdown -= 1
            if strike.countdown == 0:
                struck = strike
        if struck is None:
            return None
        self._strikes[host].remove(struck)
        return struck.kind, struck.moment

    def queued_for(self, node: str, path: str) -> float:
        """Return for how many seconds a management write is queued; 0 where it is done at once."""
        return max((s for name, pattern, s in self._eagain if name == node and fnmatchcase(path, pattern)), default=0.0)

    def disk_fails(self, node: str, device: str) -> bool:
        """Tell whether a disk gives EIO."""
        return (node, device) in self._disk_errors

    def _arm(self, host: str, strike: _Strike) -> None:
        self._strikes.setdefault(host, []).append(strike)
