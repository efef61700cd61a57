"""Tests of the tests: a missing tool is a skip with its name, and a failure in CI."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PROBE = """
import pytest
from needs import require

def test_has_sh():
    require("sh")

def test_has_no_unicorn():
    require("sh", "unicorn-7")

@pytest.mark.skip(reason="missing: griffin")
def test_marked(): ...

def test_skipped_for_another_reason():
    pytest.skip("not on this moon")
"""


def run_probe(folder: Path, text: str = PROBE, **env: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_probe.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider", "test_probe.py"]
    paths = {
        "PYTHONPATH": ":".join(
            map(
                str,
                (
                    TESTS.parent,
                    TESTS,
                    *(TESTS / room for room in ("adversity", "cluster", "execution", "hosts", "laws", "sim")),
                ),
            )
        )
    }
    inherited = {name: text for name, text in os.environ.items() if name != "CI"}
    return subprocess.run(command, cwd=folder, env=inherited | paths | env, capture_output=True, text=True, check=False)


def test_a_missing_tool_is_a_skip_that_names_it(tmp_path: Path) -> None:
    result = run_probe(tmp_path)
    assert result.returncode == 0, result.stdout
    assert "1 passed, 3 skipped" in result.stdout
    assert "unicorn-7: 1 test skipped" in result.stdout
    assert "griffin: 1 test skipped" in result.stdout


def test_a_missing_tool_is_a_failure_in_ci(tmp_path: Path) -> None:
    result = run_probe(tmp_path, CI="true")
    assert result.returncode == pytest.ExitCode.TESTS_FAILED, result.stdout
    assert "1 failed, 1 passed, 1 skipped, 1 error" in result.stdout
    assert "unicorn-7 is missing here" in result.stdout


def test_a_module_that_skips_itself_fails_in_ci(tmp_path: Path) -> None:
    whole = "import pytest\npytest.skip('missing: sphinx-cat', allow_module_level=True)\n"
    result = run_probe(tmp_path, whole, CI="true")
    assert result.returncode == pytest.ExitCode.INTERRUPTED, result.stdout
    assert "sphinx-cat is missing here" in result.stdout
