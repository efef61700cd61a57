"""/etc/hosts: addresses and the names they have (hosts(5))."""

from __future__ import annotations

import ipaddress

from hastore.model.errors import ParseError
from hastore.model.values import value


@value
class HostEntry:
    """A line of the file: an address and its names, the canonical one first."""

    address: str
    names: tuple[str, ...]


def parse(text: str | bytes, *, source: str = "") -> tuple[HostEntry, ...]:
    """Read the lines that are no comment; ParseError for one without an address or a name."""
    plain = text.decode() if isinstance(text, bytes) else text
    entries: list[HostEntry] = []
    for number, line in enumerate(plain.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        column = line.index(words[0]) + 1
        if not _is_address(words[0]):
            wanted = "an IP address and names"
            raise ParseError(wanted, line=number, column=column, source=source, found=words[0])
        if len(words) == 1:
            wanted = "names after the address"
            raise ParseError(wanted, line=number, column=column + len(words[0]), source=source)
        entries.append(HostEntry(words[0], tuple(words[1:])))
    return tuple(entries)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True
