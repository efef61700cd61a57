"""Words and statements of the crm shell's language, each with the place where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from hastore.model.errors import ParseError
from hastore.model.values import value

SOURCE: Final = "crm"
_BARE: Final = re.compile(r"[\w.:/@%+,*-][\w.:/@%+,*=-]*")
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")


@value
class Word:
    """A word without its quotes; `bare` is what stood outside of quotes, a NUL for each quoted part."""

    text: str
    line: int
    column: int
    bare: str = ""

    @property
    def pair(self) -> tuple[str, str] | None:
        """Return name and value of `name=value`, None where it is no such thing."""
        name, equals, text = self.text.partition("=")
        return (name, text) if equals and name and self.bare.partition("=")[0] == name else None

    def wrong(self, expected: str, *, at_value: bool = False) -> ParseError:
        """Make the error that points at this word, or at what follows its `=`."""
        column = self.column + (len(self.text.partition("=")[0]) + 1 if at_value else 0)
        return ParseError(expected, line=self.line, column=column, source=SOURCE, found=self.text)


@value
class Statement:
    """A logical line: its words, and its text as it stood for `xml`."""

    words: tuple[Word, ...]
    text: str

    @property
    def end(self) -> Word:
        """Return an empty word behind the last one, for saying what is missing."""
        last = self.words[-1]
        return Word("", last.line, last.column + len(last.text) + 1)


def statements(text: str) -> Iterator[Statement | ParseError]:
    r"""Yield each logical line, or the error that makes it unreadable.

    Lines end with a backslash where they go on; lines that begin with `#` are comments; colours, which crm prints
    even into pipes, are taken off (facts: crmsh 4.4.1).
    """
    pending: list[tuple[int, str]] = []
    for number, raw in enumerate(_COLOURS.sub("", text).split("\n"), 1):
        line = raw.rstrip()
        if not pending and (not line.strip() or line.lstrip().startswith("#")):
            continue
        if pending and not line.strip():
            yield _dangling(pending)
            pending = []
            continue
        pending.append((number, line))
        if not line.endswith("\\"):
            yield _statement(pending)
            pending = []
    if pending:
        yield _dangling(pending)


def quote(text: str) -> str:
    """Return a word as crm reads it back, quoted where it has to be."""
    if _BARE.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def can_quote(text: str) -> bool:
    """Tell whether a text can stand in one line between quotes."""
    return text.isprintable() and "\\" not in text


def _dangling(pending: list[tuple[int, str]]) -> ParseError:
    number, line = pending[-1]
    if not line.endswith("\\"):
        return ParseError("a statement", line=number, source=SOURCE)
    expected = "another line after the backslash that ends this one (or no backslash)"
    return ParseError(expected, line=number, column=len(line), source=SOURCE, found="\\")


def _statement(pending: list[tuple[int, str]]) -> Statement | ParseError:
    lines = [
        (number, line.removesuffix("\\") if index < len(pending) - 1 else line)
        for index, (number, line) in enumerate(pending)
    ]
    words: list[Word] = []
    for number, line in lines:
        try:
            words += _words(line, number)
        except ParseError as error:
            if lines[0][1].lstrip().startswith("xml"):
                continue
            return error
    return Statement(tuple(words), "\n".join(line for _, line in lines).strip())


_PART: Final = re.compile(r"""(?P<blank>\s+)|"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>[^']*)'|(?P<plain>[^\s"']+)""")


def _words(line: str, number: int) -> Iterator[Word]:
    at, start, text, bare = 0, 0, "", ""
    while at < len(line):
        part = _PART.match(line, at)
        if part is None:
            expected = "a closing quote in the same line"
            raise ParseError(expected, line=number, column=at + 1, source=SOURCE, found=line[at:])
        if part["blank"]:
            if bare:
                yield Word(text, number, start + 1, bare)
            text, bare, start = "", "", part.end()
        elif part["plain"]:
            text, bare = text + part["plain"], bare + part["plain"]
        else:
            inner = part["single"] if part["double"] is None else re.sub(r"\\(.)", r"\1", part["double"])
            text, bare = text + inner, bare + "\0"
        at = part.end()
    if bare:
        yield Word(text, number, start + 1, bare)
