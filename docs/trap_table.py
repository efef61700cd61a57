"""Write docs/traps.md from the rules, the fixes and the tests: `python docs/trap_table.py` from the project's root."""

from __future__ import annotations

import re
from pathlib import Path

from hastore.planning.fixes import PLATFORMS
from hastore.planning.rules import RULES, Rule

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "traps.md"
TESTS = ("test_rules_article.py", "test_rules_elsewhere.py")
PERSON = {
    "fencing-disabled": "fencing_device(...)",
    "fencing-node-uncovered": "fencing_device(...)",
    "fencing-not-delayed": "fencing_device(..., delay_on=...)",
    "drbd-secret-published": "replication_secret(...)",
    "lun-identity-unpinned": "pin_identity(...)",
    "volume-size-unknown": "volume_size(...)",
}
"""Findings that a person mends, and the helper that puts the answer into the stack."""
HEAD = """# Traps

What `hastore.planning.rules.judge` finds, made from its table of rules by `python docs/trap_table.py` and checked by
`tests/planning/test_trap_table.py`. *Trap* and *versions* number what is known of the article's design and of the
programs' versions, *practice* what people who run such clusters know. A fix in *italics* needs a person's answer first.

| code | weight | known as | what is wrong | evidence | mend | override | test |
|---|---|---|---|---|---|---|---|
"""
TAIL = """
Not every trap of such clusters can be seen in files. Damaged text (lost braces, an empty `ip=`) is a `ParseError` with
line and column. Growing a LUN without telling SCST shows only at the next failover: `luns[...].grow` plans all layers
together. What stands on a DRBD secondary is unknown and never absent; a device that is not blank gets no metadata: the
steps themselves refuse.
"""


def fixes_of(code: str) -> str:
    """Return the fixes that mend a code, or what a person has to do."""
    names = dict.fromkeys(fix.code for fixes in PLATFORMS.values() for fix in fixes if code in fix.mends)
    if code in PERSON:
        return f"*`{PERSON[code]}`*"
    return ", ".join(f"`{name}`" for name in names)


def test_of(code: str) -> str:
    """Return the test that shows a code, as pytest selects it; empty where there is none."""
    for file in TESTS:
        text = (ROOT / "tests" / "planning" / file).read_text()
        named = re.search(rf'^    "{re.escape(code)}": ', text, re.MULTILINE)
        if not named:
            continue
        if file == "test_rules_article.py":
            return f"`{file}::test_the_article_shows[{code}]`"
        where = "world" if named.start() > text.index("IN_THE_WORLD") else "stack"
        return f"`{file}::test_is_found_in_the_{where}[{code}]`"
    return ""


def row(rule: Rule) -> str:
    """Return a rule as a row of the table."""
    fixes = fixes_of(rule.code)
    mend = plain(rule.mend) + (f" ({fixes})" if fixes else "")
    cells = (
        f"`{rule.code}`",
        rule.severity.value,
        rule.trap,
        plain(rule.summary),
        plain(rule.source),
        mend,
        f"`{rule.override}`" if rule.override else "",
        test_of(rule.code),
    )
    return f"| {' | '.join(cells)} |"


def plain(text: str) -> str:
    """Return text that Markdown shows as it is, inside a table."""
    return re.sub(r"([|<>*_\\])", r"\\\1", text)


def render() -> str:
    """Return the whole page."""
    return HEAD + "\n".join(row(rule) for rule in RULES) + "\n" + TAIL


if __name__ == "__main__":
    PAGE.write_text(render())
