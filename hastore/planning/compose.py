"""From the stack to Pacemaker's configuration, and back: nothing is said twice.

`compose` gives every resource that serves a storage object the parameters its agent needs; `unserve`
takes them away again and keeps what they say as objects. `compose` after `unserve` is the same CIB.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from hastore.model.drbd import DrbdResource
from hastore.model.errors import SpecError
from hastore.model.pacemaker import Cib, PacemakerResource
from hastore.model.stack import StorageStack
from hastore.model.values import Params, value
from hastore.planning import agents


@value
class Unread:
    """A resource whose agent is known, and why what it says could not be taken into the stack."""

    resource: str
    reason: str


@value
class Unserved:
    """A CIB taken apart: `stack` holds the objects and, as `pacemaker`, the CIB that serves them."""

    stack: StorageStack
    unread: tuple[Unread, ...] = ()


def compose(stack: StorageStack) -> Cib:
    """Return the CIB that the stack means, every parameter in it; empty where the stack has none.

    A resource's own parameter wins over the table's and stands in its place; one with empty text takes
    the table's away. Raises SpecError where a resource serves what the stack lacks.

    >>> [group.id for group in hastore.compose(stack).groups]
    ['g_vg1']
    """
    cib = stack.pacemaker or Cib()
    return attrs.evolve(cib, resources=tuple(_told(resource, stack) for resource in cib.resources))


def unserve(cib: Cib, *, drbd: Iterable[DrbdResource] = ()) -> Unserved:
    """Return the objects a CIB's resources tell of, and the CIB with `serves` and only its own parameters.

    DRBD resources come from their files: one that is not among `drbd` stays as the CIB has it.
    """
    stack = StorageStack(drbd=tuple(drbd))
    unread: list[Unread] = []
    readings: dict[str, agents.Reading] = {}
    for resource in cib.resources:
        if resource.template or resource.serves:
            continue
        try:
            reading = agents.read(resource)
            if reading is not None:
                stack = agents.add_object(reading.kind, reading.facts, stack)
                readings[resource.id] = reading
        except SpecError as problem:
            unread.append(Unread(resource.id, str(problem)))
    resources = tuple(_serving(r, readings.get(r.id), stack) for r in cib.resources)
    return Unserved(attrs.evolve(stack, pacemaker=attrs.evolve(cib, resources=resources)), tuple(unread))


def _told(resource: PacemakerResource, stack: StorageStack) -> PacemakerResource:
    if not resource.serves:
        return resource
    try:
        table = agents.write(resource.agent, resource.serves, stack)
    except SpecError as problem:
        msg = f"primitive {resource.id}: {problem}"
        raise SpecError(msg) from problem
    return attrs.evolve(resource, params=_merge(table, resource.params), serves="")


def _merge(table: Params, own: Params) -> Params:
    merged = table.with_(own)
    return merged.with_({name: None for name, text in own.items() if name in table and not text})


def _serving(resource: PacemakerResource, reading: agents.Reading | None, stack: StorageStack) -> PacemakerResource:
    if reading is None:
        return resource
    table = agents.write(resource.agent, reading.reference, stack)
    silenced = {name: "" for name in table if name not in resource.params}
    own = {name: text for name, text in resource.params.items() if table.get(name) != text}
    params = Params(own | silenced)
    if _merge(table, params) != resource.params:
        return resource  # an empty text where the table has one cannot be told apart from "not there"
    return attrs.evolve(resource, params=params, serves=reading.reference)
