"""HTML for notebooks: what Jupyter shows by itself for plans, findings and looks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from hastore.model.findings import Finding, Severity, by_weight

_COLOURS = {
    Severity.BLOCKING: "#b3261e",
    Severity.DANGER: "#b3261e",
    Severity.WARNING: "#9a6700",
    Severity.ADVICE: "#3d6fa5",
    Severity.NOTE: "#57606a",
}


def table_html(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return an HTML table; every cell is escaped."""
    head = "".join(f"<th style='text-align:left'>{escape(cell)}</th>" for cell in heads)
    body = "".join(
        "<tr>"
        + "".join(f"<td style='text-align:left;vertical-align:top'>{escape(cell)}</td>" for cell in row)
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def findings_html(findings: Sequence[Finding]) -> str:
    """Return findings as an HTML list, heaviest first."""
    items = "".join(
        f"<li><b style='color:{_COLOURS[f.severity]}'>{escape(f.severity.value)}</b> "
        f"<code>{escape(f.code)}</code> {escape(f.summary)}"
        + (f"<br><i>{escape(f.mend)}</i>" if f.mend else "")
        + "</li>"
        for f in by_weight(list(findings))
    )
    return f"<ul>{items}</ul>" if items else "<p>nothing found</p>"
