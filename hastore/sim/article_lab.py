"""The article's machines: two storage nodes, two clients, three networks."""

from __future__ import annotations

from hastore.sim.block import Block
from hastore.sim.lab import Lab
from hastore.sim.lvm import Lvm
from hastore.sim.lvm_volumes import mapper_path
from hastore.sim.world import Node

SYSTEM_GROUP = "vg_centos"
HOSTS = {"centos01": 181, "centos02": 182, "drbd01": 178, "drbd02": 179}
NETWORKS = {
    nic: {name: f"192.168.{third}.{last}/24" for name, last in HOSTS.items()}
    for nic, third in (("eth0", 0), ("eth1", 100), ("eth2", 200))
}


def article() -> Lab:
    """Return the article's lab before anything is configured: the system on /dev/sda, /dev/sdb blank on both storage nodes.

    >>> lab = article()
    >>> sorted(lab.hosts)
    ['centos01', 'centos02', 'drbd01', 'drbd02']
    """
    lab = Lab(
        nodes=("centos01", "centos02"),
        disks={name: {"/dev/sda": "8G", "/dev/sdb": "20G"} for name in ("centos01", "centos02")},
        clients=("drbd01", "drbd02"),
        networks=NETWORKS,
    )
    for name in lab.nodes:
        _install_system(lab.world.nodes[name])
    return lab


def _install_system(node: Node) -> None:
    """Put the volume group vg_centos on /dev/sda, its root volume mounted."""
    lvm, block = node.subsystem(Lvm), node.subsystem(Block)
    lvm.create_group(SYSTEM_GROUP, ["/dev/sda"])
    lvm.create_volume(SYSTEM_GROUP, "lv_root", 1024)
    root = mapper_path(SYSTEM_GROUP, "lv_root")
    block.mounts_at_boot[root] = block.mounts[root] = "/"
