"""Where Pacemaker puts what: scores of nodes from locations, stickiness, failures and colocations.

The result is held against `crm_simulate` 2.1.5 over a set of CIBs and states
(tests/sim/test_pacemaker_scheduler.py). Ties go to the node with fewer resources, then by name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from hastore.model.errors import NotSimulated
from hastore.sim.cib_history import ACTIVE
from hastore.sim.cib_state import ClusterState, NodeState
from hastore.sim.cib_words import INFINITY, ROLES, add_scores, score
from hastore.sim.cluster_xml import Element

Scores = dict[str, int]
LAST = 1
"""What is left of a node's score where only a dependent can't go there."""


@dataclass
class Placement:
    """Where every primitive is to be: id -> node -> role; absent means stopped there."""

    roles: dict[str, dict[str, str]] = field(default_factory=dict)

    def nodes(self, id: str, *, promoted: bool = False) -> set[str]:
        """Return the nodes where a primitive is to be active, or promoted."""
        return {node for node, role in self.roles.get(id, {}).items() if role == "Promoted" or not promoted}


def place(state: ClusterState, *, quorate: bool) -> Placement:
    """Return where everything is to be."""
    return _Placer(state, quorate=quorate).run()


class _Placer:
    def __init__(self, state: ClusterState, *, quorate: bool) -> None:
        self.state = state
        self.stopped_for_quorum = not quorate and state.quorum_policy == "stop"
        self.frozen = not quorate and state.quorum_policy == "freeze"
        if not quorate and state.quorum_policy not in {"stop", "freeze", "ignore"}:
            msg = f"no-quorum-policy={state.quorum_policy}"
            raise NotSimulated(msg)
        self.placement = Placement()
        self.busy: set[str] = set()
        self.load = dict.fromkeys(state.nodes, 0)
        self.locations = [Location(e, state) for e in state.configuration.iterfind("constraints/rsc_location")]

    def run(self) -> Placement:
        for id in self.state.top:
            for member in self.state.members(id):
                self._place(self.state.primitives[member].clone or member)
        return self.placement

    def _place(self, id: str) -> None:
        """Place a primitive or a clone, those it is colocated with first."""
        done = id in self.placement.roles or (
            id in self.state.clones and self.state.clones[id].members[0] in self.placement.roles
        )
        if done or id in self.busy:
            return
        self.busy.add(id)
        for colocation in self.state.colocations:
            if colocation.dependent == id:
                self._place(self._owner(colocation.primary))
        if id in self.state.clones:
            self._place_clone(id)
        else:
            self._place_primitive(id)

    def _owner(self, id: str) -> str:
        return self.state.primitives[id].clone or id if id in self.state.primitives else id

    # Primitives

    def _place_primitive(self, id: str) -> None:
        kept = self._kept(id)
        if kept is not None:
            self.placement.roles[id] = kept
            self._count(kept)
            return
        chosen = ""
        if self._wanted(id):
            wanted = self._merged(id, within=self._restricted(id, self._own(id)))
            chosen = self._best(wanted, {n for n, now in self._now(id).items() if now in ACTIVE})
        if chosen and not self._may_start(id, chosen):
            chosen = ""
        self.placement.roles[id] = {chosen: "Started"} if chosen else {}
        self._count(self.placement.roles[id])

    def _count(self, nodes: Iterable[str]) -> None:
        for node in nodes:
            self.load[node] += 1

    def _kept(self, id: str) -> dict[str, str] | None:
        """Return the roles of what the cluster may not touch, None for what it may."""
        active = {n: r for n, r in self._now(id).items() if r in ACTIVE}
        blocked = any(
            self.state.current[n][id].blocked
            for n in active
            if self.state.nodes[n].online and not self.state.nodes[n].unclean
        )
        in_maintenance = any(self.state.nodes[n].maintenance for n in active)
        if blocked or in_maintenance or not self.state.managed(id):
            return active
        return None

    def _now(self, id: str) -> dict[str, str]:
        return {
            node: resources[id].role
            for node, resources in self.state.current.items()
            if self.state.nodes[node].online or self.state.nodes[node].unclean
        }

    def _wanted(self, id: str) -> bool:
        role = self.state.primitives[id].meta.get("target-role", "Started")
        return ROLES.get(role, role).capitalize() != "Stopped" and not self.stopped_for_quorum

    def _own(self, id: str) -> Scores:
        """Return a primitive's own scores: locations, stickiness, bans after failures."""
        primitive = self.state.primitives[id]
        scores = self._located({id, primitive.group} - {""}, first=self._leads(id))
        stickiness = score(primitive.meta.get("resource-stickiness"))
        for node, now in self.state.current.items():
            if now[id].role in ACTIVE and self.state.nodes[node].online and node in scores:
                scores[node] = add_scores(scores[node], stickiness)
        self._ban_failed(id, scores)
        return scores

    def _leads(self, id: str) -> bool:
        group = self.state.primitives[id].group
        return not group or self.state.groups[group][0] == id

    def _ban_failed(self, id: str, scores: Scores) -> None:
        threshold = score(self.state.primitives[id].meta.get("migration-threshold"), INFINITY)
        for node in scores:
            if threshold and self.state.fail_count(node, id) >= threshold:
                scores[node] = -INFINITY

    def _located(self, ids: set[str], *, role: str = "", first: bool = True) -> Scores:
        symmetric = self.state.options.get("symmetric-cluster", "true") != "false"
        scores = dict.fromkeys(self.state.nodes, 0 if symmetric else -INFINITY)
        for location in self.locations:
            applies = location.resource in ids and (first or location.resource not in self.state.groups)
            if applies and location.role == role:
                for node, value in location.scores.items():
                    scores[node] = (
                        value if scores[node] == -INFINITY and not symmetric else add_scores(scores[node], value)
                    )
        return {n: s if self.state.nodes[n].usable else -INFINITY for n, s in scores.items()}

    def _merged(self, id: str, seen: frozenset[str] = frozenset(), within: Scores | None = None) -> Scores:
        """Return a resource's scores with the wishes of those that must be where it is."""
        own = self._own_clone if id in self.state.clones else self._own
        scores = own(id) if within is None else within
        for colocation in self.state.colocations:
            if (
                colocation.primary == id
                and not colocation.primary_role
                and colocation.dependent not in seen
                and not colocation.role
            ):
                scores = self._with_wishes(scores, colocation.dependent, colocation.score, seen | {id})
        return scores

    def _with_wishes(self, scores: Scores, dependent: str, weight: int, seen: frozenset[str]) -> Scores:
        wishes = self._merged(dependent, seen)
        summed = {n: add_scores(scores[n], _weighed(wishes[n], weight)) for n in scores}
        return summed if any(value >= 0 for value in summed.values()) else scores

    def _restricted(self, id: str, scores: Scores) -> Scores:
        """Apply the colocations of a dependent with primaries that have their place."""
        for colocation in self.state.colocations:
            if colocation.dependent != id or colocation.role:
                continue
            there = self._places_of(colocation.primary, colocation.primary_role)
            for node in scores:
                if node in there:
                    scores[node] = add_scores(scores[node], colocation.score)
                elif colocation.score >= INFINITY:
                    scores[node] = -INFINITY
        return scores

    def _places_of(self, id: str, role: str) -> set[str]:
        representative = self.state.clones[id].members[-1] if id in self.state.clones else id
        if any(resources[representative].blocked for resources in self.state.current.values()):
            return set()
        return self.placement.nodes(representative, promoted=role == "Promoted")

    def _best(self, scores: Scores, active: set[str]) -> str:
        able = [n for n in scores if scores[n] >= 0 and self.state.nodes[n].usable and (not self.frozen or n in active)]
        if not able:
            return ""
        return min(able, key=lambda n: (-scores[n], self.load[n], n not in active, n))

    def _may_start(self, id: str, node: str) -> bool:
        """Tell whether what must be active before is to be active; what already runs needs that only while it does."""
        primitive = self.state.primitives[id]
        for order in self.state.orders:
            if order.then not in {id, primitive.group, primitive.clone}:
                continue
            first = self.state.members(order.first)
            if not first or all(
                self.placement.nodes(f, promoted=order.first_action == "promote")
                for f in first
                if f in self.placement.roles
            ):
                continue
            running = self.state.current[node][id].role in ACTIVE
            if not running or any(self.state.current[n][f].role in ACTIVE for f in first for n in self.state.current):
                return False
        return True

    # Clones

    def _own_clone(self, id: str) -> Scores:
        scores = self._located({id, *self.state.clones[id].members})
        for member in self.state.clones[id].members:
            self._ban_failed(member, scores)
        return scores

    def _place_clone(self, id: str) -> None:
        clone = self.state.clones[id]
        leader = clone.members[0]
        kept = self._kept(leader)
        if kept is not None:
            for member in clone.members:
                self.placement.roles[member] = dict(kept)
            return
        active = {n for n, role in self._now(leader).items() if role in ACTIVE}
        scores = self._restricted(id, self._own_clone(id))
        wishes = self._wished(id, scores)
        worth = self._instance_scores(leader, scores, active)
        able = [n for n in scores if worth[n] >= 0 and self.state.nodes[n].usable and self._wanted(leader)]
        able = [n for n in able if (not self.frozen or n in active) and self._may_start(leader, n)]
        able.sort(key=lambda n: (n not in active, -wishes[n], self.load[n], n))
        chosen = able[: clone.number("clone-max", "clone-max", len(self.state.nodes))]
        role = "Unpromoted" if clone.promotable else "Started"
        for member in clone.members:
            self.placement.roles[member] = dict.fromkeys(chosen, role)
        self._count(chosen)
        if clone.promotable:
            self._promote(id, chosen, wishes)

    def _instance_scores(self, leader: str, scores: Scores, active: set[str]) -> Scores:
        """Return what an instance is worth on each node: with stickiness where it runs."""
        stickiness = score(self.state.primitives[leader].meta.get("resource-stickiness"))
        return {n: add_scores(value, stickiness if n in active else 0) for n, value in scores.items()}

    def _wished(self, id: str, scores: Scores, *, role: str | None = None) -> Scores:
        """Add the wishes of a clone's dependents; what they avoid becomes last, not impossible."""
        for colocation in self.state.colocations:
            if colocation.primary != id or colocation.role or role not in {None, colocation.primary_role}:
                continue
            wishes = self._merged(colocation.dependent, frozenset({id}))
            summed = {n: add_scores(scores[n], _weighed(wishes[n], colocation.score)) for n in scores}
            if any(value >= 0 for value in summed.values()):
                scores = {n: summed[n] if summed[n] >= 0 else min(scores[n], LAST) for n in scores}
        return scores

    def _promote(self, id: str, nodes: list[str], wishes: Scores) -> None:
        """Promote where the score is best: the agent's own, the clone's, and twice those of who must be with it."""
        clone = self.state.clones[id]
        leader = clone.members[0]
        target = clone.meta.get("target-role", "Promoted")
        if ROLES.get(target, target) in {"Unpromoted", "Stopped"}:
            return
        located = self._located({id, *clone.members}, role="Promoted")
        scores = {n: add_scores(self.state.promotion_score(n, leader), located[n]) for n in nodes}
        scores = {n: s for n, s in scores.items() if s >= 0 and self._may_promote(id)}
        total = {n: add_scores(scores[n], wishes[n]) if n in scores else -INFINITY for n in self.state.nodes}
        wished = self._wished(id, total, role="Promoted")
        scores = {n: wished[n] for n in scores if wished[n] > -INFINITY}
        for colocation in self.state.colocations:
            if colocation.dependent == id and colocation.role == "Promoted":
                there = self._places_of(colocation.primary, colocation.primary_role)
                for node in list(scores):
                    if node in there:
                        scores[node] = add_scores(scores[node], colocation.score)
                    elif colocation.score >= INFINITY:
                        del scores[node]
        now = {n: self.state.current[n][leader].role for n in nodes}
        if self.frozen:
            scores = {n: s for n, s in scores.items() if now[n] == "Promoted"}
        ranked = sorted(scores, key=lambda n: (-scores[n], now[n] != "Promoted", now[n] not in ACTIVE, n))
        for node in ranked[: clone.number("promoted-max", "master-max", 1)]:
            for member in clone.members:
                self.placement.roles[member][node] = "Promoted"

    def _may_promote(self, id: str) -> bool:
        for order in self.state.orders:
            if order.then == id and order.then_action == "promote":
                first = self.state.members(order.first)
                if first and not all(self.placement.nodes(f, promoted=order.first_action == "promote") for f in first):
                    return False
        return True


def _weighed(value: int, weight: int) -> int:
    """Return what a dependent's score counts for its primary; who avoids both avoids neither for the other's sake."""
    if weight < 0 and value < 0:
        return 0
    if abs(weight) >= INFINITY or abs(value) >= INFINITY:
        return value if weight > 0 else -value
    return value * weight // INFINITY if weight < INFINITY else value


class Location:
    """A location constraint: the score it gives each node, and for which role."""

    def __init__(self, element: Element, state: ClusterState) -> None:
        self.resource = element.get("rsc", "")
        if element.get("rsc-pattern"):
            msg = f"rsc-pattern of {element.get('id')}"
            raise NotSimulated(msg)
        role = element.get("role", "")
        self.scores: Scores = {}
        if element.get("node"):
            self.scores = {name: score(element.get("score")) for name in state.nodes if name == element.get("node")}
        for rule in element.findall("rule"):
            role = rule.get("role", role)
            value = score(rule.get("score"))
            self.scores |= {name: value for name, node in state.nodes.items() if _holds(rule, node)}
        role = ROLES.get(role, role)
        self.role = "Promoted" if role == "Promoted" else ""


def _holds(rule: Element, node: NodeState) -> bool:
    results = []
    for part in rule:
        if part.tag == "rule":
            results.append(_holds(part, node))
        elif part.tag == "expression":
            results.append(_expression_holds(part, node))
        else:
            msg = f"<{part.tag}> in the rule {rule.get('id')}"
            raise NotSimulated(msg)
    return any(results) if rule.get("boolean-op") == "or" else all(results)


def _expression_holds(expression: Element, node: NodeState) -> bool:
    attributes = {**node.attributes, **node.transient, "#uname": node.name, "#id": node.id, "#kind": "cluster"}
    found, wanted = attributes.get(expression.get("attribute", "")), expression.get("value", "")
    operation = expression.get("operation", "")
    if operation in {"defined", "not_defined"}:
        return (found is not None) is (operation == "defined")
    if operation == "eq":
        return found == wanted
    if operation == "ne":
        return found != wanted
    if found is None:
        return False
    try:
        left, right = float(found), float(wanted)
    except ValueError:
        return {"lt": found < wanted, "gt": found > wanted, "lte": found <= wanted, "gte": found >= wanted}[operation]
    return {"lt": left < right, "gt": left > right, "lte": left <= right, "gte": left >= right}[operation]
