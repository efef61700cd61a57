"""docs/howto-driver.md is true: its three files, installed beside hastore, are a driver, and nothing else changes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "howto-driver.md"
FILE = re.compile(r"^`([\w.]+)`:\n\n(?:<!--[^\n]*-->\n)?```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Write the page's files out, and what pip would write when installing them."""
    files = dict(FILE.findall(PAGE.read_text()))
    assert len(files) == 3
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    install(tmp_path, files["pyproject.toml"])
    return tmp_path


def install(place: Path, pyproject: str) -> None:
    """Write a package's metadata as an installer does (packaging.python.org, "Entry points specification")."""
    project = tomllib.loads(pyproject)["project"]
    info = place / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = "".join(
        f"[{group}]\n" + "".join(f"{name} = {place}\n" for name, place in points.items())
        for group, points in project["entry-points"].items()
    )
    (info / "entry_points.txt").write_text(groups)


def python(package: Path, *argv: str) -> str:
    """Run Python where the package is installed; its output."""
    env = os.environ | {"PYTHONPATH": f"{package}{os.pathsep}{ROOT}"}
    ran = subprocess.run([sys.executable, *argv], cwd=package, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


EXPLAIN = """
from hastore.drivers import registry
from hastore.drivers.base import HostFacts
from hastore.sim import Lab

lab = Lab(["node1"])
probes = registry.probes()
facts = HostFacts("node1", dict(zip(probes, lab.hosts["node1"].perform(probes))))
for wanted in ({}, {"lvm": "lvm+activate"}):
    choice = registry.choose(facts, wanted)["lvm"]
    print(choice.driver.name)
    print(*choice.explanation, sep="\\n")
"""


def test_the_driver_of_the_page_is_found_explained_and_chosen_by_name(package: Path) -> None:
    assert python(package, "-c", EXPLAIN).splitlines() == [
        "lvm+lvm2",
        "lvm+lvm2: chosen: LVM 2.03.16",
        "lvm+activate: not chosen, it scores 1 against 10 of lvm+lvm2: LVM answers",
        "lvm+activate",
        "lvm+lvm2: not chosen, you wanted lvm+activate: LVM 2.03.16",
        "lvm+activate: chosen, as you wanted: LVM answers",
    ]


def test_the_test_file_of_the_page_passes(package: Path) -> None:
    said = python(package, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_hastore_lvm_activate.py")
    assert re.search(r"^\d\d passed", said, re.MULTILINE), said


BROKEN = """
from hastore.drivers import registry
for found in registry.available():
    if found.fault:
        print(found.name, "|", found.fault)
print(len(registry.probes()) > 0)
"""


def test_broken_plug_ins_are_reasons(tmp_path: Path) -> None:
    (tmp_path / "explodes.py").write_text("raise RuntimeError('not today')\n")
    (tmp_path / "odd.py").write_text(
        "from hastore.drivers.lvm_lvm2 import Lvm2Driver\nNothing = 3\nclass Other(Lvm2Driver):\n    name = 'lvm+other'\n"
    )
    points = '"lvm+a" = "explodes:Driver"\n"lvm+b" = "odd:Nothing"\n"lvm+c" = "odd:Other"\n"lvm+d" = "nowhere:X"\n'
    points += '"lvm+lvm2" = "odd:Nothing"\n'
    install(
        tmp_path, f'[project]\nname = "broken"\nversion = "1"\n[project.entry-points."hastore.drivers.lvm"]\n{points}'
    )
    assert python(tmp_path, "-c", BROKEN).splitlines() == [
        "lvm+a | explodes:Driver can't be loaded: RuntimeError: not today",
        "lvm+b | odd:Nothing is no driver: it has no probes, match, observe, render, judge",
        "lvm+c | odd:Other calls itself 'lvm+other' of 'lvm', its entry point 'lvm+c' of 'lvm'",
        "lvm+d | nowhere:X can't be loaded: ModuleNotFoundError: No module named 'nowhere'",
        "True",
    ]
