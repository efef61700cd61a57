"""A laboratory: simulated storage nodes and clients, ready for hastore to work on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from hastore.sim import (
    base_programs,
    block_programs,
    crm_tools,
    drbd_programs,
    invariants,
    lvm_programs,
    open_iscsi_programs,
)
from hastore.sim.block import Block
from hastore.sim.clock import SimClock
from hastore.sim.cluster import Cluster
from hastore.sim.drbd import Drbd
from hastore.sim.host import SimHost
from hastore.sim.lvm import Lvm
from hastore.sim.network import Network
from hastore.sim.scst import Scst
from hastore.sim.world import Node, World

Disks: TypeAlias = Mapping[str, Mapping[str, str | int]]
"""Node -> device path -> size, as bytes or text such as `20G`."""
Networks: TypeAlias = Mapping[str, Mapping[str, str]]
"""Network (the interface's name) -> machine -> its address with prefix length, such as `192.168.100.181/24`."""


_STORAGE_PROGRAMS = {
    *("drbdadm", "drbdsetup", "drbdmeta", "lvm", "pvs", "vgs", "lvs", "pvcreate", "vgcreate", "lvcreate", "vgchange"),
    *("cibadmin", "crm_mon", "crm_resource", "crm_node", "crm_attribute", "crmadmin", "pacemakerd", "crm", "pcs"),
    *("scstadmin", "iscsi-scstd", "corosync-cfgtool", "corosync-quorumtool"),
}
"""What a client machine does not have installed."""


class Lab:
    """A world with hosts: `lab.hosts["centos01"]`, `lab.clock`, `lab.world`.

    Storage nodes have DRBD 8.4, LVM, SCST with iscsi-scst and an empty Pacemaker cluster; clients have
    open-iscsi and multipath.

    >>> lab = Lab(nodes=["a", "b"], disks={"a": {"/dev/sdb": "1G"}}, networks={"eth0": {"a": "10.0.0.1/24"}})
    >>> lab.clock.sleep(30)
    >>> lab.clock.now
    30.0
    >>> lab.world.nodes["a"].power_off()

    `lab.world.violations` holds every invariant that was seen broken. An unknown command or file raises NotSimulated.
    """

    def __init__(
        self,
        nodes: Sequence[str],
        disks: Disks | None = None,
        clients: Sequence[str] = (),
        networks: Networks | None = None,
    ) -> None:
        self.clock = SimClock()
        self.world = World(self.clock)
        self.cluster = Cluster(self.world)
        self.nodes = tuple(nodes)
        self.clients = tuple(clients)
        for name in (*nodes, *clients):
            self._add_machine(name, networks or {})
        for name in nodes:
            self._add_storage(self.world.nodes[name], (disks or {}).get(name, {}))
        for name in clients:
            self._add_client(self.world.nodes[name])
        invariants.install(self.world)
        self.hosts = {name: SimHost(self.world, name) for name in (*nodes, *clients)}

    def _add_machine(self, name: str, networks: Networks) -> None:
        node = self.world.add_node(name)
        base_programs.install(node)
        network = Network(node)
        node.install("network", network)
        node.files.add("/etc/hosts", "127.0.0.1 localhost\n")
        for nic, addresses in networks.items():
            if name in addresses:
                ip, _, prefix = addresses[name].partition("/")
                network.add_address(ip, int(prefix or 24), nic, static=True)

    def _add_storage(self, node: Node, disks: Mapping[str, str | int]) -> None:
        """Install the storage subsystems, then Pacemaker's (its half of the room adds itself here)."""
        block = Block(node)
        node.install("block", block)
        for path, size in disks.items():
            block.add_disk(path, size)
        block_programs.install(node)
        node.install("drbd", Drbd(node))
        drbd_programs.install(node)
        node.files.add("/etc/drbd.conf", 'include "drbd.d/global_common.conf";\ninclude "drbd.d/*.res";\n')
        node.files.add("/etc/drbd.d/global_common.conf", "global {\n}\ncommon {\n}\n")
        node.install("lvm", Lvm(node))
        lvm_programs.install(node)
        node.install("scst", Scst(node))
        crm_tools.install(node, self.cluster)
        node.absent_programs |= {"iscsiadm", "multipath", "multipathd", "crm", "pcs"}

    def _add_client(self, node: Node) -> None:
        """Install the initiator's side."""
        node.install("block", Block(node))
        block_programs.install(node)
        open_iscsi_programs.install(node)
        node.absent_programs |= _STORAGE_PROGRAMS - node.programs.keys()
        node.files.absent |= {"/proc/drbd", "/sys/kernel/scst_tgt"}
