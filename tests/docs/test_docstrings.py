"""Examples in docstrings hold, module by module."""

import doctest
import importlib
import pkgutil
from types import ModuleType

import pytest

import hastore

MODULES = ["hastore", *sorted(info.name for info in pkgutil.walk_packages(hastore.__path__, "hastore."))]


def examples_of(module: ModuleType) -> list[doctest.DocTest]:
    return [test for test in doctest.DocTestFinder(exclude_empty=True).find(module) if test.examples]


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_examples_hold(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    said: list[str] = []
    for test in examples_of(importlib.import_module(name)):
        runner.run(test, out=said.append)
    assert runner.failures == 0, "".join(said)


def test_examples_are_found() -> None:
    assert examples_of(importlib.import_module("hastore.model.names"))
