"""The manifest says of every recording what became of it, and says the truth."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parents[1]
RECORDINGS = TESTS / "recordings"
MANIFEST: dict[str, dict[str, dict[str, Any]]] = tomllib.loads((RECORDINGS / "MANIFEST.toml").read_text())
ENTRIES = [(room, name) for room, entries in MANIFEST.items() for name in entries]
WHOLE = {
    "scst": (72, "f822ea4ec41907f33ab5bebaa8caf96256703bfa3579e450d8038f310d873821"),
    "drbd84": (95, "1411e293dfa994586adc4ec32de295e438ed7333b7168141564bea4a4388e766"),
    "lvm": (99, "99d8eaf8e2c908193a4c67c5efe191f3bd71d41feeeadcfa21f9eb2e9446efc5"),
    "iscsi": (14, "55374cef0b2da4601462cbc0f69723d18242f72d2317a5723b4aa4ffc822cfff"),
    "stack": (49, "6efbce078a78e3ad9728f97e07ebd7bd5044cd3c2400b5e5324f017acd30d36b"),
}
"""Room -> how many files were recorded, and the SHA-256 of their sorted names, a line each: no entry can get lost."""


def files(room: str, name: str) -> list[str]:
    """Return the files an entry stands for: itself, or the parts of a recorded command."""
    parts: str = MANIFEST[room][name].get("parts", "")
    return [f"{name}.{part}" for part in parts.split()] or [name]


def places(room: str, name: str) -> list[Path]:
    """Return where the files of an entry are kept."""
    copy: str | None = MANIFEST[room][name].get("copy")
    return [RECORDINGS / copy] if copy else [RECORDINGS / room / file for file in files(room, name)]


def users(room: str, name: str) -> list[str]:
    """Return the tests that use a recording."""
    entry = MANIFEST[room][name]
    return [*entry.get("replayed", []), *entry.get("parsed", [])]


@pytest.mark.parametrize("room", WHOLE)
def test_every_file_that_was_recorded_is_in_the_manifest(room: str) -> None:
    whole = [name for name, entry in MANIFEST[room].items() if "taken_from" not in entry]
    names = sorted(file for name in whole for file in files(room, name))
    listing = "".join(f"{name}\n" for name in names)
    assert (len(names), hashlib.sha256(listing.encode()).hexdigest()) == WHOLE[room]


@pytest.mark.parametrize("room", sorted(MANIFEST))
def test_every_recording_that_is_here_is_in_the_manifest_and_used(room: str) -> None:
    here = {path for path in (RECORDINGS / room).rglob("*") if path.is_file()}
    used = {file for name in MANIFEST[room] if users(room, name) for file in files(room, name)}
    assert {str(path.relative_to(RECORDINGS / room)) for path in here} <= used


@pytest.mark.parametrize(("room", "name"), ENTRIES)
def test_an_entry_says_what_is_so(room: str, name: str) -> None:
    used_by = users(room, name)
    assert bool(used_by) != bool(MANIFEST[room][name].get("unused")), "used, or unused and why: one of the two"
    if not used_by:
        return
    kept = places(room, name)
    assert [path for path in kept if not path.is_file()] == []
    for user in used_by:
        source = (TESTS / user).read_text()
        folder = kept[0].parent.name
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


def test_an_excerpt_is_in_the_recording_it_comes_from() -> None:
    for room, name in ENTRIES:
        source = MANIFEST[room][name].get("taken_from")
        if source:
            assert (RECORDINGS / room / name).read_text().strip() in (RECORDINGS / room / source).read_text()


def test_of_a_recorded_command_all_is_kept_that_makes_an_answer() -> None:
    """Only a stream that stayed silent may have left no file."""
    for room, name in ENTRIES:
        parts = set(MANIFEST[room][name].get("parts", "cmd out rc").split())
        assert {"cmd", "out", "rc"} <= parts <= {"cmd", "out", "err", "rc"}, name
