"""The contract of a driver: one file that knows which commands do it on a host.

A driver has two halves. The looking half (`match`, `observe`) turns probes into a choice and reads into
typed state. The doing half (`render`, `judge`) turns a step into operations and their outcomes into a
verdict. Neither half touches a host: it says what to ask, and execution asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Protocol

from hastore.hosts.exchange import Exchange
from hastore.hosts.operations import Await, Expect, Operation, Outcome, Status
from hastore.model.state import ClusterState
from hastore.model.values import field, value
from hastore.planning.steps import Step, Subsystem


@value
class HostFacts:
    """What the probes of all drivers found on a host, gathered in one round trip."""

    host: str
    outcomes: Mapping[Operation, Outcome] = field(factory=dict[Operation, Outcome])

    def of(self, probe: Operation) -> Outcome:
        """Return a probe's outcome; NOT_RUN where nobody asked."""
        return self.outcomes.get(probe) or Outcome(probe, Status.NOT_RUN)


@value
class Match:
    """How well a driver suits a host: the highest score above 0 is chosen."""

    score: int
    reason: str
    """Why it suits, or why not; shown by `cluster.explain()`."""
    capabilities: frozenset[str] = frozenset()
    """Names of what it can do there beyond the common, such as `suspend`; the contract suite asks for them."""


@value
class Verdict:
    """What became of a step, judged from its outcomes: exit codes lie."""

    result: Literal["done", "refused", "stale", "unknown"]
    """`stale`: the world moved in between; observe and render again."""
    reason: str = ""
    """For people: what the tool said, what it means, how to mend."""


DONE = Verdict("done")


class Driver(Protocol):
    """One way of driving one subsystem, on one host whose facts it was made with."""

    name: ClassVar[str]
    """Subsystem and access path: `scst+sysfs`, `pacemaker+pcs`, `drbd+9`."""
    subsystem: ClassVar[Subsystem]
    probes: ClassVar[tuple[Operation, ...]]
    """What must be known of a host to choose; reads only."""

    def __init__(self, facts: HostFacts, /) -> None: ...

    @classmethod
    def match(cls, facts: HostFacts, /) -> Match:
        """Say how well this driver suits a host with these facts; pure."""
        ...

    def observe(self) -> Exchange[Any]:
        """Read the subsystem; return its state from `hastore.model.state`, or Unknown with the reason."""
        ...

    def render(self, step: Step, state: ClusterState, /) -> tuple[Operation, ...]:
        """Return the operations that do the step in this state; raise UnsupportedStep where there are none."""
        ...

    def judge(self, step: Step, outcomes: tuple[Outcome, ...], /) -> Verdict:
        """Say what became of the step."""
        ...


def judge_by_outcomes(outcomes: tuple[Outcome, ...]) -> Verdict:
    """Judge by status alone: the first outcome that is not done decides. For tools whose exit codes can be trusted."""
    for outcome in outcomes:
        if outcome.status is Status.UNKNOWN:
            return Verdict("unknown", f"the link or the time ran out during: {outcome.operation}")
        if outcome.status is not Status.DONE:
            return Verdict("refused", explain(outcome))
    return DONE


def with_meaning(verdict: Verdict, meanings: Mapping[str, str]) -> Verdict:
    """Return a refusal with what the tool's words mean put before them: words it says -> meaning; others as they are."""
    if verdict.result != "refused":
        return verdict
    meaning = next((text for said, text in meanings.items() if said in verdict.reason), "")
    return Verdict(verdict.result, f"{meaning} ({verdict.reason})") if meaning else verdict


def explain(outcome: Outcome) -> str:
    """Return one paragraph on a failed outcome: the operation, its errno or exit code, what it said."""
    operation = outcome.operation
    if isinstance(operation, Expect | Await):
        found = outcome.error_text.strip() or outcome.text.strip() or outcome.error or f"exit code {outcome.exit_code}"
        return f"this does not hold: {operation.because} ({operation.probe} says {found[-400:]})"
    said = (outcome.error_text.strip() or outcome.text.strip())[-2000:]
    code = outcome.error or (
        f"exit code {outcome.exit_code}" if outcome.exit_code is not None else outcome.status.value
    )
    shown = str(outcome.operation).splitlines()[0]
    shown = shown if len(shown) <= 160 else f"{shown[:160]}..."
    return f"{shown}: {code}" + (f": {said}" if said else "")
