"""The CIB as XML, read and written without loss.

`parse` reads a whole <cib> or its <configuration> alone; the status section is no part of a `Cib`. What has
no words in `model.pacemaker` is kept as `Foreign` where it stood: rules and further nvsets of a resource (under
the resource's id), resource sets and rules of constraints, templates, bundles (under their section), ACLs and
alerts (the whole section). Comments are not kept; empty optional sections neither.

Sources: the schemas that Pacemaker ships (/usr/share/pacemaker/*.rng, 1.0 to 3.9).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast, get_args

import attrs
from lxml import etree

from hastore.formats.cib_words import (
    OPERATION_DEFAULTS_SET,
    PROPERTY_SET,
    RESOURCE_DEFAULTS_SET,
    ROLES,
    normal_score,
    pair_id,
    set_id,
)
from hastore.formats.cib_xml_write import render
from hastore.formats.xml_text import attributes, canonical, elements, read_xml, wrong
from hastore.model.cib_edits import op_id
from hastore.model.pacemaker import (
    PROMOTABLE,
    Action,
    Cib,
    Clone,
    ClusterNode,
    Colocation,
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

__all__ = ["parse", "render"]

_SOURCE: Final = "CIB"
_TRUTHS: Final = {"true", "yes", "on", "y", "1"}
_ACTIONS: Final = get_args(Action)


def parse(text: str | bytes) -> Cib:
    """Read a <cib>, or a <configuration>.

    Raises ParseError with the line where the text is no well-formed XML, has another root, or lacks what an
    element cannot be without (an id, an operation's name).
    """
    root = read_xml(text, _SOURCE)
    configuration = root.find("configuration") if root.tag == "cib" else root
    if configuration is None or configuration.tag != "configuration":
        raise wrong(root, "<cib> with a <configuration>, or a <configuration>", _SOURCE)
    reader = _Reader()
    reader.read(configuration)
    header = attributes(root) if root.tag == "cib" else {}
    version = [_number(root, header.pop(name, "0"), name) for name in ("admin_epoch", "epoch", "num_updates")]
    return attrs.evolve(
        reader.cib(),
        schema=header.pop("validate-with", ""),
        version=(version[0], version[1], version[2]),
        header=header,
    )


def _number(element: etree._Element, text: str, name: str) -> int:
    if not text.isdecimal():
        raise wrong(element, f"a number as {name}", _SOURCE, text)
    return int(text)


@attrs.define
class _Reader:
    """Collects what stands in the sections of a configuration."""

    found: dict[str, list[Any]] = attrs.field(factory=dict)
    options: dict[str, Params] = attrs.field(factory=dict)
    ids: dict[str, str] = attrs.field(factory=dict)
    places: list[str] = attrs.field(factory=list)

    def cib(self) -> Cib:
        found: dict[str, Any] = {kind: tuple(things) for kind, things in self.found.items()}
        return Cib(
            **found,
            properties=self.options.get("crm_config", Params()),
            resource_defaults=self.options.get("rsc_defaults", Params()),
            operation_defaults=self.options.get("op_defaults", Params()),
            ids=self.ids,
            places=tuple(self.places),
        )

    def add(self, kind: str, thing: object) -> None:
        self.found.setdefault(kind, []).append(thing)

    def foreign(self, element: etree._Element, parent: str) -> None:
        before = sum(1 for _ in element.itersiblings(str(element.tag), preceding=True))
        self.add(
            "foreign",
            Foreign(canonical(element), parent=parent, tag=str(element.tag), id=element.get("id", ""), index=before),
        )

    # -- sections -------------------------------------------------------------------------------------

    def read(self, configuration: etree._Element) -> None:
        for section in elements(configuration):
            match section.tag:
                case "crm_config":
                    self.read_options(section, "cluster_property_set", PROPERTY_SET)
                case "rsc_defaults":
                    self.read_options(section, "meta_attributes", RESOURCE_DEFAULTS_SET)
                case "op_defaults":
                    self.read_options(section, "meta_attributes", OPERATION_DEFAULTS_SET)
                case "nodes" | "constraints" | "tags" | "fencing-topology":
                    for element in elements(section):
                        self.read_entry(element, str(section.tag))
                case "resources":
                    for element in elements(section):
                        self.places.append(_id(element))
                        self.read_resource(element)
                case _ if len(section) or section.attrib:
                    self.foreign(section, "")
                case _:
                    pass

    def read_options(self, section: etree._Element, tag: str, usual: str) -> None:
        plain = [s for s in elements(section) if s.tag == tag and _is_plain(s)]
        chosen = next((s for s in plain if s.get("id") == usual), plain[0] if plain else None)
        for element in elements(section):
            if element is not chosen:
                self.foreign(element, str(section.tag))
        if chosen is not None:
            key = str(section.tag)
            self.options[key], ids = _read_set(chosen, key, usual)
            self.ids |= ids

    def read_entry(self, element: etree._Element, section: str) -> None:
        entry = _ENTRIES.get(str(element.tag), _no_words)(element)
        match entry:
            case None:
                self.foreign(element, section)
            case ClusterNode():
                self.read_node(element, entry)
            case Tag():
                self.add("tags", entry)
            case FencingLevel():
                self.add("levels", entry)
            case _:
                self.add("constraints", entry)

    def read_node(self, element: etree._Element, node: ClusterNode) -> None:
        number = element.get("id", "")
        # Ids of a node's nvsets are `nodes-<id>`, as crm_attribute and crmsh write them (recording stack/10-healthy).
        usual = {"instance_attributes": f"nodes-{number}", "utilization": f"nodes-{number}-utilization"}
        sets, ids = self.read_sets(element, number, usual)
        self.add(
            "nodes",
            attrs.evolve(node, attributes=sets["instance_attributes"], utilization=sets["utilization"], ids=ids),
        )

    # -- resources ------------------------------------------------------------------------------------

    def read_resource(self, element: etree._Element, parent: str = "resources") -> None:
        if not _has_words(element):
            self.foreign(element, parent)
        elif element.tag == "primitive":
            self.read_primitive(element)
        elif element.tag == "group":
            self.read_group(element)
        else:
            self.read_clone(element)

    def read_primitive(self, element: etree._Element) -> None:
        id = _id(element)
        kinds = ("instance_attributes", "meta_attributes", "utilization")
        sets, ids = self.read_sets(element, id, {kind: set_id(id, kind) for kind in kinds}, {"operations"})
        ops: list[Op] = []
        for operations in element.findall("operations"):
            if not {*operations.keys()} <= {"id"} or any(op.tag != "op" for op in elements(operations)):
                self.foreign(operations, id)
                continue
            ops += [self.read_op(op, id) for op in elements(operations)]
            if not ops or operations.get("id"):
                ids["operations"] = operations.get("id", "")
        self.add(
            "resources",
            PacemakerResource(
                id,
                _agent(element),
                params=sets["instance_attributes"],
                ops=tuple(ops),
                meta=sets["meta_attributes"],
                template=element.get("template", ""),
                utilization=sets["utilization"],
                description=element.get("description", ""),
                ids=ids,
            ),
        )

    def read_op(self, element: etree._Element, owner: str) -> Op:
        options = attributes(element)
        id = options.pop("id", "")
        if "name" not in options:
            raise wrong(element, f"a name of the operation of {owner!r}", _SOURCE)
        op = Op(
            options.pop("name"),
            interval=options.pop("interval", "0"),
            timeout=options.pop("timeout", ""),
            role=_role(element, options.pop("role", "")),
            options=options,
        )
        op = attrs.evolve(op, id="" if id == op_id(owner, op) else id)
        own_id = op_id(owner, op)
        sets, ids = self.read_sets(element, own_id, {"instance_attributes": set_id(own_id, "instance_attributes")})
        return attrs.evolve(op, attributes=sets["instance_attributes"], ids=ids)

    def read_group(self, element: etree._Element) -> None:
        id = _id(element)
        sets, ids = self.read_sets(element, id, {"meta_attributes": set_id(id, "meta_attributes")}, {"primitive"})
        members = element.findall("primitive")
        self.add(
            "groups",
            Group(id, tuple(_id(m) for m in members), sets["meta_attributes"], element.get("description", ""), ids),
        )
        for member in members:
            self.read_primitive(member)

    def read_clone(self, element: etree._Element) -> None:
        id = _id(element)
        inner = {"primitive", "group"}
        sets, ids = self.read_sets(element, id, {"meta_attributes": set_id(id, "meta_attributes")}, inner)
        held = next(child for child in elements(element) if child.tag in inner)
        form = "master" if element.tag == "master" else "clone"
        meta = sets["meta_attributes"]
        said = meta.get(PROMOTABLE, "").lower()
        if form == "clone" and said == "true":
            meta = meta.with_({PROMOTABLE: None})
        self.add(
            "clones",
            Clone(
                id,
                _id(held),
                promotable=form == "master" or said in _TRUTHS,
                meta=meta,
                form="master" if form == "master" else "clone",
                description=element.get("description", ""),
                ids=ids,
            ),
        )
        self.read_resource(held, id)

    def read_sets(
        self, element: etree._Element, owner: str, usual: Mapping[str, str], others: Iterable[str] = ()
    ) -> tuple[dict[str, Params], dict[str, str]]:
        """Return the first plain nvset of each kind, and their unusual ids; keep other children as foreign."""
        sets: dict[str, Params] = {}
        ids: dict[str, str] = {}
        for child in elements(element):
            kind = str(child.tag)
            if kind in others:
                continue
            if kind in usual and kind not in sets and _is_plain(child):
                sets[kind], unusual = _read_set(child, kind, usual[kind])
                ids |= unusual
            else:
                self.foreign(child, owner)
        return {kind: sets.get(kind, Params()) for kind in usual}, ids


# -- one element --------------------------------------------------------------------------------------


def _id(element: etree._Element) -> str:
    id = element.get("id", "")
    if not id:
        raise wrong(element, f"an id of <{element.tag}>", _SOURCE)
    return id


def _role(element: etree._Element, text: str) -> Role:
    if text not in ROLES:
        raise wrong(element, f"a role ({', '.join(filter(None, ROLES))})", _SOURCE, text)
    return ROLES[text]


def _is_plain(nvset: etree._Element) -> bool:
    """Tell whether an nvset is no more than names and values: no rule, no score, no reference."""
    pairs = list(elements(nvset))
    names = Counter(pair.get("name") for pair in pairs)
    return (
        nvset.keys() == ["id"]
        and all(pair.tag == "nvpair" and {*pair.keys()} == {"id", "name", "value"} for pair in pairs)
        and all(count == 1 for count in names.values())
    )


def _read_set(nvset: etree._Element, key: str, usual: str) -> tuple[Params, dict[str, str]]:
    """Return names and values of a plain nvset, and the ids that are not the usual ones."""
    id = nvset.get("id", "")
    pairs = [(p.get("id", ""), p.get("name", ""), p.get("value", "")) for p in elements(nvset)]
    ids = {f"{key}/{name}": pair for pair, name, _ in pairs if pair != pair_id(id, name)}
    if id != usual or not pairs:
        ids[key] = id
    return Params((name, text) for _, name, text in pairs), ids


def _has_words(element: etree._Element) -> bool:
    """Tell whether a resource, with the resources in it, can be said in values."""
    inner = [child for child in elements(element) if child.tag in ("primitive", "group")]
    keys = {*element.keys()}
    match element.tag:
        case "primitive":
            whole = {"class", "type"} | ({"provider"} if element.get("class") == "ocf" else set())
            agent = keys - {"id", "description", "template"}
            return agent == ({*()} if "template" in keys else whole)
        case "group":
            return (
                keys <= {"id", "description"}
                and bool(inner)
                and all(child.tag == "primitive" and _has_words(child) for child in inner)
            )
        case "clone" | "master":
            return keys <= {"id", "description"} and len(inner) == 1 and _has_words(inner[0])
        case _:
            return False


def _agent(element: etree._Element) -> str:
    return ":".join(element.get(part, "") for part in ("class", "provider", "type") if element.get(part))


def _read_node(element: etree._Element) -> ClusterNode | None:
    known = {"id", "uname", "type", "description"}
    if not {*element.keys()} <= known or element.get("uname") is None:
        return None
    name, number = element.get("uname", ""), _id(element)
    return ClusterNode(
        name,
        id="" if number == name else number,
        type=element.get("type", ""),
        description=element.get("description", ""),
    )


def _read_location(element: etree._Element) -> Location | None:
    rest = attributes(element)
    if len(element) or "rsc" not in rest:
        return None
    return Location(
        rest.pop("id"),
        rest.pop("rsc"),
        node=rest.pop("node", ""),
        score=normal_score(rest.pop("score", "")),
        role=_role(element, rest.pop("role", "")),
        options=rest,
    )


def _read_colocation(element: etree._Element) -> Colocation | None:
    rest = attributes(element)
    if len(element) or not {"rsc", "with-rsc"} <= {*rest}:
        return None
    return Colocation(
        rest.pop("id"),
        rest.pop("rsc"),
        rest.pop("with-rsc"),
        score=normal_score(rest.pop("score", "")),
        role=_role(element, rest.pop("rsc-role", "")),
        with_role=_role(element, rest.pop("with-rsc-role", "")),
        options=rest,
    )


def _read_order(element: etree._Element) -> Order | None:
    rest = attributes(element)
    actions = [rest.get(name, "") for name in ("first-action", "then-action")]
    if len(element) or not {"first", "then"} <= {*rest} or not {*actions} <= {*_ACTIONS}:
        return None
    return Order(
        rest.pop("id"),
        rest.pop("first"),
        rest.pop("then"),
        first_action=cast("Action", rest.pop("first-action", "")),
        then_action=cast("Action", rest.pop("then-action", "")),
        kind=rest.pop("kind", ""),
        score=normal_score(rest.pop("score", "")),
        options=rest,
    )


def _read_tag(element: etree._Element) -> Tag | None:
    references = list(elements(element))
    if element.keys() != ["id"] or any(r.tag != "obj_ref" or r.keys() != ["id"] for r in references):
        return None
    return Tag(_id(element), tuple(_id(reference) for reference in references))


def _read_level(element: etree._Element) -> FencingLevel | None:
    if {*element.keys()} != {"id", "target", "index", "devices"} or len(element):
        return None
    index = _number(element, element.get("index", ""), "index")
    level = FencingLevel(element.get("target", ""), index, tuple(element.get("devices", "").split(",")))
    id = _id(element)
    return level if id == level.xml_id else attrs.evolve(level, id=id)


def _no_words(_element: etree._Element) -> None:
    return None


_ENTRIES: Final = {
    "node": _read_node,
    "rsc_location": _read_location,
    "rsc_colocation": _read_colocation,
    "rsc_order": _read_order,
    "tag": _read_tag,
    "fencing-level": _read_level,
}
