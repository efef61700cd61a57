"""From what runs to what should: the actions of one transition and what each has to wait for."""

from __future__ import annotations

from dataclasses import dataclass, field

from hastore.sim.cib_history import ACTIVE, Current
from hastore.sim.cib_state import ClusterState
from hastore.sim.cib_words import Primitive, digest, truth
from hastore.sim.placement import Placement, place


@dataclass
class Action:
    """One action of a transition on a node."""

    kind: str
    """`probe`, `monitor`, `start`, `stop`, `promote`, `demote`, `notify`, `cancel` or `fence`."""
    resource: str
    node: str
    interval: float = 0.0
    notice: str = ""
    """For notify: what is announced, such as `pre-demote`."""
    requires: set[int] = field(default_factory=set)
    """Places in the transition of the actions that must have ended well before."""
    pseudo: bool = False
    """True for a stop on a node that is being fenced: it happens by the fencing."""


@dataclass
class Decision:
    """What the scheduler wants: places, and the actions that lead there."""

    placement: Placement
    actions: list[Action]

    @property
    def summary(self) -> list[str]:
        """Return the changes in words, for the log and tests."""
        shown = {"start", "stop", "promote", "demote", "fence"}
        return [f"{a.kind} {a.resource} {a.node}".replace("  ", " ") for a in self.actions if a.kind in shown]


def schedule(state: ClusterState, *, quorate: bool) -> Decision:
    """Return what is to be done about a state of the cluster."""
    return _Scheduler(state, place(state, quorate=quorate), quorate=quorate).run()


class _Scheduler:
    def __init__(self, state: ClusterState, placement: Placement, *, quorate: bool) -> None:
        self.state = state
        self.placement = placement
        self.quorate = quorate
        self.actions: list[Action] = []
        self.start_up_disabled = state.fencing_enabled and not any(p.fencing for p in state.primitives.values())
        """Fencing is on and no device is there: Pacemaker does nothing ("Resource start-up disabled")."""
        self.restarts: set[tuple[str, str]] = set()
        """Primitive and node that must stop and start where they are."""

    def run(self) -> Decision:
        if self.start_up_disabled:
            for node, id in self._unknown():
                self._add("probe", id, node)
            return Decision(self.placement, self.actions)
        fences = self._fence()
        self._find_restarts()
        probes = [self._add("probe", id, node) for node, id in self._unknown()]
        for id in self.state.primitives:
            for node in self.state.nodes:
                self._move(id, node)
        self._order(set(fences), set(probes))
        self._notify()
        self._watch()
        return Decision(self.placement, self.actions)

    def _add(self, kind: str, resource: str, node: str, **more: object) -> int:
        self.actions.append(Action(kind, resource, node))
        for name, given in more.items():
            setattr(self.actions[-1], name, given)
        return len(self.actions) - 1

    # Fencing and probing

    def _fence(self) -> list[int]:
        able = self.state.fencing_enabled and (self.quorate or self.state.quorum_policy == "ignore")
        if not able:
            return []
        return [self._add("fence", "", name) for name, node in self.state.nodes.items() if node.unclean]

    def _unknown(self) -> list[tuple[str, str]]:
        if truth(self.state.options.get("enable-startup-probes"), default=True) is False:
            return []
        return [
            (node, id)
            for node, resources in self.state.current.items()
            for id, now in resources.items()
            if self.state.nodes[node].reachable and not now.known and not self.state.primitives[id].orphan
        ]

    # What moves

    def _now(self, id: str, node: str) -> Current:
        return self.state.current[node][id]

    def _role_now(self, id: str, node: str) -> str:
        return self._now(id, node).role

    def _next(self, id: str, node: str) -> str:
        if self._stuck(id):
            now = self._role_now(id, node)
            return now if now in ACTIVE else "Stopped"
        return self.placement.roles.get(id, {}).get(node, "Stopped")

    def _find_restarts(self) -> None:
        for id, primitive in self.state.primitives.items():
            if not self._managed(id):
                continue
            active = [n for n in self.state.nodes if self._role_now(id, n) in ACTIVE]
            for node in active:
                now = self._now(id, node)
                changed = bool(now.digest) and now.digest != digest(primitive.params)
                doubled = len(active) > 1 and not primitive.clone
                if self._next(id, node) in ACTIVE and (now.failed or changed or doubled):
                    self.restarts.add((id, node))
        while self._spread_restarts():
            pass

    def _managed(self, id: str) -> bool:
        blocked = any(resources[id].blocked for resources in self.state.current.values())
        return self.state.managed(id) and not blocked

    def _spread_restarts(self) -> bool:
        before = len(self.restarts)
        for order in self.state.orders:
            for then in self.state.members(order.then):
                if order.then_action != "start":
                    continue
                for node in self.state.nodes:
                    runs = self._role_now(then, node) in ACTIVE and self._next(then, node) in ACTIVE
                    if (
                        runs
                        and self._managed(then)
                        and self._first_changes(order.first, order.first_action, then, node)
                    ):
                        self.restarts.add((then, node))
        return len(self.restarts) > before

    def _first_changes(self, first: str, action: str, then: str, node: str) -> bool:
        for id in self.state.members(first):
            if id == then or not self._managed(id):
                continue
            nodes = [node] if self.state.primitives[id].clone and action == "start" else list(self.state.nodes)
            for place_ in nodes:
                now, new = self._role_now(id, place_), self._next(id, place_)
                if (id, place_) in self.restarts:
                    return True
                if action == "promote" and (now == "Promoted") != (new == "Promoted"):
                    return True
                if action == "start" and (now in ACTIVE) != (new in ACTIVE):
                    return True
        return False

    def _move(self, id: str, node: str) -> None:
        now, new = self._role_now(id, node), self._next(id, node)
        state = self.state.nodes[node]
        if not self._managed(id) or not (state.online or state.unclean) or state.maintenance:
            return
        if self._stuck(id):
            return  # it stays, and so does its role
        restart = (id, node) in self.restarts
        pseudo = state.unclean
        if now == "Promoted" and (new != "Promoted" or restart):
            self._add("demote", id, node, pseudo=pseudo)
        if now in ACTIVE and (new not in ACTIVE or restart):
            self._add("stop", id, node, pseudo=pseudo)
        if new in ACTIVE and (now not in ACTIVE or restart):
            self._add("start", id, node)
        if new == "Promoted" and (now != "Promoted" or restart):
            self._add("promote", id, node)

    def _stuck(self, id: str) -> bool:
        """Tell whether a member of a group has to stay, because a later one that may not be touched runs."""
        members = self.state.groups.get(self.state.primitives[id].group, [])
        later = members[members.index(id) + 1 :] if members else []
        active = any(resources[id].role in ACTIVE for resources in self.state.current.values())
        return active and any(
            resources[m].role in ACTIVE and not self._managed(m)
            for m in later
            for resources in self.state.current.values()
        )

    # What waits for what

    def _places(self, kind: str, id: str, node: str = "") -> set[int]:
        return {
            place_
            for place_, a in enumerate(self.actions)
            if a.kind == kind and a.resource == id and (not node or a.node == node)
        }

    def _require(self, later: set[int], earlier: set[int]) -> None:
        for place_ in later:
            self.actions[place_].requires |= earlier - {place_}

    def _order(self, fences: set[int], probes: set[int]) -> None:
        for place_, action in enumerate(self.actions):
            self._order_after_looking(place_, action, fences, probes)
        for id, primitive in self.state.primitives.items():
            self._order_own(id, clone=bool(primitive.clone))
        for order in self.state.orders:
            for first in self.state.members(order.first):
                for then in self.state.members(order.then):
                    self._order_two(first, order.first_action, then, order.then_action, symmetrical=order.symmetrical)

    def _order_after_looking(self, place_: int, action: Action, fences: set[int], probes: set[int]) -> None:
        if action.pseudo:
            action.requires |= {f for f in fences if self.actions[f].node == action.node}
        elif action.kind in {"start", "promote"}:
            if not self.state.primitives[action.resource].fencing:
                action.requires |= fences
            action.requires |= probes - {place_}
        elif action.kind in {"stop", "demote"}:
            action.requires |= {p for p in probes if self.actions[p].resource == action.resource}

    def _order_own(self, id: str, *, clone: bool) -> None:
        for node in self.state.nodes:
            demoted, started = self._places("demote", id, node), self._places("start", id, node)
            self._require(self._places("stop", id, node), demoted)
            self._require(started, self._places("stop", id, node))
            self._require(self._places("promote", id, node), started | demoted)
        if not clone:
            self._require(self._places("start", id), self._places("stop", id))
            return
        self._require(self._places("promote", id), self._places("demote", id) | self._places("start", id))
        if self._places("promote", id):
            self._require(self._places("start", id), self._places("demote", id))

    def _order_two(self, first: str, first_action: str, then: str, then_action: str, *, symmetrical: bool) -> None:
        self._require(self._places(then_action, then), self._places(first_action, first))
        if not symmetrical:
            return
        undo = {"start": "stop", "promote": "demote"}
        undo_first, undo_then = undo.get(first_action, "stop"), undo.get(then_action, "stop")
        self._require(self._places(undo_first, first), self._places(undo_then, then))
        self._require(self._places(then_action, then), self._places(undo_first, first))
        if undo_first == "demote":
            self._require(self._places("stop", first), self._places(undo_then, then) & self._on_nodes(first, "stop"))

    def _on_nodes(self, id: str, kind: str) -> set[int]:
        nodes = {self.actions[p].node for p in self._places(kind, id)}
        return {p for p, a in enumerate(self.actions) if a.node in nodes}

    # Announcements to clones that asked for them

    def _notify(self) -> None:
        for clone in self.state.clones.values():
            if not truth(clone.meta.get("notify")):
                continue
            for id in clone.members:
                for kind in ("demote", "stop", "start", "promote"):
                    places = {p for p in self._places(kind, id) if not self.actions[p].pseudo}
                    if places:
                        self._announce(id, kind, places)

    def _announce(self, id: str, kind: str, places: set[int]) -> None:
        before = [n for n in self.state.nodes if self._role_now(id, n) in ACTIVE and self.state.nodes[n].reachable]
        stopping = {self.actions[p].node for p in self._places("stop", id)}
        after = [n for n in self.state.nodes if self._next(id, n) in ACTIVE or (kind == "demote" and n in stopping)]
        waits = set().union(*(self.actions[p].requires for p in places))
        followers = {p for p, a in enumerate(self.actions) if a.requires & places and p not in places}
        chain: set[int] = set(waits)
        for node in before:
            chain = {self._add("notify", id, node, notice=f"pre-{kind}", requires=set(chain))}
        if before:
            self._require(places, chain)
        chain = set(places)
        posts: set[int] = set()
        for node in after:
            if self.state.nodes[node].reachable:
                chain = {self._add("notify", id, node, notice=f"post-{kind}", requires=set(chain))}
                posts |= chain
        self._require({p for p in followers if self.actions[p].kind != "notify"}, chain if posts else set())

    # Recurring monitors

    def _watch(self) -> None:
        for id, primitive in self.state.primitives.items():
            for node in self.state.nodes:
                state = self.state.nodes[node]
                if not state.online or state.unclean or not self._managed(id):
                    continue
                self._watch_one(id, primitive, node)

    def _watch_one(self, id: str, primitive: Primitive, node: str) -> None:
        new, now = self._next(id, node), self._now(id, node)
        wanted = {o.interval for o in primitive.monitors(new)} if new in ACTIVE else set()
        changes = self._places("start", id, node) | self._places("promote", id, node) | self._places("demote", id, node)
        running = now.monitors if not changes else set()
        last = self._places("promote", id, node) or self._places("start", id, node) or self._places("demote", id, node)
        for interval in sorted(now.monitors - wanted if not changes else now.monitors):
            place_ = self._add("cancel", id, node, interval=interval)
            self._require({p for p in changes if self.actions[p].kind != "start"}, {place_})
        for interval in sorted(wanted - running):
            self._add("monitor", id, node, interval=interval, requires=set(last))
