"""Commands of the sh library that run words elsewhere, as hosts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, cast

from hastore.hosts.shell import ShellHost
from hastore.model.errors import ConnectError

if TYPE_CHECKING:
    import sh


class CommandHost(ShellHost):
    """A machine behind a command of sh that runs the words it is given: `sh.docker.bake("exec", "-i", "box")`.

    `sh.ip.bake("netns", "exec", "blue")`, `sh.nsenter.bake(...)`, `sh.sudo.bake("-n")` are such commands too.
    `sh.ssh` is none, because ssh joins its words to one line of shell text: use `hastore.ssh`.
    """

    def __init__(self, command: sh.Command) -> None:
        super().__init__()
        self.command = command
        self._name = ""

    def __repr__(self) -> str:
        return f"CommandHost({self.command})"

    @property
    def name(self) -> str:
        """The node's name as the machine itself says it (`uname -n`); asked once."""
        self._name = self._name or self._asked_name()
        return self._name

    def _asked_name(self) -> str:
        import sh  # noqa: PLC0415  # loaded by those who use it alone

        try:
            return str(self.command("uname", "-n")).strip()
        except (sh.ErrorReturnCode, sh.ForkException, OSError) as error:
            msg = f"it does not run uname: {error}"
            raise ConnectError(msg, host=self._label) from error

    @property
    def _label(self) -> str:
        return str(self.command)

    def _argv(self, bootstrap: str) -> Sequence[str]:
        return ("sh", "-c", bootstrap)

    def _launch(self, bootstrap: str, errors: IO[bytes]) -> subprocess.Popen[bytes]:
        import sh  # noqa: PLC0415  # loaded by those who use it alone

        try:
            return cast("subprocess.Popen[bytes]", _Process(self.command, self._argv(bootstrap), errors))
        except (sh.ForkException, OSError) as error:
            msg = f"it cannot be started: {error}"
            raise ConnectError(msg, host=self._label) from error

    def _is_intact(self, exit_code: int) -> bool:
        del exit_code  # what was lost on the way shows itself by frames that are missing
        return True


class _Process:
    """A running command of sh, with as much of subprocess.Popen as hosts use."""

    def __init__(self, command: sh.Command, words: Sequence[str], errors: IO[bytes]) -> None:
        its_input, our_output = os.pipe()
        our_input, its_output = os.pipe()
        self.stdin = os.fdopen(our_output, "wb")
        self.stdout = os.fdopen(our_input, "rb")
        with os.fdopen(its_input, "rb") as given, os.fdopen(its_output, "wb") as said:
            self._running = command(*words, _in=given, _out=said, _err=errors, _bg=True, _bg_exc=False)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        alive, code = self._running.process.is_alive()
        self.returncode = None if alive else code
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit code; raise TimeoutExpired as subprocess does."""
        import sh  # noqa: PLC0415  # loaded by those who use it alone

        try:
            self._running.wait(timeout=timeout)
        except sh.TimeoutException:
            raise subprocess.TimeoutExpired(str(self._running.ran), timeout or 0.0) from None
        except sh.ErrorReturnCode:
            pass  # the script's own end is judged by its frames
        code: int = self._running.process.wait()
        self.returncode = code
        return code

    def terminate(self) -> None:
        """Ask it to end."""
        self._running.process.terminate()

    def kill(self) -> None:
        """End it."""
        self._running.process.kill()
