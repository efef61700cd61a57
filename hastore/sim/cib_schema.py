"""What Pacemaker's schema refuses in a CIB, as far as the simulator checks it.

Ids are unique and references point at something; constraints have only attributes they know; scores,
roles and kinds are words of the schema (pacemaker-3.9: constraints-3.9.rng, resources-3.9.rng, score.rng).
"""

from __future__ import annotations

import re

from hastore.sim.cluster_xml import Element

REFERENCES = {
    "rsc_location": ("rsc",),
    "rsc_colocation": ("rsc", "with-rsc"),
    "rsc_order": ("first", "then"),
    "rsc_ticket": ("rsc",),
    "resource_ref": ("id",),
    "primitive": ("template",),
}
ATTRIBUTES = {
    "rsc_location": {"id", "rsc", "rsc-pattern", "role", "node", "score", "resource-discovery"},
    "rsc_colocation": {
        "id", "score", "rsc", "with-rsc", "rsc-role", "with-rsc-role", "node-attribute",
        "rsc-instance", "with-rsc-instance", "influence",
    },
    "rsc_order": {
        "id", "kind", "score", "first", "then", "first-action", "then-action", "symmetrical", "require-all",
        "first-instance", "then-instance",
    },
    "nvpair": {"id", "name", "value", "id-ref"},
    "primitive": {"id", "class", "provider", "type", "template", "description"},
}  # fmt: skip
REQUIRED = {
    "rsc_location": {"id"},
    "rsc_colocation": {"id"},
    "rsc_order": {"id"},
    "primitive": {"id"},
    "group": {"id"},
    "clone": {"id"},
    "master": {"id"},
    "op": {"id", "name", "interval"},
    "node": {"id", "uname"},
}
ROLES = {"Stopped", "Started", "Master", "Slave", "Promoted", "Unpromoted"}
KINDS = {"Optional", "Mandatory", "Serialize"}
NAMED_FREELY = {"node", "resource_ref", "obj_ref", "acl_role", "role"}
"""Elements whose `id` is not an id of the schema."""


def faults(root: Element) -> list[str]:
    """Return what is wrong with a CIB, one line each; empty where the schema accepts it."""
    configuration = root.find("configuration")
    if configuration is None:
        return ["no <configuration>"]
    elements = [e for e in configuration.iter() if isinstance(e.tag, str)]
    return [*_id_faults(elements), *_reference_faults(elements), *(text for e in elements for text in _own_faults(e))]


def _id_faults(elements: list[Element]) -> list[str]:
    seen: set[str] = set()
    wrong = []
    for element in elements:
        id = element.get("id")
        if id is None or element.tag in NAMED_FREELY:
            continue
        if id in seen:
            wrong.append(f"ID {id} already defined")
        elif not re.fullmatch(r"[A-Za-z_][\w.\-]*", id):
            wrong.append(f"ID {id} is no NCName")
        seen.add(id)
    return wrong


def _reference_faults(elements: list[Element]) -> list[str]:
    known = {e.get("id") for e in elements if e.tag not in NAMED_FREELY}
    wanted = [(e, name) for e in elements for name in (*REFERENCES.get(str(e.tag), ()), "id-ref")]
    return [f"{e.tag}: IDREF {e.get(name)} unknown" for e, name in wanted if e.get(name) and e.get(name) not in known]


def _own_faults(element: Element) -> list[str]:
    tag = str(element.tag)
    wrong = [f"{tag}: {name} is missing" for name in REQUIRED.get(tag, ()) if element.get(name) is None]
    if tag in ATTRIBUTES:
        wrong += [
            f"{tag}: unknown attribute {name}" for name in map(str, element.attrib) if name not in ATTRIBUTES[tag]
        ]
    if tag == "primitive" and element.get("template") is None and not (element.get("class") and element.get("type")):
        wrong.append("primitive: class and type are missing")
    if tag == "group" and element.find("primitive") is None:
        wrong.append("group: empty")
    score = element.get("score")
    if tag.startswith("rsc_") and score is not None and not re.fullmatch(r"[+-]?(\d+|INFINITY)", score):
        wrong.append(f"{tag}: score {score}")
    for name in ("role", "rsc-role", "with-rsc-role"):
        role = element.get(name)
        if tag.startswith("rsc_") and role is not None and role not in ROLES:
            wrong.append(f"{tag}: role {role}")
    if tag == "rsc_order" and element.get("kind", "Mandatory") not in KINDS:
        wrong.append(f"rsc_order: kind {element.get('kind')}")
    return wrong
