"""The executor of one node: it runs agents, repeats monitors, and ends what takes too long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hastore.sim.cib_history import NOT_RUNNING, OK, RUNNING_PROMOTED
from hastore.sim.cib_words import Primitive
from hastore.sim.history import COMPLETE, TIMED_OUT, Done

if TYPE_CHECKING:
    from hastore.sim.agents import Agent

AGAIN = -1
"""What a stage returns to be called again after its pause."""


@dataclass
class Stage:
    """A part of an agent's action: a pause, then something done.

    `act` returns None to go on, an exit code to end, or AGAIN. It must be a bound method, so that worlds can be copied.
    """

    pause: float
    act: Callable[[], int | None]


@dataclass
class Job:
    """An action that runs."""

    primitive: Primitive
    kind: str
    interval: float
    timeout: float
    expected: int
    agent: Agent
    stages: list[Stage]
    started: float
    ticket: int
    """The controller's place of the action; -1 for a repeated monitor."""
    transition: str
    call_id: int
    due: float = 0.0
    at: int = 0


@dataclass
class Recurring:
    """A monitor that is repeated."""

    primitive: Primitive
    interval: float
    timeout: float
    expected: int
    next_at: float
    last_code: int | None = None
    transition: str = "0:0"
    call_id: int = 0


@dataclass
class Executor:
    """Runs one action of a resource at a time; many resources side by side."""

    report: Callable[[Done, int], None]
    """Called with what an action came to and its ticket."""
    make_agent: Callable[[Primitive, str, str], Agent]
    jobs: dict[str, Job] = field(default_factory=dict)
    queue: list[Job] = field(default_factory=list)
    recurring: dict[tuple[str, float], Recurring] = field(default_factory=dict)
    calls: int = 4
    known: dict[str, Primitive] = field(default_factory=dict)
    """Each resource as it was last acted on: what was deleted from the CIB is stopped as it was."""

    @property
    def acting(self) -> bool:
        """Tell whether anything but a repeated monitor runs or waits."""
        return bool(self.queue) or any(job.ticket >= 0 for job in self.jobs.values())

    def clear(self) -> None:
        """Forget everything, as a boot does."""
        self.jobs.clear()
        self.queue.clear()
        self.recurring.clear()

    def run(
        self,
        primitive: Primitive,
        kind: str,
        interval: float,
        expected: int,
        ticket: int,
        transition: str,
        now: float,
        notice: str = "",
    ) -> None:
        """Start an action, after whatever this resource does at the moment."""
        self.calls += 1
        primitive = self.known.get(primitive.id, primitive) if primitive.orphan else primitive
        self.known[primitive.id] = primitive
        agent = self.make_agent(primitive, kind, notice)
        timeout = primitive.timeout("notify" if kind == "notify" else kind, interval)
        job = Job(
            primitive, kind, interval, timeout, expected, agent, agent.stages(kind), now, ticket, transition, self.calls
        )
        if kind == "stop":
            self.cancel(primitive.id)
        self.queue.append(job)
        self._launch(now)

    def cancel(self, resource: str, interval: float | None = None) -> None:
        """Stop repeating a monitor, or all of a resource's."""
        for key in [k for k in self.recurring if k[0] == resource and interval in {None, k[1]}]:
            del self.recurring[key]

    def busy(self, resource: str) -> bool:
        """Tell whether an action of a resource runs."""
        return resource in self.jobs

    def tick(self, now: float) -> None:
        """Go on with everything that runs."""
        self._launch(now)
        for resource, job in list(self.jobs.items()):
            self._advance(resource, job, now)
        for recurring in list(self.recurring.values()):
            if now >= recurring.next_at and recurring.primitive.id not in self.jobs:
                self._repeat(recurring, now)

    def _launch(self, now: float) -> None:
        for job in list(self.queue):
            if job.primitive.id not in self.jobs:
                self.queue.remove(job)
                job.started = now
                job.due = now + (job.stages[0].pause if job.stages else 0.0)
                self.jobs[job.primitive.id] = job

    def _repeat(self, recurring: Recurring, now: float) -> None:
        recurring.next_at = now + recurring.interval
        agent = self.make_agent(recurring.primitive, "monitor", "")
        self.jobs[recurring.primitive.id] = Job(
            recurring.primitive,
            "monitor",
            recurring.interval,
            recurring.timeout,
            recurring.expected,
            agent,
            agent.stages("monitor"),
            now,
            -1,
            recurring.transition,
            recurring.call_id,
            now + agent.stages("monitor")[0].pause,
        )

    def _advance(self, resource: str, job: Job, now: float) -> None:
        while job.due <= now + 1e-9:
            code = job.stages[job.at].act() if job.at < len(job.stages) else OK
            if code == AGAIN:
                job.due = now + job.stages[job.at].pause
            elif code is not None:
                self._finish(resource, job, code, COMPLETE, now)
                return
            else:
                job.at += 1
                if job.at >= len(job.stages):
                    self._finish(resource, job, OK, COMPLETE, now)
                    return
                job.due += job.stages[job.at].pause
        if now - job.started >= job.timeout - 1e-9:
            job.agent.reason = "Resource agent did not complete within " + _span(job.timeout)
            self._finish(resource, job, 1, TIMED_OUT, now)

    def _finish(self, resource: str, job: Job, code: int, status: int, now: float) -> None:
        if self.jobs.get(resource) is job:
            del self.jobs[resource]
        kind = "monitor" if job.kind == "probe" else job.kind
        done = Done(
            resource, kind, job.interval, code, job.expected, status, job.agent.reason if code or status else "",
            job.started, now - job.started, job.call_id, job.transition,
        )  # fmt: skip
        if job.kind == "monitor" and job.interval:
            key = (resource, job.interval)
            if job.ticket >= 0:
                self.recurring[key] = Recurring(
                    job.primitive,
                    job.interval,
                    job.timeout,
                    job.expected,
                    now + job.interval,
                    code,
                    job.transition,
                    job.call_id,
                )
            elif key not in self.recurring:
                return
            else:
                changed = self.recurring[key].last_code != code
                self.recurring[key].last_code = code
                if not changed:
                    return
        self.report(done, job.ticket)


def expected_code(kind: str, role: str) -> int:
    """Return the exit code that an action should have."""
    if kind == "probe":
        return NOT_RUNNING
    return RUNNING_PROMOTED if (kind, role) == ("monitor", "Promoted") else OK


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest}s" if minutes and rest else f"{minutes}m" if minutes else f"{rest}s"
