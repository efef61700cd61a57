"""lvm.conf, whole or in part: the settings that decide what LVM sees and activates (lvm.conf(5)).

Only these are kept; `render` writes them as a fragment, as `lvmlocal.conf` or `--config` take it, and `edit` changes
them in a whole file that keeps everything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, TypeAlias

from hastore.model.errors import ParseError, SpecError
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
    start: int = 0
    """Where it begins in the text, quotes included."""
    end: int = 0


@value
class _Section:
    """Where a section's body lies in the text: after its brace, up to the brace that closes it."""

    path: str
    start: int
    end: int


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
    for name, setting in settings.said().items():
        section = _PLACES[name].partition("/")[0]
        sections.setdefault(section, []).append(f"    {name} = {_written(setting)}\n")
    return "".join(f"{section} {{\n{''.join(lines)}}}\n" for section, lines in sections.items())


def edit(text: str, settings: LvmSettings, *, source: str = "") -> str:
    """Return a whole lvm.conf with these settings in it, and everything else byte for byte as it was.

    A setting of None is left alone, and so is one that says the same already. A new value takes the place of the old
    one; a setting that is only commented out gets its line after the comment, in its section, which is made where it is
    missing. Of a setting that stands twice the last is changed, which is the one that LVM takes. Raises ParseError where
    the text is no LVM configuration, SpecError for a value that cannot stand in one.
    """
    for name in settings.unmet_by(parse(text, source=source)):
        text = _with_setting(text, _PLACES[name], _written(getattr(settings, name)), source)
    return text


def _with_setting(text: str, place: str, written: str, source: str) -> str:
    reader = _Reader(list(_tokens(text, source)), source)
    found = dict(reader.settings())
    if place in found:
        _, old = found[place]
        return text[: old.start] + written + text[reader.ends[place] :]
    path, _, name = place.partition("/")
    sections = [section for section in reader.sections if section.path == path]
    if not sections:
        gap = "" if not text or text.endswith("\n") else "\n"
        return f"{text}{gap}{path} {{\n    {name} = {written}\n}}\n"
    inner = [section for section in reader.sections if section.path.startswith(f"{path}/")]
    comment = _commented(text, name, sections, inner)
    if comment is not None:
        at, indent = comment
        return f"{text[:at]}\n{indent}{name} = {written}{text[at:]}"
    return _before_brace(text, sections[-1], f"{name} = {written}")


def _commented(text: str, name: str, sections: list[_Section], inner: list[_Section]) -> tuple[int, str] | None:
    """Return the end of the last line where a setting is commented out in its section, and that line's indentation."""
    last = None
    for found in re.finditer(rf"^([ \t]*)#[# \t]*{name}[ \t]*=(?P<setting>[^\n]*)", text, re.MULTILINE):
        within = [section.start <= found.start() < section.end for section in (*sections, *inner)]
        if any(within[: len(sections)]) and not any(within[len(sections) :]):
            last = found
    if last is None:
        return None
    end = last.end()
    if "[" in last["setting"] and "]" not in last["setting"]:
        # A list over several lines: it ends with the first of the comments below that closes it.
        rest = re.compile(r"(?:\n[ \t]*#[^\n\]]*)*\n[ \t]*#[^\n]*\][^\n]*").match(text, end)
        end = rest.end() if rest else end
    return end, last[1]


def _before_brace(text: str, section: _Section, line: str) -> str:
    """Return the text with a line at the end of a section."""
    body = text[section.start : section.end]
    indent = "\t" if "\n\t" in body else "    "
    above, newline, brace = body.rpartition("\n")
    if newline and not brace.strip():
        at = section.start + len(above) + 1
        return f"{text[:at]}{brace}{indent}{line}\n{text[at:]}"
    return f"{text[: section.end]}\n{indent}{line}\n{text[section.end :]}"


def _written(setting: str | bool | tuple[str, ...]) -> str:
    if isinstance(setting, bool):
        return str(int(setting))
    if isinstance(setting, str):
        if any(ord(sign) < ord(" ") for sign in setting):
            msg = f"{setting!r} cannot stand in lvm.conf: a text there is one line without control characters"
            raise SpecError(msg)
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
        self.sections: list[_Section] = []
        """Every section that was read, in the order of their ends."""
        self.ends: dict[str, int] = {}
        """Setting -> where its value ends in the text."""

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
            self.sections.append(_Section(path, mark.end, self._tokens[self._next - 1].start))
        elif mark.text == "=" and mark.kind == "mark":
            at = self._tokens[self._next]
            setting = self._value()
            self.ends[path] = self._tokens[self._next - 1].end
            yield path, (setting, at)
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
            yield _Token(unescaped, line, position - start + 1, found.lastgroup, position, found.end())
        if "\n" in found[0]:
            line += found[0].count("\n")
            start = position + found[0].rindex("\n") + 1
        position = found.end()
    yield _Token("", line, position - start + 1, "end", position, position)


def _number(token: _Token, source: str) -> int | float:
    try:
        return float(token.text) if "." in token.text else int(token.text)
    except ValueError:
        raise _wrong(token, 'a value: "text", a number, or [ list ]', source) from None


def _wrong(token: _Token, wanted: str, source: str) -> ParseError:
    return ParseError(wanted, line=token.line, column=token.column, source=source, found=token.text)
