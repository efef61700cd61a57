"""What people read, in rich's colours and tables; loaded only where rich is installed and a terminal looks on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hastore.model.findings import Finding, Severity, by_weight

STYLES = {
    Severity.BLOCKING: "bold white on red",
    Severity.DANGER: "bold red",
    Severity.WARNING: "yellow",
    Severity.ADVICE: "blue",
    Severity.NOTE: "dim",
}
RESULTS = {"done": "green", "already so": "dim", "refused": "bold red", "unknown": "bold yellow"}
VERDICTS = {"yes": "green", "after a switchover": "yellow", "no": "bold red"}


def table(heads: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> Table:
    """Return a table without walls; its last column takes what room there is, and no text is cut or read as markup."""
    laid = Table(box=None, header_style="bold", pad_edge=False, expand=True)
    for number, head in enumerate(heads):
        laid.add_column(Text(head), overflow="fold", no_wrap=False, ratio=1 if number == len(heads) - 1 else None)
    for row in rows:
        laid.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    return laid


def plan_page(
    rows: Sequence[tuple[str, str, str, str]], stalls: Sequence[str], findings: Sequence[Finding], empty: str
) -> RenderableType:
    """Return a plan: (wave, host, what, who stalls) a row, then every interruption, then what was found."""
    shown = [
        (wave, Text(host, "cyan"), Text.assemble(what, *([("\n⚡ " + stall, "yellow")] if stall else [])))
        for wave, host, what, stall in rows
    ]
    parts: list[RenderableType] = [table(("wave", "host", "what, and who stalls"), shown) if shown else Text(empty)]
    parts.extend(Text(f"⚡ {stall}", "yellow") for stall in stalls)
    if findings:
        parts.append(Padding(findings_page(findings), (1, 0, 0, 0)))
    return Group(*parts)


def findings_page(findings: Sequence[Finding]) -> RenderableType:
    """Return findings, heaviest first, each in the colour of its weight, with its mend below."""
    rows = [
        (
            Text(finding.severity.value, STYLES[finding.severity]),
            Text(finding.code, "cyan"),
            Text.assemble(finding.summary, *([("\n→ " + finding.mend, "dim")] if finding.mend else [])),
        )
        for finding in by_weight(list(findings))
    ]
    return table(("weight", "code", "what"), rows) if rows else Text("nothing found", "green")


def look_page(
    runs: Sequence[str], findings: Sequence[Finding], reboot: Sequence[tuple[str, str, str]]
) -> RenderableType:
    """Return a first look: what runs, what was found, and (node, verdict, why) for a reboot now."""
    verdicts = [(Text(node, "cyan"), Text(verdict, VERDICTS.get(verdict, "")), why) for node, verdict, why in reboot]
    return Group(
        *_section("What runs", Group(*(Text(line) for line in runs or ("nothing that hastore knows",)))),
        *_section("What is wrong, and what would hurt", findings_page(findings)),
        *_section("May this node be rebooted now", table(("node", "", ""), verdicts)),
    )


def report_page(steps: Sequence[tuple[str, str, str]], summary: str) -> RenderableType:
    """Return what became of a plan: (result, host, what) a row, and how it ended."""
    rows = [(Text(result, RESULTS.get(result, "")), Text(host, "cyan"), what) for result, host, what in steps]
    return Group(table(("result", "host", "what"), rows), Text(summary, "bold"))


def failover_page(lines: Sequence[str], summary: str, missing: Sequence[str]) -> RenderableType:
    """Return what was seen of a failover, and what is missing for it to end."""
    return Group(*map(Text, lines), Text(summary, "bold"), *(Text(f"missing: {line}", "bold red") for line in missing))


def text_page(text: str) -> RenderableType:
    """Return text as it is, whatever brackets stand in it."""
    return Text(text)


def _section(title: str, body: RenderableType) -> tuple[RenderableType, RenderableType]:
    return Text(title, "bold underline"), Padding(body, (0, 0, 1, 2))
