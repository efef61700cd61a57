"""The laws' surroundings: the canary where secrets come from, and a summary of what was drawn."""

from __future__ import annotations

from typing import Any

import drawn
import pytest
from worlds import CANARY


@pytest.fixture(autouse=True, scope="session")
def _canary() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CANARY", CANARY)
        yield


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show what the strategies drew, and how many stops and restarts were survived."""
    for title, lines in drawn.report():
        terminalreporter.section(title, sep="-")
        for line in lines:
            terminalreporter.line(line)
