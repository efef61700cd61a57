"""The clock of a simulated world: time passes only when somebody waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hastore.sim.world import World


class SimClock:
    """Seconds since the world began; sleeping lets the world go on."""

    def __init__(self) -> None:
        self.now = 0.0
        self.world: World | None = None

    def sleep(self, seconds: float) -> None:
        """Let this many seconds pass, and all subsystems with them."""
        if self.world is None:
            self.now += seconds
        else:
            self.world.advance(seconds)
