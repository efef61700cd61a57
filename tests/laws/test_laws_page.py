"""docs/laws.md names every law's test and every seeded bug, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from bugs import BUGS
from trials import TRIALS

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "laws.md"


def test_every_seeded_bug_stands_in_the_page_with_its_law() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+?) \| (.+?) \|$", PAGE.read_text(), re.MULTILINE)
    assert rows == [(bug.name, bug.room, bug.says, bug.law) for bug in BUGS]
    assert {bug.law for bug in BUGS} <= TRIALS.keys()


def test_every_test_that_the_page_names_exists_and_every_law_is_named() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text()))
    there = {
        name
        for path in HERE.glob("test_*.py")
        if path.name not in {"test_laws_page.py", "test_seeded_bugs.py"}
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    assert named == there
