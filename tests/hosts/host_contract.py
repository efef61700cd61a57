"""What every Host does, whatever it is made of: derive a class from these and give it the fixtures `host` and `folder`.

`folder` is the path of an empty, writable directory on that host. A host that knows only some programs
overrides `program`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from hastore.hosts.host import Host
from hastore.hosts.operations import (
    Await,
    Bracket,
    Condition,
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

HOSTILE_NAMES = (
    "it's",
    'quo"te',
    "$(touch pwned)",
    "`id`",
    "-rf",
    "new\nline",
    " blank ",
    "back\\slash",
    "ünïcödé",
    "a;b|c&d",
    "*",
    "%s%n",
    "~",
)
EVERY_BYTE = bytes(range(256))


def statuses(outcomes: tuple[Outcome, ...]) -> list[Status]:
    return [outcome.status for outcome in outcomes]


def only(host: Host, operation: Operation) -> Outcome:
    (outcome,) = host.perform([operation])
    assert outcome.operation == operation
    return outcome


class FileContract:
    """Reading and writing files, folders and attributes."""

    @pytest.mark.parametrize("content", [b"", b"plain\n", b"no newline", EVERY_BYTE, b"-n", b"'$(x)'\\n%s", b"\n\n\n"])
    def test_what_was_written_is_read(self, host: Host, folder: str, content: bytes) -> None:
        path = f"{folder}/file"
        written, read = host.perform([WriteFile(path, content), ReadFile(path)])
        assert statuses((written, read)) == [Status.DONE, Status.DONE]
        assert read.stdout == content
        assert (read.error, read.stderr) == ("", b"")

    def test_any_name_is_written_and_read(self, host: Host, folder: str) -> None:
        writes = [WriteFile(f"{folder}/{name}", name.encode()) for name in HOSTILE_NAMES]
        *outcomes, tree = host.perform([*writes, *(ReadFile(write.path) for write in writes), ReadTree(folder)])
        assert set(statuses(tuple(outcomes))) == {Status.DONE}
        assert [read.text for read in outcomes[len(writes) :]] == list(HOSTILE_NAMES)
        assert {name: entry.text for name, entry in tree.tree.items()} == {name: name for name in HOSTILE_NAMES}

    def test_a_write_replaces_the_file_sets_the_mode_and_keeps_the_old_one(self, host: Host, folder: str) -> None:
        path, backup = f"{folder}/file", f"{folder}/file.before"
        *_, tree = host.perform(
            [
                WriteFile(path, b"old and longer", backup=backup),
                WriteFile(path, b"new", mode=0o600, backup=backup),
                ReadTree(folder),
            ]
        )
        assert {name: entry.content for name, entry in tree.tree.items()} == {
            "file": b"new",
            "file.before": b"old and longer",
        }
        assert tree.tree["file"].mode == 0o600
        assert tree.tree["file.before"].mode == 0o644

    def test_a_missing_file_is_enoent(self, host: Host, folder: str) -> None:
        outcome = only(host, ReadFile(f"{folder}/missing"))
        assert (outcome.status, outcome.error, outcome.stdout) == (Status.FAILED, "ENOENT", b"")

    def test_a_folder_is_no_file(self, host: Host, folder: str) -> None:
        read, written = host.perform([ReadFile(folder), WriteFile(folder, b"x")])
        assert [read.error, written.error] == ["EISDIR", "EISDIR"]
        assert statuses((read, written)) == [Status.FAILED, Status.FAILED]

    def test_a_write_into_a_missing_folder_fails_and_leaves_nothing(self, host: Host, folder: str) -> None:
        written, tree = host.perform([WriteFile(f"{folder}/missing/file", b"x"), ReadTree(folder)])
        assert (written.status, written.error) == (Status.FAILED, "ENOENT")
        assert dict(tree.tree) == {}

    def test_an_attribute_is_written_in_place(self, host: Host, folder: str) -> None:
        path = f"{folder}/attribute"
        *_, written, read = host.perform([WriteFile(path, b"old value\n"), WriteAttribute(path, b"1"), ReadFile(path)])
        assert (written.status, read.stdout) == (Status.DONE, b"1")

    def test_an_attribute_is_never_made(self, host: Host, folder: str) -> None:
        written, tree = host.perform([WriteAttribute(f"{folder}/attribute", b"1"), ReadTree(folder)])
        assert (written.status, written.error) == (Status.FAILED, "ENOENT")
        assert dict(tree.tree) == {}

    def test_a_missing_tree_is_enoent(self, host: Host, folder: str) -> None:
        outcome = only(host, ReadTree(f"{folder}/missing"))
        assert (outcome.status, outcome.error, dict(outcome.tree)) == (Status.FAILED, "ENOENT", {})

    def test_a_file_is_no_tree(self, host: Host, folder: str) -> None:
        _, outcome = host.perform([WriteFile(f"{folder}/file", b""), ReadTree(f"{folder}/file")])
        assert (outcome.status, outcome.error) == (Status.FAILED, "ENOTDIR")


class OrderContract:
    """What follows what, and what no longer follows after a failure."""

    def test_nothing_is_asked_and_nothing_comes_back(self, host: Host) -> None:
        assert host.perform([]) == ()

    def test_reads_go_on_after_a_read_that_failed_and_so_do_changes(self, host: Host, folder: str) -> None:
        outcomes = host.perform(
            [
                ReadFile(f"{folder}/no"),
                ReadTree(f"{folder}/no"),
                WriteFile(f"{folder}/a", b"a"),
                ReadFile(f"{folder}/a"),
            ]
        )
        assert statuses(outcomes) == [Status.FAILED, Status.FAILED, Status.DONE, Status.DONE]

    def test_the_first_change_that_fails_stops_the_changes_after_it_but_no_reads(self, host: Host, folder: str) -> None:
        path, never = f"{folder}/a", WriteFile(f"{folder}/never", b"")
        holds = Condition(equals="a")
        outcomes = host.perform(
            [
                WriteFile(path, b"a"),
                WriteFile(f"{folder}/missing/b", b""),
                never,
                WriteAttribute(path, b"changed"),
                Expect(ReadFile(path), holds, "a"),
                Await(ReadFile(path), holds, "a", deadline=0.1),
                Bracket((never,), (never,), (never,)),
                ReadFile(path),
                ReadTree(folder),
            ]
        )
        assert statuses(outcomes) == [Status.DONE, Status.FAILED, *[Status.NOT_RUN] * 5, Status.DONE, Status.DONE]
        assert outcomes[-2].stdout == b"a"
        assert list(outcomes[-1].tree) == ["a"]

    def test_outcomes_are_told_in_order_and_are_those_that_come_back(self, host: Host, folder: str) -> None:
        told: list[tuple[int, Outcome]] = []
        batch: list[Operation] = [
            WriteFile(f"{folder}/a", b"a"),
            WriteFile(f"{folder}/no/b", b""),
            WriteFile(f"{folder}/c", b""),
            ReadFile(f"{folder}/a"),
        ]
        outcomes = host.perform(batch, on_outcome=lambda place, outcome: told.append((place, outcome)))
        assert sorted(told, key=lambda item: item[0]) == list(enumerate(outcomes))
        assert [outcome.operation for outcome in outcomes] == batch

    @pytest.mark.parametrize(
        ("condition", "holds"),
        [
            (Condition(), True),
            (Condition(equals="one\ntwo"), True),
            (Condition(equals="one\ntwo\n\n"), True),
            (Condition(equals="one"), False),
            (Condition(contains=("one\ntwo", "tw")), True),
            (Condition(contains=("one", "three")), False),
            (Condition(contains=("o*e",)), False),
            (Condition(lacks=("three",)), True),
            (Condition(lacks=("three", "two")), False),
            (Condition(missing=True), False),
        ],
    )
    def test_expect_lets_pass_what_holds(self, host: Host, folder: str, condition: Condition, holds: bool) -> None:
        path = f"{folder}/file"
        _, expected, after = host.perform(
            [WriteFile(path, b"one\ntwo\n"), Expect(ReadFile(path), condition, "it is so"), WriteFile(path, b"after")]
        )
        assert expected.status is (Status.DONE if holds else Status.FAILED)
        assert expected.stdout == b"one\ntwo\n"
        assert after.status is (Status.DONE if holds else Status.NOT_RUN)

    @pytest.mark.parametrize("condition", [Condition(), Condition(lacks=("x",)), Condition(equals="")])
    def test_a_missing_file_meets_no_condition_but_missing(self, host: Host, folder: str, condition: Condition) -> None:
        probe = ReadFile(f"{folder}/missing")
        met = only(host, Expect(probe, Condition(missing=True), "not there"))
        unmet = only(host, Expect(probe, condition, "there"))
        assert (met.status, unmet.status, unmet.error) == (Status.DONE, Status.FAILED, "ENOENT")

    def test_await_ends_with_its_deadline(self, host: Host, folder: str) -> None:
        probe = ReadFile(f"{folder}/missing")
        late = only(host, Await(probe, Condition(), "it comes", deadline=0.3, interval=0.05))
        there = only(host, Await(probe, Condition(missing=True), "it is not there", deadline=5))
        assert (late.status, late.error) == (Status.FAILED, "TIMEOUT")
        assert (there.status, there.error) == (Status.DONE, "")

    def test_a_bracket_enters_does_and_leaves(self, host: Host, folder: str) -> None:
        path = f"{folder}/file"
        bracket = Bracket((WriteFile(path, b"in"),), (ReadFile(path), ReadFile(path)), (WriteFile(path, b"out"),))
        outcome, after = host.perform([bracket, ReadFile(path)])
        assert outcome.status is Status.DONE
        assert statuses(outcome.parts) == [Status.DONE] * 4
        assert [part.operation for part in outcome.parts] == [*bracket.enter, *bracket.body, *bracket.leave]
        assert outcome.parts[1].stdout == b"in"
        assert after.stdout == b"out"

    @pytest.mark.parametrize("broken", ["enter", "body", "leave"])
    def test_leave_runs_whatever_fails(self, host: Host, folder: str, broken: str) -> None:
        fails = WriteFile(f"{folder}/no/file", b"")
        well = WriteFile(f"{folder}/well", b"")
        left = WriteFile(f"{folder}/left", b"")
        bracket = Bracket(
            (fails,) if broken == "enter" else (),
            (fails, well) if broken == "body" else (well,),
            (fails, left) if broken == "leave" else (left,),
        )
        outcome, after, tree = host.perform([bracket, WriteFile(f"{folder}/after", b""), ReadTree(folder)])
        assert (outcome.status, after.status) == (Status.FAILED, Status.NOT_RUN)
        assert list(tree.tree) == (["left", "well"] if broken == "leave" else ["left"])
        assert Status.NOT_RUN in statuses(outcome.parts) or broken == "leave"

    def test_brackets_nest(self, host: Host, folder: str) -> None:
        def write(name: str) -> WriteFile:
            return WriteFile(f"{folder}/{name}", b"")

        inner = Bracket((write("b"),), (write("no/c"),), (write("d"),))
        outcome = only(host, Bracket((write("a"),), (inner, write("never")), (write("e"),)))
        assert outcome.status is Status.FAILED
        assert statuses(outcome.parts) == [Status.DONE, Status.FAILED, Status.NOT_RUN, Status.DONE]
        assert statuses(outcome.parts[1].parts) == [Status.DONE, Status.FAILED, Status.DONE]

    def test_a_lock_is_held_by_one_and_then_by_the_next(self, host: Host) -> None:
        with host.hold("hastore-contract"):
            pass
        with host.hold("hastore-contract"):
            pass


class ProgramContract:
    """Running programs: for hosts that run any."""

    def program(self, text: str, *, reads: bool = False, timeout: float = 20.0, **fields: object) -> Run:
        return Run(("sh", "-c", text), reads=reads, timeout=timeout, **fields)  # type: ignore[arg-type]  # Run's own

    def test_a_program_says_all_it_says(self, host: Host) -> None:
        outcome = only(host, self.program("echo out; echo err >&2"))
        assert (outcome.status, outcome.exit_code, outcome.error) == (Status.DONE, 0, "")
        assert (outcome.stdout, outcome.stderr) == (b"out\n", b"err\n")

    def test_a_program_reads_every_byte_and_its_settings(self, host: Host) -> None:
        run = Run(("cat",), stdin=EVERY_BYTE)
        assert only(host, run).stdout == EVERY_BYTE
        assert only(host, Run(("cat",))).stdout == b""
        settings = {"PLAIN": "a b", "HOSTILE": "it's $(x)\n\"`"}
        said = only(host, self.program('printf %s "$PLAIN|$HOSTILE"', env=settings))
        assert said.text == "a b|" + settings["HOSTILE"]
        assert only(host, self.program('echo "$PLAIN"')).text == "\n"

    def test_words_arrive_as_they_are(self, host: Host) -> None:
        words = [*HOSTILE_NAMES, "", "--", "\x80\x81\x88\x7f", "'", "''", "\n", "\udc81\udc88\udcff"]
        outcomes = host.perform([Run(("printf", "%s", word)) for word in words])
        assert [outcome.text for outcome in outcomes] == words

    def test_exit_codes_that_are_well_let_the_batch_go_on(self, host: Host) -> None:
        outcomes = host.perform(
            [
                self.program("exit 5", ok=(0, 5)),
                self.program("exit 3", reads=True),
                self.program("exit 5"),
                Run(("true",)),
            ]
        )
        assert statuses(outcomes) == [Status.DONE, Status.FAILED, Status.FAILED, Status.NOT_RUN]
        assert [outcome.exit_code for outcome in outcomes] == [5, 3, 5, None]

    def test_a_program_that_is_not_there_is_enoent(self, host: Host) -> None:
        for name in ("hastore-no-such-program", "/no/such/program"):
            outcome = only(host, Run((name, "x")))
            assert (outcome.status, outcome.exit_code, outcome.error) == (Status.FAILED, 127, "ENOENT")
        assert only(host, Expect(Run(("hastore-no-such-program",)), Condition(missing=True), "")).done
        assert not only(host, Expect(Run(("hastore-no-such-program",)), Condition(exit_codes=(127,)), "")).done

    def test_the_answer_of_a_probe_is_judged(self, host: Host) -> None:
        probe = self.program("echo yes; exit 4")
        assert only(host, Expect(probe, Condition(exit_codes=(3, 4), contains=("yes",)), "")).done
        unmet = only(host, Expect(probe, Condition(exit_codes=(0,)), ""))
        assert (unmet.status, unmet.exit_code, unmet.stdout) == (Status.FAILED, 4, b"yes\n")

    def test_a_program_beyond_its_time_is_unknown_and_a_read_failed(self, host: Host, folder: str) -> None:
        text = f"echo began; sleep 0.8; echo x > {folder}/late"
        read, change, never = host.perform(
            [self.program(text, reads=True, timeout=0.2), self.program(text, timeout=0.2), Run(("true",))]
        )
        assert (read.status, read.error, read.stdout) == (Status.FAILED, "TIMEOUT", b"began\n")
        assert (change.status, change.error) == (Status.UNKNOWN, "TIMEOUT")
        assert never.status is Status.NOT_RUN
        assert only(host, Await(ReadFile(f"{folder}/late"), Condition(), "", deadline=1)).error == "TIMEOUT"

    def test_ten_megabytes_come_back_whole(self, host: Host) -> None:
        outcome = only(host, self.program("head -c 10000000 /dev/zero | tr '\\0' '\\377'; printf '\\n'"))
        assert outcome.stdout == b"\xff" * 10_000_000 + b"\n"

    def test_a_stream_gives_lines_until_it_is_closed(self, host: Host, folder: str) -> None:
        lines = host.stream(self.program(f"echo $$ > {folder}/pid; echo 'one'; echo two; exec sleep 60", reads=True))
        assert [next(lines), next(lines)] == [b"one\n", b"two\n"]
        lines.close()  # type: ignore[attr-defined]  # generators are closed, iterators need not be
        pid = only(host, ReadFile(f"{folder}/pid")).text.strip()
        # A zombie that init has not fetched yet has ended too.
        lives = self.program(f"grep -qs '^State:.[^Z]' /proc/{pid}/status", reads=True)
        gone = Await(lives, Condition(exit_codes=(1, 2)), "it ended", deadline=5)
        assert only(host, gone).done

    def test_a_stream_ends_with_its_program_and_feeds_it(self, host: Host) -> None:
        assert list(host.stream(Run(("cat",), stdin=b"a\nb\xff'\n\nc", reads=True))) == [
            b"a\n",
            b"b\xff'\n",
            b"\n",
            b"c",
        ]


def tree_of(root: Path) -> None:
    """Make a tree with everything that a tree can hold."""
    (root / "devices" / "disk1").mkdir(parents=True)
    (root / "devices" / "disk1" / "size").write_bytes(b"1024\n[key]\n")
    (root / "devices" / "disk1" / "empty").write_bytes(b"")
    (root / "devices" / "disk1" / "binary").write_bytes(EVERY_BYTE)
    (root / "devices" / "disk1" / "mode").write_bytes(b"x")
    (root / "devices" / "disk1" / "mode").chmod(0o640)
    (root / "targets").mkdir()
    (root / "targets" / "lun0").symlink_to("../devices/disk1")
    (root / "targets" / "dangling").symlink_to("no'where\n")
    (root / "skipped").mkdir()
    (root / "skipped" / "inner").write_bytes(b"")
    (root / "liar").write_bytes(b"cat: ./other: Permission denied\n")
