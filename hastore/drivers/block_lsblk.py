"""block+lsblk: block devices as util-linux sees them. It only looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from hastore.drivers.base import HostFacts, Match, Verdict, explain, judge_by_outcomes
from hastore.drivers.reading import missing, understood, unsupported
from hastore.formats import lsblk
from hastore.hosts.exchange import Exchange
from hastore.hosts.operations import Operation, Outcome, Run
from hastore.model.state import BlockDevice, ClusterState, Observed
from hastore.planning.steps import Step, Subsystem

_LIST: Final = Run(("lsblk", "-J", "-b", "-p", "-o", ",".join(lsblk.COLUMNS)), reads=True)


class LsblkDriver:
    """Reads block devices with `lsblk -J`; size, signature and use are udev's and libblkid's."""

    name: ClassVar[str] = "block+lsblk"
    subsystem: ClassVar[Subsystem] = "block"
    probes: ClassVar[tuple[Operation, ...]] = (_LIST,)

    def __init__(self, facts: HostFacts, /) -> None:
        self.facts = facts

    @classmethod
    def match(cls, facts: HostFacts, /) -> Match:
        """Suit every host whose lsblk answers."""
        outcome = facts.of(_LIST)
        if missing(outcome):
            return Match(0, "lsblk is not installed")
        return Match(10, "lsblk answers as JSON") if outcome.done else Match(0, explain(outcome))

    def observe(self) -> Exchange[Observed[Mapping[str, BlockDevice]]]:
        """Return path -> device, in one round trip."""
        (listed,) = yield (_LIST,)
        return understood(listed, lsblk.parse)

    def render(self, step: Step, _state: ClusterState, /) -> tuple[Operation, ...]:
        """Raise UnsupportedStep: no step changes block devices as such."""
        raise unsupported(self.name, step)

    def judge(self, _step: Step, outcomes: tuple[Outcome, ...], /) -> Verdict:
        """Judge by status."""
        return judge_by_outcomes(outcomes)
