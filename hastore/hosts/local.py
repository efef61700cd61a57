"""The machine this process runs on, reached through its own sh."""

from __future__ import annotations

import os
from collections.abc import Sequence

from hastore.hosts.shell import ShellHost


class LocalHost(ShellHost):
    """This machine, its operations performed by the same script that travels over SSH.

    `shell` is the argv of a POSIX sh, such as ("busybox", "sh"); `sudo=True` runs it as root through `sudo -n`.
    `amendments` is shell text that replaces the script's file functions; tests use it.
    """

    def __init__(self, *, shell: Sequence[str] = ("sh",), sudo: bool = False, amendments: str = "") -> None:
        super().__init__(amendments)
        self._shell = (*(("sudo", "-n") if sudo else ()), *shell)

    def __repr__(self) -> str:
        return f"LocalHost(name={self.name!r})"

    @property
    def name(self) -> str:
        """The node's name (`uname -n`)."""
        return os.uname().nodename

    def _argv(self, bootstrap: str) -> Sequence[str]:
        return (*self._shell, "-c", bootstrap)

    def _is_intact(self, exit_code: int) -> bool:
        del exit_code  # a pipe on one machine loses nothing, however the shell ended
        return True
