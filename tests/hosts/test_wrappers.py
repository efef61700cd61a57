"""Hosts that wrap another: looking only, recording, replaying, counting."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import attrs
import pytest
from host_contract import EVERY_BYTE, only, tree_of
from hypothesis import given
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
from hastore.hosts.transcript import dump_line, load
from hastore.hosts.wrappers import CountingHost, ObserveOnlyHost, RecordingHost, ReplayingHost
from hastore.model.errors import HostError, ObserveOnly, ParseError
from hastore.model.secrets import HIDDEN, Revealed

SECRET = b"correct horse battery staple"


def changes(folder: Path) -> list[Operation]:
    path = str(folder / "never")
    probe = ReadFile(path)
    return [
        Run(("touch", path)),
        WriteFile(path, b""),
        WriteAttribute(path, b""),
        Expect(probe, Condition(), "so"),
        Await(probe, Condition(), "so", deadline=0),
        Bracket((), (), ()),
    ]


@pytest.mark.parametrize("place", range(6))
def test_observe_only_turns_every_change_away_before_anything_runs(tmp_path: Path, place: int) -> None:
    change = changes(tmp_path)[place]
    counted = CountingHost(LocalHost())
    with pytest.raises(ObserveOnly) as refused:
        ObserveOnlyHost(counted).perform([Run(("true",), reads=True), change])
    assert str(change) in str(refused.value)
    assert str(Run(("true",))) not in str(refused.value)
    assert counted.round_trips == 0
    assert list(tmp_path.iterdir()) == []


def test_observe_only_looks_at_everything(tmp_path: Path) -> None:
    host = ObserveOnlyHost(LocalHost())
    (tmp_path / "file").write_bytes(b"x")
    read, tree, ran = host.perform(
        [ReadFile(f"{tmp_path}/file"), ReadTree(str(tmp_path)), Run(("echo", "x"), reads=True)]
    )
    assert (read.stdout, list(tree.tree), ran.stdout) == (b"x", ["file"], b"x\n")
    assert list(host.stream(Run(("echo", "x"), reads=True))) == [b"x\n"]


def test_observe_only_streams_no_change_and_takes_no_lock() -> None:
    host = ObserveOnlyHost(LocalHost())
    with pytest.raises(ObserveOnly, match="touch"):
        host.stream(Run(("touch", "x")))
    with pytest.raises(ObserveOnly, match="plan"):
        host.hold("plan")


def test_observe_only_conceals_the_secrets_of_what_it_turns_away() -> None:
    with pytest.raises(ObserveOnly) as refused:
        ObserveOnlyHost(LocalHost()).perform([Run(("cat",), stdin=(Revealed(SECRET),))])
    assert SECRET.decode() not in str(refused.value)


def test_round_trips_and_operations_are_counted() -> None:
    host = CountingHost(LocalHost())
    host.perform([])
    host.perform([Run(("true",)), Run(("true",))])
    host.perform([Run(("true",))])
    assert (host.round_trips, host.operations) == (2, 3)


def everything(folder: Path) -> list[Operation]:
    tree_of(folder)
    return [
        ReadTree(str(folder)),
        ReadFile(f"{folder}/missing"),
        Run(("sh", "-c", "cat; echo e >&2; exit 3"), stdin=EVERY_BYTE, ok=(3,), env={"A": "b"}),
        Bracket((Run(("echo", "in")),), (Run(("false",)), Run(("true",))), (Run(("echo", "out")),)),
        WriteFile(f"{folder}/never", b""),
        Expect(ReadFile("/dev/null"), Condition(equals=""), "it is empty"),
    ]


def test_what_was_recorded_is_replayed(tmp_path: Path) -> None:
    (tmp_path / "world").mkdir()
    batch = everything(tmp_path / "world")
    with (tmp_path / "transcript").open("w") as transcript:
        recording = RecordingHost(LocalHost(), transcript)
        recorded = recording.perform(batch)
    replaying = ReplayingHost.from_file(tmp_path / "transcript")
    assert replaying.name == recording.name
    told: list[int] = []
    # The batches may be cut in another way, and in another order.
    replayed = (
        *replaying.perform(batch[3:], on_outcome=lambda place, _: told.append(place)),
        *replaying.perform(batch[:3]),
    )
    assert told == [0, 1, 2]
    assert [rounded(outcome) for outcome in (*replayed[3:], *replayed[:3])] == [
        rounded(outcome) for outcome in recorded
    ]


def rounded(outcome: Outcome) -> Outcome:
    return attrs.evolve(outcome, seconds=0.0, parts=tuple(map(rounded, outcome.parts)))


def test_a_replay_gives_each_answer_once_and_knows_what_it_does_not_know() -> None:
    transcript = io.StringIO()
    RecordingHost(LocalHost(), transcript).perform([Run(("echo", "one"))])
    host = ReplayingHost(load(transcript.getvalue()))
    assert only(host, Run(("echo", "one"))).stdout == b"one\n"
    with pytest.raises(HostError, match="no more answers to: echo one"):
        host.perform([Run(("echo", "one"))])
    with pytest.raises(HostError, match="no answer to: echo two"):
        host.perform([Run(("echo", "two"))])
    with pytest.raises(HostError, match="no streams"):
        host.stream(Run(("echo", "one")))
    with host.hold("any"):
        pass


def test_a_replay_of_many_hosts_wants_to_know_which() -> None:
    lines = load("\n".join(dump_line(name, Outcome(Run(("true",)), Status.DONE)) for name in ("a", "b")))
    with pytest.raises(ValueError, match="of a, b; say which"):
        ReplayingHost(lines)
    assert only(ReplayingHost(lines, name="b"), Run(("true",))).done


def test_a_transcript_holds_no_secret_that_was_sent_or_came_back(tmp_path: Path) -> None:
    transcript = io.StringIO()
    host = RecordingHost(LocalHost(), transcript)
    content = (b"IncomingUser joe ", Revealed(SECRET))
    echo = Run(("sh", "-c", "tee /dev/stderr"), stdin=content)
    path = str(tmp_path / "secrets")
    outcomes = host.perform(
        [Bracket((WriteFile(path, content),), (echo,), ()), ReadFile(path), ReadTree(str(tmp_path))]
    )
    assert outcomes[1].stdout.endswith(SECRET), "the caller gets what is there"
    host.perform([ReadFile(path)])
    assert SECRET.decode() not in transcript.getvalue()
    assert transcript.getvalue().count(f"joe {HIDDEN}") == 5
    assert only(ReplayingHost(load(transcript.getvalue())), ReadFile(path)).text == f"IncomingUser joe {HIDDEN}"


@given(st.binary(), st.binary(), st.text(), st.text(), st.floats(0, 1e6))
def test_every_outcome_survives_being_written_down(
    out: bytes, err: bytes, name: str, target: str, seconds: float
) -> None:
    tree = {name: Entry("file", out, mode=0o640), name + "/": Entry("link", target=target, error="EIO")}
    outcome = Outcome(ReadTree("/x"), Status.FAILED, 3, out, err, "EIO", tree, seconds=round(seconds, 6))
    (line,) = load(dump_line("host", outcome))
    assert line.answer(outcome.operation) == outcome


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [("{}", 1, "an object with host"), ("[]", 1, "an object with host"), ('{"host": ', 1, "a JSON object")],
)
def test_a_damaged_transcript_is_pointed_at(text: str, line: int, said: str) -> None:
    good = dump_line("host", Outcome(Run(("true",)), Status.DONE))
    with pytest.raises(ParseError, match=said) as refused:
        load(f"{good}\n{text}", source="night.jsonl")
    assert (refused.value.source, refused.value.line) == ("night.jsonl", line + 1)


def test_importing_hosts_loads_neither_plumbum_nor_sh() -> None:
    text = (
        "import sys, hastore, hastore.hosts.host, hastore.hosts.local, hastore.hosts.ssh, hastore.hosts.wrappers\n"
        "sys.exit(any(name.split('.')[0] in {'plumbum', 'sh'} for name in sys.modules))"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", text], cwd=root, check=False).returncode == 0
