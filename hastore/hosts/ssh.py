"""A machine behind SSH, through the system's own ssh client: its configuration, keys and agent are used."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import attrs

from hastore.hosts.shell import ShellHost
from hastore.model.errors import ConnectError

_OPTIONS: Final = {
    "BatchMode": "yes",
    "ConnectTimeout": "10",
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "3",
    "LogLevel": "ERROR",
}
_LINK_LOST: Final = 255
"""What ssh ends with where the link broke or the far shell was killed (ssh(1), EXIT STATUS)."""


@attrs.frozen
class _Connection:
    """The master connection that all sessions share, and the folder of its socket."""

    process: subprocess.Popen[bytes]
    folder: tempfile.TemporaryDirectory[str]
    node: str

    @property
    def socket(self) -> str:
        return str(Path(self.folder.name, "master"))

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def close(self) -> None:
        # The far side of the master runs `cat`: with its input closed, the session and the connection end.
        if self.process.stdin is not None:
            with suppress(OSError):
                self.process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(2.0)
        if self.alive:
            self.process.terminate()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        with suppress(OSError):
            self.folder.cleanup()


class SshHost(ShellHost):
    """A host behind SSH, one connection kept open for all batches.

    `destination` is what ssh takes: `host`, `user@host` or a name out of `~/.ssh/config`. `options` are
    ssh_config(5) keywords; they go before our own (`BatchMode=yes`, so that nothing asks for a password).
    `config` is another configuration file. With `sudo=True` batches run as root through `sudo -n`.

    The connection opens with the first use and closes with `close()`, with the `with` block, or with this
    process. Raises ConnectError where it cannot be opened; a later batch opens it again when it was lost.
    """

    def __init__(
        self,
        destination: str,
        *,
        port: int | None = None,
        options: Mapping[str, str] | None = None,
        config: str = "",
        sudo: bool = False,
        amendments: str = "",
    ) -> None:
        super().__init__(amendments)
        if not destination or destination.startswith("-"):
            msg = f"{destination!r} is no destination for ssh; give host, user@host or a name of ~/.ssh/config"
            raise ValueError(msg)
        self.destination = destination
        self._options = {**({"Port": str(port)} if port else {}), **(options or {})}
        self._config = config
        self._sudo = sudo
        self._connection: _Connection | None = None
        self._connecting = threading.Lock()
        self._node = ""

    def __repr__(self) -> str:
        return f"SshHost({self.destination!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    @property
    def name(self) -> str:
        """The node's name as the host itself says it (`uname -n`); asked with the first connection, and kept."""
        return self._node or self._connected().node

    def close(self) -> None:
        """Close the connection; locks that were held through it are gone."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @property
    def _label(self) -> str:
        return self.destination

    def _argv(self, bootstrap: str) -> Sequence[str]:
        sudo = ("sudo", "-n") if self._sudo else ()
        there = shlex.join([*sudo, "sh", "-c", bootstrap])
        return [*self._ssh(self._connected().socket), "-o", "ControlMaster=no", "--", self.destination, there]

    def _is_intact(self, exit_code: int) -> bool:
        return exit_code != _LINK_LOST

    def _ssh(self, socket: str) -> Iterator[str]:
        yield from ("ssh", "-T", "-x", "-a", "-S", socket)
        if self._config:
            yield from ("-F", self._config)
        for keyword, text in {**_OPTIONS, **self._options}.items():
            yield from ("-o", f"{keyword}={text}")

    def _connected(self) -> _Connection:
        with self._connecting:
            if self._connection is not None and not self._connection.alive:
                self._connection.close()
                self._connection = None
            if self._connection is None:
                self._connection = self._connect()
                self._node = self._connection.node
                weakref.finalize(self, self._connection.close)
            return self._connection

    def _connect(self) -> _Connection:
        if shutil.which("ssh") is None:
            msg = "there is no ssh client on this machine; install openssh-client"
            raise ConnectError(msg, host=self.destination)
        folder = tempfile.TemporaryDirectory(prefix="hastore-")
        argv = [
            *self._ssh(str(Path(folder.name, "master"))),
            *("-o", "ControlMaster=yes", "-o", "ControlPersist=no", "--", self.destination, "uname -n; exec cat"),
        ]
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)  # noqa: S603  # the user's own destination
            assert process.stdout is not None  # noqa: S101  # it was opened as a pipe
            node = process.stdout.readline().decode(errors="replace").strip()
            connection = _Connection(process, folder, node)
            if not node:
                connection.close()
                errors.seek(0)
                why = errors.read().decode(errors="replace").strip() or f"ssh ended with {process.returncode}"
                raise ConnectError(why, host=self.destination)
        return connection
