"""Each seeded bug is caught by its law, and the laws hold without them: a law that cannot fail is none."""

from __future__ import annotations

import drawn
import pytest
from bugs import BUGS, Bug
from trials import TRIALS

from hastore.model.errors import HastoreError

pytestmark = pytest.mark.laws


def outcome(trial: str) -> list[str]:
    """Return what a trial finds; hastore stopping by itself is a find, too."""
    try:
        return TRIALS[trial]()
    except HastoreError as error:
        return [f"{type(error).__name__}: {error}"]


@pytest.mark.parametrize("trial", sorted(TRIALS))
def test_without_a_bug_the_trial_finds_nothing(trial: str) -> None:
    assert outcome(trial) == []


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_seeded_bug_is_caught(bug: Bug, monkeypatch: pytest.MonkeyPatch) -> None:
    bug.plant(monkeypatch)
    found = outcome(bug.law)
    drawn.tell(f"bug {bug.name}", f"caught by {bug.law!r}: {found[0].splitlines()[0][:120]}" if found else "SURVIVED")
    assert found, f"{bug.says}: no law noticed"


def test_there_are_bugs_in_every_room_and_enough_of_them() -> None:
    assert {bug.room for bug in BUGS} == {"drivers", "planning", "hosts", "execution", "sim"}
    assert len(BUGS) >= 15
    assert len({bug.name for bug in BUGS}) == len(BUGS)
