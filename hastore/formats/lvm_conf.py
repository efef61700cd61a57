"""lvm.conf, whole or in part: the settings that decide what LVM sees and activates (lvm.conf(5)).

Only these are kept; `render` writes them as a fragment, as `lvmlocal.conf` or `--config` take it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, TypeAlias

from hastore.model.errors import ParseError
from hastore.model.lvm import LvmSettings
from hastore.model.values import value

_Setting: TypeAlias = str | int | float | tuple["_Setting", ...]

_PLACES: Final = {
    "filter": "devices/filter",
    "global_filter": "devices/global_filter",
    "write_cache_state": "devices/write_cache_state",
    "use_devicesfile": "devices/use_devicesfile",
    "system_id_source": "global/system_id_source",
    "volume_list": "activation/volume_list",
    "auto_activation_volume_list": "activation/auto_activation_volume_list",
}
"""Where in lvm.conf each field of LvmSettings stands."""

_LISTS: Final = {"filter", "global_filter", "volume_list", "auto_activation_volume_list"}
_SWITCHES: Final = {"write_cache_state", "use_devicesfile"}

_TOKEN: Final = re.compile(
    r"""(?P<blank>\s+|\#[^\n]*)
      | (?P<mark>[{}=,\[\]])
      | "(?P<quoted>(?:[^"\\\n]|\\[^\n])*)"
      | '(?P<single>[^'\n]*)'
      | (?P<word>[^\s{}=,\[\]"'#]+)""",
    re.VERBOSE,
)


@value
class _Token:
    """A word, a quoted text, or a mark; the last of a text is empty."""

    text: str
    line: int
    column: int
    kind: str


def parse(text: str | bytes, *, source: str = "") -> LvmSettings:
    """Read a whole lvm.conf, or a fragment, in sections or as `section/key = value`.

    Settings of other names are read over. Raises ParseError where the text is no LVM configuration, or
    one of the settings has a value of another kind.
    """
    plain = text.decode() if isinstance(text, bytes) else text
    found = dict(_Reader(list(_tokens(plain, source)), source).settings())
    kept: dict[str, object] = {}
    for name, place in _PLACES.items():
        if place in found:
            setting, token = found[place]
            kept[name] = _kept(name, setting, token, source)
    return LvmSettings(**kept)  # type: ignore[arg-type]  # _kept made each value of its field's kind


def render(settings: LvmSettings) -> str:
    """Return the fragment of lvm.conf that says these settings, and nothing else."""
    sections: dict[str, list[str]] = {}
    for name, place in _PLACES.items():
        setting = getattr(settings, name)
        if setting is not None:
            sections.setdefault(place.partition("/")[0], []).append(f"    {name} = {_written(setting)}\n")
    return "".join(f"{section} {{\n{''.join(lines)}}}\n" for section, lines in sections.items())


def _written(setting: str | bool | tuple[str, ...]) -> str:
    if isinstance(setting, bool):
        return str(int(setting))
    if isinstance(setting, str):
        escaped = setting.replace("\\", r"\\").replace('"', r"\"")
        return f'"{escaped}"'
    return f"[ {', '.join(map(_written, setting))} ]" if setting else "[]"


def _kept(name: str, setting: _Setting, token: _Token, source: str) -> object:
    if name in _LISTS:
        # LVM takes a lone string for a list of one (lvm.conf(5), "type": array).
        texts = setting if isinstance(setting, tuple) else (setting,)
        if all(isinstance(text, str) for text in texts):
            return texts
        raise _wrong(token, f"a list of quoted texts for {name}", source)
    if name in _SWITCHES:
        if setting in {0, 1}:
            return bool(setting)
        raise _wrong(token, f"0 or 1 for {name}", source)
    if isinstance(setting, str):
        return setting
    raise _wrong(token, f"a quoted text for {name}", source)


# -- reading ------------------------------------------------------------------------------------------


class _Reader:
    """Reads settings off a list of tokens that ends in an empty one."""

    def __init__(self, tokens: list[_Token], source: str) -> None:
        self._tokens = tokens
        self._next = 0
        self._source = source

    def settings(
        self, section: str = "", opened: _Token | None = None
    ) -> Iterator[tuple[str, tuple[_Setting, _Token]]]:
        """Yield `section/key`, its value and where it stands, up to the section's end."""
        while True:
            token = self._take()
            if token.kind == "end" and opened is None:
                return
            if token.text == "}" and token.kind == "mark" and opened is not None:
                return
            if token.kind not in {"word", "quoted", "single"}:
                closing = f", or }} that closes {opened.text!r} of line {opened.line}" if opened else ""
                raise _wrong(token, f"a setting or a section{closing}", self._source)
            yield from self._entry(token, section)

    def _entry(self, name: _Token, section: str) -> Iterator[tuple[str, tuple[_Setting, _Token]]]:
        path = f"{section}/{name.text}" if section else name.text
        mark = self._take()
        if mark.text == "{" and mark.kind == "mark":
            yield from self.settings(path, name)
        elif mark.text == "=" and mark.kind == "mark":
            at = self._tokens[self._next]
            yield path, (self._value(), at)
        else:
            raise _wrong(mark, f"= or {{ after {name.text}", self._source)

    def _value(self) -> _Setting:
        token = self._take()
        if token.kind in {"quoted", "single"}:
            return token.text
        if token.kind == "word":
            return _number(token, self._source)
        if token.text != "[" or token.kind != "mark":
            raise _wrong(token, 'a value: "text", a number, or [ list ]', self._source)
        return tuple(self._items(token))

    def _items(self, opened: _Token) -> Iterator[_Setting]:
        while True:
            ahead = self._tokens[self._next]
            if ahead.text == "]" and ahead.kind == "mark":
                self._take()
                return
            yield self._value()
            after = self._tokens[self._next]
            if after.kind == "mark" and after.text == ",":
                self._take()
            elif after.kind != "mark" or after.text != "]":
                raise _wrong(after, f", or ] that closes [ of line {opened.line}", self._source)

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token


def _tokens(text: str, source: str) -> Iterator[_Token]:
    line, start, position = 1, 0, 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None or found.lastgroup is None:
            rest = text[position:].splitlines()[0]
            here = _Token(rest, line, position - start + 1, "rest")
            raise _wrong(here, "a closing quote in the same line", source)
        if found.lastgroup != "blank":
            inner = found[found.lastgroup]
            unescaped = re.sub(r"\\(.)", r"\1", inner) if found.lastgroup == "quoted" else inner
            yield _Token(unescaped, line, position - start + 1, found.lastgroup)
        if "\n" in found[0]:
            line += found[0].count("\n")
            start = position + found[0].rindex("\n") + 1
        position = found.end()
    yield _Token("", line, position - start + 1, "end")


def _number(token: _Token, source: str) -> int | float:
    try:
        return float(token.text) if "." in token.text else int(token.text)
    except ValueError:
        raise _wrong(token, 'a value: "text", a number, or [ list ]', source) from None


def _wrong(token: _Token, wanted: str, source: str) -> ParseError:
    return ParseError(wanted, line=token.line, column=token.column, source=source, found=token.text)
