"""Order steps into waves, and foretell every state on the way."""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import TopologicalSorter

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
    return Schedule(schedule.waves, by_weight(findings), schedule.predicted)


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
    """Sort steps topologically, then put each into the earliest wave it may share."""
    ordered = sorted(steps, key=lambda s: s.layer)
    graph = _edges(ordered)
    place: dict[int, int] = {}
    for number in TopologicalSorter(graph).static_order():
        place[number] = max((_after(ordered[n], ordered[number], place[n]) for n in graph[number]), default=0)
    count = max(place.values(), default=-1) + 1
    waves: list[list[Step]] = [[] for _ in range(count)]
    for number, step in enumerate(ordered):
        waves[place[number]].append(step)
    return waves


def _edges(ordered: list[Step]) -> dict[int, set[int]]:
    """Return for each step those of lower layers that it must follow; linear in steps that share objects."""
    makers: dict[str, list[int]] = {}
    graph: dict[int, set[int]] = {}
    for number, step in enumerate(ordered):
        wanted = step.needs | step.touches
        if EVERYTHING in wanted:
            candidates = set(range(number))
        else:
            candidates = {
                n for want in wanted for n in makers.get(_object(want), ()) if _concerns(ordered[n].touches, want)
            }
        graph[number] = {n for n in candidates if ordered[n].layer < step.layer}
        for made in step.touches:
            makers.setdefault(_object(made), []).append(number)
    return graph


def _after(earlier: Step, later: Step, wave: int) -> int:
    """Return the first wave the later step may be in: the same batch only on the same host, with nothing to look at."""
    apart = later.fresh or isinstance(earlier, Watch) or isinstance(later, Watch) or earlier.host != later.host
    return wave + 1 if apart else wave


def _object(reference: str) -> str:
    return reference.partition("@")[0]


def _concerns(made: frozenset[str], want: str) -> bool:
    """True where one of the made references means the wanted one; one without a host means it on every host."""
    return any(one == want or (_object(one) == _object(want) and not ("@" in one and "@" in want)) for one in made)
