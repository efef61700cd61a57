"""Show anything: in colours where a terminal looks on and rich is installed, else as `print` would."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TextIO, TypeAlias

from hastore.cluster.follow import Failover
from hastore.cluster.look import Look
from hastore.cluster.plan import Plan
from hastore.display.notebook import Picture
from hastore.display.terminal import is_rich
from hastore.display.text import findings_text
from hastore.execution.report import ApplyReport
from hastore.model.findings import Finding
from hastore.planning.disruption import disruptions
from hastore.planning.steps_cluster import PatchCib

if TYPE_CHECKING:
    from rich.console import RenderableType

Showable: TypeAlias = Plan | Finding | Sequence[Finding] | Look | Picture | ApplyReport | Failover | str


def show(*things: Showable, stream: TextIO | None = None) -> None:
    """Show plans, findings, looks, pictures, reports and failovers, one after the other.

    On a terminal they come in tables and colours where rich is installed (`pip install hastore[display]`);
    elsewhere (pipes, logs, CI) it is the plain text that `print` gives. `stream` is standard output.

    >>> hastore.show(cluster.look())
    What runs
      centos01: DRBD vg1 Primary Connected UpToDate/UpToDate
    ...
    """
    out = stream or sys.stdout
    if not is_rich(out):
        out.write("\n\n".join(map(plain, things)) + "\n")
        return
    from rich.console import Console  # noqa: PLC0415  rich is loaded by those who look

    console = Console(file=out, highlight=False)
    for thing in things:
        console.print(page(thing))


def plain(thing: Showable) -> str:
    """Return what `print` would show; findings are laid out by weight."""
    if isinstance(thing, Sequence) and not isinstance(thing, str):
        return findings_text(thing)
    return str(thing)


def page(thing: Showable) -> RenderableType:
    """Return a thing as rich shows it; ImportError where rich is not installed."""
    from hastore.display import rich_pages  # noqa: PLC0415  rich is loaded by those who look

    match thing:
        case Plan():
            stalls = () if thing.steps else map(str, thing.disruptions)
            empty = str(thing).partition("\n")[0]
            return rich_pages.plan_page(tuple(_steps(thing)), tuple(stalls), thing.weighty, empty)
        case Finding():
            return rich_pages.findings_page((thing,))
        case Look():
            reboot = [(m.node, m.verdict, "; ".join(m.reasons)) for m in thing.reboot]
            return rich_pages.look_page(thing.runs, thing.findings, reboot)
        case ApplyReport():
            steps = [(s.result, s.host, s.title + (f": {s.reason}" if s.reason else "")) for s in thing.steps]
            return rich_pages.report_page(steps, "\n".join(str(thing).splitlines()[len(thing.steps) :]))
        case Failover():
            summary = str(thing).splitlines()[len(thing.lines)]
            return rich_pages.failover_page(thing.lines, summary, thing.explanation.missing)
        case str() | Picture():
            return rich_pages.text_page(str(thing))
        case _:
            return rich_pages.findings_page(thing)


def _steps(plan: Plan) -> Iterator[tuple[str, str, str, str]]:
    """Yield (wave, host, what, who stalls) for every step; each interruption is told once, where it begins."""
    told: set[str] = set()
    for number, wave in enumerate(plan.waves, start=1):
        for step in wave:
            stalls = [str(d) for d in disruptions((step,), plan.state) if str(d) not in told]
            told.update(stalls)
            edits = step.lines() if isinstance(step, PatchCib) else ()
            yield str(number), step.host, "\n".join((step.title, *(f"  {line}" for line in edits))), "\n".join(stalls)
