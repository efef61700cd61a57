"""Examples in docstrings hold, module by module.

They find the article's cluster at work: `lab` its simulated machines, `stack` what was provisioned, and `cluster`,
connected anew for each docstring, so that no example depends on another.
"""

import doctest
import importlib
import pkgutil
from functools import cache
from types import ModuleType

import pytest

import hastore
from hastore import sim
from hastore.demo import article_stack

MODULES = ["hastore", *sorted(info.name for info in pkgutil.walk_packages(hastore.__path__, "hastore."))]
PROVISIONED = ("cluster", "lab", "stack")
VERBS = {
    "hastore": "adopt apply_fixes compose connect fencing_device judge local observe_only over replication_secret ssh "
    "suggest_fixes volume_size Cluster Plan Secret",
    "hastore.cluster.cluster:Cluster": "observe look explain topology follow plan plan_by switchover",
    "hastore.cluster.plan:Plan": "commands diff apply",
    "hastore.cluster.handles:TargetHandle": "add_lun",
    "hastore.cluster.handles:LunHandle": "set",
    "hastore.cluster.handles:DrbdHandle": "promote demote",
    "hastore.cluster.handles:VolumeGroupHandle": "extend",
    "hastore.cluster.handles:ResourceHandle": "move start stop",
    "hastore.cluster.handles:ClientHandle": "login logout",
    "hastore.sim": "article Lab",
    "hastore.sim.workload": "Writer",
}


def examples_of(module: ModuleType) -> list[doctest.DocTest]:
    return [test for test in doctest.DocTestFinder(exclude_empty=True).find(module) if test.examples]


@cache
def provisioned() -> tuple[sim.Lab, hastore.StorageStack]:
    lab, stack = sim.article(), article_stack()
    hastore.connect(*lab.hosts.values()).plan(stack).apply()
    return lab, stack


def names_for(test: doctest.DocTest) -> dict[str, object]:
    """Return what an example may use without saying where it comes from."""
    told = "".join(example.source for example in test.examples)
    if not any(name in told and name not in test.globs for name in PROVISIONED):
        return {"hastore": hastore}
    lab, stack = provisioned()
    return {
        "hastore": hastore,
        "lab": lab,
        "stack": stack,
        "cluster": hastore.connect(*lab.hosts.values(), stack=stack),
    }


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_examples_hold(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    said: list[str] = []
    for test in examples_of(importlib.import_module(name)):
        test.globs = {**names_for(test), **test.globs}
        runner.run(test, out=said.append)
    assert runner.failures == 0, "".join(said)


@pytest.mark.parametrize(("owner", "verbs"), VERBS.items(), ids=VERBS)
def test_every_public_verb_shows_an_example(owner: str, verbs: str) -> None:
    silent = [verb for verb in verbs.split() if ">>>" not in (getattr(pkgutil.resolve_name(owner), verb).__doc__ or "")]
    assert silent == []


def test_examples_are_found() -> None:
    assert examples_of(importlib.import_module("hastore.model.names"))
