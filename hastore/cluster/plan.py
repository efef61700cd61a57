"""A plan bound to its cluster: it shows itself, refuses while something blocks, and acts on `apply` alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from hastore.cluster.diff import diff
from hastore.display.notebook import findings_html, table_html
from hastore.execution.apply import OnEvent, Setting, apply_waves
from hastore.execution.journal import FileJournal, Journal, NoJournal
from hastore.execution.report import ApplyReport
from hastore.hosts.operations import Operation
from hastore.model.errors import HastoreError, Refused, SpecError, StalePlan
from hastore.model.findings import Finding, Severity
from hastore.model.stack import StorageStack
from hastore.model.state import ClusterState, PacemakerState
from hastore.planning.disruption import Disruption, disruptions
from hastore.planning.planner import Schedule
from hastore.planning.rules import RULES
from hastore.planning.steps import Guarded, Step, Watch
from hastore.planning.steps_cluster import PatchCib
from hastore.planning.switchover import OVERRIDES

if TYPE_CHECKING:
    from hastore.cluster.cluster import Cluster

Make = Callable[[ClusterState], Schedule]
"""How a plan was made, so that it can be made again of a fresh look."""


LONGEST_INPUT = 60
"""Lines of a command with its input that `Plan.commands` shows whole."""


class Plan:
    """What would be done, by whom, in which order, and who would feel it.

    Looking at it changes nothing: print it, read `steps`, `findings`, `disruptions` and `commands()`.
    `apply()` looks again first, and raises StalePlan where the world moved since.

    >>> plan = cluster.switchover(to="centos02")
    >>> print(plan)
      1. centos01     bind g_vg1 to centos02 for the move
    ...
    """

    def __init__(self, cluster: Cluster, make: Make, state: ClusterState, stack: StorageStack | None = None) -> None:
        self._cluster = cluster
        self._make = make
        self.state = state
        """The state that the plan starts from."""
        self.schedule = make(state)
        self._stack = stack

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step, in an order in which they may run."""
        return self.schedule.steps

    @property
    def waves(self) -> tuple[tuple[Step, ...], ...]:
        """The steps by wave: those of one wave run together."""
        return self.schedule.waves

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the rules, the comparison and the foretelling found, heaviest first."""
        return self.schedule.findings

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """The findings that forbid applying unless their override is named."""
        return self.schedule.blocking

    @property
    def weighty(self) -> tuple[Finding, ...]:
        """The findings that are more than advice: those that printing the plan shows."""
        return tuple(f for f in self.findings if f.severity.weight <= Severity.WARNING.weight)

    @property
    def disruptions(self) -> tuple[Disruption, ...]:
        """Who loses I/O, why, and for about how long.

        >>> print(cluster.switchover(to="centos02").disruptions[0])
        g_vg1 moves to centos02: drbd01 lose I/O for about ...
        """
        return disruptions(self.steps, self.state)

    @property
    def empty(self) -> bool:
        """True where nothing is to be done; never where a host or subsystem could not be compared."""
        return not self.steps and self.schedule.compared

    def __bool__(self) -> bool:
        return not self.empty

    def commands(self) -> tuple[tuple[str, str], ...]:
        """Return (host, command) as a person would type them, secrets hidden; waiting is a comment.

        Files of many lines are shortened: `diff()` shows what changes in them.

        Steps that decide by what is found on the way are rendered for what is foretold.

        >>> cluster.luns["lun1"].set(threads_num=16).commands()[-1][0]
        'centos01'
        """
        return tuple((step.host, line) for step, operations in self._rendered() for line in _typed(step, operations))

    def diff(self) -> str:
        """Return what changes in configurations, as a unified diff with secrets hidden.

        >>> print(cluster.switchover(to="centos02").diff())
        --- a/cib (as crm shows it)
        +++ b/cib (as crm shows it)
        ...
        """
        return diff(self.steps, self.state)

    def _rendered(self) -> Iterator[tuple[Step, tuple[Operation, ...]]]:
        before = self.state
        for wave, after in zip(self.schedule.waves, self.schedule.predicted, strict=True):
            for step in wave:
                yield step, self._render(step, before)
            before = after

    def _render(self, step: Step, state: ClusterState) -> tuple[Operation, ...]:
        if isinstance(step, Watch):
            return ()
        try:
            return self._cluster.session(step.host).driver(step.subsystem).render(step, state)
        except HastoreError:
            return ()  # it can only be rendered from what the steps before it leave; its title is shown

    def apply(
        self,
        *,
        overrides: tuple[str, ...] = (),
        journal: Journal | str | Path | None = None,
        on_event: OnEvent | None = None,
    ) -> ApplyReport:
        """Do it, and return what became of it.

        `overrides` names findings (their `override`) that are accepted this once; SpecError for a name that no
        finding has. `journal` is a path or a Journal. Raises Refused while a blocking finding stands, StalePlan
        where a fresh look gives another plan, SecretError where a secret's source gives nothing, HostError where
        somebody else is at work: then nothing was run. Raises StepFailed or OutcomeUnknown where a step stopped.

        >>> report = cluster.luns["lun1"].set(threads_num=2).apply()
        >>> [step.result for step in report.steps]
        ['done']
        """
        check_overrides(overrides, self.findings)
        standing = [f for f in self.blocking if not f.override or f.override not in overrides]
        if standing:
            listed = "\n".join(f"- {finding}" for finding in standing)
            msg = f"the plan is refused while these stand:\n{listed}"
            raise Refused(msg, standing)
        with _book(journal) as book:
            return self._apply(overrides, book, on_event)

    def _apply(self, overrides: tuple[str, ...], book: Journal, on_event: OnEvent | None) -> ApplyReport:
        setting = self._cluster.setting(book, on_event)
        with setting.locked(self._to_lock()):
            return self._apply_locked(setting, overrides)

    def _apply_locked(self, setting: Setting, overrides: tuple[str, ...]) -> ApplyReport:
        """Look under the lock, so that nobody else of ours can move the world between the look and the deed."""
        fresh = setting.observe()
        now = self._make(fresh)
        if now.steps != self.steps:
            raise StalePlan(_difference(self.steps, now.steps))
        disturbed = [s.disturbed(self.state, fresh) for s in now.steps if isinstance(s, Guarded)]
        if any(disturbed):
            msg = f"since the plan was made {next(filter(None, disturbed))}; look at it and plan again"
            raise StalePlan(msg)
        new = [f for f in now.blocking if f not in self.blocking and f.override not in overrides]
        if new:
            msg = f"since the plan was made this came up: {new[0]}"
            raise StalePlan(msg)
        if self._stack is not None:
            self._cluster.keep(self._stack)
        setting.journal.write("plan", steps=[step.key for step in now.steps], overrides=list(overrides))
        report = apply_waves(now.waves, setting, fresh)
        self._cluster.saw(report.state)
        promised = max((d.seconds for d in self.disruptions), default=None)
        return attrs.evolve(report, promised_stall=promised)

    def _to_lock(self) -> frozenset[str]:
        """Return the hosts that are changed, and for the cluster's configuration its DC, which every operator sees."""
        changed = {step.host for step in self.steps}
        pacemaker = self.state.pacemaker()
        if isinstance(pacemaker, PacemakerState) and any(step.subsystem == "pacemaker" for step in self.steps):
            changed |= {pacemaker.dc} & {s.name for s in self._cluster.sessions if not s.unreachable}
        return frozenset(changed)

    def __str__(self) -> str:
        if self.empty and not self.findings:
            return "nothing to do: the storage is as the stack says"
        lines: list[str] = []
        for number, wave in enumerate(self.waves, start=1):
            for step in wave:
                lines.append(f"{number:>3}. {step.host:<12} {step.title}")
                if isinstance(step, PatchCib):
                    lines.extend(f"{'':17}  {line}" for line in step.lines())
        nothing = (
            "nothing can be done while what blocks it stands"
            if self.blocking
            else "nothing to do: the storage is as the stack says"
        )
        lines = lines or [nothing]
        lines.extend(f"  ~  {disruption}" for disruption in self.disruptions)
        lines.extend(f"  !  {finding}" for finding in self.weighty)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = [(str(n), s.host, s.title) for n, wave in enumerate(self.waves, start=1) for s in wave]
        stalls = "".join(f"<p>{escape(str(d))}</p>" for d in self.disruptions)
        return table_html(("wave", "host", "what"), rows) + stalls + findings_html(self.findings)

    def __repr__(self) -> str:
        blocked = f", {len(self.blocking)} blocking" if self.blocking else ""
        return f"<Plan: {len(self.steps)} steps in {len(self.waves)} waves{blocked}>"


def check_overrides(names: Iterable[str], findings: Iterable[Finding]) -> None:
    """Raise SpecError, with a suggestion, for a name that is the override of no rule and of none of the findings."""
    rules = {rule.override for rule in RULES if rule.override}
    if isinstance(names, str):
        msg = f"overrides are a sequence of names: write ({names!r},)"
        raise SpecError(msg)
    known = rules | OVERRIDES | {f.override for f in findings if f.override}
    for name in names:
        if name not in known:
            close = get_close_matches(name, sorted(known), 1)
            hint = f"did you mean {close[0]!r}?" if close else f"this plan's are {_overrides_of(findings)}"
            msg = f"no finding has an override {name!r}; {hint}"
            raise SpecError(msg)


def _overrides_of(findings: Iterable[Finding]) -> str:
    return ", ".join(sorted({repr(f.override) for f in findings if f.override})) or "none"


@contextmanager
def _book(journal: Journal | str | Path | None) -> Iterator[Journal]:
    """Open the journal of a path and close it afterwards; a journal that was given stays open."""
    if isinstance(journal, str | Path):
        with FileJournal(journal) as book:
            yield book
    else:
        yield journal or NoJournal()


def _typed(step: Step, operations: tuple[Operation, ...]) -> tuple[str, ...]:
    edits = [f"#   {line}" for line in step.lines()] if isinstance(step, PatchCib) else []
    return (f"# {step.title}", *edits, *(_shortened(str(operation)) for operation in operations))


def _shortened(command: str) -> str:
    """Return a command with a long file on its standard input cut: `diff()` says what changes in it."""
    lines = command.splitlines()
    if len(lines) <= LONGEST_INPUT:
        return command
    head, hidden = lines[: LONGEST_INPUT // 3], len(lines) - LONGEST_INPUT // 3 - 1
    return "\n".join([*head, f"... {hidden} more lines; plan.diff() shows what changes in them", lines[-1]])


def _difference(planned: tuple[Step, ...], now: tuple[Step, ...]) -> str:
    was, is_now = {s.key: s for s in planned}, {s.key: s for s in now}
    gone = [step.title for key, step in was.items() if key not in is_now]
    new = [step.title for key, step in is_now.items() if key not in was]
    other = [line for key, step in was.items() if key in is_now for line in _otherwise(step, is_now[key])]
    parts = [
        f"no longer to be done: {gone[0]}" if gone else "",
        f"now to be done as well: {new[0]}" if new else "",
        f"now to be done otherwise: {'; '.join(other)}" if other else "",
    ]
    said = "; ".join(part for part in parts if part) or "the order changed"
    return f"the world moved since the plan was made ({said}); look at it and plan again"


def _otherwise(planned: Step, now: Step) -> tuple[str, ...]:
    """Return what a step of the same name does now and was not to do when it was planned, or no longer does."""
    if planned == now:
        return ()
    if not (isinstance(planned, PatchCib) and isinstance(now, PatchCib)):
        return (now.title,)
    was, is_now = planned.lines(), now.lines()
    changed = [line for line in is_now if line not in was] + [f"not: {line}" for line in was if line not in is_now]
    return tuple(changed) or (now.title,)
