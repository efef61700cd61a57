"""Worlds to be hostile to: the small one of tests/execution and the article's, provisioned."""

from __future__ import annotations

import pytest

import hastore
from hastore import sim
from hastore.demo import article_stack


@pytest.fixture
def article() -> tuple[sim.Lab, hastore.Cluster]:
    """Return the article's cluster, provisioned and serving drbd01."""
    lab = sim.article()
    cluster = hastore.connect(*lab.hosts.values(), stack=article_stack())
    cluster.plan().apply()
    return lab, cluster
