"""What iscsiadm was recorded to say on a client that nothing was done on, the simulated one says, too."""

from __future__ import annotations

import pytest

from hastore.hosts.operations import Run
from hastore.sim.article_lab import article
from recorded_commands import recorded


@pytest.mark.parametrize("name", ["iscsiadm-session", "iscsiadm-node", "iscsiadm-version"])
def test_the_simulated_iscsiadm_says_what_was_recorded(name: str) -> None:
    real = recorded("iscsi", name)
    said = article().hosts["drbd01"].perform([Run(tuple(real.line.split()))])[0]
    assert (said.exit_code, said.text, said.error_text) == (real.exit_code, real.out, real.err)
