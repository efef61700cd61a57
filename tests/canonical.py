"""When two CIBs mean the same: a judge that shares no code with hastore's own reading of them.

Ids that only XML needs are taken off, children whose order means nothing are sorted, and what crm or Pacemaker
write in two ways (roles, infinite scores, order scores, intervals of nothing) is written in one.
"""

from lxml import etree

Shape = tuple[str, tuple[tuple[str, str], ...], tuple["Shape", ...]]

_NAMELESS = {
    "instance_attributes", "meta_attributes", "utilization", "nvpair", "op", "operations", "fencing-level", "rule",
    "expression", "resource_set", "cluster_property_set",
}  # fmt: skip
_ORDERED = {"group", "resource_set", "rule"}
_EMPTY_IS_NOTHING = {"instance_attributes", "meta_attributes", "utilization", "operations", "cluster_property_set"}
_ROLES = {"Master": "Promoted", "Slave": "Unpromoted"}
_ROLE_ATTRIBUTES = {"role", "rsc-role", "with-rsc-role"}


def canonical_cib(xml: str | bytes) -> Shape:
    """Return what a CIB's configuration means, as tuples that can be compared."""
    root = etree.fromstring(xml.encode() if isinstance(xml, str) else xml)
    configuration = root if root.tag == "configuration" else root.find("configuration")
    assert configuration is not None
    return _shape(configuration)


def _shape(element: etree._Element) -> Shape:
    children = [_shape(child) for child in element if isinstance(child.tag, str)]
    children = [child for child in children if child[0] not in _EMPTY_IS_NOTHING or child[2]]
    if element.tag == "configuration":
        children = [child for child in children if child[2]]
    if element.tag not in _ORDERED:
        children.sort()
    return str(element.tag), tuple(sorted(_attributes(element).items())), tuple(children)


def _attributes(element: etree._Element) -> dict[str, str]:
    found = {str(name): str(text) for name, text in element.attrib.items()}
    if element.tag in _NAMELESS:
        found.pop("id", None)
    for name in _ROLE_ATTRIBUTES & found.keys():
        found[name] = _ROLES.get(found[name], found[name])
    if "score" in found:
        found["score"] = found["score"].replace("+", "").upper().replace("INFINITY", "INF").replace("INF", "INFINITY")
    if element.tag == "op" and found.get("interval", "0").rstrip("s") == "0":
        found["interval"] = "0"
    if element.tag == "rsc_order" and "first" in found:
        score = found.pop("score", "")
        found.setdefault("kind", "Optional" if score == "0" else "Mandatory")
    return found
