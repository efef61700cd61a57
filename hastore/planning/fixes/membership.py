"""Fixes of corosync's configuration."""

from __future__ import annotations

from typing import Final

import attrs

from hastore.model.corosync import Corosync, CorosyncNode
from hastore.model.stack import StorageStack
from hastore.model.values import Params
from hastore.planning.fixes.base import Fix, Risk
from hastore.planning.rules.corosync import corosync_ring_ports, corosync_unauthenticated, uses_knet

GAP: Final = 2
FIRST_PORT: Final = 5405
GONE_WITH_3: Final = (
    "rrp_mode",
    "vsftype",
    "clear_node_high_bit",
    "secauth",
    "threads",
    "transport",
    "interface",
)
"""Words of totem that corosync 3 does not read, or that knet says otherwise (corosync.conf(5) of 3.1)."""


def spread_ports(stack: StorageStack) -> StorageStack:
    """Return the stack whose rings leave a gap between their ports: 5405, 5407 ..."""
    corosync = stack.corosync
    if corosync is None or not any(corosync_ring_ports(stack)):
        return stack
    rings = tuple(attrs.evolve(r, port=FIRST_PORT + GAP * i) for i, r in enumerate(corosync.rings))
    return attrs.evolve(stack, corosync=attrs.evolve(corosync, rings=rings))


RING_PORTS: Final = Fix(
    "corosync-ports",
    "Leave a gap between the rings' ports: 5405, 5407",
    "Each ring uses its port and the one below, so 5404 and 5405 meet",
    Risk.RESTARTS_SERVICE,
    ("corosync-ring-ports",),
    spread_ports,
)


def authenticate(stack: StorageStack) -> StorageStack:
    """Return the stack whose corosync trusts only who holds its key."""
    corosync = stack.corosync
    if corosync is None or not any(corosync_unauthenticated(stack)):
        return stack
    words = {"crypto_cipher": "aes256", "crypto_hash": "sha256"} if uses_knet(corosync) else {"secauth": "on"}
    return attrs.evolve(stack, corosync=attrs.evolve(corosync, totem=corosync.totem.with_(words)))


AUTHENTICATE: Final = Fix(
    "corosync-authentication",
    "Authenticate and encrypt corosync's messages",
    "A person makes /etc/corosync/authkey with corosync-keygen and copies it to every node; all nodes switch together",
    Risk.RESTARTS_SERVICE,
    ("corosync-unauthenticated",),
    authenticate,
)


def passive(stack: StorageStack) -> StorageStack:
    """Return the stack without rrp_mode active."""
    corosync = stack.corosync
    if corosync is None or corosync.totem.get("rrp_mode") != "active":
        return stack
    totem = corosync.totem.with_(rrp_mode="passive" if corosync.generation == 1 else None)
    return attrs.evolve(stack, corosync=attrs.evolve(corosync, totem=totem))


RRP_PASSIVE: Final = Fix(
    "corosync-rrp-passive",
    "Use the second ring only when the first fails",
    "rrp_mode active is not recommended by corosync's own manual",
    Risk.RESTARTS_SERVICE,
    ("corosync-rrp-active",),
    passive,
)


def members(stack: StorageStack, corosync: Corosync) -> tuple[CorosyncNode, ...]:
    """Return the nodelist that rings of old mean; empty where it can't be told which address is whose.

    Rings list their members in one order; the nodes are those whose addresses the stack knows.
    """
    rows = list(zip(*(ring.members for ring in corosync.rings), strict=False))
    owners = {address: node.name for node in stack.nodes for address in node.addresses.values()}
    owners |= {address_alone(host.address): host.node for drbd in stack.drbd for host in drbd.hosts}
    names = [next((owners[address] for address in row if address in owners), "") for row in rows]
    if (
        not rows
        or "" in names
        or len(set(names)) != len(names)
        or any(len(r.members) != len(rows) for r in corosync.rings)
    ):
        return ()
    return tuple(CorosyncNode(name, id, row) for id, (name, row) in enumerate(zip(names, rows, strict=True), start=1))


def address_alone(endpoint: str) -> str:
    """Return the address of `ip:port` or `[ip6]:port`."""
    return endpoint.rpartition(":")[0].strip("[]")


def modern(stack: StorageStack) -> StorageStack:
    """Return the stack with corosync.conf of version 3: a nodelist, knet, votequorum."""
    corosync = stack.corosync
    if corosync is None or corosync.generation != 1:
        return stack
    nodes = members(stack, corosync)
    if not nodes:
        return stack
    authenticated = not any(corosync_unauthenticated(stack))
    crypto = {"crypto_cipher": "aes256", "crypto_hash": "sha256"} if authenticated else {}
    totem = corosync.totem.with_(dict.fromkeys(GONE_WITH_3)).with_(
        {"cluster_name": corosync.totem.get("cluster_name", stack.name), "transport": "knet", **crypto}
    )
    quorum = {"provider": "corosync_votequorum", **({"two_node": "1"} if len(nodes) == 2 else {})}
    other = tuple((name, params) for name, params in corosync.other if name.split(".")[0] not in ("amf", "aisexec"))
    return attrs.evolve(
        stack,
        corosync=attrs.evolve(
            corosync, totem=totem, rings=(), nodes=nodes, quorum=quorum, service=Params(), other=other
        ),
    )


COROSYNC_3: Final = Fix(
    "corosync-3",
    "Write corosync.conf for corosync 3: nodelist, knet links, votequorum with two_node",
    "Pacemaker 2 and later does not run as a plug-in of corosync 1. two_node implies wait_for_all: after a full outage "
    "both nodes must see each other before anything starts",
    Risk.RESTARTS_SERVICE,
    ("corosync-plugin", "corosync-ring-ports", "corosync-rrp-active"),
    modern,
)
