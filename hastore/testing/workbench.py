"""The bench that drivers are tried on: hosts, what to do on them, and how time passes there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

import attrs

from hastore.drivers import registry
from hastore.drivers.base import Driver, HostFacts, Verdict
from hastore.execution.secrets import resolve_operations
from hastore.execution.session import HostSession, observe_all
from hastore.hosts.host import Host, OnOutcome
from hastore.hosts.operations import Operation, Outcome, Run
from hastore.model.state import ClusterState
from hastore.model.values import field, value
from hastore.planning.steps import Step, Subsystem, Watch


def _no_time(_seconds: float) -> None:
    """Pass no time: real hosts have their own."""


@value(eq=False)
class Bench:
    """Hosts where a driver is tried: make a fresh one for each trial, because trials change it.

    `steps` are done one after the other; those of other subsystems prepare the ground, with whatever driver
    suits. `host` names the one whose facts and answers the driver is looked at with.
    """

    hosts: Mapping[str, Host]
    host: str
    steps: tuple[Step, ...] = ()
    pass_time: Callable[[float], None] = _no_time
    """Lets seconds pass while the bench waits, such as `lab.world.advance`."""
    needs: Mapping[str, frozenset[str]] = field(factory=dict[str, "frozenset[str]"])
    """Key of a step -> capabilities that it needs; a driver whose match lacks one is not asked for the step."""


class CountingHost:
    """A host that counts the round trips of another, and keeps what was asked."""

    def __init__(self, inner: Host) -> None:
        self.inner = inner
        self.batches: list[tuple[Operation, ...]] = []

    @property
    def name(self) -> str:
        """The inner host's name."""
        return self.inner.name

    def perform(self, batch: Sequence[Operation], /, *, on_outcome: OnOutcome | None = None) -> tuple[Outcome, ...]:
        """Perform the batch there, and count it."""
        self.batches.append(tuple(batch))
        return self.inner.perform(batch, on_outcome=on_outcome)

    def stream(self, operation: Run, /) -> Iterator[bytes]:
        """Stream from there."""
        return self.inner.stream(operation)

    def hold(self, name: str, /) -> AbstractContextManager[None]:
        """Hold the lock there."""
        return self.inner.hold(name)


class Workbench:
    """A bench at work: its hosts' facts gathered, the driver under trial chosen wherever it suits."""

    def __init__(self, bench: Bench, kind: type[Driver]) -> None:
        self.bench = bench
        self.kind = kind
        self.hosts = {name: CountingHost(host) for name, host in bench.hosts.items()}
        self.sessions = {name: self._session(host) for name, host in self.hosts.items()}
        self.state = self.observe()

    @property
    def host(self) -> CountingHost:
        """The host that the driver is looked at with."""
        return self.hosts[self.bench.host]

    @property
    def facts(self) -> HostFacts:
        """That host's facts."""
        return self.sessions[self.bench.host].facts

    def driver(self) -> Driver:
        """Return the driver under trial, made with that host's facts."""
        return self.kind(self.facts)

    def observe(self) -> ClusterState:
        """Look at every host, and remember what was seen."""
        self.state = observe_all(tuple(self.sessions.values()))
        return self.state

    def steps(self) -> Iterator[Step]:
        """Yield the bench's steps; those that the driver has no capabilities for are left out."""
        capabilities = self.kind.match(self.facts).capabilities
        return (step for step in self.bench.steps if self.bench.needs.get(step.key, frozenset()) <= capabilities)

    def is_on_trial(self, step: Step) -> bool:
        """Tell the driver's own steps from those that prepare the ground."""
        return step.subsystem == self.kind.subsystem and not isinstance(step, Watch)

    def render(self, step: Step) -> tuple[Operation, ...]:
        """Return a step's operations in the state that was last seen."""
        return self.sessions[step.host].driver(step.subsystem).render(step, self.state)

    def perform(self, step: Step, operations: tuple[Operation, ...]) -> Verdict:
        """Perform a step's operations, judge them, and look again."""
        revealed = resolve_operations(operations)
        outcomes = self.hosts[step.host].perform(revealed) if revealed else ()
        verdict = self.sessions[step.host].driver(step.subsystem).judge(step, outcomes)
        self.observe()
        return verdict

    def do(self, step: Step) -> Verdict:
        """Do a step, or wait for it."""
        if isinstance(step, Watch):
            return self.wait(step)
        return self.perform(step, self.render(step))

    def wait(self, step: Watch) -> Verdict:
        """Look until what a step waits for is so, or its deadline is over."""
        waited = 0.0
        while not step.ensures(self.state):
            if waited > step.deadline or step.hopeless(self.state):
                return Verdict("refused", step.hopeless(self.state) or step.progress(self.state)[1])
            self.bench.pass_time(step.patience)
            waited += step.patience
            self.observe()
        return Verdict("done")

    def _session(self, host: CountingHost) -> HostSession:
        probes = tuple(dict.fromkeys((*registry.probes(), *self.kind.probes)))
        facts = HostFacts(host.name, dict(zip(probes, host.perform(probes), strict=True)))
        choices: dict[Subsystem, registry.Choice] = registry.choose(facts)
        match = self.kind.match(facts)
        if match.score > 0:
            tried = attrs.evolve(choices[self.kind.subsystem], driver=self.kind(facts), match=match)
            choices[self.kind.subsystem] = tried
        return HostSession(host, facts, choices)
