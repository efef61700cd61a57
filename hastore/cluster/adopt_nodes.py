"""Who the storage nodes are, and which address each has on which network, out of several files."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from hastore.formats.hosts_file import HostEntry
from hastore.model.corosync import Corosync
from hastore.model.findings import Finding, Severity
from hastore.model.scsi import Vip
from hastore.model.stack import StorageNode, StorageStack
from hastore.model.values import Params


class NodeBook:
    """Collects what each file says of the nodes; networks are named by the interface of their VIP."""

    def __init__(self, stack: StorageStack, hosts: Iterable[HostEntry]) -> None:
        self.findings: list[Finding] = []
        self._networks = [(network, vip.nic) for vip in stack.vips if (network := _network(vip))]
        self._addresses: dict[str, dict[str, str]] = {}
        self._stack = stack
        self._hosts = tuple(hosts)

    def nodes(self) -> tuple[StorageNode, ...]:
        """Return the nodes; `findings` says what had to be inferred and what does not fit."""
        stack = self._stack
        named = [node.name for node in stack.pacemaker.nodes if node.type != "remote"] if stack.pacemaker else []
        self._addresses = {name: {} for name in named}
        for resource in stack.drbd:
            for host in resource.hosts:
                self._say_drbd(host.node, host.address, resource.name, in_cib=not named or host.node in named)
        if stack.corosync is not None:
            self._say_nodelist(stack.corosync)
        for entry in self._hosts:
            for name in entry.names:
                if name in self._addresses:
                    self._say(name, entry.address, "hosts", "the hosts file")
        if stack.corosync is not None:
            self._say_rings(stack.corosync)
        self.findings += self._lonely_vips()
        return tuple(StorageNode(name, Params(addresses)) for name, addresses in self._addresses.items())

    def _say(self, node: str, address: str, network: str, source: str) -> None:
        network = self._name(address) or network
        known = self._addresses.setdefault(node, {}).setdefault(network, address)
        if known != address:
            self.findings.append(
                Finding(
                    "addresses-contradict",
                    Severity.WARNING,
                    f"{node} has {known} on {network}, but {source} says {address}",
                    (f"host:{node}",),
                    mend="make the files agree; the first is taken",
                )
            )

    def _say_drbd(self, node: str, address: str, resource: str, *, in_cib: bool) -> None:
        if not in_cib:
            self.findings.append(
                Finding(
                    "drbd-host-unknown",
                    Severity.WARNING,
                    f"DRBD resource {resource} names {node}, which is no node of the cluster",
                    (f"drbd:{resource}", f"host:{node}"),
                    mend="name the hosts of the resource as `uname -n` and the CIB name them",
                )
            )
        self._say(node, _bare(address), "drbd", f"DRBD resource {resource}")

    def _say_nodelist(self, corosync: Corosync) -> None:
        for node in corosync.nodes:
            if node.name:
                for number, address in enumerate(node.addresses):
                    if _is_ip(address):
                        self._say(node.name, address, f"ring{number}", "corosync's nodelist")

    def _say_rings(self, corosync: Corosync) -> None:
        for ring in corosync.rings:
            for member in ring.members:
                if member not in self._known():
                    self._infer(member, f"ring{ring.number}")

    def _infer(self, member: str, ring: str) -> None:
        """Give a ring's member to the one node whose other addresses end as it does."""
        network = self._name(member) or ring
        alike = [
            name
            for name, addresses in self._addresses.items()
            if network not in addresses and any(_ending(known) == _ending(member) for known in addresses.values())
        ]
        if len(alike) == 1:
            self._addresses[alike[0]][network] = member
            evidence = f"member of {ring}; it ends as {', '.join(set(self._addresses[alike[0]].values()) - {member})}"
            self.findings.append(
                Finding(
                    "adopted-by-inference",
                    Severity.NOTE,
                    f"{member} is taken for the address of {alike[0]} on {network}",
                    (f"host:{alike[0]}",),
                    evidence=evidence,
                    mend="say the node's addresses in the stack if it is not so",
                )
            )
        else:
            self.findings.append(
                Finding(
                    "ring-member-unknown",
                    Severity.WARNING,
                    f"{member}, a member of {ring}, is an address of no node that the other files name",
                    (f"address:{member}",),
                    mend="say in the stack whose address it is",
                )
            )

    def _lonely_vips(self) -> Iterator[Finding]:
        known = [ipaddress.ip_address(address) for address in self._known() if _is_ip(address)]
        for vip in self._stack.vips:
            network = _network(vip)
            if network and known and not any(address in network for address in known):
                yield Finding(
                    "vip-outside-networks",
                    Severity.WARNING,
                    f"no node is known to have an address in {network}, the network of VIP {vip.ip}",
                    (f"vip:{vip.ip}",),
                    mend="check the address and its prefix, or say the nodes' addresses there",
                )

    def _known(self) -> set[str]:
        return {address for addresses in self._addresses.values() for address in addresses.values()}

    def _name(self, address: str) -> str:
        if not _is_ip(address):
            return ""
        ip = ipaddress.ip_address(address)
        return next((nic for network, nic in self._networks if nic and ip in network), "")


def _network(vip: Vip) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(f"{vip.ip}/{vip.prefix}", strict=False) if vip.prefix else None
    except ValueError:
        return None  # a prefix longer than the address: the rules say so


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _bare(address: str) -> str:
    """Return the address of DRBD's `[family] address:port` alone."""
    return address.rpartition(" ")[2].rpartition(":")[0].strip("[]")


def _ending(address: str) -> str:
    return address.rpartition(":" if ":" in address else ".")[2]
