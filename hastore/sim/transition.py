"""The DC's controller: it has transitions computed and carried out, and notes what came of each action."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hastore.sim.cib_history import ACTIVE, NOT_RUNNING, PENDING
from hastore.sim.cib_state import ClusterState
from hastore.sim.cib_words import add_scores, score, seconds, truth
from hastore.sim.executor import expected_code
from hastore.sim.history import IS_PENDING, Done, StatusWriter, unix
from hastore.sim.scheduler import Action, Decision, schedule

if TYPE_CHECKING:
    from hastore.sim.cluster import Cluster, Partition

SCHEDULING_SECONDS = 0.5
"""From an event to the first action (recorded: 0.5 to 1 s)."""
FENCING_SECONDS = 3.0
"""How long a fencing device takes (assumed; recorded with the reboot: 9 to 10 s)."""
FENCING_ATTEMPTS = 10
"""`stonith-max-attempts`."""
RECORDED = {"monitor", "start", "stop", "promote", "demote"}


@dataclass
class Fencing:
    """One fencing that was asked for."""

    target: str
    origin: str
    action: str
    state: str
    at: float
    client: str = "pacemaker-controld"


@dataclass
class Transition:
    """Actions under way."""

    number: int
    decision: Decision
    state: ClusterState
    done: set[int] = field(default_factory=set)
    running: dict[int, float] = field(default_factory=dict)
    failed: set[int] = field(default_factory=set)
    aborted: bool = False


class Controller:
    """What the DC of one partition does."""

    def __init__(self, cluster: Cluster, members: set[str]) -> None:
        self.cluster = cluster
        self.members = members
        self.transition: Transition | None = None
        self.dirty = True
        self.wake_at = 0.0
        self.fencing_failures: dict[str, int] = {}
        self.log: list[str] = []
        """Summaries of the transitions, for tests and eyes."""

    @property
    def idle(self) -> bool:
        """True where nothing is under way and nothing waits to be looked at."""
        return self.transition is None and not self.dirty

    @property
    def partition(self) -> Partition:
        """The partition whose DC this is."""
        return next(p for p in self.cluster.partitions if p.controller is self)

    def abort(self, reason: str) -> None:
        """Let what runs end, start nothing more, and look again."""
        self.dirty = True
        if self.transition is not None and not self.transition.aborted:
            self.transition.aborted = True
            self.cluster.world.log("", f"transition {self.transition.number} aborted: {reason}")
        elif self.transition is None:
            self.wake_at = max(self.wake_at, self.cluster.world.clock.now + SCHEDULING_SECONDS)

    def tick(self, now: float) -> None:
        """Start what may start; compute anew where something changed."""
        if self.transition is not None:
            self._go_on(self.transition, now)
        elif self.dirty and now >= self.wake_at and not self._still_acting():
            self._compute()

    def _still_acting(self) -> bool:
        """Tell whether a member still does what an earlier transition asked for."""
        return any(self.cluster.members[name].executor.acting for name in self.partition.members)

    # Computing

    def _compute(self) -> None:
        partition = self.partition
        self.dirty = False
        self._forget_orphans(partition)
        state = ClusterState(partition.cib.root)
        decision = schedule(state, quorate=self.cluster.quorate(partition))
        if not decision.actions:
            return
        self.cluster.transitions += 1
        self.transition = Transition(self.cluster.transitions, decision, state)
        if decision.summary:
            self.log.append("; ".join(decision.summary))
            self.cluster.world.log(partition.dc, f"transition {self.transition.number}: {self.log[-1]}")

    def _forget_orphans(self, partition: Partition) -> None:
        """Drop the history of what is neither configured nor running any more."""
        state = ClusterState(partition.cib.root)
        for id in [id for id, primitive in state.primitives.items() if primitive.orphan]:
            for name, resources in state.current.items():
                if resources[id].role not in ACTIVE and name in partition.members:
                    StatusWriter(partition.cib).clear_history(state.nodes[name].id, name, id)

    # Carrying out

    def _go_on(self, transition: Transition, now: float) -> None:
        for ticket, due in list(transition.running.items()):
            action = transition.decision.actions[ticket]
            if action.kind == "fence" and now >= due:
                self._fenced(transition, ticket, action)
            elif action.node and action.node not in self.partition.members and action.kind != "fence":
                self._lost(transition, ticket)
        progress = True
        while progress:
            progress = False
            for ticket, action in enumerate(transition.decision.actions):
                if self._may_start(transition, ticket, action):
                    self._start(transition, ticket, action, now)
                    progress = True
        if not transition.running:
            self.transition = None
            self.wake_at = now + SCHEDULING_SECONDS

    def _may_start(self, transition: Transition, ticket: int, action: Action) -> bool:
        if ticket in transition.done or ticket in transition.running or ticket in transition.failed:
            return False
        if transition.aborted and not action.notice.startswith("post-"):
            return False
        if action.notice.startswith("post-"):
            return action.requires <= transition.done | transition.failed and bool(action.requires & transition.done)
        return action.requires <= transition.done

    def _start(self, transition: Transition, ticket: int, action: Action, now: float) -> None:
        if action.kind == "fence":
            transition.running[ticket] = now + FENCING_SECONDS + self._fencing_delay(transition.state, action.node)
            self.cluster.world.log(self.partition.dc, f"fencing {action.node}")
            return
        if action.pseudo:
            transition.done.add(ticket)
            return
        member = self.cluster.members[action.node]
        primitive = transition.state.primitives[action.resource]
        if action.kind == "cancel":
            member.executor.cancel(action.resource, action.interval)
            StatusWriter(self.partition.cib).forget_monitor(member.id, action.node, primitive, action.interval)
            transition.done.add(ticket)
            return
        role = transition.decision.placement.roles.get(action.resource, {}).get(action.node, "Stopped")
        expected = expected_code(action.kind, role)
        transition.running[ticket] = now
        key = f"{ticket}:{transition.number}"
        name = "monitor" if action.kind == "probe" else action.kind
        if name in RECORDED:
            pending = Done(
                action.resource, name, action.interval, PENDING, expected, IS_PENDING, started=now, transition=key
            )
            self._note_pending(member.id, action, transition, pending)
        member.executor.run(primitive, action.kind, action.interval, expected, ticket, key, now, action.notice)

    def _note_pending(self, id: str, action: Action, transition: Transition, pending: Done) -> None:
        StatusWriter(self.partition.cib).record(id, action.node, transition.state.primitives[action.resource], pending)

    def _lost(self, transition: Transition, ticket: int) -> None:
        del transition.running[ticket]
        transition.failed.add(ticket)
        transition.aborted = True
        self.dirty = True

    def finished(self, node: str, done: Done, ticket: int) -> None:
        """Note what an action came to, and whether everything has to be looked at again."""
        transition = self.transition
        mine = (
            transition is not None
            and ticket in transition.running
            and done.transition == f"{ticket}:{transition.number}"
        )
        if done.kind != "notify":
            self._record(node, done)
        if mine and transition is not None:
            del transition.running[ticket]
            fatal = done.failed and done.kind != "notify"
            (transition.failed if fatal and not self._probe(done) else transition.done).add(ticket)
        if done.failed and done.kind != "notify":
            if not self._probe(done):
                self._count_failure(node, done)
            self.abort(f"{done.resource} {done.kind} on {node}: {done.code}")
        elif not mine and done.kind != "notify":
            self.abort(f"{done.resource} {done.kind} on {node} ended")

    def _probe(self, done: Done) -> bool:
        return done.kind == "monitor" and not done.interval and done.expected == NOT_RUNNING

    def _record(self, node: str, done: Done) -> None:
        state = ClusterState(self.partition.cib.root)
        primitive, id = state.primitives.get(done.resource), self.cluster.members[node].id
        if primitive is None or (primitive.orphan and done.kind == "stop" and not done.failed):
            StatusWriter(self.partition.cib).clear_history(id, node, done.resource)
            return
        StatusWriter(self.partition.cib).record(id, node, primitive, done)
        if done.failed and not self._probe(done):
            what = done.reason or f"exit code {done.code}"
            self.cluster.world.log(node, f"{done.resource} {done.kind} failed: {what}")

    def _count_failure(self, node: str, done: Done) -> None:
        writer, id = StatusWriter(self.partition.cib), self.cluster.members[node].id
        key = f"{done.resource}#{done.kind}_{round(done.interval * 1000)}"
        fatal = done.kind == "stop" or (done.kind == "start" and self._start_failure_is_fatal())
        before = score(writer.attribute(id, node, f"fail-count-{key}"))
        count = "INFINITY" if fatal else str(add_scores(before, 1))
        writer.set_attribute(id, node, f"fail-count-{key}", count)
        writer.set_attribute(id, node, f"last-failure-{key}", str(unix(self.cluster.world.clock.now)))

    def _start_failure_is_fatal(self) -> bool:
        options = ClusterState(self.partition.cib.root).options
        return truth(options.get("start-failure-is-fatal"), default=True)

    # Fencing

    def _fenced(self, transition: Transition, ticket: int, action: Action) -> None:
        del transition.running[ticket]
        now = self.cluster.world.clock.now
        works = self._can_fence(transition.state, action.node)
        boot = transition.state.options.get("stonith-action", "reboot") != "off"
        self.cluster.fencings.insert(
            0,
            Fencing(action.node, self.partition.dc, "reboot" if boot else "off", "success" if works else "failed", now),
        )
        if not works:
            transition.failed.add(ticket)
            transition.aborted = True
            self.fencing_failures[action.node] = self.fencing_failures.get(action.node, 0) + 1
            self.cluster.world.log(self.partition.dc, f"fencing {action.node} failed")
            if self.fencing_failures[action.node] < FENCING_ATTEMPTS:
                self.dirty = True
            return
        self.fencing_failures.pop(action.node, None)
        self.cluster.fence(action.node, boot=boot)
        self.confirm(action.node)
        transition.done.add(ticket)

    def confirm(self, target: str) -> None:
        """Take a node as safely down: what ran there does not any more."""
        writer, id = StatusWriter(self.partition.cib), self.cluster.members[target].id
        writer.forget(id, target)
        writer.set_member(id, target, online=False, expected="down")
        self.cluster.world.log(self.partition.dc, f"{target} was fenced")
        self.partition.members.discard(target)

    def _fencing_delay(self, state: ClusterState, target: str) -> float:
        devices = [
            p for p in state.primitives.values() if p.fencing and target in p.params.get("pcmk_host_list", target)
        ]
        return max((seconds(p.params.get("pcmk_delay_base"), 0.0) for p in devices), default=0.0)

    def _can_fence(self, state: ClusterState, target: str) -> bool:
        if self.cluster.world.faults.fencing_fails:
            return False
        for primitive in state.primitives.values():
            listed = primitive.params.get("pcmk_host_list", "") or primitive.params.get("pcmk_host_map", "")
            names = {name.partition(":")[0] for name in listed.replace(",", " ").replace(";", " ").split()}
            disabled = primitive.meta.get("target-role", "Started").lower() == "stopped"
            if primitive.fencing and not disabled and (not names or target in names):
                return True
        return False
