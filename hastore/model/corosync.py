"""Corosync's configuration, of any generation, as far as storage clusters need it."""

from __future__ import annotations

from typing import Literal

from hastore.model.values import NO_PARAMS, Params, as_params, field, value


@value
class CorosyncRing:
    """One network of the cluster: its number, ports and member addresses."""

    number: int
    bind_address: str = ""
    port: int = 5405
    """`mcastport`; corosync uses this port and the one below (corosync.conf(5))."""
    members: tuple[str, ...] = ()
    options: Params = field(default=NO_PARAMS, converter=as_params)


@value
class CorosyncNode:
    """A node of a nodelist (corosync 2 and later)."""

    name: str = ""
    id: int = 0
    addresses: tuple[str, ...] = ()
    """`ring0_addr`, `ring1_addr` and on, without gaps."""
    options: Params = field(default=NO_PARAMS, converter=as_params)
    """Further words of the node, such as `quorum_votes`."""


@value
class Corosync:
    """corosync.conf: totem, rings, nodes, quorum and logging."""

    totem: Params = field(default=NO_PARAMS, converter=as_params)
    rings: tuple[CorosyncRing, ...] = ()
    nodes: tuple[CorosyncNode, ...] = ()
    quorum: Params = field(default=NO_PARAMS, converter=as_params)
    logging: Params = field(default=NO_PARAMS, converter=as_params)
    service: Params = field(default=NO_PARAMS, converter=as_params)
    """The plug-in section of corosync 1 (`ver`, `name`)."""
    other: tuple[tuple[str, Params], ...] = ()
    """Sections without words here (`amf`, `aisexec`, `logger_subsys` ...), by dotted name, in order."""

    @property
    def generation(self) -> Literal[1, 2]:
        """1 for the plug-in configurations of corosync 1, 2 for all later ones."""
        return 2 if self.nodes or self.quorum else 1
