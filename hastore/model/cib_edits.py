"""Edits of Pacemaker's configuration as values, and what each of them means.

`apply_edits` says what a configuration is after them; `formats.cib_patch.edit` does the same to live XML and
touches nothing else. Edits are idempotent: an edit of what is already so changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import reduce
from itertools import groupby
from typing import TypeAlias, TypeVar

import attrs

from hastore.model.errors import SpecError
from hastore.model.pacemaker import (
    Cib,
    Clone,
    Colocation,
    Constraint,
    FencingLevel,
    Foreign,
    Group,
    Location,
    Op,
    Order,
    PacemakerResource,
    Tag,
)
from hastore.model.values import value

_CONSTRAINED = re.compile(r' (?:rsc|with-rsc|first|then)="([^"]*)"')
_MENTIONED = re.compile(r'(?:resource_ref id|obj_ref id| rsc| with-rsc| first| then| reference| template)="([^"]*)"')
_ID = re.compile(r' id="([^"]*)"')

_N = TypeVar("_N", PacemakerResource, Group, Clone, Constraint, Tag)

Element: TypeAlias = PacemakerResource | Group | Clone | Constraint | Tag | FencingLevel


@value
class Put:
    """Create the element, or replace the one of this id (of a fencing level: of this target and index).

    A group takes its members from wherever they stand, another group included; members it loses stand alone
    afterwards. A group that another one leaves empty goes, with what names it. A clone takes a resource that
    stands alone; one that is a group's member or another clone's is refused.
    """

    element: Element


@value
class Remove:
    """Remove what has this id, and with it every constraint, tag entry and fencing device that names it.

    What a removed group or clone held stands alone afterwards. A group or clone left empty goes too.
    Removing what is not there changes nothing.
    """

    id: str


@value
class SetProperty:
    """Set a cluster property, such as `stonith-enabled`; None takes it away."""

    name: str
    value: str | None


@value
class SetResourceDefault:
    """Set a default meta attribute of resources, such as `resource-stickiness`; None takes it away."""

    name: str
    value: str | None


@value
class SetNodeAttribute:
    """Set a permanent attribute of a node, such as `standby`; None takes it away."""

    node: str
    name: str
    value: str | None


Edit: TypeAlias = Put | Remove | SetProperty | SetResourceDefault | SetNodeAttribute


def apply_edits(cib: Cib, edits: Iterable[Edit]) -> Cib:
    """Return the configuration after the edits, done one after the other.

    Raises SpecError where an id is taken by another kind of thing, a node is not known, something foreign
    still names what is removed, or an edit leaves a reference to what is not there.
    """
    before = _dangling(cib)
    after = cib
    for primitives, run in groupby(edits, key=_puts_primitive):
        together = tuple(run)
        after = _put_primitives(after, together) if primitives else reduce(_apply, together, after)
    broken = sorted(_dangling(after) - before)
    if broken:
        owner, missing = broken[0]
        msg = f"{owner!r} would name {missing!r}, which is not in the configuration: put {missing!r} there too"
        raise SpecError(msg)
    return after


def _puts_primitive(edit: Edit) -> bool:
    return isinstance(edit, Put) and isinstance(edit.element, PacemakerResource)


def _put_primitives(cib: Cib, edits: Iterable[Edit]) -> Cib:
    """Append primitives that are new all at once, for a whole cluster has thousands; then put the others."""
    taken = {thing.id for thing in (*cib.elements(), *cib.tags, *cib.foreign)}
    new: dict[str, PacemakerResource] = {}
    others: list[Edit] = []
    for edit in edits:
        match edit:
            case Put(PacemakerResource() as resource) if resource.id not in taken and resource.id not in new:
                new[resource.id] = resource
            case _:
                others.append(edit)
    return reduce(_apply, others, attrs.evolve(cib, resources=(*cib.resources, *new.values())))


def _apply(cib: Cib, edit: Edit) -> Cib:
    match edit:
        case Put(element):
            return _put(cib, element)
        case Remove(id):
            return _remove(cib, id)
        case SetProperty(name, text):
            return attrs.evolve(cib, properties=cib.properties.with_({name: text}))
        case SetResourceDefault(name, text):
            return attrs.evolve(cib, resource_defaults=cib.resource_defaults.with_({name: text}))
        case SetNodeAttribute(node, name, text):
            return _set_node_attribute(cib, node, name, text)


def _set_node_attribute(cib: Cib, node: str, name: str, text: str | None) -> Cib:
    if node not in {n.name for n in cib.nodes}:
        known = ", ".join(n.name for n in cib.nodes) or "none"
        msg = f"node {node!r} is not in the configuration (nodes there: {known})"
        raise SpecError(msg)
    changed = tuple(
        attrs.evolve(n, attributes=n.attributes.with_({name: text})) if n.name == node else n for n in cib.nodes
    )
    return attrs.evolve(cib, nodes=changed)


# -- putting ------------------------------------------------------------------------------------------


def _put(cib: Cib, element: Element) -> Cib:
    _check_kind(cib, element)
    match element:
        case PacemakerResource():
            return _put_resource(cib, element)
        case Group():
            return _put_group(cib, element)
        case Clone():
            return _put_clone(cib, element)
        case Tag():
            return attrs.evolve(cib, tags=_replaced(cib.tags, element))
        case FencingLevel():
            return _put_level(cib, element)
        case _:
            return attrs.evolve(cib, constraints=_replaced(cib.constraints, element))


def _check_kind(cib: Cib, element: Element) -> None:
    """Refuse an id that something of another kind has; constraints may change their kind."""
    if isinstance(element, FencingLevel):
        return
    family = Location | Colocation | Order if isinstance(element, Location | Colocation | Order) else type(element)
    others = [thing for thing in (*cib.elements(), *cib.tags, *cib.foreign) if thing.id == element.id]
    for other in others:
        if not isinstance(other, family):
            kind = f"foreign <{other.tag}>" if isinstance(other, Foreign) else type(other).__name__
            msg = f"id {element.id!r} is taken by a {kind}: choose another, or remove that first"
            raise SpecError(msg)


def _replaced(items: tuple[_N, ...], new: _N) -> tuple[_N, ...]:
    """Return the items with the one of the same id replaced in its place, or the new one at the end."""
    if any(item.id == new.id for item in items):
        return tuple(new if item.id == new.id else item for item in items)
    return items + (new,)  # noqa: RUF005  mypy cannot follow the constrained type through unpacking


def _put_resource(cib: Cib, new: PacemakerResource) -> Cib:
    old = cib.resource(new.id)
    if old is None:
        return attrs.evolve(cib, resources=(*cib.resources, new))
    known = {_op_key(op): op for op in old.ops}
    ops = tuple(_with_ids_of(op, known.get(_op_key(op))) for op in new.ops)
    merged = attrs.evolve(new, ops=ops, ids=new.ids or old.ids)
    gone = {op_id(old.id, op) for op in old.ops} - {op_id(new.id, op) for op in ops}
    foreign = tuple(f for f in cib.foreign if f.parent not in gone)
    return attrs.evolve(cib, resources=_replaced(cib.resources, merged), foreign=foreign)


def _op_key(op: Op) -> tuple[str, str, str]:
    return op.name, op.interval, op.role


def _with_ids_of(new: Op, old: Op | None) -> Op:
    return new if old is None else attrs.evolve(new, id=old.id, ids=old.ids)


def _put_group(cib: Cib, group: Group) -> Cib:
    _check_members(cib, group)
    old = next((g for g in cib.groups if g.id == group.id), None)
    merged = attrs.evolve(group, ids=group.ids or old.ids) if old else group
    taken = frozenset(group.members)
    others = tuple(
        attrs.evolve(g, members=tuple(m for m in g.members if m not in taken))
        if g.id != group.id and not taken.isdisjoint(g.members)
        else g
        for g in cib.groups
    )
    moved = attrs.evolve(cib, groups=_replaced(others, merged), places=_place_of_group(cib, group))
    for emptied in (g.id for g in others if not g.members):
        moved = _remove(moved, emptied)
    return moved


def _check_members(cib: Cib, group: Group) -> None:
    if not group.members or len(set(group.members)) != len(group.members):
        msg = f"group {group.id!r} has {', '.join(group.members) or 'no members'}: name each member once, at least one"
        raise SpecError(msg)
    for member in group.members:
        clone = cib.clone_of(member)
        if clone is not None:
            msg = f"{member!r} is cloned by {clone.id!r}: remove that clone before it joins group {group.id!r}"
            raise SpecError(msg)


def _place_of_group(cib: Cib, group: Group) -> tuple[str, ...]:
    """Return the places with a new group before the first of its members that stood alone."""
    roots = cib.roots()
    first = next((place for place in roots if place in group.members), None)
    if group.id in {g.id for g in cib.groups} or first is None:
        return cib.places
    at = roots.index(first)
    return (*roots[:at], group.id, *roots[at:])


def _put_clone(cib: Cib, clone: Clone) -> Cib:
    group = cib.group_of(clone.resource)
    rival = next((c for c in cib.clones if c.resource == clone.resource and c.id != clone.id), None)
    if group is not None or rival is not None:
        holder = group.id if group else rival.id if rival else ""
        msg = f"{clone.resource!r} stands in {holder!r}: take it out of there before {clone.id!r} clones it"
        raise SpecError(msg)
    old = next((c for c in cib.clones if c.id == clone.id), None)
    merged = attrs.evolve(clone, ids=clone.ids or old.ids) if old else clone
    places = cib.places
    if old is None:
        places = tuple(clone.id if place == clone.resource else place for place in cib.roots())
    return attrs.evolve(cib, clones=_replaced(cib.clones, merged), places=places)


def _put_level(cib: Cib, level: FencingLevel) -> Cib:
    def same(other: FencingLevel) -> bool:
        return (other.target, other.index) == (level.target, level.index)

    old = next(filter(same, cib.levels), None)
    if old is None:
        return attrs.evolve(cib, levels=(*cib.levels, level))
    merged = attrs.evolve(level, id=level.id or old.id)
    return attrs.evolve(cib, levels=tuple(merged if same(other) else other for other in cib.levels))


# -- removing -----------------------------------------------------------------------------------------


def _remove(cib: Cib, id: str) -> Cib:
    named = (*cib.elements(), *cib.tags, *cib.foreign)
    if id not in {thing.id for thing in named} | {level.xml_id for level in cib.levels}:
        return cib
    doomed = _with_what_falls(cib, id)
    return attrs.evolve(
        cib,
        resources=tuple(r for r in cib.resources if r.id not in doomed),
        groups=tuple(
            attrs.evolve(g, members=tuple(m for m in g.members if m not in doomed))
            for g in cib.groups
            if g.id not in doomed
        ),
        clones=tuple(c for c in cib.clones if c.id not in doomed),
        constraints=tuple(c for c in cib.constraints if c.id not in doomed),
        tags=tuple(_without(tag, doomed) for tag in cib.tags if tag.id not in doomed),
        levels=tuple(
            attrs.evolve(level, devices=tuple(d for d in level.devices if d not in doomed))
            for level in cib.levels
            if level.xml_id not in doomed and {*level.devices} - doomed
        ),
        foreign=_foreign_without(cib, doomed),
        places=tuple(place for root in cib.places for place in _what_stays(cib, root, doomed)),
    )


def _with_what_falls(cib: Cib, id: str) -> frozenset[str]:
    """Return the id and those of what cannot be without it: emptied groups, clones and tags, constraints."""
    doomed: set[str] = set()
    falling = {id}
    while falling - doomed:
        doomed |= falling
        falling = {g.id for g in cib.groups if {*g.members} <= doomed}
        falling |= {c.id for c in cib.clones if c.resource in doomed}
        falling |= {c.id for c in cib.constraints if doomed & {*ends(c)}}
        falling |= {t.id for t in cib.tags if {*t.members} <= doomed}
        falling |= {f.id for f in cib.foreign if f.parent == "constraints" and doomed & _constrained(f)}
    return frozenset(doomed)


def _constrained(foreign: Foreign) -> set[str]:
    """Return the ids that a constraint's own attributes name; resource sets inside it are another matter."""
    return {match[1] for match in _CONSTRAINED.finditer(foreign.xml.partition(">")[0])}


def _without(tag: Tag, doomed: frozenset[str]) -> Tag:
    return attrs.evolve(tag, members=tuple(m for m in tag.members if m not in doomed))


def _what_stays(cib: Cib, place: str, doomed: frozenset[str]) -> tuple[str, ...]:
    """Return what stands in a place afterwards: itself, or what a removed group or clone held."""
    if place not in doomed:
        return (place,)
    held = [g.members for g in cib.groups if g.id == place] + [(c.resource,) for c in cib.clones if c.id == place]
    return tuple(stays for inner in held for member in inner for stays in _what_stays(cib, member, doomed))


def _foreign_without(cib: Cib, doomed: frozenset[str]) -> tuple[Foreign, ...]:
    """Drop what is foreign and doomed, stands in what is doomed, or constrains it; refuse other mentions."""
    homes = doomed | {op_id(r.id, op) for r in cib.resources if r.id in doomed for op in r.ops}
    kept = []
    for foreign in cib.foreign:
        if foreign.id in doomed or foreign.parent in homes:
            continue
        mentioned = doomed & {match[1] for match in _MENTIONED.finditer(foreign.xml)}
        if mentioned:
            msg = (
                f"<{foreign.tag}> {foreign.id!r}, which hastore does not edit, names {min(mentioned)!r}: "
                f"take it out of there by hand (cibadmin, crm, pcs) or remove {foreign.id!r} first"
            )
            raise SpecError(msg)
        kept.append(foreign)
    templates = {r.template: r.id for r in cib.resources if r.template in doomed and r.id not in doomed}
    if templates:
        template, user = next(iter(templates.items()))
        msg = f"{user!r} is made from template {template!r}: put {user!r} with an agent of its own first"
        raise SpecError(msg)
    return tuple(kept)


# -- references ---------------------------------------------------------------------------------------


def op_id(resource: str, op: Op) -> str:
    """Return the id an operation has, or gets, in the CIB."""
    return op.id or safe_id(f"{resource}-{op.name}-{op.interval}")


def safe_id(text: str) -> str:
    """Return the text as an XML id: what may not stand in one becomes a dot, as Pacemaker does."""
    return re.sub(r"[^\w.-]", ".", text)


def ends(constraint: Constraint) -> tuple[str, ...]:
    """Return the ids of the resources that a constraint is about."""
    match constraint:
        case Location():
            return (constraint.resource,)
        case Colocation():
            return constraint.resource, constraint.with_resource
        case Order():
            return constraint.first, constraint.then


def _dangling(cib: Cib) -> set[tuple[str, str]]:
    """Return (who, what it names) for every name of something that is not there."""
    primitives = {r.id for r in cib.resources}
    foreign = {match[1] for f in cib.foreign for match in _ID.finditer(f.xml)}
    known = primitives | foreign | {g.id for g in cib.groups} | {c.id for c in cib.clones} | {t.id for t in cib.tags}
    wanted = [(c.id, end, known) for c in cib.constraints for end in ends(c)]
    wanted += [(g.id, member, primitives) for g in cib.groups for member in g.members]
    wanted += [(c.id, c.resource, primitives | {g.id for g in cib.groups}) for c in cib.clones]
    wanted += [(level.xml_id, device, primitives | foreign) for level in cib.levels for device in level.devices]
    return {(owner, name) for owner, name, there in wanted if name not in there}
