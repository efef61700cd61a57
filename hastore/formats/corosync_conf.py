"""corosync.conf of corosync 1 (members in the interfaces, plug-in service) and of 2 and 3 (nodelist, quorum).

Grammar and words are those of corosync.conf(5) of 1.4.8, 2.4.5 and 3.1.7: a section opens with its name
and `{`, closes with `}` on a line of its own, and holds `key: value` lines; `#` begins a comment line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from hastore.model.corosync import Corosync, CorosyncNode, CorosyncRing
from hastore.model.errors import ParseError, SpecError
from hastore.model.values import Params, field, value

_NAME: Final = re.compile(r"^[A-Za-z][A-Za-z0-9_.-]*\Z")
_DEFAULT_PORT: Final = 5405
_ORDER: Final = ("totem", "nodelist", "quorum", "service", "logging")
"""The sections that have words, in the order in which they are written; all others follow."""


@value
class _Line:
    """A `key: value` line with its number."""

    key: str
    text: str
    number: int


@value
class _Section:
    """A section with its lines and the sections in it, in order."""

    name: str
    number: int
    lines: tuple[_Line, ...] = ()
    sections: tuple[_Section, ...] = field(default=())

    def get(self, key: str) -> _Line | None:
        return next((line for line in self.lines if line.key == key), None)

    def params(self, *without: str) -> Params:
        return Params({line.key: line.text for line in self.lines if line.key not in without})


def parse(text: str | bytes, *, source: str = "") -> Corosync:
    """Read a corosync.conf of any generation; a ParseError names line, column and what was expected."""
    plain = text.decode() if isinstance(text, bytes) else text
    reader = _Reader(plain, source)
    whole = reader.read()
    read = Corosync()
    found: dict[str, Params] = {}
    rings: list[CorosyncRing] = []
    nodes: list[CorosyncNode] = []
    other: list[tuple[str, Params]] = []
    for section in whole.sections:
        if section.name in {"totem", "quorum", "logging", "service"} and section.name not in found:
            found[section.name] = section.params()
        elif section.name != "nodelist":
            other.append((section.name, section.params()))
        for inner in section.sections:
            match section.name, inner.name:
                case "totem", "interface":
                    rings.append(reader.ring(inner))
                case "nodelist", "node":
                    nodes.append(reader.node(inner))
                case _:
                    other.extend(_flat(f"{section.name}.", inner))
    return Corosync(
        totem=found.get("totem", read.totem),
        rings=tuple(rings),
        nodes=tuple(nodes),
        quorum=found.get("quorum", read.quorum),
        logging=found.get("logging", read.logging),
        service=found.get("service", read.service),
        other=tuple(sorted(other, key=_place)),
    )


def render(corosync: Corosync) -> str:
    """Return the file; SpecError for a value that would not stay on its line."""
    inner = [(name, params) for name, params in corosync.other if "." in name]
    written = [
        _block("totem", corosync.totem, [*map(_ring_block, corosync.rings), *_nested("totem", inner)]),
        _block("nodelist", Params(), [*map(_node_block, corosync.nodes), *_nested("nodelist", inner)]),
        _block("quorum", corosync.quorum, _nested("quorum", inner)),
        _block("service", corosync.service, _nested("service", inner)),
        _block("logging", corosync.logging, _nested("logging", inner)),
    ]
    blocks = [block for block in written if len(block) > len(("head {", "}"))]
    blocks += [
        _block(name, params, [] if name in _ORDER else _nested(name, inner))
        for name, params in corosync.other
        if "." not in name
    ]
    return "".join(f"{line}\n" for block in blocks for line in block)


# -- reading ------------------------------------------------------------------------------------------


class _Reader:
    """Reads lines into sections."""

    def __init__(self, text: str, source: str) -> None:
        self._lines = list(enumerate(text.splitlines(), start=1))
        self._next = 0
        self._source = source

    def read(self) -> _Section:
        return self._section("", 0)

    def ring(self, section: _Section) -> CorosyncRing:
        number = section.get("ringnumber") or section.get("linknumber")
        port, network = section.get("mcastport"), section.get("bindnetaddr")
        members = []
        for inner in section.sections:
            address = inner.get("memberaddr")
            if inner.name != "member" or address is None:
                raise self._wrong(inner.number, "member { memberaddr: ... }", inner.name)
            members.append(address.text)
        return CorosyncRing(
            self._whole(number) if number else 0,
            bind_address=network.text if network else "",
            port=self._whole(port) if port else _DEFAULT_PORT,
            members=tuple(members),
            options=section.params("ringnumber", "mcastport", "bindnetaddr"),
        )

    def node(self, section: _Section) -> CorosyncNode:
        name, id = section.get("name"), section.get("nodeid")
        addresses: list[str] = []
        while (address := section.get(f"ring{len(addresses)}_addr")) is not None:
            addresses.append(address.text)
        read = {"name", "nodeid", *(f"ring{number}_addr" for number in range(len(addresses)))}
        return CorosyncNode(
            name.text if name else "", self._whole(id) if id else 0, tuple(addresses), section.params(*read)
        )

    def _section(self, name: str, opened: int) -> _Section:
        lines: list[_Line] = []
        sections: list[_Section] = []
        while self._next < len(self._lines):
            number, raw = self._lines[self._next]
            self._next += 1
            text = raw.strip()
            if not text or text.startswith("#"):
                continue
            if text == "}" and name:
                return _Section(name, opened, tuple(lines), tuple(sections))
            if text.endswith("{") and text[:-1].strip():
                self._check_place(name, opened, text[:-1].strip(), number, raw)
                sections.append(self._section(text[:-1].strip(), number))
            elif ":" in text and name:
                key, _, rest = text.partition(":")
                lines.append(_Line(key.strip(), rest.strip(), number))
            else:
                wanted = "key: value, name {, or }" if name else "a section, such as totem {"
                raise self._wrong(number, wanted, text, column=raw.index(text[0]) + 1)
        if name:
            raise self._wrong(len(self._lines) + 1, f"}} that closes {name!r} of line {opened}", "")
        return _Section("", 0, (), tuple(sections))

    def _check_place(self, outer: str, opened: int, name: str, number: int, raw: str) -> None:
        """Refuse a section that can only stand elsewhere: the one around it was not closed."""
        homes = {"interface": "totem", "member": "interface", "node": "nodelist", "logger_subsys": "logging"}
        tops = {"totem", "nodelist", "quorum", "logging", "service", "amf", "aisexec", "resources"}
        if (name in tops and outer and outer != "service") or homes.get(name, outer) != outer:
            home = homes.get(name, "")
            wanted = f"}} that closes {outer!r} of line {opened} before {name}" if outer else f"{home} {{ around {name}"
            raise self._wrong(number, wanted, name, column=raw.index(name) + 1)

    def _whole(self, line: _Line) -> int:
        if not (line.text.isascii() and line.text.isdigit()):
            raise self._wrong(line.number, f"a whole number for {line.key}", line.text)
        return int(line.text)

    def _wrong(self, line: int, wanted: str, found: str, *, column: int = 1) -> ParseError:
        return ParseError(wanted, line=line, column=column, source=self._source, found=found)


def _place(named: tuple[str, Params]) -> int:
    home, _, inner = named[0].partition(".")
    return _ORDER.index(home) if inner and home in _ORDER else len(_ORDER)


def _flat(prefix: str, section: _Section) -> Iterator[tuple[str, Params]]:
    yield f"{prefix}{section.name}", section.params()
    for inner in section.sections:
        yield from _flat(f"{prefix}{section.name}.", inner)


# -- writing ------------------------------------------------------------------------------------------


def _ring_block(ring: CorosyncRing) -> list[str]:
    said = {} if "linknumber" in ring.options else {"ringnumber": str(ring.number)}
    if ring.bind_address:
        said["bindnetaddr"] = ring.bind_address
    members = [_block("member", Params(memberaddr=address), []) for address in ring.members]
    return _block("interface", Params({**said, "mcastport": str(ring.port), **ring.options}), members)


def _node_block(node: CorosyncNode) -> list[str]:
    said = {f"ring{number}_addr": address for number, address in enumerate(node.addresses)}
    if node.name:
        said["name"] = node.name
    if node.id:
        said["nodeid"] = str(node.id)
    return _block("node", Params({**said, **node.options}), [])


def _nested(prefix: str, inner: list[tuple[str, Params]]) -> list[list[str]]:
    """Return the blocks that stand right below `prefix`, each with those that follow it and stand in it."""
    blocks = []
    for place, (name, params) in enumerate(inner):
        parent, _, own = name.rpartition(".")
        if parent == prefix:
            following = []
            for later in inner[place + 1 :]:
                if not later[0].startswith(f"{name}."):
                    break
                following.append(later)
            blocks.append(_block(own, params, _nested(name, following)))
    return blocks


def _block(name: str, params: Params, blocks: Iterable[list[str]]) -> list[str]:
    if not _NAME.match(name):
        msg = f"corosync.conf has no section {name!r}"
        raise SpecError(msg)
    for key, text in params.items():
        if not _NAME.match(key) or "\n" in text or text != text.strip() or text.endswith("{"):
            msg = f"corosync.conf has no way to write {key}: {text!r}"
            raise SpecError(msg)
    inside = [f"{key}: {text}" for key, text in params.items()]
    inside += [line for block in blocks for line in block]
    return [f"{name} {{", *(f"    {line}" for line in inside), "}"]
