"""XML read with care: no entities, no network, and errors that say where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from lxml import etree

from hastore.model.errors import ParseError


def read_xml(text: str | bytes, source: str) -> etree._Element:
    """Return the root of an XML document.

    Entities are not resolved, a DOCTYPE is refused, nothing is fetched. Raises ParseError with line and
    column where the text is not well-formed.
    """
    as_text = isinstance(text, str)
    content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, encoding="utf-8" if as_text else None
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        expected = f"well-formed XML ({error.msg})"
        raise ParseError(expected, line=max(line, 1), column=max(column, 1), source=source) from error
    if root.getroottree().docinfo.internalDTD is not None:
        expected = "XML without a DOCTYPE"
        raise ParseError(expected, line=1, source=source, found="<!DOCTYPE")
    return root


def make(tag: str, attributes: Mapping[str, str], children: Iterable[etree._Element] = ()) -> etree._Element:
    """Return a new element; attributes without text are left out."""
    element = etree.Element(tag, {name: text for name, text in attributes.items() if text})
    element.extend(children)
    return element


def attributes(element: etree._Element) -> dict[str, str]:
    """Return the attributes as plain text."""
    return {str(name): str(text) for name, text in element.attrib.items()}


def elements(parent: etree._Element) -> Iterator[etree._Element]:
    """Yield the child elements, leaving out comments and processing instructions."""
    return (child for child in parent if isinstance(child.tag, str))


def canonical(element: etree._Element) -> str:
    """Return the element as canonical XML, without the white space between elements and without comments."""
    copy = etree.fromstring(etree.tostring(element, with_tail=False))
    for node in copy.iter():
        if len(node) and not (node.text or "").strip():
            node.text = None
        if not (node.tail or "").strip():
            node.tail = None
    return etree.tostring(copy, method="c14n", with_comments=False).decode()


def wrong(element: etree._Element, expected: str, source: str, found: str = "") -> ParseError:
    """Make the error for an element that is well-formed and still not what the format allows."""
    line = cast("int | None", element.sourceline) or 1
    return ParseError(expected, line=line, source=source, found=found or f"<{element.tag}>")
