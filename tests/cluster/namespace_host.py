"""A node of the real cluster as one of hastore's hosts: the same script as over SSH, in the node's namespaces."""

from __future__ import annotations

import signal
from collections.abc import Sequence

from hastore.hosts.shell import ShellHost
from hastore.model.errors import ConnectError
from real_cluster import Node


class NamespaceHost(ShellHost):
    """Reaches a node by nsenter. It follows the node through reboots, and loses the link with the node's power."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self._node = node

    @property
    def name(self) -> str:
        """The node's name."""
        return self._node.name

    def _argv(self, bootstrap: str) -> Sequence[str]:
        try:
            return (*self._node.prefix, "sh", "-c", bootstrap)
        except RuntimeError as off:
            raise ConnectError(str(off), host=self.name) from off

    def _is_intact(self, exit_code: int) -> bool:
        # nsenter ends as its child ended, and a power cut kills the child.
        return exit_code != -signal.SIGKILL
