"""Ask the sources of secrets for their content, at the last moment before an operation travels."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from hastore.hosts.operations import Await, Bracket, Content, Expect, Operation, Run, WriteAttribute, WriteFile
from hastore.model.errors import SecretError
from hastore.model.secrets import Revealed, Secret, SecretSource

_COMMAND_TIMEOUT: Final = 60.0
"""Seconds a secret's command may take; some ask a person for a passphrase."""


def resolve(secret: Secret) -> Revealed:
    """Return a secret's bytes: a literal, a variable, a file, or what a command prints.

    One trailing newline of a file or of a command's output is not part of the secret. Raises SecretError where
    the source gives nothing, or what would break out of the quotes of a configuration; its message names the
    source, never content.
    """
    content = _SOURCES[secret.source](*secret.reference)
    if not content:
        raise _nothing(secret, "it is empty")
    if any(byte < 0x20 or byte in b'"\\\x7f' for byte in content):
        # drbd.conf and SCST's management files quote with ", escape with \ and end at a line's end
        raise _nothing(secret, "it holds a quote, a backslash or a control character, which no configuration carries")
    return Revealed(content)


def resolve_operations(
    operations: Iterable[Operation], known: dict[Secret, Revealed] | None = None
) -> tuple[Operation, ...]:
    """Return the operations with every Secret in their content revealed, within brackets and probes too.

    A secret that occurs several times is asked for once; `known` holds those asked for already, and takes new ones.
    Raises SecretError as `resolve` does.
    """
    book = {} if known is None else known

    def reveal(secret: Secret) -> Revealed:
        ask_for((secret,), book)
        return book[secret]

    return tuple(_revealed(operation, reveal) for operation in operations)


def ask_for(secrets: Iterable[Secret], known: dict[Secret, Revealed]) -> None:
    """Ask for the secrets that are not known yet, and add them; raises SecretError as `resolve` does."""
    for secret in secrets:
        if secret not in known:
            known[secret] = resolve(secret)


def secrets_within(content: Any) -> Iterator[Secret]:
    """Yield the secrets that a value holds, however deep."""
    if isinstance(content, Secret):
        yield content
    elif isinstance(content, tuple):
        for item in content:
            yield from secrets_within(item)
    elif attrs.has(type(content)):
        for each in attrs.fields(type(content)):
            yield from secrets_within(getattr(content, each.name))


def _revealed(operation: Operation, reveal: Callable[[Secret], Revealed]) -> Operation:
    def deeply(inner: Iterable[Operation]) -> tuple[Operation, ...]:
        return tuple(_revealed(each, reveal) for each in inner)

    match operation:
        case Run(stdin=content):
            return attrs.evolve(operation, stdin=_content(content, reveal))
        case WriteFile(content=content) | WriteAttribute(content=content):
            return attrs.evolve(operation, content=_content(content, reveal))
        case Bracket():
            return attrs.evolve(
                operation,
                enter=deeply(operation.enter),
                body=deeply(operation.body),
                leave=deeply(operation.leave),
            )
        case Expect(probe=Run() as probe) | Await(probe=Run() as probe):
            return attrs.evolve(operation, probe=attrs.evolve(probe, stdin=_content(probe.stdin, reveal)))
        case _:
            return operation


def _content(content: Content, reveal: Callable[[Secret], Revealed]) -> Content:
    if isinstance(content, bytes):
        return content
    return tuple(reveal(piece) if isinstance(piece, Secret) else piece for piece in content)


def _literal(text: str) -> bytes:
    return text.encode()


def _variable(name: str) -> bytes:
    try:
        return os.environb[os.fsencode(name)]
    except KeyError:
        raise _nothing(Secret.environment(name), "it is not set") from None


def _file(path: str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes().removesuffix(b"\n")
    except OSError as error:
        raise _nothing(Secret.file(path), error.strerror or "it cannot be read") from None


def _command(*argv: str) -> bytes:
    source = Secret.command(*argv)
    if not argv:
        raise _nothing(source, "no program is named")
    try:
        ran = subprocess.run(  # noqa: S603  # the user's own command, an argv
            argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=_COMMAND_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        raise _nothing(source, f"it took more than {_COMMAND_TIMEOUT:g} s") from None
    except OSError as error:
        raise _nothing(source, f"{argv[0]} cannot be run: {error.strerror}") from None
    if ran.returncode:
        raise _nothing(source, f"it ended with exit code {ran.returncode}")
    return ran.stdout.removesuffix(b"\n")


_SOURCES: Final[Mapping[SecretSource, Callable[..., bytes]]] = {
    "literal": _literal,
    "environment": _variable,
    "file": _file,
    "command": _command,
}


def _nothing(secret: Secret, why: str) -> SecretError:
    return SecretError(f"{secret!r} gives no secret: {why}")
