"""What clients were told: writes attempted and acknowledged, to be found again whatever happens to the nodes."""

from __future__ import annotations

from dataclasses import dataclass, field

Place = tuple[str, int, int]
"""Target, LUN, extent."""


@dataclass
class Ledger:
    """Per place the last acknowledged write, and what was attempted since: any of these may be found there."""

    acknowledged: dict[Place, str] = field(default_factory=dict)
    pending: dict[Place, set[str]] = field(default_factory=dict)

    def attempt(self, target: str, lun: int, extent: int, write_id: str) -> None:
        """Note a write before it is tried; it may be on the medium from now on, acknowledged or not."""
        self.pending.setdefault((target, lun, extent), set()).add(write_id)

    def acknowledge(self, target: str, lun: int, extent: int, write_id: str) -> None:
        """Note that the client was told that this write is safe."""
        place = (target, lun, extent)
        self.acknowledged[place] = write_id
        self.pending.pop(place, None)

    def accepts(self, place: Place, found: str | None) -> bool:
        """Tell whether what is found at a place is what a client may expect there."""
        return found == self.acknowledged[place] or found in self.pending.get(place, set())
