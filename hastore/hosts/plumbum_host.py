"""Machines that plumbum holds, as hosts."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from typing import IO, Any, Final, cast

from hastore.hosts.shell import ShellHost
from hastore.model.errors import ConnectError

_LINK_LOST: Final = 255
"""What ssh ends with where the link broke (ssh(1), EXIT STATUS); our script never ends so."""


class PlumbumHost(ShellHost):
    """A machine of plumbum as a host: `plumbum.local`, or an `SshMachine` with the login, port and keys it was made with.

    plumbum starts the sh, and the same script travels to it as over `hastore.ssh`: one round trip a batch,
    data on standard input alone. With `sudo=True` batches run as root through `sudo -n`. The machine is the
    caller's: it is never closed here. Raises TypeError for a ParamikoMachine, whose programs have no pipes
    that could be waited for.
    """

    def __init__(self, machine: Any, *, sudo: bool = False) -> None:
        super().__init__()
        if type(machine).__name__ == "ParamikoMachine":
            msg = "a ParamikoMachine gives its programs no pipes: use plumbum.SshMachine, or hastore.ssh"
            raise TypeError(msg)
        self.machine = machine
        self._name = ""
        self._sudo = ("sudo", "-n") if sudo else ()

    def __repr__(self) -> str:
        return f"PlumbumHost({self.machine!s})"

    @property
    def name(self) -> str:
        """The node's name as the machine itself says it (`uname -n`); asked once."""
        if not self._name:
            self._name = str(self._reached(lambda: self.machine["uname"]("-n"))).strip()
        return self._name

    @property
    def _label(self) -> str:
        return str(self.machine)

    def _argv(self, bootstrap: str) -> Sequence[str]:
        return (*self._sudo, "sh", "-c", bootstrap)

    def _launch(self, bootstrap: str, errors: IO[bytes]) -> subprocess.Popen[bytes]:
        program, *words = self._argv(bootstrap)
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors}
        started = self._reached(lambda: self.machine[program][words].popen(**pipes))
        return cast("subprocess.Popen[bytes]", started)

    def _reached(self, ask: Callable[[], Any]) -> Any:
        from plumbum.commands.processes import CommandNotFound, ProcessExecutionError  # noqa: PLC0415  # loaded by those who use it alone
        from plumbum.machines.session import SSHCommsError  # noqa: PLC0415  # the same

        try:
            return ask()
        except (CommandNotFound, ProcessExecutionError, SSHCommsError, OSError, EOFError) as error:
            raise ConnectError(str(error), host=self._label) from error

    def _is_intact(self, exit_code: int) -> bool:
        return exit_code != _LINK_LOST
