"""What all tests share: how hypothesis looks for examples, and what becomes of tools that are missing."""

from collections import Counter
from collections.abc import Generator
from typing import Any

import hypothesis
import pytest

from needs import IN_CI, MISSING, examples

pytest_plugins = ["real_cluster", "loopback_sshd", "laws_surroundings", "hostile_worlds"]
pytest.register_assert_rewrite("hastore.testing.contract")

_every = hypothesis.settings(max_examples=examples(100), deadline=None, print_blob=True)
hypothesis.settings.register_profile("tests", _every)
hypothesis.settings.register_profile("ci", _every, derandomize=True, database=None)
hypothesis.settings.load_profile("ci" if IN_CI else "tests")

_missing: Counter[str] = Counter()


def _missing_tool(report: pytest.TestReport | pytest.CollectReport) -> str | None:
    """Return what a skipped test misses, None where it was skipped for another reason or not at all."""
    if not (report.skipped and isinstance(report.longrepr, tuple)):
        return None
    reason = report.longrepr[2].removeprefix("Skipped: ")
    return reason.removeprefix(MISSING) if reason.startswith(MISSING) else None


def _count(report: pytest.TestReport | pytest.CollectReport) -> None:
    tool = _missing_tool(report)
    if tool is None:
        return
    _missing[tool] += 1
    if IN_CI:
        report.outcome = "failed"
        report.longrepr = (
            f"{report.nodeid}: {tool} is missing here; in CI every tool has to be there (tools/debian-packages)"
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make a failure of a test that misses its tool, in CI; elsewhere remember the tool."""
    report = yield
    _count(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Do the same for a module that skips itself whole."""
    report = yield
    _count(report)
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Name the tools that were missing, and how many tests that cost."""
    if _missing:
        terminalreporter.section("missing tools", sep="-")
        for tool, count in sorted(_missing.items()):
            terminalreporter.line(f"{tool}: {count} test{'s' if count > 1 else ''} {'failed' if IN_CI else 'skipped'}")
