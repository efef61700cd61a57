"""Configuration that others wrote is not lost when hastore writes its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import hastore
from hastore import sim
from hastore.demo import article_stack
from hastore.formats import drbd_conf

RESOURCE = article_stack().drbd[0]
TEXT = drbd_conf.render_text(RESOURCE).replace("7788", "7799")
OTHER = TEXT.replace("resource vg1", "resource other").replace("drbd0", "drbd9").replace("7799", "7900")


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("/etc/drbd.d/vg1.res", lambda: TEXT + OTHER, "has other, too, which would be lost"),
        ("/etc/drbd.d/vg1.res", lambda: OTHER, "has other, too, which would be lost"),
        ("/etc/drbd.d/all.res", lambda: TEXT, "all.res on centos01 has vg1 already"),
        ("/etc/drbd.d/vg1.res", lambda: TEXT.replace("{", "", 1), "is not understood"),
    ],
    ids=["beside", "instead", "elsewhere", "damaged"],
)
def test_a_file_that_holds_more_is_not_overwritten(path: str, text: Callable[[], str], said: str) -> None:
    lab = sim.article()
    files = lab.world.nodes["centos01"].files
    files.add(path, text())
    plan = hastore.connect(*lab.hosts.values()).plan(article_stack())
    with pytest.raises(hastore.Refused, match=said):
        plan.apply()
    assert files.read(path).decode() == text()


def test_a_file_of_its_own_is_taken_over_and_kept_beside() -> None:
    lab = sim.article()
    files = lab.world.nodes["centos01"].files
    files.add("/etc/drbd.d/vg1.res", TEXT)
    cluster = hastore.connect(*lab.hosts.values())
    cluster.plan(article_stack()).apply()
    assert files.read("/etc/drbd.d/vg1.res.before-hastore").decode() == TEXT
    assert cluster.plan(article_stack()).empty
