"""What a plan shows of configurations before anything changes."""

from __future__ import annotations

import hastore
from hastore import sim
from hastore.demo import article_stack


def test_a_diff_of_blank_machines_adds_everything_and_no_secret() -> None:
    cluster = hastore.connect(*sim.article().hosts.values())
    told = cluster.plan(article_stack()).diff()
    heads = [line for line in told.splitlines() if line.startswith("+++ ")]
    assert any(head.startswith("+++ b/cib") for head in heads)
    for node in ("centos01", "centos02"):
        assert f"+++ b/{node}:/etc/drbd.d/vg1.res" in heads
    secrets = {line.split()[-1] for line in told.splitlines() if "shared-secret" in line}
    assert secrets == {'"********";'}
    for primitive in hastore.compose(article_stack()).resources:
        assert f"+primitive {primitive.id} " in told


def test_after_applying_nothing_differs() -> None:
    cluster = hastore.connect(*sim.article().hosts.values())
    cluster.plan(article_stack()).apply()
    assert cluster.plan(article_stack()).diff() == ""
