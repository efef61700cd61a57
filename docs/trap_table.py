"""Write docs/traps.md from the rules, the fixes and the tests: `python docs/trap_table.py` from the project's root."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

from hastore.planning.fixes import PLATFORMS
from hastore.planning.rules import (
    RULES,
    Rule,
    agents_order,
    agents_use,
    cib_forms,
    clients,
    corosync,
    drbd,
    fencing,
    lvm,
    observed,
    scst,
    secrets,
)

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "traps.md"
TESTS = ("test_rules_article.py", "test_rules_elsewhere.py")
SUBJECTS = (fencing, drbd, lvm, agents_order, agents_use, scst, corosync, cib_forms, clients, secrets, observed)
PERSON = {
    "fencing-disabled": "fencing_device(...)",
    "fencing-node-uncovered": "fencing_device(...)",
    "fencing-not-delayed": "fencing_device(..., delay_on=...)",
    "drbd-secret-published": "replication_secret(...)",
    "lun-identity-unpinned": "pin_identities_seen(...)",
    "volume-size-unknown": "volume_size(...)",
}
"""Findings that a person mends, and the helper that puts the answer into the stack."""
HEAD = """# Traps

What `hastore.planning.rules.judge` finds, each by its stable code. A *trap* is one of those in the article's own
design, counted from 1 to 19, *versions* one between versions of a program, *practice* what people who run such clusters
have learned. Behind each mend stand the fixes of `hastore.suggest_fixes` that do it; one in italics needs a person's
answer first. Tests are those of `tests/planning`.

This page is made by `python docs/trap_table.py`, and a test holds it against the rules.
"""
COLUMNS = """
| code and weight | what is wrong, and who says so | mend | test |
|---|---|---|---|
"""
TAIL = """
## What no file shows

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
    if rule.override:
        mend += f". Override: `{rule.override}`"
    cells = (
        f"`{rule.code}` {rule.severity.value}, {rule.trap}",
        f"{plain(rule.summary)}. *{plain(rule.source)}*",
        mend,
        test_of(rule.code),
    )
    return f"| {' | '.join(cells)} |"


def section(module: ModuleType) -> str:
    """Return the rules of a module, below the line that its docstring says of them."""
    rules = [rule for rule in RULES if rule in vars(module).values()]
    title, _, about = (module.__doc__ or "").strip().partition("\n")[0].rstrip(".").partition(": ")
    return f"\n## {title}\n\n{about[:1].upper()}{about[1:]}.\n{COLUMNS}" + "".join(f"{row(rule)}\n" for rule in rules)


def plain(text: str) -> str:
    """Return text that Markdown shows as it is, inside a table."""
    return re.sub(r"([|<>*_\\])", r"\\\1", text)


def render() -> str:
    """Return the whole page."""
    return HEAD + "".join(section(module) for module in SUBJECTS) + TAIL


if __name__ == "__main__":
    PAGE.write_text(render())
