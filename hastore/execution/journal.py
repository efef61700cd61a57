"""What was done, written down as it happens: one JSON object a line, without a single secret."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from hastore.hosts.operations import Await, Bracket, Content, Expect, Operation, Run, WriteAttribute, WriteFile
from hastore.model.secrets import HIDDEN, Revealed


class Journal(Protocol):
    """Where execution writes down what it does."""

    def write(self, kind: str, **facts: Any) -> None:
        """Write one line down before going on."""
        ...


class NoJournal:
    """Keeps nothing."""

    def write(self, kind: str, **facts: Any) -> None:
        """Forget it."""


class FileJournal:
    """A journal in a file of JSON lines, each flushed to the disk before what it announces is done."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("a", encoding="utf-8")

    def write(self, kind: str, **facts: Any) -> None:
        """Append one line and bring it to the disk."""
        self._file.write(json.dumps({"kind": kind, **facts}, ensure_ascii=False, default=str) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


class Redactor:
    """Takes every secret that it was told of out of any text: tools repeat what they were given."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()

    def learn(self, operations: Iterable[Operation]) -> None:
        """Remember the secrets within operations that are about to be performed."""
        for operation in operations:
            self._learn(operation)

    def _learn(self, operation: Operation) -> None:
        match operation:
            case Run(stdin=content) | WriteFile(content=content) | WriteAttribute(content=content):
                self._learn_content(content)
            case Expect(probe=probe) | Await(probe=probe):
                self._learn(probe)
            case Bracket():
                self.learn((*operation.enter, *operation.body, *operation.leave))
            case _:
                pass

    def _learn_content(self, content: Content) -> None:
        if not isinstance(content, bytes):
            texts = (p.content.decode("utf-8", "surrogateescape") for p in content if isinstance(p, Revealed))
            self._secrets.update(text for text in texts if text)

    def clean(self, text: str) -> str:
        """Return the text with asterisks in the place of secrets, longest first."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text
