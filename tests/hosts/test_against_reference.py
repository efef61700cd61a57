"""Generated batches come back from a real sh as they do from a plain Python executor that shares no code with it."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hastore.hosts.local import LocalHost
from hastore.hosts.operations import (
    Await,
    Bracket,
    Condition,
    Entry,
    Expect,
    Operation,
    Outcome,
    ReadFile,
    ReadTree,
    Run,
    Status,
    WriteAttribute,
    WriteFile,
)

SHELLS = [("dash",), ("bash",), ("busybox", "sh")]
NAMES = ("a", "b'$(x)", "new\nline", "sub/c", "a/under a file", "missing/d", "sub", "é;")
TEXTS = ("", "x", "x\n", "it's", "$HOME", "*", "\\n", "two\nlines\n")


# --- the reference


@attrs.define
class Reference:
    """Performs operations as their docstrings say, in a folder of its own."""

    root: Path
    stopped: bool = False

    def perform(self, batch: Sequence[Operation]) -> list[Outcome]:
        return [self.one(operation) for operation in batch]

    def one(self, operation: Operation) -> Outcome:
        if self.stopped and not operation.reads:
            return Outcome(operation, Status.NOT_RUN)
        try:
            outcome = self.done(operation)
        except OSError as error:
            outcome = Outcome(operation, Status.FAILED, error=errno.errorcode[error.errno or 0])
        self.stopped = self.stopped or (not operation.reads and not outcome.done)
        return outcome

    def done(self, operation: Operation) -> Outcome:
        match operation:
            case Run():
                return self.run(operation)
            case ReadFile():
                return Outcome(operation, Status.DONE, stdout=self.path(operation.path).read_bytes())
            case ReadTree():
                return Outcome(operation, Status.DONE, tree=self.tree(self.path(operation.path)))
            case WriteFile():
                self.write(operation)
            case WriteAttribute():
                self.attribute(operation)
            case Expect() | Await():
                return self.look(operation)
            case Bracket():
                return self.bracket(operation)
        return Outcome(operation, Status.DONE)

    def path(self, path: str) -> Path:
        return self.root / Path(path)

    def run(self, run: Run) -> Outcome:
        if shutil.which(run.argv[0]) is None:
            return Outcome(run, Status.FAILED, 127, error="ENOENT")
        assert isinstance(run.stdin, bytes)
        ran = subprocess.run(
            run.argv,
            input=run.stdin,
            capture_output=True,
            cwd=self.root,
            check=False,
            env={**os.environ, "LC_ALL": "C", **run.env},
        )
        status = Status.DONE if ran.returncode in run.ok else Status.FAILED
        return Outcome(run, status, ran.returncode, ran.stdout, ran.stderr)

    def tree(self, root: Path) -> dict[str, Entry]:
        if not root.is_dir():
            next(root.iterdir(), None)
        entries = {}
        for path in sorted(root.rglob("*")):
            mode = stat.S_IMODE(path.stat().st_mode)
            kind = Entry("dir", mode=mode) if path.is_dir() else Entry("file", path.read_bytes(), mode=mode)
            entries[str(path.relative_to(root))] = kind
        return entries

    def write(self, write: WriteFile) -> None:
        assert isinstance(write.content, bytes)
        path = self.path(write.path)
        if path.is_dir():
            raise OSError(errno.EISDIR, "")
        (path.parent / ".").stat()
        next(path.parent.iterdir(), None)
        if write.backup and path.exists():
            shutil.copy2(path, self.path(write.backup))
        path.unlink(missing_ok=True)
        path.write_bytes(write.content)
        path.chmod(write.mode)

    def attribute(self, write: WriteAttribute) -> None:
        assert isinstance(write.content, bytes)
        path = self.path(write.path)
        path.stat()
        path.write_bytes(write.content)

    def look(self, operation: Expect | Await) -> Outcome:
        probe, wanted = operation.probe, operation.condition
        try:
            answer = self.run(probe) if isinstance(probe, Run) else self.done(probe)
        except OSError as error:
            name = "ENOENT" if error.errno == errno.ENOTDIR else errno.errorcode[error.errno or 0]
            answer = Outcome(probe, Status.FAILED, error=name)
        text = answer.text
        holds = (
            answer.error == "ENOENT"
            if wanted.missing
            else not answer.error
            and (not wanted.exit_codes or answer.exit_code in wanted.exit_codes)
            and all(part in text for part in wanted.contains)
            and not any(part in text for part in wanted.lacks)
            and (wanted.equals is None or text.rstrip("\n") == wanted.equals.rstrip("\n"))
        )
        late = "" if holds else "TIMEOUT"
        status = Status.DONE if holds else Status.FAILED
        return Outcome(
            operation,
            status,
            answer.exit_code,
            answer.stdout,
            answer.stderr,
            answer.error if isinstance(operation, Expect) else late,
        )

    def bracket(self, bracket: Bracket) -> Outcome:
        parts = self.perform([*bracket.enter, *bracket.body])
        failed = self.stopped
        for operation in bracket.leave:
            self.stopped = False
            parts.append(self.one(operation))
            failed = failed or self.stopped
        self.stopped = failed
        return Outcome(bracket, Status.FAILED if failed else Status.DONE, parts=tuple(parts))


# --- what is generated


def batches(root: str) -> st.SearchStrategy[list[Operation]]:
    paths = st.sampled_from(NAMES).map(lambda name: f"{root}/{name}")
    contents = st.one_of(st.sampled_from(TEXTS).map(str.encode), st.binary(max_size=40))
    programs = st.one_of(
        st.sampled_from(TEXTS).map(lambda text: ("printf", "%s", text)),
        st.sampled_from(
            [("cat",), ("true",), ("false",), ("hastore-no-such-program",), ("sh", "-c", "echo e >&2; exit 3")]
        ),
    )
    runs = st.builds(Run, programs, contents, st.booleans(), st.sampled_from([(0,), (0, 3), (1,)]))
    text = st.sampled_from(TEXTS)
    conditions = st.builds(
        Condition,
        st.sampled_from([(), (0,), (1, 3)]),
        st.lists(text, max_size=2).map(tuple),
        st.lists(text.filter(bool), max_size=1).map(tuple),
        st.none() | text,
        st.booleans(),
    )
    probes = st.one_of(runs.map(lambda run: attrs.evolve(run, stdin=b"x")), st.builds(ReadFile, paths))
    writes = st.one_of(
        st.builds(WriteFile, paths, contents, st.sampled_from([0o644, 0o600]), st.just("") | st.just(f"{root}/backup")),
        st.builds(WriteAttribute, paths, contents),
        runs,
    )
    reads = st.one_of(st.builds(ReadFile, paths), st.builds(ReadTree, st.just(root) | paths))
    looks = st.one_of(
        st.builds(Expect, probes, conditions, st.just("")),
        st.builds(Await, probes, conditions, st.just(""), st.just(0.05), st.just(0.01)),
    )
    plain = st.one_of(writes, writes, reads, looks)
    some = st.lists(plain, max_size=3).map(tuple)
    brackets = st.builds(Bracket, some, some, some)
    return st.lists(st.one_of(plain, plain, plain, brackets), min_size=1, max_size=8)


def seen(outcome: Outcome) -> tuple[object, ...]:
    """Return what both must agree on; wording of errors and times are their own."""
    said = outcome.stderr if isinstance(outcome.operation, Run) else b""
    tree = {path: entry for path, entry in outcome.tree.items() if "/." not in f"/{path}"}
    parts = tuple(map(seen, outcome.parts))
    return (outcome.status, outcome.exit_code, outcome.stdout, said, outcome.error, tree, parts)


def furnish(root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    (root / "sub").mkdir(parents=True)
    (root / "a").write_bytes(b"x\n")
    (root / "sub" / "c").write_bytes(b"two\nlines\n")


def test_shells_agree_with_the_reference() -> None:
    shells = [LocalHost(shell=shell) for shell in SHELLS if shutil.which(shell[0])]
    assert shells, "no shell to compare with"
    with tempfile.TemporaryDirectory() as folder:
        check = agreement(Path(folder, "world"), [host.perform for host in shells])
        check()


def agreement(root: Path, performers: Sequence[Callable[[list[Operation]], Sequence[Outcome]]]) -> Callable[[], None]:
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(batches(str(root)))
    @example([WriteFile(f"{root}/sub", b""), ReadFile(f"{root}/a")])
    @example([ReadTree(f"{root}/a/under a file"), WriteAttribute(f"{root}/a/under a file", b"")])
    def check(batch: list[Operation]) -> None:
        furnish(root)
        expected = [seen(outcome) for outcome in Reference(root).perform(batch)]
        for perform in performers:
            furnish(root)
            assert [seen(outcome) for outcome in perform(batch)] == expected

    return check


def test_the_reference_would_show_a_difference(tmp_path: Path) -> None:
    """A host that forgets to stop after a failed change is told apart."""

    def forgetful(batch: list[Operation]) -> list[Outcome]:
        return [Reference(tmp_path / "world").one(operation) for operation in batch]

    with pytest.raises(AssertionError):
        agreement(tmp_path / "world", [forgetful])()
