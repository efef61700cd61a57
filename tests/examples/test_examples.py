"""Every example runs as it stands, on this machine or on simulated ones, and says what it is there to say."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hastore.display.notebook import Picture

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples"
SAYS = {
    "article_stack.py": "",
    "direct_target.py": r"LUN 1 of target .*nothing to do: the storage is as the stack says.*threads_num is 4",
    "first_look.py": r"What runs\n.*May this node be rebooted now\n.*scst\+sysfs: chosen",
    "one_round_trip.py": r"failed +read.*ENOENT|FAILED|ENOENT",
    "switchover.py": r"write DRBD metadata .*wait until the cluster has settled: g_vg1 on centos02 .*storage stood still for",
}


def test_every_example_is_run_and_told_of() -> None:
    assert {path.name for path in FOLDER.glob("*.py")} == set(SAYS)
    told = (FOLDER / "README.md").read_text()
    assert [path.name for path in FOLDER.iterdir() if path.is_file() and f"({path.name})" not in told] == ["README.md"]


@pytest.mark.parametrize("name", sorted(SAYS))
def test_example_runs(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(FOLDER / name)]
    result = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "Warning" not in result.stderr
    assert re.search(SAYS[name], result.stdout, re.DOTALL), result.stdout


def test_provisioning_and_switching_over_take_25_lines() -> None:
    assert len((FOLDER / "switchover.py").read_text().splitlines()) <= 25


# -- the notebook: its cells are run here without Jupyter, whose part is to show what a cell ends with -------------


def cells() -> list[dict[str, Any]]:
    notebook = json.loads((FOLDER / "runbook.ipynb").read_text())
    assert notebook["nbformat"] == 4
    found: list[dict[str, Any]] = notebook["cells"]
    return found


def shown(source: str, names: dict[str, object]) -> object:
    """Run a cell and return what a notebook would show: the value of its last line."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)  # noqa: S102  our own notebook
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names) if isinstance(last, ast.Expr) else None  # noqa: S307  the same


def test_the_runbook_runs_and_its_values_show_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    shows = [shown("".join(cell["source"]), names) for cell in cells() if cell["cell_type"] == "code"]
    richly = [type(value).__name__ for value in shows if hasattr(value, "_repr_html_") or hasattr(value, "_repr_svg_")]
    assert richly == ["Look", "Plan", "Picture", "Plan", "Picture"]
    pictures = [value.svg for value in shows if isinstance(value, Picture)]
    assert all(picture.startswith("<svg") for picture in pictures)
    assert pictures[0] != pictures[1], "the storage moved"


def test_the_runbook_is_kept_without_outputs() -> None:
    assert all(cell["outputs"] == [] for cell in cells() if cell["cell_type"] == "code")
