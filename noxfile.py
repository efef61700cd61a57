"""The project's sessions: `./with-nox NAME` runs one from a bare machine, `nox -s NAME` where nox is at hand."""

import os
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.sessions = ["tests"]
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = True

CODE = ("hastore", "tests", "examples", "benchmarks", "noxfile.py", "docs/conf.py")
TESTING = ("-e", ".[display,testing]", "jsonschema>=4.18")


def install_tools(session: nox.Session) -> None:
    """Install Debian's tools where we may; tests skip by name, or fail in CI, where they are missing."""
    if os.environ.get("HASTORE_APT") == "no":
        session.log("HASTORE_APT=no: the system's packages stay as they are")
    elif os.geteuid() == 0 and shutil.which("apt-get"):
        session.run("tools/install-debian-packages", external=True, silent=True)
    else:
        session.log("not root on Debian: tests of tools that are missing here will be skipped by name")


@nox.session
def demo(session: nox.Session) -> None:
    """Play the article's cluster through on simulated nodes; leaves demo-output/."""
    session.install("-e", ".[display]")
    session.run("python", "-m", "hastore.demo", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run every test."""
    install_tools(session)
    session.install(*TESTING)
    session.run("pytest", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Run every test under coverage, two to three times as slow, and report what no test reaches."""
    install_tools(session)
    session.install(*TESTING, "coverage[toml]>=7.6")
    session.run("coverage", "erase")
    try:
        session.run("coverage", "run", "--parallel-mode", "-m", "pytest", *session.posargs)
    finally:
        session.run("coverage", "combine", "--quiet", success_codes=[0, 1])
        session.run("coverage", "report", success_codes=[0, 1])


@nox.session
def laws(session: nox.Session) -> None:
    """Hold the laws on thousands of generated stacks; HASTORE_EXAMPLES says how many."""
    install_tools(session)
    session.install(*TESTING)
    examples = os.environ.get("HASTORE_EXAMPLES", "3000")
    session.run("pytest", "-m", "laws", *session.posargs, env={"HASTORE_EXAMPLES": examples})


@nox.session
def bench(session: nox.Session) -> None:
    """Measure, and print ratios: seconds differ between machines, ratios much less."""
    session.install(*TESTING)
    for path in sorted(Path("benchmarks").glob("bench_*.py")):
        session.run("python", str(path), *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation with warnings as errors, and run what it shows."""
    session.install(*TESTING, "sphinx>=8.1", "furo", "myst-parser>=4")
    session.run("sphinx-build", "-n", "-W", "--keep-going", "-q", "-E", "docs", "docs/_build/html")
    session.run("pytest", "tests/docs", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and layout; newer versions bring new rules, so they come in by a change of their own."""
    session.install("ruff~=0.17.6")
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Check types, by two checkers."""
    session.install(*TESTING, "mypy~=2.4.1", "pyright[nodejs]==1.1.414", "lxml-stubs", "nox", "sphinx")
    session.run("mypy")
    session.run("pyright", env={"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"})


@nox.session
def floors(session: nox.Session) -> None:
    """Check that every room imports only from floors below it."""
    session.install("-e", ".", "import-linter>=2.1")
    session.run("lint-imports", "--no-cache")
