"""Apply a schedule: wave by wave, a batch a host, observed again after each, stopped at the first doubt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager

from hastore.drivers.base import Verdict
from hastore.execution.clock import Clock
from hastore.execution.journal import Journal, Redactor
from hastore.execution.report import ApplyReport, StepReport
from hastore.execution.secrets import ask_for, resolve_operations, secrets_within
from hastore.execution.session import HostSession, observe_all, side_by_side
from hastore.hosts.operations import Operation, Outcome
from hastore.model.errors import (
    ApplyError,
    ConnectError,
    HastoreError,
    OutcomeUnknown,
    SecretError,
    StalePlan,
    StepFailed,
    UnsupportedStep,
)
from hastore.model.events import Event, EventKind
from hastore.model.secrets import Revealed, Secret
from hastore.model.state import ClusterState
from hastore.model.values import value
from hastore.planning.serving import serves
from hastore.planning.steps import Guarded, Step, Watch

STALE_TRIES = 5
"""How often a patch is made anew when the configuration moved elsewhere than where the patch touches it."""

OnEvent = Callable[[Event], None]


@value(eq=False)
class Setting:
    """What applying needs besides the schedule: hosts, time, and where to tell of it."""

    sessions: tuple[HostSession, ...]
    clock: Clock
    journal: Journal
    on_event: OnEvent
    executor: Executor | None = None

    def observe(self) -> ClusterState:
        """Look at every host."""
        return observe_all(self.sessions, self.executor)

    @contextmanager
    def locked(self, hosts: Iterable[str]) -> Iterator[None]:
        """Hold the advisory lock `hastore` on the hosts, always in the same order; raise HostError where another has it."""
        with ExitStack() as locks:
            for host in sorted(hosts):
                locks.enter_context(self.session(host).host.hold("hastore"))
            yield

    def session(self, host: str) -> HostSession:
        """Return the session with a host; raise ConnectError where there is none."""
        found = next((s for s in self.sessions if s.name == host), None)
        if found is None:
            msg = "no such host is connected"
            raise ConnectError(msg, host=host)
        return found


def apply_waves(waves: Iterable[Sequence[Step]], setting: Setting, state: ClusterState) -> ApplyReport:
    """Do the waves' steps and return the report; the caller holds the locks.

    Raises SecretError or UnsupportedStep before anything is run, where a step to come lacks its secret or can't be
    said to its host. Raises StepFailed or OutcomeUnknown at the first step that was refused or whose outcome nobody
    knows; what ran before stands but for what was put for the plan's time alone, and planning again from there comes
    to the same end. A note at the error says how far it came.
    """
    return _Application(setting, state).run(waves)


@value(eq=False)
class _Batch:
    """What one host is to do in one round trip: its steps with their operations, and all operations, secrets revealed."""

    session: HostSession
    rendered: tuple[tuple[Step, tuple[Operation, ...]], ...]
    operations: tuple[Operation, ...]


class _Application:
    """One run over the waves."""

    def __init__(self, setting: Setting, state: ClusterState) -> None:
        self.setting = setting
        self.state = state
        self.began = setting.clock.now
        self.steps: list[StepReport] = []
        self.stall: float | None = None
        self.served = serves(state)
        self.looked = self.began
        self.redactor = Redactor()
        self.secrets: dict[Secret, Revealed] = {}

    def run(self, waves: Iterable[Sequence[Step]]) -> ApplyReport:
        begun = list(waves)
        self.rehearse(begun)
        for number, wave in enumerate(begun, start=1):
            try:
                self.tell("wave-started", f"wave {number}: {len(wave)} steps")
                self.do(wave)
            except (Exception, KeyboardInterrupt) as stopped:
                self.take_back([step for later in begun[number:] for step in later if step.always], stopped)
                self.note_how_far(stopped, sum(map(len, begun)))
                raise
        self.tell("done", f"{sum(s.result == 'done' for s in self.steps)} steps done")
        return ApplyReport(tuple(self.steps), self.setting.clock.now - self.began, self.stall, None, self.state)

    def rehearse(self, waves: Sequence[Sequence[Step]]) -> None:
        """Render every step for the state that is foretold, and ask for every secret, before the first one runs."""
        state = self.state
        for step in (step for wave in waves for step in wave):
            if not isinstance(step, Watch):
                self.rehearse_step(step, state)
            state = step.effect(state)

    def rehearse_step(self, step: Step, state: ClusterState) -> None:
        """Ask for what a step's operations need; of one that only what it will find can tell, for all that it names."""
        driver = self.setting.session(step.host).driver(step.subsystem)
        try:
            resolve_operations(driver.render(step, state), self.secrets)
        except SecretError:
            raise
        except HastoreError as unsaid:
            if isinstance(unsaid, UnsupportedStep) and not step.fresh:
                raise
            ask_for(secrets_within(step), self.secrets)

    def note_how_far(self, stopped: BaseException, count: int) -> None:
        """Say at an error, and in the journal, what was done before it."""
        done = [step for step in self.steps if step.result == "done"]
        last = f", the last of them: {done[-1].title} [{done[-1].host}]" if done else ""
        note = f"{len(done)} of {count} steps were done before it stopped{last}"
        if not isinstance(stopped, HastoreError):
            note += "; what was under way then may have happened or not: look, then plan again"
        stopped.add_note(note)
        self.tell("stopped", f"{type(stopped).__name__}: {note}")

    def do(self, wave: Sequence[Step]) -> None:
        """Wait for what the wave waits for, and change what it changes."""
        for step in wave:
            if isinstance(step, Watch):
                self.wait(step)
        self.change([step for step in wave if not isinstance(step, Watch)])

    def take_back(self, steps: Sequence[Step], stopped: BaseException) -> None:
        """Do the steps that are due whatever happened; where that fails too, note it at the error."""
        if not steps:
            return
        try:
            self.look()
            self.change(steps)
        except HastoreError as trouble:
            stopped.add_note(f"and what was put for this plan alone may still be there: {trouble}")

    # -- changing -------------------------------------------------------------------------------------

    def change(self, steps: Sequence[Step]) -> None:
        """Do the steps of a wave that change something: a batch a host, then look and verify."""
        todo, tries = list(steps), 0
        while todo:
            ready, expected = self.ready(todo)
            hosts = list(dict.fromkeys(step.host for step, _ in ready))
            batches = [self.prepare(host, [pair for pair in ready if pair[0].host == host]) for host in hosts]
            verdicts: dict[str, Verdict] = {}
            for answered in side_by_side(self.perform, batches, self.setting.executor):
                verdicts |= answered
            before = self.state
            if ready:
                self.look()
            tries += 1
            for step, _ in ready:
                if verdicts[step.key].result == "stale":
                    self.check_undisturbed(step, before)
            todo = self.settle_all([step for step, _ in ready], verdicts, expected, tries)

    def check_undisturbed(self, step: Step, before: ClusterState) -> None:
        """Raise StalePlan where somebody else changed the very things that a stale step is about."""
        reason = step.disturbed(before, self.state) if isinstance(step, Guarded) else ""
        if reason:
            self.finish(step, "refused", reason)
            msg = f"{step.title}: {reason}; nothing of theirs was overwritten: look at it and plan again"
            raise StalePlan(msg)

    def ready(self, steps: Sequence[Step]) -> tuple[list[tuple[Step, ClusterState]], ClusterState]:
        """Return the steps that are still to be done, each with the state it will meet, and the state expected at last.

        Asks each step once more, of what was just observed and of what the steps before it in the batch
        make of that, whether it is done already and whether it may run.
        """
        state = self.state
        ready: list[tuple[Step, ClusterState]] = []
        for step in steps:
            if step.observable and step.ensures(state):
                self.finish(step, "already so")
                continue
            reason = step.requires(state)
            if reason:
                self.finish(step, "refused", reason)
                msg = f"{step.title} on {step.host}: {reason}"
                raise StepFailed(msg)
            ready.append((step, state))
            state = step.effect(state)
        return ready, state

    def prepare(self, host: str, steps: Sequence[tuple[Step, ClusterState]]) -> _Batch:
        """Render one host's steps; every host's are rendered before any host is asked."""
        session = self.setting.session(host)
        rendered = [(step, session.driver(step.subsystem).render(step, state)) for step, state in steps]
        operations = resolve_operations([op for _, ops in rendered for op in ops], self.secrets)
        self.redactor.learn(operations)
        return _Batch(session, tuple(rendered), operations)

    def perform(self, batch: _Batch) -> dict[str, Verdict]:
        """Perform one host's steps in one round trip and judge each."""
        session, host = batch.session, batch.session.name
        for step, ops in batch.rendered:
            self.tell("step-started", step.title, step)
            self.setting.journal.write("step", step=step.key, host=host, operations=[str(op) for op in ops])
        try:
            outcomes = session.host.perform(batch.operations, on_outcome=lambda _, outcome: self.note(host, outcome))
        except ConnectError as error:
            return {step.key: Verdict("refused", f"nothing was run: {error}") for step, _ in batch.rendered}
        verdicts: dict[str, Verdict] = {}
        place = 0
        for step, ops in batch.rendered:
            mine = tuple(outcomes[place : place + len(ops)])
            place += len(ops)
            verdicts[step.key] = session.driver(step.subsystem).judge(step, mine)
        return verdicts

    def settle_all(
        self, steps: Sequence[Step], verdicts: Mapping[str, Verdict], expected: ClusterState, tries: int
    ) -> list[Step]:
        """Settle each step and return those to do anew; what one host did is told also where another's failed."""
        again: list[Step] = []
        stopped: ApplyError | None = None
        for step in steps:
            if stopped is not None and verdicts[step.key].result != "done":
                continue  # it was not begun, or its trouble is one more beside the first
            try:
                if self.settle(step, verdicts[step.key], expected, tries):
                    again.append(step)
            except ApplyError as error:
                stopped = stopped or error
        if stopped is not None:
            raise stopped
        return again

    def settle(self, step: Step, verdict: Verdict, expected: ClusterState, tries: int) -> bool:
        """Take a verdict together with what is now seen; return True where the step must be done anew.

        What a later step of the batch was expected to undo can't be seen and is believed.
        """
        reason = self.redactor.clean(verdict.reason)
        shows = step.observable and step.ensures(expected)
        seen = shows and step.ensures(self.state)
        if verdict.result == "stale" and not seen and tries < STALE_TRIES:
            self.tell("waiting", f"{step.title}: the cluster moved in between, once more", step)
            return True
        if verdict.result == "done" and (seen or not shows):
            self.finish(step, "done")
            return False
        if verdict.result == "unknown" and seen:
            self.finish(step, "done", "the report was lost, but it is seen to be done")
            return False
        if verdict.result == "unknown":
            self.finish(step, "unknown", reason)
            msg = f"{step.title} on {step.host}: nobody can say whether it happened ({reason}); look, then plan again"
            raise OutcomeUnknown(msg)
        why = reason or "the host said it was done, and looking does not show it"
        self.finish(step, "refused", why)
        msg = f"{step.title} on {step.host}: {why}"
        raise StepFailed(msg)

    def look(self) -> None:
        """Look at every host; what was served at first and is not now has not been since the look before."""
        before, self.state = self.looked, self.setting.observe()
        self.looked = self.setting.clock.now
        if self.served and not serves(self.state):
            self.stall = (self.stall or 0.0) + self.looked - before

    # -- waiting --------------------------------------------------------------------------------------

    def wait(self, step: Watch) -> None:
        """Look until the step's end is there."""
        clock = self.setting.clock
        began = clock.now
        pause = 0.25
        moved = False
        since: float | None = None
        self.tell("waiting", step.title, step)
        while True:
            if step.ensures(self.state):
                since = clock.now if since is None else since
                if clock.now - since >= step.calm:
                    break
            else:
                since, moved = None, True
                self.hope(step, clock.now - began)
            clock.sleep(pause)
            pause = min(step.patience, pause * 1.5)
            self.look()
        self.finish(step, "done" if moved else "already so", began=began)

    def hope(self, step: Watch, waited: float) -> None:
        """Tell how far a wait is; raise StepFailed where it is in vain or has lasted too long."""
        hopeless = step.hopeless(self.state)
        if hopeless or waited > step.deadline:
            why = hopeless or f"not within {step.deadline:g} s: {step.progress(self.state)[1]}"
            self.finish(step, "refused", why)
            msg = f"{step.title}: {why}"
            raise StepFailed(msg)
        fraction, line = step.progress(self.state)
        self.tell("progress", line, step, fraction)

    # -- telling --------------------------------------------------------------------------------------

    def finish(self, step: Step, result: str, reason: str = "", began: float | None = None) -> None:
        now = self.setting.clock.now
        self.steps.append(StepReport(step.key, step.title, step.host, result, now - (began or now), reason))
        kinds: dict[str, EventKind] = {"refused": "step-failed", "unknown": "step-unknown"}
        self.tell(kinds.get(result, "step-done"), f"{step.title}: {result}" + (f" ({reason})" if reason else ""), step)

    def note(self, host: str, outcome: Outcome) -> None:
        """Write an operation's outcome down as it arrives, without what secrets it may repeat."""
        self.setting.journal.write(
            "outcome",
            host=host,
            operation=self.redactor.clean(_brief(outcome.operation)),
            status=outcome.status.value,
            exit_code=outcome.exit_code,
            error=outcome.error,
            stderr=self.redactor.clean(outcome.error_text[-2000:]),
        )
        self.tell("operation", f"{outcome.status.value}: {_brief(outcome.operation)}", host=host)

    def tell(
        self, kind: EventKind, text: str, step: Step | None = None, fraction: float | None = None, host: str = ""
    ) -> None:
        where, key = (step.host, step.key) if step else (host, "")
        event = Event(kind, self.redactor.clean(text), where, key, fraction, self.setting.clock.now - self.began)
        if kind not in {"operation", "progress"}:
            self.setting.journal.write(kind, text=event.text, host=where, step=key, seconds=event.seconds)
        self.setting.on_event(event)


def _brief(operation: Operation) -> str:
    """Return the first line of an operation, cut to what fits a terminal twice."""
    return str(operation).splitlines()[0][:240]
