"""Steps on clients: discovery, settings and CHAP, login, logout."""

from __future__ import annotations

from typing import ClassVar

import attrs

from hastore.model.client import AUTHMETHOD, USERNAME
from hastore.model.names import ISCSI_PORT
from hastore.model.secrets import Secret
from hastore.model.state import ClientSession, ClientState, ClusterState, NodeRecord
from hastore.model.values import NO_PARAMS, Params, as_params, field, value
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
        nodes = (*client.nodes, NodeRecord(self.target, self.portal))
        return with_host(state, self.host, client=attrs.evolve(client, nodes=nodes))


@value
class ConfigureSession(_ClientStep):
    """Give the record of a target at a portal its CHAP user and settings, for the next login.

    A session that is there keeps what it was made with. A password that the record has can't be compared, only
    whether it has one: another secret for the same user is not seen.
    """

    base_layer: ClassVar[int] = Layer.CLIENT_CONFIGURE
    verb: ClassVar[str] = "configure"
    fresh: ClassVar[bool] = True
    user: str = ""
    secret: Secret | None = None
    settings: Params = field(default=NO_PARAMS, converter=as_params)

    @property
    def title(self) -> str:
        given = [f"CHAP user {self.user}"] if self.user else []
        return f"set {', '.join([*given, *self.settings])} for {self.target} through {self.portal}"

    def requires(self, state: ClusterState) -> str:
        nodes = client_on(state, self.host).nodes_of(self.target, self.portal)
        if not nodes:
            return f"{self.host} has no record of {self.target} through {self.portal}: discover it first"
        if self.user and any(node.mutual for node in nodes):
            return (
                f"the record of {self.target} through {self.portal} has a password for mutual CHAP, which would be "
                "lost; give it its CHAP user by hand"
            )
        return super().requires(state)

    def ensures(self, state: ClusterState) -> bool:
        nodes = client_on(state, self.host).nodes_of(self.target, self.portal)
        return bool(nodes) and not any(self.credentials_missing(node) or self.unmet(node) for node in nodes)

    def credentials_missing(self, node: NodeRecord) -> bool:
        """Tell whether a record lacks the user, or any password."""
        if not self.user:
            return False
        said = (node.settings.get(AUTHMETHOD), node.settings.get(USERNAME))
        return said != ("CHAP", self.user) or not node.has_password

    def unmet(self, node: NodeRecord) -> Params:
        """Return the settings that a record has otherwise."""
        return Params({name: text for name, text in self.settings.items() if node.settings.get(name, "") != text})

    def effect(self, state: ClusterState) -> ClusterState:
        client = client_on(state, self.host)
        concerned = client.nodes_of(self.target, self.portal)
        nodes = tuple(self._configured(node) if node in concerned else node for node in client.nodes)
        return with_host(state, self.host, client=attrs.evolve(client, nodes=nodes))

    def _configured(self, node: NodeRecord) -> NodeRecord:
        chap = {AUTHMETHOD: "CHAP", USERNAME: self.user} if self.user else {}
        settings = node.settings.with_({**chap, **self.settings})
        return attrs.evolve(node, settings=settings, has_password=node.has_password or bool(self.user), shown="")


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
