"""docs/traps.md says what the rules say, and every trap of the list is covered."""

import runpy
from pathlib import Path

from hastore.planning.rules import RULES

ROOT = Path(__file__).parents[2]
KNOWN_BY_RULES = set(range(1, 20)) - {17}
"""All but growing a LUN, which is a plan's business and shows in no file."""


def test_the_page_is_what_the_rules_say() -> None:
    generator = runpy.run_path(str(ROOT / "docs" / "trap_table.py"))
    assert (ROOT / "docs" / "traps.md").read_text() == generator["render"](), "run: python docs/trap_table.py"


def test_every_row_names_its_test() -> None:
    generator = runpy.run_path(str(ROOT / "docs" / "trap_table.py"))
    assert [rule.code for rule in RULES if not generator["test_of"](rule.code)] == []


def test_every_known_trap_has_a_rule() -> None:
    assert {int(rule.trap.split()[1]) for rule in RULES if rule.trap.startswith("trap ")} == KNOWN_BY_RULES
