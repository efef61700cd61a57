"""Agents in order: what starts before what, and what portblock can protect."""

from __future__ import annotations

from collections.abc import Iterator

from hastore.model.findings import Severity
from hastore.model.pacemaker import Group, Order, PacemakerResource
from hastore.model.stack import StorageStack
from hastore.planning.rules.base import Sighting, rule
from hastore.planning.rules.reading import (
    LUN_AGENTS,
    TARGET_AGENTS,
    VIP_AGENTS,
    address_of,
    cib_of,
    members_of,
    of_type,
    portblocks,
)


def vips_before_targets(stack: StorageStack) -> Iterator[tuple[Group, PacemakerResource]]:
    """Yield the address primitives that share a group with a target or LUN."""
    ids = {r.id for r in of_type(stack, *TARGET_AGENTS, *LUN_AGENTS)}
    groups = {member: group for group in cib_of(stack).groups for member in group.members}
    serving = {group.id for group in cib_of(stack).groups if ids & set(group.members)}
    for vip in of_type(stack, *VIP_AGENTS):
        group = groups.get(vip.id)
        if group is not None and group.id in serving:
            yield group, vip


def guards(stack: StorageStack, group: Group, vip: PacemakerResource) -> tuple[str, str]:
    """Return the ids of the portblocks of a group that block and unblock an address; empty where there is none."""

    def of(action: str) -> str:
        blocks = portblocks(members_of(stack, group), action)
        return next((b.id for b in blocks if address_of(b) in ("", address_of(vip))), "")

    return of("block"), of("unblock")


@rule(
    "portblock-protects-nothing",
    Severity.DANGER,
    trap="trap 7",
    summary="The port is not blocked while the address is up and the LUN is not: clients get a reset and give up",
    source="resource-agents heartbeat/portblock, usage: block, address, service, unblock; a group starts in order",
    mend="Order the group: block, address, target, LUN, unblock",
)
def portblock_protects_nothing(stack: StorageStack) -> Iterator[Sighting]:
    """Find guarded addresses whose block comes after them, or whose unblock comes before a LUN."""
    services = {r.id for r in of_type(stack, *TARGET_AGENTS, *LUN_AGENTS)}
    for group, vip in vips_before_targets(stack):
        block, unblock = guards(stack, group, vip)
        if not block or not unblock:
            continue
        place = group.members.index
        last_service = max(place(m) for m in group.members if m in services)
        first_service = min(place(m) for m in group.members if m in services)
        if not place(block) < min(place(vip.id), first_service) <= last_service < place(unblock):
            shown = " ".join(m for m in group.members if m in {block, unblock, vip.id} | services)
            objects = (f"group:{group.id}", f"primitive:{vip.id}", f"primitive:{block}", f"primitive:{unblock}")
            yield Sighting(objects, f"group order: {shown}")


@rule(
    "portblock-missing",
    Severity.WARNING,
    trap="practice 2",
    summary="Nothing blocks the port while the target is not complete: clients are refused, or find no LUN",
    source="resource-agents heartbeat/portblock, usage; practice: no address whose unblocked port lacks a LUN",
    mend="Add a portblock that blocks before the address and one that unblocks after the last LUN",
    override="no-portblock",
)
def portblock_missing(stack: StorageStack) -> Iterator[Sighting]:
    """Find addresses of targets without a complete pair of portblocks."""
    for group, vip in vips_before_targets(stack):
        block, unblock = guards(stack, group, vip)
        if not block or not unblock:
            shown = f"{address_of(vip)}: block {block or 'missing'}, unblock {unblock or 'missing'}"
            yield Sighting((f"primitive:{vip.id}", f"group:{group.id}"), shown)


@rule(
    "portblock-without-tickle",
    Severity.ADVICE,
    trap="trap 7",
    summary="After a failover clients wait for their own TCP timeouts: nothing tickles their connections",
    source="resource-agents heartbeat/portblock: tickle_dir belongs on action=unblock, and a local directory needs sync_script",
    mend="Set tickle_dir, and sync_script where the directory is local, on the unblocking portblock",
)
def portblock_without_tickle(stack: StorageStack) -> Iterator[Sighting]:
    """Find unblocking portblocks without tickle_dir."""
    for block in portblocks(of_type(stack, "portblock"), "unblock"):
        if "tickle_dir" not in block.params:
            yield Sighting((f"primitive:{block.id}",), "tickle_dir unset")


def orders_within_groups(stack: StorageStack) -> Iterator[tuple[Order, Group]]:
    """Yield the order constraints both of whose ends are members of one group."""
    cib = cib_of(stack)
    for constraint in cib.constraints:
        if isinstance(constraint, Order):
            group = cib.group_of(constraint.first)
            if group and constraint.then in group.members:
                yield constraint, group


def agrees(order: Order, group: Group) -> bool:
    """Return whether an order constraint says what its group's order says."""
    return group.members.index(order.first) < group.members.index(order.then)


@rule(
    "order-repeats-group",
    Severity.ADVICE,
    trap="trap 12",
    summary="The constraint repeats the group's order: harmless until someone reorders the group",
    source="Pacemaker Explained, groups: members start in order",
    mend="Drop the constraint",
)
def order_repeats_group(stack: StorageStack) -> Iterator[Sighting]:
    """Find order constraints that a group says already."""
    for order, group in orders_within_groups(stack):
        if agrees(order, group):
            yield Sighting((f"constraint:{order.id}", f"group:{group.id}"), f"{order.first} then {order.then}")


@rule(
    "order-contradicts-group",
    Severity.BLOCKING,
    trap="trap 12",
    summary="The constraint and the group's order make a loop: nothing of them will start",
    source="Pacemaker Explained, groups; crm_simulate: invalid transition (run); crm_verify does not see the loop",
    mend="Drop the constraint, or reorder the group",
)
def order_contradicts_group(stack: StorageStack) -> Iterator[Sighting]:
    """Find order constraints against a group's order."""
    for order, group in orders_within_groups(stack):
        if not agrees(order, group):
            yield Sighting((f"constraint:{order.id}", f"group:{group.id}"), f"{order.first} then {order.then}")
