"""HTML for notebooks: what Jupyter shows by itself for plans, findings and looks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from hastore.display.svg import draw
from hastore.display.topology import Topology
from hastore.model.findings import Finding, Severity, by_weight


class Picture:
    """A topology that draws itself: in a notebook as SVG, on a terminal as text."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology

    @property
    def svg(self) -> str:
        """The picture as an SVG document."""
        return draw(self.topology)

    def save(self, path: str | Path) -> Path:
        """Write the SVG to a file and return its path."""
        written = Path(path)
        written.write_text(self.svg, encoding="utf-8")
        return written

    def _repr_svg_(self) -> str:
        return self.svg

    def __str__(self) -> str:
        return str(self.topology)


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
