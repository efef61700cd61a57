"""Statements of drbd.conf: words that end in `;` or open a block, each with its place in the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from hastore.model.errors import ParseError
from hastore.model.values import value

_TOKEN: Final = re.compile(
    r"""(?P<blank>[ \t\r\n]+|\#[^\n]*)
      | (?P<mark>[{};])
      | "(?P<quoted>(?:[^"\\\n]|\\[^\n])*)"
      | (?P<word>[^\s{};"#]+)""",
    re.VERBOSE,
)

_IN_RESOURCE: Final = frozenset({"resource", "common"})
_HOMES: Final = {
    "resource": frozenset({""}),
    "common": frozenset({""}),
    "global": frozenset({""}),
    "on": frozenset({"resource"}),
    "volume": frozenset({"resource", "on"}),
    "net": _IN_RESOURCE,
    "disk": _IN_RESOURCE,
    "options": _IN_RESOURCE,
    "handlers": _IN_RESOURCE,
    "startup": _IN_RESOURCE,
    "syncer": _IN_RESOURCE,
}
"""Where a block may open; elsewhere, the block around it was not closed."""


@value
class Token:
    """A word, or one of the marks `{`, `}`, `;`; lines and columns count from 1."""

    text: str
    line: int
    column: int
    mark: bool = False


@value
class Statement:
    """Words that belong together; `body` is None where they end in a semicolon."""

    words: tuple[Token, ...]
    end: Token
    body: tuple[Statement, ...] | None = None

    @property
    def keyword(self) -> str:
        """The first word."""
        return self.words[0].text

    @property
    def texts(self) -> tuple[str, ...]:
        """The words after the first."""
        return tuple(word.text for word in self.words[1:])


def expected(at: Token, what: str, source: str) -> ParseError:
    """Return the ParseError that says what should have stood where a token stands."""
    return ParseError(what, line=at.line, column=at.column, source=source, found=at.text)


def statements(text: str, source: str) -> tuple[Statement, ...]:
    """Return the statements of a whole text; a ParseError points at the first that is not one."""
    reader = _Reader(list(_tokens(text, source)), source)
    return reader.block(None)


def _tokens(text: str, source: str) -> Iterator[Token]:
    line, start, position = 1, 0, 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        column = position - start + 1
        if found is None:
            rest = text[position:].splitlines()[0]
            raise expected(Token(rest, line, column), "a closing quote in the same line", source)
        if found["blank"] is None:
            quoted = found["quoted"]
            word = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else found[0]
            yield Token(word, line, column, mark=found["mark"] is not None)
        position = found.end()
        newlines = found[0].count("\n")
        if newlines:
            line += newlines
            start = found.start() + found[0].rindex("\n") + 1
    yield Token("", line, position - start + 1, mark=True)


class _Reader:
    """Reads statements off a list of tokens that ends in an empty one."""

    def __init__(self, tokens: list[Token], source: str) -> None:
        self._tokens = tokens
        self._next = 0
        self._source = source

    def block(self, opening: Statement | None) -> tuple[Statement, ...]:
        found: list[Statement] = []
        while True:
            token = self._tokens[self._next]
            if token.mark and token.text == ("}" if opening else ""):
                self._next += 1
                return tuple(found)
            if token.mark:
                raise self._misplaced(token, opening)
            found.append(self._statement(opening))

    def _statement(self, around: Statement | None) -> Statement:
        words: list[Token] = []
        while not self._tokens[self._next].mark:
            words.append(self._tokens[self._next])
            self._next += 1
        end = self._tokens[self._next]
        if end.text == "{":
            self._next += 1
            opening = Statement(tuple(words), end)
            outer = around.keyword if around else ""
            if words and around and outer not in _HOMES.get(opening.keyword, {outer}) and outer != "skip":
                raise self._misplaced(words[0], around)
            return Statement(opening.words, end, self.block(opening))
        if end.text != ";":
            raise expected(end, f"; or {{ after {' '.join(word.text for word in words)!r}", self._source)
        self._next += 1
        return Statement(tuple(words), end)

    def _misplaced(self, token: Token, opening: Statement | None) -> ParseError:
        if opening is None:
            return expected(token, "resource, common, global or include", self._source)
        first = opening.words[0]
        return expected(token, f"}} that closes {first.text!r} of line {first.line}", self._source)
