"""Interfaces, addresses and blocked ports of a node."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address, ip_network

from hastore.sim.world import Call, Node, Reply, reply


@dataclass(frozen=True)
class Address:
    """An address of an interface; a service address (VIP) is gone after a boot, a static one not."""

    ip: str
    prefix: int
    nic: str
    static: bool = False


class Network:
    """The network subsystem of one node; network names are the interfaces' names."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.addresses: dict[str, Address] = {}
        self.blocks: set[tuple[str, int]] = set()
        node.programs["ip"] = self.ip_program

    def add_address(self, ip: str, prefix: int = 24, nic: str = "", *, static: bool = False) -> None:
        """Add an address; without an interface it goes where the subnet already is."""
        self.addresses[ip] = Address(ip, prefix, nic or self._nic_for(ip), static)
        self.node.world.log(self.node.name, f"address {ip} up")

    def remove_address(self, ip: str) -> None:
        """Remove an address that is there; removing one that is not does nothing."""
        if self.addresses.pop(ip, None):
            self.node.world.log(self.node.name, f"address {ip} down")

    def has_address(self, ip: str) -> bool:
        """Tell whether an address is up here."""
        return ip in self.addresses

    def block(self, ip: str, port: int) -> None:
        """Drop TCP packets to a port of an address."""
        self.blocks.add((ip, port))

    def unblock(self, ip: str, port: int) -> None:
        """Let packets to a port of an address through."""
        self.blocks.discard((ip, port))

    def blocked(self, ip: str, port: int) -> bool:
        """Tell whether packets to a port of an address are dropped."""
        return (ip, port) in self.blocks

    def service_addresses(self) -> list[Address]:
        """Return the addresses that are not the node's own."""
        return [address for address in self.addresses.values() if not address.static]

    def network_of(self, ip: str) -> str:
        """Return the interface in whose subnet an address lies; empty where none."""
        return self._nic_for(ip)

    def tick(self, _dt: float) -> None:
        """Nothing happens by itself."""

    def power_off(self) -> None:
        """Service addresses and blocks are volatile."""
        self.addresses = {ip: address for ip, address in self.addresses.items() if address.static}
        self.blocks.clear()

    def boot(self) -> None:
        """Static addresses are there again, they never left."""

    def ip_program(self, call: Call) -> Reply:
        """`ip -j address [show]` (iproute2)."""
        if call.argv[1:] not in {("-j", "addr"), ("-j", "address"), ("-j", "addr", "show"), ("-j", "address", "show")}:
            call.give_up()
        by_nic: dict[str, list[Address]] = {}
        for address in self.addresses.values():
            by_nic.setdefault(address.nic, []).append(address)
        links = [
            {
                "ifname": nic,
                "operstate": "UP",
                "addr_info": [{"family": "inet", "local": a.ip, "prefixlen": a.prefix} for a in addresses],
            }
            for nic, addresses in sorted(by_nic.items())
        ]
        return reply(out=json.dumps(links) + "\n")

    def _nic_for(self, ip: str) -> str:
        for address in self.addresses.values():
            if address.static and _in_subnet(ip, address.ip, address.prefix):
                return address.nic
        return ""


@cache
def _in_subnet(ip: str, other: str, prefix: int) -> bool:
    return ip_address(ip) in ip_network(f"{other}/{prefix}", strict=False)


def find_address(nodes: dict[str, Node], ip: str) -> Node | None:
    """Return the powered node on which an address is up; None where it is nowhere."""
    for node in nodes.values():
        if node.powered and node.has(Network) and node.subsystem(Network).has_address(ip):
            return node
    return None
