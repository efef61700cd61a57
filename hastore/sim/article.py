"""The article's machines: two storage nodes, two clients, three networks."""

from __future__ import annotations

from hastore.sim.lab import Lab

HOSTS = {"centos01": 181, "centos02": 182, "drbd01": 178, "drbd02": 179}
NETWORKS = {
    nic: {name: f"192.168.{third}.{last}/24" for name, last in HOSTS.items()}
    for nic, third in (("eth0", 0), ("eth1", 100), ("eth2", 200))
}


def article() -> Lab:
    """Return the article's lab before anything is configured: /dev/sdb blank on both storage nodes."""
    return Lab(
        nodes=("centos01", "centos02"),
        disks={name: {"/dev/sda": "8G", "/dev/sdb": "20G"} for name in ("centos01", "centos02")},
        clients=("drbd01", "drbd02"),
        networks=NETWORKS,
    )
