"""What the readers of tools' answers share."""

from __future__ import annotations

from typing import Final

from hastore.model.errors import ParseError

_DIGITS: Final = 20
"""Of 2**64."""


def wrong(line: int, expected: str, source: str, found: str = "") -> ParseError:
    """Return the error of a line that is not what it should be, as much of it as a person wants to see."""
    return ParseError(expected, line=line, source=source, found=found[:60])


def natural(text: str) -> int | None:
    """Return the number that a text of digits means; None for any other text, and for numbers past 64 bits."""
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= _DIGITS else None
