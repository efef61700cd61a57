"""The manifest says of every recording what became of it, and says the truth."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parents[1]
RECORDINGS = TESTS / "recordings"
MANIFEST: dict[str, dict[str, dict[str, Any]]] = tomllib.loads((RECORDINGS / "MANIFEST.toml").read_text())
ENTRIES = [(room, name) for room, entries in MANIFEST.items() for name in entries]


def place(room: str, name: str) -> Path:
    copy: str = MANIFEST[room][name].get("copy", f"{room}/{name}")
    return RECORDINGS / copy


@pytest.mark.parametrize("room", sorted(MANIFEST))
def test_every_recording_that_is_here_is_in_the_manifest(room: str) -> None:
    assert {path.name for path in (RECORDINGS / room).iterdir()} <= set(MANIFEST[room])


@pytest.mark.parametrize(("room", "name"), ENTRIES)
def test_an_entry_says_what_is_so(room: str, name: str) -> None:
    entry = MANIFEST[room][name]
    users = [*entry.get("replayed", []), *entry.get("parsed", [])]
    assert bool(users) != bool(entry.get("unused")), "used, or unused and why: one of the two"
    if not users:
        return
    assert place(room, name).is_file()
    for user in users:
        source = (TESTS / user).read_text()
        folder = place(room, name).parent.name
        assert name.partition(".")[0] in source or f'"{folder}"' in source, f"{user} does not read it"


def test_what_is_replayed_is_named_in_its_test() -> None:
    """A recording counts as replayed only where the test names it: a folder read whole is not enough."""
    missing = []
    for room, name in ENTRIES:
        for user in MANIFEST[room][name].get("replayed", []):
            source = (TESTS / user).read_text()
            if name.partition(".")[0] not in source and not name.startswith("TRANSCRIPT"):
                missing.append((room, name, user))
    assert not missing
