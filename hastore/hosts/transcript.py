"""Transcripts of conversations with hosts: JSON lines, one an operation, for people, journals and replays.

A line holds `host`, `operation` and `outcome`. Bytes that are UTF-8 stand as text, others as
`{"base64": ...}`. Secrets are concealed: as content, and wherever their bytes come back in an answer.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, Final, TypeAlias

import attrs

from hastore.hosts.operations import Entry, Operation, Outcome, Status
from hastore.model.errors import ParseError
from hastore.model.secrets import HIDDEN, Revealed, Secret

Json: TypeAlias = Any

_CHAP_USER: Final = re.compile(r"(Incoming|Outgoing)User\d*")
_AFTER_NAME: Final = re.compile(rb"^([^\n]*?\S[ \t]+)[^\n]+", re.MULTILINE)
_SHOWN_SECRETS: Final = (
    re.compile(rb'(\bshared-secret\s+"?)[^";\n]+'),
    re.compile(rb"(\.password(?:_in)?[ \t]*=[ \t]*)[^\n]+"),
    re.compile(rb'(\bname="(?:\w*_)?passw(?:or)?d" value=")[^"]+'),
)
_SHORTEST: Final = 4
"""Secrets of fewer bytes are not looked for in answers: they would blot out half of every text."""


@attrs.frozen
class Line:
    """One line of a transcript: what was asked of which host, and what came back."""

    host: str
    operation: Json
    outcome: Json

    def answer(self, operation: Operation) -> Outcome:
        """Return the outcome that was written down, as the answer to this operation."""
        return _outcome(self.outcome, operation)


def dump_line(host: str, outcome: Outcome, secrets: Iterable[bytes] = ()) -> str:
    """Return one operation and its outcome as a line of JSON, without its newline.

    `secrets` are the bytes of all secrets sent so far; they are blotted out of what came back.
    """
    blotted = tuple(sorted((secret for secret in secrets if len(secret) >= _SHORTEST), key=len, reverse=True))
    return json.dumps(
        {
            "host": host,
            "operation": plain(outcome.operation),
            "outcome": _plain_outcome(outcome, blotted),
        }
    )


def load(text: str, *, source: str = "transcript") -> tuple[Line, ...]:
    """Read a transcript's lines; raises ParseError naming the line that is not one."""
    return tuple(_load_lines(text, source))


def _load_lines(text: str, source: str) -> Iterator[Line]:
    for number, line in enumerate(text.splitlines(), 1):
        try:
            said = json.loads(line)
            yield Line(said["host"], said["operation"], said["outcome"])
        except json.JSONDecodeError as error:
            expected = "a JSON object on one line"
            raise ParseError(expected, line=number, column=error.colno, source=source) from error
        except (KeyError, TypeError) as error:
            expected = "an object with host, operation and outcome"
            raise ParseError(expected, line=number, source=source) from error


def secrets_in(value: object) -> Iterator[bytes]:
    """Yield the bytes of every revealed secret within operations, however deep."""
    if isinstance(value, Revealed):
        yield value.content
    elif isinstance(value, tuple):
        for item in value:
            yield from secrets_in(item)
    elif attrs.has(type(value)):
        for item in _fields(value).values():
            yield from secrets_in(item)


def plain(value: object) -> Json:
    """Return an operation, or anything within one, as JSON values; secrets are concealed."""
    match value:
        case Revealed() | Secret():
            return {"secret": HIDDEN}
        case bytes():
            return _plain_bytes(value)
        case Enum():
            return value.value
        case tuple():
            return [plain(item) for item in value]
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case str() | int() | float() | None:
            return value
    if attrs.has(type(value)):
        return {"kind": type(value).__name__, **{name: plain(item) for name, item in _fields(value).items()}}
    msg = f"{type(value).__name__} has no place in a transcript"
    raise TypeError(msg)


def _fields(value: Any) -> dict[str, Any]:
    return {each.name: getattr(value, each.name) for each in attrs.fields(type(value))}


def _plain_bytes(content: bytes) -> Json:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}


def _bytes(said: Json) -> bytes:
    return said.encode("utf-8", "surrogateescape") if isinstance(said, str) else base64.b64decode(said["base64"])


def without_secrets(content: bytes, path: str = "") -> bytes:
    """Return what was read with the secrets blotted out that hosts themselves show in places that are known.

    CHAP users of SCST's sysfs (`name secret`), DRBD's shared-secret, open-iscsi's passwords, and passwords among the
    parameters of a CIB.
    """
    if _CHAP_USER.fullmatch(path.rpartition("/")[2]):
        return _AFTER_NAME.sub(rb"\1" + HIDDEN.encode(), content)
    for pattern in _SHOWN_SECRETS:
        content = pattern.sub(rb"\1" + HIDDEN.encode(), content)
    return content


def _plain_outcome(outcome: Outcome, secrets: tuple[bytes, ...]) -> Json:
    def blot(content: bytes, path: str = "") -> Json:
        for secret in secrets:
            content = content.replace(secret, HIDDEN.encode())
        return _plain_bytes(without_secrets(content, path))

    entries = {
        path: {**plain(attrs.evolve(entry, content=b"")), "content": blot(entry.content, path)}
        for path, entry in outcome.tree.items()
    }
    return {
        "status": outcome.status.value,
        "exit_code": outcome.exit_code,
        "stdout": blot(outcome.stdout, getattr(outcome.operation, "path", "")),
        "stderr": blot(outcome.stderr),
        "error": outcome.error,
        "tree": entries,
        "parts": [_plain_outcome(part, secrets) for part in outcome.parts],
        "seconds": round(outcome.seconds, 6),
    }


def _outcome(said: Json, operation: Operation) -> Outcome:
    inner = [part for name in ("enter", "body", "leave") for part in getattr(operation, name, ())]
    return Outcome(
        operation,
        Status(said["status"]),
        said["exit_code"],
        _bytes(said["stdout"]),
        _bytes(said["stderr"]),
        said["error"],
        {path: _entry(entry) for path, entry in said["tree"].items()},
        tuple(_outcome(part, asked) for part, asked in zip(said["parts"], inner, strict=True)),
        said["seconds"],
    )


def _entry(said: Json) -> Entry:
    return Entry(said["kind"], _bytes(said["content"]), said["target"], said["mode"], said["error"])
