"""/etc/hosts."""

from __future__ import annotations

from pathlib import Path

import pytest

from hastore.formats import hosts_file
from hastore.formats.hosts_file import HostEntry
from hastore.model.errors import ParseError

ARTICLE = Path(__file__).parents[1] / "article"


def test_the_article() -> None:
    entries = hosts_file.parse((ARTICLE / "hosts").read_bytes())
    assert entries[0] == HostEntry("192.168.0.178", ("drbd01.virtual.local", "drbd01"))
    assert [entry.names[1] for entry in entries] == ["drbd01", "drbd02", "centos01", "centos02"]


def test_comments_and_other_addresses() -> None:
    text = "# all\n\n::1 localhost # itself\nfe80::1%eth0\tlink\n"
    assert hosts_file.parse(text) == (HostEntry("::1", ("localhost",)), HostEntry("fe80::1%eth0", ("link",)))


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("127.0.0.1 localhost\n  drbd01.virtual.local drbd01\n", 2, 3),
        ("127.0.0.1 # nobody\n", 1, 10),
        ("192.168.0.300 a\n", 1, 1),
    ],
)
def test_damage_is_pointed_at(text: str, line: int, column: int) -> None:
    with pytest.raises(ParseError) as caught:
        hosts_file.parse(text, source="hosts")
    assert (caught.value.line, caught.value.column) == (line, column)
