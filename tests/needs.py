"""What a test needs of the machine, asked for by name, and how many examples a property tries."""

import os
import shutil

import pytest

IN_CI = os.environ.get("CI") == "true"
MISSING = "missing: "
"""How the reason of such a skip begins; tests/conftest.py makes failures of them in CI."""


def require(*programs: str) -> None:
    """Skip the test, by name, where a program is not on PATH or below the sbin folders; in CI it fails instead."""
    for program in programs:
        if find(program) is None:
            pytest.skip(f"{MISSING}{program}")


def require_root() -> None:
    """Skip the test where it may not make namespaces."""
    if os.geteuid() != 0:
        pytest.skip(f"{MISSING}root")


def find(program: str) -> str | None:
    """Return where a program lies, a person's PATH or not."""
    return shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin:/usr/local/sbin")


def examples(few: int = 100) -> int:
    """Return how many examples a property tries: `few`, or in proportion what HASTORE_EXAMPLES says (`nox -s laws`).

    HASTORE_EXAMPLES is meant for a property that tries 100 otherwise: 3000 are thirty times as many for each.

    For properties whose examples are dear: `@settings(max_examples=examples(40))`. Those without it
    follow the profile, which reads the same variable.
    """
    return max(1, few * int(os.environ.get("HASTORE_EXAMPLES", "100")) // 100)
