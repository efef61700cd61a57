"""Tables and paragraphs for terminals, plain enough for logs and mails."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Sequence

from hastore.model.findings import Finding, by_weight


def width() -> int:
    """Return how many columns the terminal has; 100 where nobody knows."""
    return shutil.get_terminal_size((100, 24)).columns


def table(rows: Iterable[Sequence[str]], heads: Sequence[str] = (), *, columns: int | None = None) -> str:
    """Lay rows out in columns; the last column is wrapped to the width, and no text is lost."""
    body = [list(row) for row in rows]
    lines = [list(heads), *body] if heads else body
    if not lines:
        return ""
    count = max(len(row) for row in lines)
    widths = [max((len(row[n]) for row in lines if n < len(row)), default=0) for n in range(count)]
    before = sum(widths[:-1]) + 2 * (count - 1)
    room = max(30, (columns or width()) - before)
    out: list[str] = []
    for number, row in enumerate(lines):
        filled = [*row, *([""] * (count - len(row)))]
        head = "  ".join(cell.ljust(widths[n]) for n, cell in enumerate(filled[:-1]))
        last = [part for line in filled[-1].splitlines() or [""] for part in _wrap(line, room)]
        out.append(f"{head}  {last[0]}".rstrip() if head else last[0])
        out.extend(f"{'':{before}}{line}".rstrip() for line in last[1:])
        if heads and number == 0:
            out.append("  ".join("-" * max(1, min(w, room if n == count - 1 else w)) for n, w in enumerate(widths)))
    return "\n".join(out)


def findings_text(findings: Sequence[Finding], *, mends: bool = True, columns: int | None = None) -> str:
    """Lay findings out by weight: severity, code, what, and below it how to mend."""
    rows = [
        (
            finding.severity.value,
            finding.code,
            finding.summary + (f"\n-> {finding.mend}" if mends and finding.mend else ""),
        )
        for finding in by_weight(list(findings))
    ]
    return table(rows, ("weight", "code", "what"), columns=columns) if rows else "nothing found"


def _wrap(line: str, room: int) -> list[str]:
    return textwrap.wrap(line, room, break_long_words=False, break_on_hyphens=False) or [""]
