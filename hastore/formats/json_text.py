"""Reading JSON that tools print, with errors that say where and what."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from hastore.formats.parsing import natural, wrong
from hastore.model.errors import ParseError


def read_object(text: str, source: str) -> Mapping[str, Any]:
    """Return the JSON object of a text; ParseError with line and column where it is none."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        expected = f"JSON ({error.msg})"
        raise ParseError(expected, line=error.lineno, column=error.colno, source=source) from error
    except RecursionError as error:
        raise wrong(1, "JSON of sensible depth", source) from error
    if not isinstance(found, dict):
        raise wrong(1, "a JSON object", source, type(found).__name__)
    return found


def rows(parent: Mapping[str, Any], key: str, source: str) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of a list, nothing where the key is missing or null; ParseError where it is no such list."""
    found = parent.get(key) or []
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise wrong(1, f"a list of objects under {key!r}", source, repr(found))
    yield from found


def text_of(row: Mapping[str, Any], key: str) -> str:
    """Return a field's text, empty where it is missing or null."""
    found = row.get(key)
    return "" if found is None else str(found)


def number_of(row: Mapping[str, Any], key: str, source: str) -> int:
    """Return a field's whole number, as a JSON number or as text, units `B` taken off; ParseError where it is none."""
    found = natural(text_of(row, key).removesuffix("B"))
    if found is None:
        raise wrong(1, f"a number of bytes in {key!r}", source, text_of(row, key))
    return found
