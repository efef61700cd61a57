"""Pacemaker's configuration as values: `Cib`, the hub that every dialect is read to and written from.

Words are Pacemaker's own (`promotable clone`, `Promoted`), whatever the dialect called them. What a value
does not know it keeps: `Foreign` holds XML as it stood, in its place among its siblings.

Ids of nvsets, nvpairs and operations are XML's own affair: values remember those that differ from the usual
pattern (fields `ids`, `Op.id`), so that they can be written again, but two values that differ in them alone are
equal. So are two `Cib`s that list the same things in another order: sections of a CIB are sets.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Literal, TypeAlias

from hastore.model.values import NO_PARAMS, Params, as_params, field, value

Role = Literal["", "Started", "Stopped", "Promoted", "Unpromoted"]
Action = Literal["", "start", "stop", "promote", "demote"]

INFINITY = "INFINITY"
"""Pacemaker's score without bound (1,000,000)."""

PROMOTABLE = "promotable"
"""The meta attribute behind `Clone.promotable`; `Clone.meta` holds it only where it says something unusual."""


def _unordered(items: Iterable[object]) -> frozenset[tuple[object, int]]:
    """Key for comparing a section of the CIB, where order means nothing."""
    return frozenset(Counter(items).items())


@value
class Foreign:
    """XML of a CIB that hastore has no words for, kept as it stood."""

    xml: str
    """The element, canonically serialised."""
    parent: str = ""
    """Path of the section below <configuration>, such as `resources`, or the id of the element it stands in."""
    tag: str = ""
    id: str = ""
    index: int = field(default=-1, eq=False)
    """Its place among its siblings, counted from 0; -1 for the end."""


@value
class Op:
    """An operation of a resource, such as a monitor; times as Pacemaker writes them (`10s`, `20`)."""

    name: str
    interval: str = "0"
    timeout: str = ""
    role: Role = ""
    options: Params = field(default=NO_PARAMS, converter=as_params)
    """Further attributes of the element: `on-fail`, `start-delay`, `enabled` ..."""
    attributes: Params = field(default=NO_PARAMS, converter=as_params)
    """Instance attributes of the operation, such as `depth` (crmsh stores it so)."""
    id: str = field(default="", eq=False)
    """Its id in the CIB; empty for the usual `<resource>-<name>-<interval>`."""
    ids: Params = field(default=NO_PARAMS, converter=as_params, eq=False)
    """Unusual ids of what it holds; see `PacemakerResource.ids`."""


@value
class PacemakerResource:
    """A primitive: one agent with its parameters.

    In a stack, `serves` names the storage object whose facts the agent's family writes as parameters
    (`target:<iqn>`, `lun:<iqn>/<number>`, `vg:<name>`, `drbd:<name>`, `vip:<ip>`), so that nothing is said
    twice: `params` then holds only what the object does not say. In a `Cib` parameters are whole and
    `serves` is empty.
    """

    id: str
    agent: str
    """`ocf:provider:type`, `stonith:type`, `systemd:unit`."""
    params: Params = field(default=NO_PARAMS, converter=as_params)
    ops: tuple[Op, ...] = ()
    meta: Params = field(default=NO_PARAMS, converter=as_params)
    serves: str = ""
    template: str = ""
    utilization: Params = field(default=NO_PARAMS, converter=as_params)
    description: str = ""
    ids: Params = field(default=NO_PARAMS, converter=as_params, eq=False)
    """Ids that differ from the usual: nvset (`instance_attributes`) or nvpair (`instance_attributes/ip`) -> id.

    An empty nvset that stands in the CIB is remembered by its entry alone.
    """

    @property
    def agent_type(self) -> str:
        """The last part of the agent's name: `IPaddr2` of `ocf:heartbeat:IPaddr2`."""
        return self.agent.rsplit(":", 1)[-1]


@value
class Group:
    """Resources that start in order, stop in reverse, and stay together."""

    id: str
    members: tuple[str, ...]
    meta: Params = field(default=NO_PARAMS, converter=as_params)
    description: str = ""
    ids: Params = field(default=NO_PARAMS, converter=as_params, eq=False)


@value
class Clone:
    """A resource or group that runs on several nodes; promotable where some of them are promoted.

    `form` remembers how it was written: `master` is the element that Pacemaker 3 no longer reads. Meta
    attributes keep the names they had there (`master-max`).
    """

    id: str
    resource: str
    promotable: bool = False
    meta: Params = field(default=NO_PARAMS, converter=as_params)
    form: Literal["clone", "master"] = "clone"
    description: str = ""
    ids: Params = field(default=NO_PARAMS, converter=as_params, eq=False)


@value
class Location:
    """Where a resource may or should run."""

    id: str
    resource: str
    node: str = ""
    score: str = INFINITY
    role: Role = ""
    options: Params = field(default=NO_PARAMS, converter=as_params)


@value
class Colocation:
    """`resource` runs where `with_resource` does (or, with a negative score, elsewhere)."""

    id: str
    resource: str
    with_resource: str
    score: str = INFINITY
    role: Role = ""
    with_role: Role = ""
    options: Params = field(default=NO_PARAMS, converter=as_params)


@value
class Order:
    """`first` does its action before `then` does its own."""

    id: str
    first: str
    then: str
    first_action: Action = ""
    then_action: Action = ""
    kind: str = ""
    """`Mandatory`, `Optional`, `Serialize`, or empty for the default (Mandatory)."""
    score: str = ""
    """The deprecated score, where a CIB still has one instead of a kind."""
    options: Params = field(default=NO_PARAMS, converter=as_params)


@value
class ClusterNode:
    """A node as the configuration names it, with its permanent attributes (`standby` ...)."""

    name: str
    id: str = ""
    attributes: Params = field(default=NO_PARAMS, converter=as_params)
    type: str = ""
    utilization: Params = field(default=NO_PARAMS, converter=as_params)
    description: str = ""
    ids: Params = field(default=NO_PARAMS, converter=as_params, eq=False)


@value
class Tag:
    """A named set of ids; hastore records by one what it owns."""

    id: str
    members: tuple[str, ...]


@value
class FencingLevel:
    """Which fencing devices are tried, in which order, for a node."""

    target: str
    index: int
    devices: tuple[str, ...]
    id: str = field(default="", eq=False)
    """Its id in the CIB; empty for the usual `fl-<target>-<index>`."""

    @property
    def xml_id(self) -> str:
        """Return the id it has, or gets, in the CIB."""
        return self.id or f"fl-{self.target}-{self.index}"


Constraint: TypeAlias = Location | Colocation | Order


@value
class Cib:
    """A whole Pacemaker configuration, without status."""

    nodes: tuple[ClusterNode, ...] = field(default=(), eq=_unordered)
    resources: tuple[PacemakerResource, ...] = field(default=(), eq=_unordered)
    groups: tuple[Group, ...] = field(default=(), eq=_unordered)
    clones: tuple[Clone, ...] = field(default=(), eq=_unordered)
    constraints: tuple[Constraint, ...] = field(default=(), eq=_unordered)
    properties: Params = field(default=NO_PARAMS, converter=as_params)
    """Cluster properties of the first property set (`cib-bootstrap-options`)."""
    resource_defaults: Params = field(default=NO_PARAMS, converter=as_params)
    operation_defaults: Params = field(default=NO_PARAMS, converter=as_params)
    tags: tuple[Tag, ...] = field(default=(), eq=_unordered)
    levels: tuple[FencingLevel, ...] = field(default=(), eq=_unordered)
    foreign: tuple[Foreign, ...] = field(default=(), eq=_unordered)
    schema: str = ""
    """`validate-with`, such as `pacemaker-3.9`; empty where unknown."""
    version: tuple[int, int, int] = field(default=(0, 0, 0), eq=False)
    """admin_epoch, epoch, num_updates: which state of the cluster's CIB this was; not part of equality."""
    header: Params = field(default=NO_PARAMS, converter=as_params, eq=False)
    """Further attributes of <cib>, which the cluster writes itself (`crm_feature_set`, `update-origin` ...)."""
    places: tuple[str, ...] = field(default=(), eq=False)
    """Ids below <resources> in the order they stood there; what is not named here comes after them."""
    ids: Params = field(default=NO_PARAMS, converter=as_params, eq=False)
    """Unusual ids: `crm_config`, `rsc_defaults`, `op_defaults` (their nvset) or `crm_config/<name>` (an nvpair)."""

    def resource(self, id: str) -> PacemakerResource | None:
        """Return the primitive of this id, or None."""
        return self._resources_by_id.get(id)

    @cached_property
    def _resources_by_id(self) -> Mapping[str, PacemakerResource]:
        return {r.id: r for r in reversed(self.resources)}

    def group_of(self, member: str) -> Group | None:
        """Return the group that holds this primitive, or None."""
        return next((g for g in self.groups if member in g.members), None)

    def clone_of(self, member: str) -> Clone | None:
        """Return the clone of this primitive or group, or None."""
        return next((c for c in self.clones if c.resource == member), None)

    def roots(self) -> tuple[str, ...]:
        """Return ids of the primitives, groups and clones that stand in no other, in their order in the CIB."""
        inside = {member for g in self.groups for member in g.members} | {c.resource for c in self.clones}
        known = [*(r.id for r in self.resources), *(g.id for g in self.groups), *(c.id for c in self.clones)]
        free = dict.fromkeys(id for id in known if id not in inside)
        placed = frozenset(self.places)
        return (*(place for place in self.places if place in free), *(id for id in free if id not in placed))

    def of_type(self, *types: str) -> tuple[PacemakerResource, ...]:
        """Return the primitives whose agent is one of these (`IPaddr2`), whatever its provider, as they stand there."""
        places = sorted(place for kind in {*types} for place in self._places_of_type.get(kind, ()))
        return tuple(self.resources[place] for place in places)

    @cached_property
    def _places_of_type(self) -> Mapping[str, list[int]]:
        found: defaultdict[str, list[int]] = defaultdict(list)
        for place, resource in enumerate(self.resources):
            found[resource.agent_type].append(place)
        return found

    def fencing_devices(self) -> tuple[PacemakerResource, ...]:
        """Return the stonith primitives."""
        return tuple(r for r in self.resources if r.agent.startswith("stonith:"))

    def elements(self) -> Iterator[PacemakerResource | Group | Clone | Constraint]:
        """Yield everything that has an id of its own and can be owned."""
        yield from self.resources
        yield from self.groups
        yield from self.clones
        yield from self.constraints
