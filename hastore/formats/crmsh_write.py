"""Writing a `Cib` in the crm shell's language; `crmsh.render` is this module's.

An element that the language, or hastore's part of it, can't say whole is written as `xml <element .../>`, which
the real crm reads too, fencing levels excepted: it knows none whose indexes have gaps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from lxml import etree

from hastore.formats import cib_xml
from hastore.formats.cib_words import OPERATION_DEFAULTS_SET, PROPERTY_SET, RESOURCE_DEFAULTS_SET
from hastore.formats.crmsh_lexer import can_quote, quote
from hastore.formats.xml_text import attributes, canonical, elements
from hastore.model.pacemaker import Cib

_PARTS: Final = {
    "instance_attributes": "params",
    "meta_attributes": "meta",
    "utilization": "utilization",
}
_OP_ATTRIBUTES: Final = (
    "interval", "timeout", "role", "on-fail", "start-delay", "enabled", "record-pending", "interval-origin",
    "description", "requires",
)  # fmt: skip
_RESOURCES: Final = ("primitive", "group", "clone", "master", "template", "bundle")
_OPTIONS: Final = (
    ("crm_config", "property", PROPERTY_SET),
    ("rsc_defaults", "rsc_defaults", RESOURCE_DEFAULTS_SET),
    ("op_defaults", "op_defaults", OPERATION_DEFAULTS_SET),
)


class _Unsayable(Exception):
    """The language has no words for this element."""


def render(cib: Cib, *, schema: str = "") -> str:
    """Write what `crm configure load update` reads; roles as in `cib_xml.render`.

    Versions, the schema and ids of nvsets and operations have no place in the language. Raises SpecError
    where `cib_xml.render` does.
    """
    root = etree.fromstring(cib_xml.render(cib, schema=schema))
    configuration = next(elements(root))
    lines = [line for section in _SECTIONS for line in _section(configuration, section)]
    lines += [_xml(element) for element in elements(configuration) if element.tag in ("acls", "alerts")]
    return "".join(f"{line}\n" for line in lines)


_SECTIONS: Final = (
    "nodes",
    "resources",
    "constraints",
    "tags",
    "fencing-topology",
    "crm_config",
    "rsc_defaults",
    "op_defaults",
)


def _section(configuration: etree._Element, name: str) -> Iterable[str]:
    for section in configuration.findall(name):
        if name == "resources":
            yield from _resources(section)
        elif name == "fencing-topology":
            yield from _fencing(section)
        elif name in ("rsc_defaults", "op_defaults"):
            yield from _defaults(section)
        else:
            for element in elements(section):
                yield _said(element, _WRITERS.get(str(element.tag), _no_words))


def _said(element: etree._Element, writer: Callable[[etree._Element], str]) -> str:
    try:
        return writer(element)
    except _Unsayable:
        return _xml(element)


def _xml(element: etree._Element) -> str:
    # Canonical XML writes a line break in an attribute as &#xA;, so that it stays one line.
    return f"xml {canonical(element)}"


def _no_words(_element: etree._Element) -> str:
    raise _Unsayable


def _words(*words: str) -> str:
    return " ".join(word for word in words if word)


def _pairs(pairs: Mapping[str, str]) -> str:
    for name, text in pairs.items():
        if not can_quote(text) or quote(name) != name or "=" in name:
            raise _Unsayable
    return " ".join(f"{name}={quote(text)}" for name, text in pairs.items())


def _only(element: etree._Element, *names: str) -> dict[str, str]:
    """Return the attributes of an element that has no others than these, and no children."""
    found = attributes(element)
    if not {*found} <= {*names} or any(True for _ in elements(element)):
        raise _Unsayable
    return found


# -- nvsets -------------------------------------------------------------------------------------------


def _nvset(nvset: etree._Element) -> str:
    pairs = [attributes(pair) for pair in elements(nvset)]
    plain = all({*pair} == {"id", "name", "value"} for pair in pairs)
    if not plain or nvset.keys() != ["id"] or len({pair["name"] for pair in pairs}) != len(pairs):
        raise _Unsayable
    return _pairs({pair["name"]: pair["value"] for pair in pairs})


def _parts(element: etree._Element, words: Mapping[str, str]) -> list[str]:
    """Return the lines below an element's first: its description and each of its nvsets and operations."""
    lines = []
    if element.get("description"):
        lines.append(_pairs({"description": element.get("description", "")}))
    seen = set()
    for child in elements(element):
        tag = str(child.tag)
        if tag == "operations" and not child.attrib and "operations" in words:
            lines += [_op(op) for op in elements(child)]
        elif tag in words and tag not in seen:
            said = _nvset(child)
            lines += [f"{words[tag]} {said}"] if said else []
            seen.add(tag)
        elif tag not in _RESOURCES:
            raise _Unsayable
    return lines


def _op(op: etree._Element) -> str:
    said = {name: text for name, text in attributes(op).items() if name not in ("id", "name")}
    sets = list(elements(op))
    if op.tag != "op" or not {*said} <= {*_OP_ATTRIBUTES} or [s.tag for s in sets] not in ([], ["instance_attributes"]):
        raise _Unsayable
    if quote(op.get("name", "")) != op.get("name") or "=" in op.get("name", ""):
        raise _Unsayable
    extra = _words("op_params", _nvset(sets[0])) if sets else ""
    return _words("op", op.get("name", ""), _pairs(said), "" if extra == "op_params" else extra)


def _lines(first: str, parts: Iterable[str]) -> str:
    return " \\\n    ".join([first, *parts])


# -- sections -----------------------------------------------------------------------------------------


def _resources(section: etree._Element) -> Iterable[str]:
    """Yield every resource, what is held before what holds it, as crm itself does."""
    for element in elements(section):
        yield from _resource(element)


def _resource(element: etree._Element) -> Iterable[str]:
    held = [child for child in elements(element) if child.tag in _RESOURCES] if element.tag in _HOLDERS else []
    try:
        said = _HOLDERS.get(str(element.tag), _primitive)(element)
    except _Unsayable:
        yield _xml(element)
        return
    for child in held:
        yield from _resource(child)
    yield said


def _primitive(element: etree._Element) -> str:
    found = attributes(element)
    if element.tag not in ("primitive", "template"):
        raise _Unsayable
    agent = (
        f"@{found['template']}"
        if "template" in found
        else ":".join(found[name] for name in ("class", "provider", "type") if name in found)
    )
    if quote(agent) != agent and "template" not in found:
        raise _Unsayable
    keyword = "primitive" if element.tag == "primitive" else "rsc_template"
    return _lines(f"{keyword} {found['id']} {agent}", _parts(element, {**_PARTS, "operations": "op"}))


def _group(element: etree._Element) -> str:
    members = [child.get("id", "") for child in elements(element) if child.tag == "primitive"]
    return _lines(_words("group", element.get("id", ""), *members), _parts(element, {"meta_attributes": "meta"}))


def _clone(element: etree._Element) -> str:
    keyword = {"clone": "clone", "master": "ms"}[str(element.tag)]
    held = next(child.get("id", "") for child in elements(element) if child.tag in _RESOURCES)
    return _lines(_words(keyword, element.get("id", ""), held), _parts(element, {"meta_attributes": "meta"}))


_HOLDERS: Final = {"group": _group, "clone": _clone, "master": _clone}


def _node(element: etree._Element) -> str:
    found = attributes(element)
    number = f"{found['id']}:" if found["id"] != found["uname"] else ""
    kind = f":{found['type']}" if found.get("type") else ""
    name = found["uname"]
    if not {*found} <= {"id", "uname", "type", "description"} or quote(name) != name or ":" in name + found["id"]:
        raise _Unsayable
    parts = _parts(element, {"instance_attributes": "attributes", "utilization": "utilization"})
    return _lines(_words("node", number, name + kind), parts)


def _location(element: etree._Element) -> str:
    found = attributes(element)
    if any(True for _ in elements(element)) or not {"rsc", "score", "node"} <= {*found}:
        raise _Unsayable
    id, resource, score, node = (found.pop(name) for name in ("id", "rsc", "score", "node"))
    if quote(node) != node:
        raise _Unsayable
    return _words("location", id, resource, _pairs(found), f"{_score(score)}:", node)


def _score(score: str) -> str:
    if not score:
        raise _Unsayable
    return score.replace("INFINITY", "inf")


def _colocation(element: etree._Element) -> str:
    found = attributes(element)
    if any(True for _ in elements(element)) or not {"score", "rsc", "with-rsc"} <= {*found}:
        raise _Unsayable
    id, score = found.pop("id"), found.pop("score")
    ends = [_end(found.pop(name), found.pop(f"{name}-role", "")) for name in ("rsc", "with-rsc")]
    return _words("colocation", id, f"{_score(score)}:", *ends, _pairs(found))


def _order(element: etree._Element) -> str:
    found = attributes(element)
    if any(True for _ in elements(element)) or not {"first", "then"} <= {*found} or {"kind", "score"} <= {*found}:
        raise _Unsayable
    id, weight = found.pop("id"), found.pop("kind", "") or found.pop("score", "").replace("INFINITY", "inf")
    ends = [_end(found.pop(name), found.pop(f"{name}-action", "")) for name in ("first", "then")]
    return _words("order", id, f"{weight}:" if weight else "", *ends, _pairs(found))


def _end(resource: str, suffix: str) -> str:
    return f"{resource}:{suffix}" if suffix else resource


def _tag(element: etree._Element) -> str:
    members = [member.get("id", "") for member in elements(element)]
    if element.keys() != ["id"] or not members or any(quote(m) != m or m.endswith(":") for m in members):
        raise _Unsayable
    return _words("tag", f"{element.get('id')}:", *members)


def _fencing(section: etree._Element) -> Iterable[str]:
    """Yield one statement for the nodes whose levels count 1, 2, 3 ...; the others as they are."""
    targets: dict[str, list[etree._Element]] = {}
    for level in elements(section):
        targets.setdefault(level.get("target", ""), []).append(level)
    sayable = []
    for target, found in targets.items():
        levels = sorted(found, key=lambda level: int(level.get("index", "0")))
        indexes = [level.get("index") for level in levels]
        if (
            target
            and quote(target) == target
            and ":" not in target
            and indexes == [str(n + 1) for n in range(len(levels))]
        ):
            sayable.append(_words(f"{target}:", *(level.get("devices", "") for level in levels)))
        else:
            yield from map(_xml, levels)
    if sayable:
        yield _lines("fencing_topology", sayable)


def _defaults(section: etree._Element) -> Iterable[str]:
    """Yield the section's sets; as a whole where one of them has no words, because a set alone names no section."""
    try:
        yield from [_options(nvset) for nvset in elements(section)]
    except _Unsayable:
        yield _xml(section)


def _options(element: etree._Element) -> str:
    section = element.getparent()
    keyword, usual = next((word, id) for name, word, id in _OPTIONS if section is not None and name == section.tag)
    said = _nvset(element)
    if not said:
        raise _Unsayable
    return _lines(f"{keyword} {element.get('id') or usual}:", [said])


_WRITERS: Final[Mapping[str, Callable[[etree._Element], str]]] = {
    "node": _node,
    "rsc_location": _location,
    "rsc_colocation": _colocation,
    "rsc_order": _order,
    "tag": _tag,
    "cluster_property_set": _options,
}
