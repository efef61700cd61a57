"""Secrets are asked for at the last moment, and say nothing of themselves when they fail."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hastore.execution.secrets import resolve, resolve_operations
from hastore.hosts.operations import (
    Await,
    Bracket,
    Condition,
    Content,
    Expect,
    Operation,
    ReadFile,
    Run,
    WriteAttribute,
    WriteFile,
    expose,
)
from hastore.model.errors import SecretError
from hastore.model.secrets import Secret


def test_a_literal_is_itself() -> None:
    assert resolve(Secret.literal("härd to guess")).content == "härd to guess".encode()


@pytest.mark.parametrize("text", ['quo"te', "back\\slash", "line\nend", "nul\0", "bell\x07", "delete\x7f"])
def test_what_would_break_out_of_a_configurations_quotes_is_refused(text: str) -> None:
    with pytest.raises(SecretError, match="no configuration carries") as failure:
        resolve(Secret.literal(text))
    assert text not in str(failure.value)


def test_a_variable_gives_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HASTORE_TEST_SECRET", "hush")
    assert resolve(Secret.environment("HASTORE_TEST_SECRET")).content == b"hush"


@pytest.mark.parametrize(("content", "secret"), [(b"hush", b"hush"), (b"hush\n", b"hush"), (b"\xff\n", b"\xff")])
def test_one_newline_at_a_files_end_is_not_part_of_the_secret(tmp_path: Path, content: bytes, secret: bytes) -> None:
    (tmp_path / "secret").write_bytes(content)
    assert resolve(Secret.file(str(tmp_path / "secret"))).content == secret


def test_a_command_is_an_argv_and_no_shell_text() -> None:
    program = "import sys; print(sys.argv[1])"
    assert resolve(Secret.command(sys.executable, "-c", program, "$(id); it's")).content == b"$(id); it's"


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        (Secret.environment("HASTORE_NO_SUCH"), r"Secret\.environment\('HASTORE_NO_SUCH'\).*not set"),
        (Secret.file("/no/such/file"), r"Secret\.file\('/no/such/file'\).*No such file"),
        (Secret.file("/dev/null"), r"Secret\.file\('/dev/null'\).*empty"),
        (Secret.command("hastore-no-such"), r"hastore-no-such cannot be run: No such file"),
        (Secret.command("sh", "-c", "echo hush; exit 3"), r"Secret\.command\(.*exit code 3"),
        (Secret.command("true"), r"Secret\.command\('true'\).*empty"),
        (Secret.literal(""), r"Secret\.literal\('\*+'\).*empty"),
    ],
)
def test_a_source_that_gives_nothing_is_named(secret: Secret, said: str) -> None:
    with pytest.raises(SecretError, match=said):
        resolve(secret)


def test_what_a_failing_command_prints_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush")
    with pytest.raises(SecretError) as refused:
        resolve(Secret.command("cat", str(tmp_path / "secret"), "/no/such/file"))
    assert "hush" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_secrets_are_revealed_however_deep() -> None:
    content = (b"a", Secret.literal("b"), b"c")
    condition = Condition()
    run = Run(("cat",), stdin=content)
    write, attribute = WriteFile("/x", content), WriteAttribute("/x", content)
    bracket = Bracket((run,), (Bracket((write,), (attribute,), (run,)),), (Expect(run, condition, ""),))
    plain: list[Operation] = [ReadFile("/x"), Run(("true",)), Expect(ReadFile("/x"), condition, "")]
    batch: list[Operation] = [run, write, attribute, Await(run, condition, ""), bracket, *plain]

    resolved = resolve_operations(batch)

    assert resolved[-3:] == tuple(plain)
    assert [type(operation) for operation in resolved] == [type(operation) for operation in batch]
    contents = list(contents_of(resolved))
    assert len(contents) == 9
    assert {expose(each) for each in contents} == {b"abc"}
    assert "'b'" not in repr(resolved)


def contents_of(operations: tuple[Operation, ...]) -> list[Content]:
    found: list[Content] = []
    for operation in operations:
        match operation:
            case Run(stdin=tuple() as content) | WriteFile(content=content) | WriteAttribute(content=content):
                found.append(content)
            case Expect(probe=Run() as probe) | Await(probe=Run() as probe):
                found.append(probe.stdin)
            case Bracket():
                found += contents_of((*operation.enter, *operation.body, *operation.leave))
    return found


def test_a_source_is_asked_once(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    secret = Secret.command("sh", "-c", f"echo x >>{asked}; echo hush")
    resolve_operations([Run(("cat",), stdin=(secret, secret)), WriteFile("/x", (secret,))])
    assert asked.read_text() == "x\n"
