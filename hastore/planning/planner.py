"""Order steps into waves, and foretell every state on the way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

from hastore.model.findings import Finding, Severity, by_weight
from hastore.model.stack import StorageStack
from hastore.model.state import ClusterState
from hastore.model.values import value
from hastore.planning.compare import compare
from hastore.planning.rules import judge
from hastore.planning.steps import Step, Watch

EVERYTHING = "*"


@value
class Schedule:
    """Steps in waves: those of one wave run together, a batch a host, hosts side by side."""

    waves: tuple[tuple[Step, ...], ...] = ()
    findings: tuple[Finding, ...] = ()
    predicted: tuple[ClusterState, ...] = ()
    """The state expected after each wave."""
    compared: bool = True
    """False where something could not be compared at all: that there are no steps then says nothing."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step, in an order in which they may run."""
        return tuple(step for wave in self.waves for step in wave)

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """The findings that forbid applying."""
        return tuple(f for f in self.findings if f.severity is Severity.BLOCKING)


def plan(stack: StorageStack, state: ClusterState) -> Schedule:
    """Return the schedule from a state to a stack, with everything the rules find."""
    comparison = compare(stack, state)
    schedule = arrange(comparison.steps, state)
    findings = (*judge(stack, state), *comparison.findings, *schedule.findings)
    compared = all(finding.severity is not Severity.BLOCKING for finding in comparison.findings)
    return Schedule(schedule.waves, by_weight(findings), schedule.predicted, compared)


def arrange(steps: Iterable[Step], state: ClusterState) -> Schedule:
    """Order steps by layer and shared objects, drop what already holds, and foretell the states.

    A step that could not run even in its foretold state is a blocking finding: nothing is begun that
    is known to stop half way.
    """
    waves: list[tuple[Step, ...]] = []
    findings: list[Finding] = []
    predicted: list[ClusterState] = []
    for wave in _waves(tuple(steps)):
        kept: list[Step] = []
        for step in wave:
            if step.observable and step.ensures(state):
                continue
            reason = step.requires(state)
            if reason:
                findings.append(_impossible(step, reason))
            state = step.effect(state)
            kept.append(step)
        if kept:
            waves.append(tuple(kept))
            predicted.append(state)
    return Schedule(tuple(waves), tuple(findings), tuple(predicted))


def _impossible(step: Step, reason: str) -> Finding:
    return Finding(
        "step-impossible",
        Severity.BLOCKING,
        f"can't {step.title}: {reason}",
        (f"host:{step.host}",),
        evidence="foretold from what was observed and from the steps before it",
        mend="mend what stands in the way and plan again",
    )


def _waves(steps: tuple[Step, ...]) -> list[list[Step]]:
    """Put each step into the earliest wave it may share, behind all of lower layers that its objects went through."""
    waves: defaultdict[int, list[Step]] = defaultdict(list)
    trail = _Trail()
    for _, layer in groupby(sorted(steps, key=_layer), key=_layer):
        placed = [(step, _Batch(step.host, isinstance(step, Watch))) for step in layer]
        numbers = [trail.first_wave(step, batch) for step, batch in placed]
        for (step, batch), number in zip(placed, numbers, strict=True):
            waves[number].append(step)
            trail.add(step, batch, number)
    return [waves[number] for number in sorted(waves)]


class _Batch(NamedTuple):
    """What steps of one wave may share."""

    host: str
    watches: bool


class _Trail:
    """Which waves the objects went through so far: a few numbers an object, however many steps touched it."""

    def __init__(self) -> None:
        self._last: defaultdict[str, dict[_Batch, int]] = defaultdict(dict)
        """Reference -> the last wave of each kind of batch that touched it."""
        self._references: defaultdict[str, set[str]] = defaultdict(set)
        """Object -> how steps referred to it: for one host or for all."""

    def add(self, step: Step, batch: _Batch, wave: int) -> None:
        for touched in (*step.touches, EVERYTHING):
            self._last[touched][batch] = max(wave, self._last[touched].get(batch, 0))
            self._references[_object(touched)].add(touched)

    def first_wave(self, step: Step, batch: _Batch) -> int:
        """Return the first wave the step may be in: a batch is shared on one host only, with nothing to look at."""
        apart = step.fresh or batch.watches
        return max(
            (
                wave + (apart or earlier.watches or earlier.host != batch.host)
                for reference in self._concerned(step.needs | step.touches)
                for earlier, wave in self._last[reference].items()
            ),
            default=0,
        )

    def _concerned(self, wanted: frozenset[str]) -> set[str]:
        """Return the references that mean what is wanted; one without a host means it on every host."""
        if EVERYTHING in wanted:
            return {EVERYTHING}
        return {
            known
            for want in wanted
            for known in self._references[_object(want)]
            if known == want or not ("@" in known and "@" in want)
        }


def _layer(step: Step) -> int:
    return step.layer


def _object(reference: str) -> str:
    return reference.partition("@")[0]
