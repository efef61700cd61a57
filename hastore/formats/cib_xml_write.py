"""Writing a `Cib` as XML; `cib_xml.render` is this module's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

import attrs
from lxml import etree

from hastore.formats.cib_words import (
    OPERATION_DEFAULTS_SET,
    PROPERTY_SET,
    RESOURCE_DEFAULTS_SET,
    has_new_roles,
    pair_id,
    role_word,
    set_id,
)
from hastore.formats.xml_text import make
from hastore.model.cib_edits import op_id
from hastore.model.errors import SpecError
from hastore.model.pacemaker import (
    PROMOTABLE,
    Cib,
    Clone,
    ClusterNode,
    Colocation,
    Constraint,
    FencingLevel,
    Foreign,
    Group,
    Location,
    Op,
    Order,
    PacemakerResource,
    Role,
    Tag,
)
from hastore.model.values import Params


def render(cib: Cib, *, schema: str = "", kinds: bool = False) -> str:
    """Write a whole <cib>, without status.

    `schema` (or else the Cib's own) becomes validate-with; where neither is known the attribute is left out.
    With `kinds`, orders that have a score get the kind that Pacemaker takes it for, as crm writes them; crm_verify
    warns of scores (2.1.5: "Support for 'score' in rsc_order is deprecated"). Schemas older than pacemaker-3.7 get the roles Master and Slave. Raises SpecError where two elements would
    have one id, or a group or clone names a resource that the Cib does not hold.
    """
    root = _Writer(cib, new_roles=has_new_roles(schema or cib.schema), kinds=kinds).cib(schema or cib.schema)
    ids = Counter(element.get("id", "") for element in root.iter() if element.tag not in _REFERRING)
    shared = [id for id, count in ids.items() if id and count > 1]
    if shared:
        msg = f"{shared[0]!r} would be the id of more than one element of the CIB: rename one of them"
        raise SpecError(msg)
    etree.indent(root)
    return etree.tostring(root, encoding="unicode") + "\n"


_REFERRING: Final = {"obj_ref", "resource_ref", "node", "role"}
"""Elements whose id names another element, or lives in a space of its own (nodes-3.9.rng: text, no ID)."""


@attrs.define
class _Writer:
    """Makes elements of one configuration."""

    cib_value: Cib
    new_roles: bool
    kinds: bool
    resources: Mapping[str, PacemakerResource] = attrs.field(init=False)
    groups: Mapping[str, Group] = attrs.field(init=False)
    clones: Mapping[str, Clone] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.resources = {r.id: r for r in self.cib_value.resources}
        self.groups = {g.id: g for g in self.cib_value.groups}
        self.clones = {c.id: c for c in self.cib_value.clones}

    def cib(self, schema: str) -> etree._Element:
        cib = self.cib_value
        admin_epoch, epoch, num_updates = cib.version
        root = make(
            "cib",
            {
                **cib.header,
                "validate-with": schema,
                "admin_epoch": str(admin_epoch),
                "epoch": str(epoch),
                "num_updates": str(num_updates),
            },
        )
        configuration = etree.SubElement(root, "configuration")
        configuration.append(self.options("crm_config", "cluster_property_set", PROPERTY_SET, cib.properties))
        configuration.append(self.section("nodes", [self.node(node) for node in cib.nodes]))
        configuration.append(self.resource_section())
        configuration.append(self.section("constraints", [self.constraint(c) for c in cib.constraints]))
        for section in (
            self.section("fencing-topology", [_level(level) for level in cib.levels]),
            self.section("tags", [_tag(tag) for tag in cib.tags]),
            self.options("rsc_defaults", "meta_attributes", RESOURCE_DEFAULTS_SET, cib.resource_defaults),
            self.options("op_defaults", "meta_attributes", OPERATION_DEFAULTS_SET, cib.operation_defaults),
        ):
            if len(section):
                configuration.append(section)
        self.add_foreign(configuration, "")
        return root

    # -- sections -------------------------------------------------------------------------------------

    def section(self, name: str, entries: list[etree._Element]) -> etree._Element:
        section = make(name, {}, entries)
        self.add_foreign(section, name)
        return section

    def options(self, name: str, tag: str, usual: str, values: Params) -> etree._Element:
        section = etree.Element(name)
        _add_set(section, tag, usual, values, self.cib_value.ids, key=name)
        self.add_foreign(section, name)
        return section

    def resource_section(self) -> etree._Element:
        foreign = {f.id: f for f in self.cib_value.foreign if f.parent == "resources"}
        roots = self.cib_value.roots()
        placed = [place for place in self.cib_value.places if place in roots or place in foreign]
        later = [id for id in (*roots, *foreign) if id not in placed]
        section = etree.Element("resources")
        for id in (*placed, *later):
            section.append(etree.fromstring(foreign[id].xml) if id in foreign else self.resource(id, "resources"))
        return section

    def add_foreign(self, parent: etree._Element, home: str) -> None:
        """Put what is foreign in this element among its siblings of the same tag, where it stood."""
        for foreign in sorted((f for f in self.cib_value.foreign if f.parent == home), key=_place):
            siblings = parent.findall(foreign.tag)
            element = etree.fromstring(foreign.xml)
            if 0 <= foreign.index < len(siblings):
                siblings[foreign.index].addprevious(element)
            else:
                parent.append(element)

    def node(self, node: ClusterNode) -> etree._Element:
        number = node.id or node.name
        element = make("node", {"id": number, "uname": node.name, "type": node.type, "description": node.description})
        _add_set(element, "instance_attributes", f"nodes-{number}", node.attributes, node.ids)
        _add_set(element, "utilization", f"nodes-{number}-utilization", node.utilization, node.ids)
        self.add_foreign(element, number)
        return element

    # -- resources ------------------------------------------------------------------------------------

    def resource(self, id: str, holder: str) -> etree._Element:
        if id in self.resources:
            return self.primitive(self.resources[id])
        if id in self.groups:
            return self.group(self.groups[id])
        if id in self.clones:
            return self.clone(self.clones[id])
        msg = f"{holder!r} holds {id!r}, which is not in the configuration: put {id!r} there too"
        raise SpecError(msg)

    def primitive(self, resource: PacemakerResource) -> etree._Element:
        words = {"template": resource.template, "description": resource.description}
        element = make("primitive", {"id": resource.id, **_agent(resource.agent), **words})
        for kind, values in (("instance_attributes", resource.params), ("meta_attributes", resource.meta)):
            _add_set(element, kind, set_id(resource.id, kind), values, resource.ids)
        if resource.ops or "operations" in resource.ids:
            ops = [self.op(op, resource.id) for op in resource.ops]
            element.append(make("operations", {"id": resource.ids.get("operations", "")}, ops))
        _add_set(element, "utilization", set_id(resource.id, "utilization"), resource.utilization, resource.ids)
        self.add_foreign(element, resource.id)
        return element

    def op(self, op: Op, owner: str) -> etree._Element:
        id = op_id(owner, op)
        words = {"timeout": op.timeout, "role": role_word(op.role, new=self.new_roles)}
        element = make("op", {"id": id, "name": op.name, "interval": op.interval, **words, **op.options})
        _add_set(element, "instance_attributes", set_id(id, "instance_attributes"), op.attributes, op.ids)
        self.add_foreign(element, id)
        return element

    def group(self, group: Group) -> etree._Element:
        element = make("group", {"id": group.id, "description": group.description})
        _add_set(element, "meta_attributes", set_id(group.id, "meta_attributes"), group.meta, group.ids)
        element.extend([self.resource(member, group.id) for member in group.members])
        self.add_foreign(element, group.id)
        return element

    def clone(self, clone: Clone) -> etree._Element:
        element = make(clone.form, {"id": clone.id, "description": clone.description})
        meta = clone.meta
        if clone.promotable and clone.form == "clone" and PROMOTABLE not in meta:
            meta = Params({PROMOTABLE: "true", **meta})
        _add_set(element, "meta_attributes", set_id(clone.id, "meta_attributes"), meta, clone.ids)
        element.append(self.resource(clone.resource, clone.id))
        self.add_foreign(element, clone.id)
        return element

    # -- constraints ----------------------------------------------------------------------------------

    def constraint(self, constraint: Constraint) -> etree._Element:
        def role(name: str, role: Role) -> dict[str, str]:
            return {name: role_word(role, new=self.new_roles)}

        match constraint:
            case Location(id, resource, node, score):
                words = {"rsc": resource, **role("role", constraint.role), "score": score, "node": node}
                return make("rsc_location", {"id": id, **words, **constraint.options})
            case Colocation(id, resource, with_resource, score):
                words = {"score": score, "rsc": resource, **role("rsc-role", constraint.role)}
                words |= {"with-rsc": with_resource, **role("with-rsc-role", constraint.with_role)}
                return make("rsc_colocation", {"id": id, **words, **constraint.options})
            case Order(id, first, then):
                words = self.weight(constraint)
                words |= {"first": first, "first-action": constraint.first_action}
                words |= {"then": then, "then-action": constraint.then_action}
                return make("rsc_order", {"id": id, **words, **constraint.options})

    def weight(self, order: Order) -> dict[str, str]:
        if not self.kinds or not order.score or order.score.startswith("-"):
            return {"kind": order.kind, "score": order.score}
        return {"kind": order.kind or ("Optional" if order.score == "0" else "Mandatory")}


def _tag(tag: Tag) -> etree._Element:
    return make("tag", {"id": tag.id}, [make("obj_ref", {"id": member}) for member in tag.members])


def _level(level: FencingLevel) -> etree._Element:
    words = {"id": level.xml_id, "target": level.target, "index": str(level.index), "devices": ",".join(level.devices)}
    return make("fencing-level", words)


def _agent(agent: str) -> dict[str, str]:
    """Return the attributes that name an agent: class, provider (of OCF), type."""
    kind, _, rest = agent.partition(":")
    if kind != "ocf":
        return {"class": kind, "type": rest}
    provider, _, type_ = rest.partition(":")
    return {"class": kind, "provider": provider, "type": type_}


def _add_set(
    parent: etree._Element, tag: str, usual: str, values: Params, ids: Mapping[str, str], *, key: str = ""
) -> None:
    key = key or tag
    if not values and key not in ids:
        return
    id = ids.get(key, usual)
    nvset = etree.SubElement(parent, tag, id=id)
    for name, text in values.items():
        pair = ids.get(f"{key}/{name}", pair_id(id, name))
        etree.SubElement(nvset, "nvpair", id=pair, name=name, value=text)


def _place(foreign: Foreign) -> float:
    return foreign.index if foreign.index >= 0 else float("inf")
