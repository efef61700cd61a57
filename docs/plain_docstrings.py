"""Docstrings here are plain text with `code` in backticks; this makes reStructuredText of them for Sphinx.

Blocks that are drawn (tables, trees: lines of unequal indent, or with bars) are shown as they stand.
Doctests and literal blocks after `::` stay what they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

SPECIAL = re.compile(r"([*|`\\]|_\b)")
LIST_ITEM = re.compile(r"\s*([-*]|\d+[.)])\s")


def setup(app: Sphinx) -> dict[str, Any]:
    """Hook into autodoc."""
    app.connect("autodoc-process-docstring", _rewrite)
    return {"parallel_read_safe": True}


def _rewrite(_app: Sphinx, _what: str, _name: str, _obj: object, _options: object, lines: list[str]) -> None:
    lines[:] = plain_to_rst(lines)


def plain_to_rst(lines: list[str]) -> list[str]:
    """Return the docstring as reStructuredText, block for block."""
    written: list[str] = []
    literal = announced = False
    for block in _blocks(lines):
        literal = block[0].startswith(" ") and (literal or announced)
        announced = block[-1].endswith("::")
        written += [*_as_rst(block, literal=literal), ""]
    return written


def _as_rst(block: list[str], *, literal: bool) -> list[str]:
    if literal or block[0].lstrip().startswith(">>>"):
        return block
    if _is_drawn(block):
        return ["::", "", *(f"    {line}" for line in block)]
    return [_escape(line) for line in block]


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    for is_text, block in groupby(lines, key=lambda line: bool(line.strip())):
        if is_text:
            yield list(block)


def _is_drawn(block: list[str]) -> bool:
    if any(line.startswith("|") for line in block):
        return True
    indents = {len(line) - len(line.lstrip()) for line in block}
    return len(indents) > 1 and not LIST_ITEM.match(block[0])


def _escape(line: str) -> str:
    """Double the backticks around code; take every other special sign as it is."""
    item = LIST_ITEM.match(line)
    start = item.end() if item else 0
    pieces = re.split(r"(`[^`\s](?:[^`]*[^`\s])?`)", line[start:].replace("``", "`"))
    for place, piece in enumerate(pieces):
        is_code = place % 2 == 1
        pieces[place] = f"\\ `{piece}`\\ " if is_code else SPECIAL.sub(r"\\\1", piece)
    return line[:start] + "".join(pieces)
