"""XML as Pacemaker reads and prints it."""

from __future__ import annotations

import copy
from typing import TypeAlias

from lxml import etree

Element: TypeAlias = etree._Element  # noqa: SLF001 -- lxml has no public name for its element type


def parse_xml(text: str | bytes) -> Element | None:
    """Parse XML without its layout, as libxml2 does for Pacemaker; None where it is malformed."""
    parser = etree.XMLParser(remove_blank_text=True, remove_comments=True, resolve_entities=False)
    try:
        return etree.fromstring(text if isinstance(text, bytes) else text.encode(), parser)
    except etree.XMLSyntaxError:
        return None


def print_xml(element: Element) -> str:
    """Print an element as Pacemaker does: two spaces a level, no declaration."""
    fresh = copy.deepcopy(element)
    fresh.tail = None
    return etree.tostring(fresh, pretty_print=True, encoding="unicode")


def select(root: Element, path: str) -> list[Element]:
    """Return the elements that an XPath selects, those of selected attributes too; [] for a path that is none."""
    try:
        found = root.xpath(path)
    except etree.XPathEvalError:
        return []
    elements = []
    for item in found if isinstance(found, list) else ():
        owner = item if isinstance(item, etree._Element) else getattr(item, "getparent", lambda: None)()  # noqa: SLF001 -- as above
        if isinstance(owner, etree._Element):  # noqa: SLF001 -- as above
            elements.append(owner)
    return elements


def detach(element: Element) -> None:
    """Take an element out of its parent."""
    parent = element.getparent()
    if parent is not None:
        parent.remove(element)
