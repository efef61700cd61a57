"""Corosync: the networks by which nodes see each other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from hastore.model.corosync import Corosync
from hastore.model.findings import Severity
from hastore.model.stack import StorageStack
from hastore.planning.rules.base import Sighting, rule
from hastore.planning.rules.reading import is_true


def uses_knet(corosync: Corosync) -> bool:
    """Return whether the transport is knet, corosync 3's default: one port a link, and its own encryption."""
    return corosync.generation == 2 and corosync.totem.get("transport", "knet") == "knet"


@rule(
    "corosync-ring-ports",
    Severity.WARNING,
    trap="trap 13",
    summary="Two rings share a port: each uses its own and the one below",
    source="corosync.conf(5) of 1.4.8:125 and 2.4.5:205: mcastport and mcastport - 1, keep a gap",
    mend="Leave a gap of two, such as 5405 and 5407",
)
def corosync_ring_ports(stack: StorageStack) -> Iterator[Sighting]:
    """Find rings whose ports are next to each other."""
    if stack.corosync is None or uses_knet(stack.corosync):
        return
    rings = sorted(stack.corosync.rings, key=lambda ring: ring.port)
    for lower, upper in pairwise(rings):
        if upper.port - lower.port < 2:
            objects = (f"ring:{lower.number}", f"ring:{upper.number}")
            yield Sighting(objects, f"ring {lower.number} mcastport {lower.port}, ring {upper.number} {upper.port}")


@rule(
    "corosync-rrp-active",
    Severity.ADVICE,
    trap="trap 13",
    summary="rrp_mode active is not recommended, and gone with corosync 3",
    source="corosync.conf(5) of 2.4.5:205; corosync 3 has knet links instead",
    mend="Use rrp_mode passive, or knet with corosync 3",
)
def corosync_rrp_active(stack: StorageStack) -> Iterator[Sighting]:
    """Find rrp_mode active."""
    if stack.corosync and stack.corosync.totem.get("rrp_mode") == "active":
        yield Sighting(("corosync:totem",), "rrp_mode: active")


@rule(
    "corosync-plugin",
    Severity.WARNING,
    trap="trap 13",
    summary="Pacemaker runs as a plug-in of corosync 1, which Pacemaker 2 no longer supports",
    source="Pacemaker ChangeLog 2.0.0 drops corosync 1 and its plug-in; votequorum replaces it",
    mend="Write a nodelist and a quorum section for corosync 2 or later",
)
def corosync_plugin(stack: StorageStack) -> Iterator[Sighting]:
    """Find the plug-in's service section."""
    if stack.corosync and stack.corosync.generation == 1 and stack.corosync.service:
        shown = " ".join(f"{key}: {text}" for key, text in stack.corosync.service.items())
        yield Sighting(("corosync:service",), f"service {{ {shown} }}")


@rule(
    "corosync-unauthenticated",
    Severity.WARNING,
    trap="trap 13",
    summary="Anyone on the network can speak as a member of the cluster",
    source="corosync.conf(5): secauth; crypto_cipher and crypto_hash with knet",
    mend="Switch secauth on (knet: crypto_cipher aes256, crypto_hash sha256) and share a key made by corosync-keygen",
    override="corosync-unauthenticated",
)
def corosync_unauthenticated(stack: StorageStack) -> Iterator[Sighting]:
    """Find totem sections without authentication; it is corosync 3's default to have none."""
    if stack.corosync is None:
        return
    totem = stack.corosync.totem
    hashed = totem.get("crypto_hash", "none") != "none"
    default = "on" if stack.corosync.generation == 1 else "off"
    if not hashed and not is_true(totem.get("secauth", default)):
        yield Sighting(("corosync:totem",), f"secauth: {totem.get('secauth', 'unset')}")


@rule(
    "corosync-single-link",
    Severity.ADVICE,
    trap="practice 12",
    summary="The nodes see each other over one network: losing it looks like losing the node",
    source="corosync.conf(5): up to eight knet links; a fencing race follows where the only link breaks",
    mend="Give every node a second address on another network",
    override="single-link",
)
def corosync_single_link(stack: StorageStack) -> Iterator[Sighting]:
    """Find clusters with one ring."""
    if stack.corosync is None:
        return
    nodes = stack.corosync.nodes
    links = min(len(node.addresses) for node in nodes) if nodes else len(stack.corosync.rings)
    if links == 1:
        yield Sighting(("corosync:totem",), "1 link")
