"""What people see: in colours on a terminal where rich is installed, as plain text everywhere else."""

from __future__ import annotations

import io
import re
import subprocess
import sys

import pytest
from rich.console import Console

import hastore
from hastore import sim
from hastore.cluster.follow import Failover
from hastore.cluster.show import Showable, page
from hastore.demo import article_adopted, article_stack
from hastore.execution.report import StepReport
from hastore.model.events import Event
from hastore.planning.failover import Explanation

WIDE = 160


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _xterm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", str(WIDE))


@pytest.fixture(scope="module")
def plan() -> hastore.Plan:
    return hastore.connect(*sim.article().hosts.values()).plan(article_stack())


def recorded(thing: Showable, *, styles: bool = False, width: int = WIDE) -> str:
    console = Console(file=io.StringIO(), record=True, width=width, force_terminal=True, highlight=False)
    console.print(page(thing))
    return console.export_text(styles=styles)


def without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def test_a_plan_shows_every_step_with_wave_and_host(plan: hastore.Plan) -> None:
    words = " ".join(recorded(plan).split())
    for number, wave in enumerate(plan.waves, start=1):
        for step in wave:
            assert " ".join(f"{number} {step.host} {step.title}".split()) in words


def test_nothing_is_cut_on_a_narrow_terminal(plan: hastore.Plan) -> None:
    letters = re.sub(r"\s", "", recorded(plan, width=60))
    for step in plan.steps:
        assert re.sub(r"\s", "", step.title)[-8:] in letters


def test_a_plan_tells_each_stall_where_it_begins_and_only_once() -> None:
    cluster = hastore.connect(*sim.article().hosts.values())
    cluster.plan(article_stack()).apply()
    move = cluster.switchover(to=_other(cluster))
    words = " ".join(recorded(move).split())
    assert move.disruptions
    for disruption in move.disruptions:
        assert words.count(str(disruption)) == 1


def _other(cluster: hastore.Cluster) -> str:
    pacemaker = cluster.observe().pacemaker()
    assert not isinstance(pacemaker, hastore.Absent | hastore.Unknown)
    (serving,) = pacemaker.where("p_ip_vg1")
    return next(name for name in ("centos01", "centos02") if name != serving)


def test_a_blocked_plan_says_that_nothing_can_be_done() -> None:
    plan = hastore.connect(*sim.article().hosts.values()).plan(article_adopted().stack)
    assert plan.blocking
    assert "blocking" in recorded(plan)
    assert plan.blocking[0].code in recorded(plan)


def test_findings_stand_by_weight_in_their_colours() -> None:
    findings = hastore.judge(article_adopted().stack)
    text = recorded(findings, styles=True)
    places = [text.index(f.code) for f in findings]
    assert places == sorted(places)
    heavy = next(f for f in findings if f.severity is hastore.Severity.BLOCKING)
    assert re.search(r"\x1b\[[0-9;]*41m" + heavy.severity.value, text)


def test_brackets_in_a_finding_are_no_markup() -> None:
    finding = hastore.Finding("odd", hastore.Severity.WARNING, "see [bold]this[/bold] and [/nothing]", mend="[red]x")
    assert "see [bold]this[/bold] and [/nothing]" in recorded(finding)
    assert "[red]x" in recorded((finding,))


def test_a_look_has_its_parts() -> None:
    text = recorded(hastore.connect(*sim.article().hosts.values()).look())
    assert text.index("What runs") < text.index("What is wrong") < text.index("May this node be rebooted now")


def test_a_report_shows_results_and_its_stall() -> None:
    report = hastore.ApplyReport(
        (StepReport("k", "move it", "centos01", "done"), StepReport("l", "wait", "centos01", "refused", 1.0, "no")),
        seconds=3.0,
        stall=2.5,
        promised_stall=(1.0, 4.0),
    )
    text = recorded(report)
    assert re.search(r"done +centos01 +move it", text)
    assert re.search(r"refused +centos01 +wait: no", text)
    assert "storage stood still for 2.5 s, promised 1 to 4 s" in text
    assert "1 steps done in 3.0 s" in text


def test_a_failover_says_what_is_missing() -> None:
    explanation = Explanation("stuck", settled=False, stuck=True, missing=("a fencing device",))
    text = recorded(Failover(explanation, ("     0 s  centos01 is lost",), 12.0))
    assert "centos01 is lost" in text
    assert "storage stood still for 12 s" in text
    assert "missing: a fencing device" in text


def test_show_on_a_terminal_is_coloured(plan: hastore.Plan) -> None:
    stream = Terminal()
    hastore.show(plan, "[done]", stream=stream)
    assert "\x1b[" in stream.getvalue()
    assert "[done]" in without_colours(stream.getvalue())


def test_show_elsewhere_is_what_print_gives(plan: hastore.Plan) -> None:
    stream = io.StringIO()
    hastore.show(plan, plan.findings, stream=stream)
    assert "\x1b" not in stream.getvalue()
    assert stream.getvalue().startswith(str(plan) + "\n\nweight")


def test_without_rich_a_terminal_gets_plain_text() -> None:
    script = (
        "import sys; sys.modules['rich'] = None\n"
        "import importlib.util; known = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'rich' else known(name, *rest)\n"
        "import io, hastore\n"
        "class Terminal(io.StringIO):\n"
        "    def isatty(self): return True\n"
        "stream = Terminal(); hastore.show(hastore.Finding('odd', hastore.Severity.NOTE, 'so'), stream=stream)\n"
        "hastore.Progress(stream)(hastore.Event('progress', 'syncing', step='s', fraction=0.5))\n"
        "print(repr(stream.getvalue()))\n"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "note: odd: so" in told
    assert "█" in told


def test_neither_import_nor_plain_showing_loads_rich() -> None:
    script = "import hastore, io, sys; hastore.show('x', stream=io.StringIO()); hastore.Progress(io.StringIO()); print('rich' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert told == "False\n"


def test_the_bar_moves_and_leaves_no_hidden_cursor() -> None:
    stream = Terminal()
    show = hastore.Progress(stream)
    for fraction in (0.1, 0.6):
        show(Event("progress", "initial sync [vg1]", step="sync", fraction=fraction, seconds=4.0))
    show(Event("progress", "waiting", step="other"))
    show(Event("step-done", "wait for the sync", host="centos01", step="sync", seconds=9.0))
    text = stream.getvalue()
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l") >= 0
    plain = without_colours(text)
    assert "initial sync [vg1]" in plain
    assert plain.rstrip().endswith("✔     9.0 s  wait for the sync [centos01]")


def test_a_dumb_terminal_and_a_log_get_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    for stream in (Terminal(), io.StringIO()):
        hastore.Progress(stream)(Event("step-done", "done it", seconds=1.0))
        assert stream.getvalue() == "  ✔     1.0 s  done it\n"
