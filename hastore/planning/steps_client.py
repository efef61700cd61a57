"""Steps on clients: discovery, login, logout."""

from __future__ import annotations

from typing import ClassVar

import attrs

from hastore.model.names import ISCSI_PORT
from hastore.model.state import ClientSession, ClientState, ClusterState
from hastore.model.values import value
from hastore.planning.evolve import client_on, host_of, with_host
from hastore.planning.steps import HostStep, Layer, Subsystem


def with_port(portal: str) -> str:
    """Return a portal with its port, iSCSI's own where none is given: `192.168.100.180:3260`."""
    host, colon, port = portal.rpartition(":")
    bare_ip6 = portal.count(":") > 1 and not portal.startswith("[")
    if bare_ip6:
        return f"[{portal}]:{ISCSI_PORT}"
    return portal if colon and port.isdigit() and host else f"{portal}:{ISCSI_PORT}"


@value
class _ClientStep(HostStep):
    subsystem: ClassVar[Subsystem] = "client"
    target: str
    portal: str
    """`ip:port`."""

    @property
    def subject(self) -> str:
        return f"session:{self.target}#{self.portal}"

    @property
    def needs(self) -> frozenset[str]:
        """Every storage step comes first: there is nothing to log in to before."""
        return frozenset({"*"})

    def requires(self, state: ClusterState) -> str:
        if not isinstance(host_of(state, self.host).client, ClientState):
            return f"open-iscsi on {self.host} is not known"
        return super().requires(state)


@value
class DiscoverTarget(_ClientStep):
    """Ask a portal for its targets, which leaves a node record of each."""

    base_layer: ClassVar[int] = Layer.CLIENT_DISCOVER
    verb: ClassVar[str] = "discover"

    @property
    def title(self) -> str:
        return f"discover {self.target} through {self.portal}"

    def ensures(self, state: ClusterState) -> bool:
        return (self.target, self.portal) in client_on(state, self.host).records

    def effect(self, state: ClusterState) -> ClusterState:
        client = client_on(state, self.host)
        records = (*client.records, (self.target, self.portal))
        return with_host(state, self.host, client=attrs.evolve(client, records=records))


@value
class Login(_ClientStep):
    """Log in to a target through a portal, now and at each boot."""

    base_layer: ClassVar[int] = Layer.CLIENT_LOGIN
    verb: ClassVar[str] = "login"

    @property
    def title(self) -> str:
        return f"log in to {self.target} through {self.portal}"

    def ensures(self, state: ClusterState) -> bool:
        return any((s.target, s.portal) == (self.target, self.portal) for s in client_on(state, self.host).sessions)

    def effect(self, state: ClusterState) -> ClusterState:
        client = client_on(state, self.host)
        sessions = (*client.sessions, ClientSession(self.target, self.portal))
        return with_host(state, self.host, client=attrs.evolve(client, sessions=sessions))


@value
class Logout(_ClientStep):
    """Log out of a target at a portal."""

    base_layer: ClassVar[int] = Layer.CLIENT_LOGIN
    verb: ClassVar[str] = "logout"

    @property
    def title(self) -> str:
        return f"log out of {self.target} at {self.portal}"

    def ensures(self, state: ClusterState) -> bool:
        return all((s.target, s.portal) != (self.target, self.portal) for s in client_on(state, self.host).sessions)

    def effect(self, state: ClusterState) -> ClusterState:
        client = client_on(state, self.host)
        left = tuple(s for s in client.sessions if (s.target, s.portal) != (self.target, self.portal))
        return with_host(state, self.host, client=attrs.evolve(client, sessions=left))
