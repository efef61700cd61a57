"""Fixes of Pacemaker's configuration: forms, orders, timeouts, agents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import attrs

from hastore.model.pacemaker import (
    INFINITY,
    Cib,
    Clone,
    Colocation,
    Constraint,
    Group,
    Location,
    Op,
    Order,
    PacemakerResource,
)
from hastore.model.stack import StorageStack
from hastore.model.values import Params
from hastore.planning.fixes.base import Fix, Risk, with_cib, with_resources
from hastore.planning.rules.agents_order import agrees, guards, vips_before_targets
from hastore.planning.rules.agents_use import ADVISED, short_timeouts
from hastore.planning.rules.cib_forms import OLD_META, STALE_PROPERTIES, is_score
from hastore.planning.rules.reading import LUN_AGENTS, LVM_AGENTS, TARGET_AGENTS, VIP_AGENTS, address_of, of_type

TICKLE: Final = Params(tickle_dir="/run/resource-agents", sync_script="csync2 -xv")
"""The directory is there wherever resource-agents is installed (its tmpfiles.d); csync2 has to be set up by a person,
and where it is not, the script fails in the background and nothing is worse than without."""


# -- promotable clones --------------------------------------------------------------------------------


def promotable(clone: Clone) -> Clone:
    """Return a clone in today's form and words."""
    if clone.form == "clone" and not any(old in clone.meta for old in OLD_META):
        return clone
    meta = Params((OLD_META.get(key, key), text) for key, text in clone.meta.items())
    return attrs.evolve(clone, form="clone", promotable=True, meta=meta)


PROMOTABLE_CLONE: Final = Fix(
    "promotable-clone",
    "Write promotable clones instead of <master>",
    "Pacemaker 3 no longer reads <master>; every Pacemaker since 2.0 reads the clone, under the same id",
    Risk.HARMLESS_IN_FILE,
    ("master-element",),
    lambda stack: with_cib(
        stack, lambda cib: attrs.evolve(cib, clones=tuple(promotable(clone) for clone in cib.clones))
    ),
)


# -- the order of a group -----------------------------------------------------------------------------


def rank(resource: PacemakerResource) -> int | None:
    """Return a primitive's place in a group that serves targets; None where it stays behind its neighbour."""
    if resource.agent_type in LVM_AGENTS:
        return 0
    if resource.agent_type == "portblock":
        return 1 if resource.params.get("action") == "block" else 5
    places = ((VIP_AGENTS, 2), (TARGET_AGENTS, 3), (LUN_AGENTS, 4), (frozenset({"MailTo"}), 6))
    return next((place for types, place in places if resource.agent_type in types), None)


def in_order(stack: StorageStack, group: Group) -> Group:
    """Return a group in the order: storage, block, addresses, target, LUNs, unblock, messages."""
    cib = stack.pacemaker or Cib()
    places: dict[str, int] = {}
    last = 0
    for member in group.members:
        resource = cib.resource(member)
        place = rank(resource) if resource else None
        last = last if place is None else place
        places[member] = last
    return attrs.evolve(group, members=tuple(sorted(group.members, key=places.__getitem__)))


def with_guards(stack: StorageStack) -> StorageStack:
    """Return the stack with a pair of portblocks for every address of a target that lacks one."""
    for group, vip in tuple(vips_before_targets(stack)):
        present = dict(zip(("block", "unblock"), guards(stack, group, vip), strict=True))
        added = tuple(portblock(vip, action) for action, id in present.items() if not id)
        members = (*group.members, *(resource.id for resource in added))

        def edit(cib: Cib, name: str = group.id, added: tuple[PacemakerResource, ...] = added) -> Cib:
            groups = (
                attrs.evolve(g, members=(*g.members, *(r.id for r in added))) if g.id == name else g for g in cib.groups
            )
            return attrs.evolve(cib, resources=(*cib.resources, *added), groups=tuple(groups))

        stack = with_cib(stack, edit) if members != group.members else stack
    return stack


def portblock(vip: PacemakerResource, action: str) -> PacemakerResource:
    """Return a portblock for an address's iSCSI port."""
    tickle = TICKLE if action == "unblock" else Params()
    return PacemakerResource(
        f"{vip.id}_{action}",
        "ocf:heartbeat:portblock",
        params={"ip": address_of(vip), "portno": "3260", "protocol": "tcp", "action": action, **tickle},
        ops=(Op("monitor", interval="10s", timeout="10s"),),
    )


def guard_ports(stack: StorageStack) -> StorageStack:
    """Return the stack with every address of a target guarded, where it was not; the group is then put in order."""
    guarded = with_guards(stack)
    return stack if guarded == stack else order_groups(guarded)


def order_groups(stack: StorageStack) -> StorageStack:
    """Return the stack with the groups of targets in order, and no constraint left that says otherwise."""
    concerned = {group.id for group, _ in vips_before_targets(stack)}

    def edit(cib: Cib) -> Cib:
        groups = tuple(in_order(stack, g) if g.id in concerned else g for g in cib.groups)
        ordered = attrs.evolve(cib, groups=groups)
        return attrs.evolve(ordered, constraints=tuple(c for c in cib.constraints if not contradicts(c, ordered)))

    return with_cib(stack, edit)


def contradicts(constraint: Constraint, cib: Cib) -> bool:
    """Return whether an order constraint says the opposite of the group that holds both its ends."""
    if not isinstance(constraint, Order):
        return False
    group = cib.group_of(constraint.first)
    return bool(group and constraint.then in group.members and not agrees(constraint, group))


PORTBLOCK_ORDER: Final = Fix(
    "portblock-around-group",
    "Order the group: volume group, block, addresses, target, LUNs, unblock, messages",
    "A client that comes back early then waits instead of being refused; constraints that contradict this order would "
    "make a loop, and go. Nothing restarts for it: the new order holds from the next start on",
    Risk.HARMLESS_IN_FILE,
    ("portblock-protects-nothing", "order-contradicts-group"),
    order_groups,
)
PORTBLOCK_ADDED: Final = Fix(
    "portblock-added",
    "Block each address's port before it is up, and open it after the last LUN",
    "A client that comes back early then waits instead of being refused; a primitive put in the middle of a running group "
    "restarts what comes after it",
    Risk.RESTARTS_SERVICE,
    ("portblock-missing",),
    guard_ports,
)


def tickle(stack: StorageStack) -> StorageStack:
    """Return the stack with tickle_dir on every unblocking portblock."""
    bare = {
        r.id
        for r in of_type(stack, "portblock")
        if r.params.get("action") == "unblock" and "tickle_dir" not in r.params
    }
    return with_resources(stack, lambda r: attrs.evolve(r, params={**TICKLE, **r.params}) if r.id in bare else r)


PORTBLOCK_TICKLE: Final = Fix(
    "portblock-tickle",
    "Let the unblocking portblock tickle the clients' connections",
    "Clients reconnect at once instead of waiting for their TCP timeouts; the connections' file reaches the other node "
    "where csync2 is set up (a person's work), without it nothing is worse than before",
    Risk.RESTARTS_SERVICE,
    ("portblock-without-tickle",),
    tickle,
)


def without_repeated_orders(cib: Cib) -> Cib:
    """Return a CIB without order constraints that a group says already, or contradicts."""

    def within(constraint: Constraint) -> bool:
        group = cib.group_of(constraint.first) if isinstance(constraint, Order) else None
        return isinstance(constraint, Order) and group is not None and constraint.then in group.members

    return attrs.evolve(cib, constraints=tuple(c for c in cib.constraints if not within(c)))


GROUP_ORDERS: Final = Fix(
    "orders-within-group",
    "Drop order constraints between members of one group",
    "The group's own order is the one that counts; said twice it becomes a loop on the day somebody reorders the group",
    Risk.HARMLESS_IN_FILE,
    ("order-repeats-group", "order-contradicts-group"),
    lambda stack: with_cib(stack, without_repeated_orders),
)


# -- operations ---------------------------------------------------------------------------------------


def with_timeouts(resource: PacemakerResource, wanted: dict[str, int]) -> PacemakerResource:
    """Return a primitive whose operations have at least these seconds."""
    ops = [attrs.evolve(op, timeout=f"{wanted[op.name]}s") if op.name in wanted else op for op in resource.ops]
    named = {op.name for op in resource.ops}
    ops += [Op(name, timeout=f"{seconds}s") for name, seconds in wanted.items() if name not in named]
    return attrs.evolve(resource, ops=tuple(ops))


def lengthen(stack: StorageStack) -> StorageStack:
    """Return the stack with every agent's operations as long as its metadata advises."""

    def edit(resource: PacemakerResource) -> PacemakerResource:
        advised = ADVISED.get(resource.agent_type, {})
        return with_timeouts(resource, {name: advised[name] for name in short_timeouts(stack, resource)})

    return with_resources(stack, edit)


TIMEOUTS: Final = Fix(
    "agent-timeouts",
    "Give start and stop the time that the agents' metadata advise",
    "A stop that is cut off counts as failed: the node is fenced, or without fencing everything is blocked",
    Risk.HARMLESS_IN_FILE,
    ("timeouts-too-short",),
    lengthen,
)


def without_depth(op: Op) -> Op:
    """Return an operation without a depth of 0, the default; a deeper one becomes OCF_CHECK_LEVEL."""
    depth = op.attributes.get("depth", op.options.get("depth", "0"))
    level = {} if depth == "0" or "OCF_CHECK_LEVEL" in op.attributes else {"OCF_CHECK_LEVEL": depth}
    return attrs.evolve(
        op, attributes=op.attributes.with_({**level, "depth": None}), options=op.options.with_(depth=None)
    )


OP_DEPTH: Final = Fix(
    "op-depth",
    "Drop the operations' depth",
    "No operation has such an attribute; agents read OCF_CHECK_LEVEL",
    Risk.HARMLESS_IN_FILE,
    ("op-depth",),
    lambda stack: with_resources(stack, lambda r: attrs.evolve(r, ops=tuple(without_depth(op) for op in r.ops))),
)


# -- constraints and properties -----------------------------------------------------------------------


def today(constraint: Constraint) -> Constraint:
    """Return a constraint in the form that every schema since 2.x takes."""
    if isinstance(constraint, Order) and constraint.score:
        kind = constraint.kind or ("Optional" if constraint.score.lstrip("+") == "0" else "Mandatory")
        return attrs.evolve(constraint, kind=kind, score="")
    if isinstance(constraint, Colocation | Location) and constraint.score and not is_score(constraint.score):
        sign = "-" if constraint.score.startswith("-") else ""
        infinite = constraint.score.lstrip("+-").lower().startswith("inf")
        return attrs.evolve(constraint, score=sign + INFINITY) if infinite else constraint
    return constraint


CONSTRAINT_FORMS: Final = Fix(
    "constraint-forms",
    "Write scores and kinds as the schema has them",
    "`inf` is crmsh's word and fails validation; the score of an order is deprecated for its kind",
    Risk.HARMLESS_IN_FILE,
    ("score-form",),
    lambda stack: with_cib(stack, lambda cib: attrs.evolve(cib, constraints=tuple(today(c) for c in cib.constraints))),
)


def without_properties(names: Iterable[str], stack: StorageStack) -> StorageStack:
    """Return the stack without these cluster properties."""
    gone = dict.fromkeys(names)
    return with_cib(stack, lambda cib: attrs.evolve(cib, properties=cib.properties.with_(gone)))


CLUSTER_PROPERTIES: Final = Fix(
    "cluster-properties",
    "Leave out the properties that the cluster writes by itself",
    "Newer schemas forbid some of them, and the cluster knows them better",
    Risk.HARMLESS_IN_FILE,
    ("properties-of-the-cluster",),
    lambda stack: without_properties(STALE_PROPERTIES, stack),
)


def keep_quorum(stack: StorageStack) -> StorageStack:
    """Return the stack without no-quorum-policy=ignore."""
    ignored = stack.pacemaker is not None and stack.pacemaker.properties.get("no-quorum-policy") == "ignore"
    return without_properties(("no-quorum-policy",), stack) if ignored else stack


QUORUM_POLICY: Final = Fix(
    "quorum-policy",
    "Let quorum count again",
    "votequorum's two_node keeps quorum for the node that is left, and wait_for_all keeps a lone one from starting",
    Risk.HARMLESS_IN_FILE,
    ("quorum-ignored",),
    keep_quorum,
)

FIXES: Final = (
    PROMOTABLE_CLONE,
    PORTBLOCK_ORDER,
    PORTBLOCK_ADDED,
    PORTBLOCK_TICKLE,
    GROUP_ORDERS,
    TIMEOUTS,
    OP_DEPTH,
    CONSTRAINT_FORMS,
    CLUSTER_PROPERTIES,
)
