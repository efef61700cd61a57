"""Secrets are references to where a secret lies; only execution asks the source for its content."""

from __future__ import annotations

from typing import Final, Literal, NoReturn

from hastore.model.values import value

HIDDEN: Final = "********"
"""What stands for a secret wherever people look."""

SecretSource = Literal["literal", "environment", "file", "command"]


@value(repr=False, str=False)
class Secret:
    """A reference to a secret: a literal, an environment variable, a file or a command's output.

    Two secrets are equal when their references are. No repr, str, format or pickle shows a literal.

    >>> Secret.literal("correct horse")
    Secret.literal('********')
    >>> Secret.environment("CHAP_PASSWORD")
    Secret.environment('CHAP_PASSWORD')
    """

    source: SecretSource
    reference: tuple[str, ...]
    """The literal itself, the variable's name, the path, or the argv."""

    @classmethod
    def literal(cls, text: str) -> Secret:
        """Hold the secret itself, in memory only."""
        return cls("literal", (text,))

    @classmethod
    def environment(cls, name: str) -> Secret:
        """Refer to an environment variable of the process that applies."""
        return cls("environment", (name,))

    @classmethod
    def file(cls, path: str) -> Secret:
        """Refer to a file on the machine that applies; one trailing newline is not part of the secret."""
        return cls("file", (path,))

    @classmethod
    def command(cls, *argv: str) -> Secret:
        """Refer to a command's standard output, such as `Secret.command("pass", "show", "chap/db7")`."""
        return cls("command", argv)

    def __repr__(self) -> str:
        shown = (HIDDEN,) if self.source == "literal" else self.reference
        return f"Secret.{self.source}({', '.join(map(repr, shown))})"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        msg = "a Secret is not pickled; keep the stack as a spec with references instead"
        raise TypeError(msg)


@value(repr=False, str=False)
class Revealed:
    """A secret's bytes on their way to a host; made by execution, never shown."""

    content: bytes

    def __repr__(self) -> str:
        return f"Revealed('{HIDDEN}')"

    __str__ = __repr__
