"""Worlds to be hostile to: the small one of tests/execution and the article's, provisioned."""

from __future__ import annotations

import copy
from functools import cache

import pytest

import hastore
from hastore import sim
from hastore.demo import article_stack


@cache
def _provisioned() -> sim.Lab:
    """Return the article's machines as provisioning leaves them; made once, because 20 GiB take a while to resync."""
    lab = sim.article()
    hastore.connect(*lab.hosts.values()).plan(article_stack()).apply()
    return lab


@pytest.fixture
def article() -> tuple[sim.Lab, hastore.Cluster]:
    """Return the article's cluster, provisioned and serving drbd01: a world of one's own."""
    lab = copy.deepcopy(_provisioned())
    return lab, hastore.connect(*lab.hosts.values(), stack=article_stack())
