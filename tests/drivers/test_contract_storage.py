"""block, DRBD and LVM drivers keep the drivers' contract on simulated hosts."""

from __future__ import annotations

from typing import ClassVar

import attrs

from hastore.drivers.base import Driver
from hastore.drivers.block_lsblk import LsblkDriver
from hastore.drivers.drbd_84 import Drbd84Driver
from hastore.drivers.lvm_lvm2 import Lvm2Driver
from hastore.model.drbd import DrbdHost, DrbdResource, DrbdVolume
from hastore.model.lvm import LogicalVolume, LvmSettings
from hastore.model.secrets import Secret
from hastore.model.state import ClusterState, DrbdState, DrbdVolumeState
from hastore.planning import steps_drbd as drbd
from hastore.planning import steps_lvm as lvm
from hastore.sim import Lab
from hastore.testing.contract import DriverContract
from hastore.testing.workbench import Bench

NODES = ("node1", "node2")
RESOURCE = DrbdResource(
    "r0",
    volumes=(DrbdVolume(0, "/dev/drbd0", "/dev/sdb"), DrbdVolume(1, "/dev/drbd1", "/dev/sdc")),
    hosts=(DrbdHost("node1", "10.0.0.1:7788"), DrbdHost("node2", "10.0.0.2:7788")),
    net={"protocol": "C", "cram-hmac-alg": "sha1"},
    disk={"resync-rate": "100M"},
    secret=Secret.literal("correct horse"),
)


def lab() -> Lab:
    """Return two storage nodes with two small blank disks each."""
    return Lab(
        NODES,
        disks={name: {"/dev/sda": "8G", "/dev/sdb": "256M", "/dev/sdc": "256M"} for name in NODES},
        networks={"eth0": {"node1": "10.0.0.1/24", "node2": "10.0.0.2/24"}},
    )


class TestLsblk(DriverContract):
    driver: ClassVar[type[Driver]] = LsblkDriver

    def bench(self) -> Bench:
        return Bench(lab().hosts, "node1")


class TestDrbd84(DriverContract):
    driver: ClassVar[type[Driver]] = Drbd84Driver

    def bench(self) -> Bench:
        made = lab()
        return Bench(
            made.hosts,
            "node1",
            steps=(
                *(drbd.WriteDrbdConfig(node, RESOURCE) for node in NODES),
                *(drbd.CreateDrbdMetadata(node, RESOURCE, volume) for node in NODES for volume in (0, 1)),
                *(drbd.DrbdUp(node, RESOURCE) for node in NODES),
                *(drbd.AwaitConnection(node, RESOURCE) for node in NODES),
                drbd.InitialPrimary("node1", RESOURCE),
                drbd.AwaitSync("node1", RESOURCE),
                drbd.AdjustDrbd("node2", RESOURCE),
                drbd.DrbdSecondary("node1", RESOURCE),
                drbd.DrbdPrimary("node2", RESOURCE),
                drbd.DrbdSecondary("node2", RESOURCE),
                *(drbd.DrbdDown(node, RESOURCE) for node in NODES),
            ),
            pass_time=made.world.advance,
        )

    def comparable(self, state: ClusterState, host: str) -> object:
        """A resync moves by itself."""
        found = state.hosts[host].drbd
        assert isinstance(found, DrbdState)
        return {
            name: attrs.evolve(
                resource,
                volumes=tuple(DrbdVolumeState(v.number, v.minor, v.disk, v.peer_disk) for v in resource.volumes),
            )
            for name, resource in found.resources.items()
        }


class TestLvm2(DriverContract):
    driver: ClassVar[type[Driver]] = Lvm2Driver

    def bench(self) -> Bench:
        return Bench(
            lab().hosts,
            "node1",
            steps=(
                lvm.ConfigureLvm("node1", LvmSettings(filter=("a|^/dev/sd[a-z]$|", "r|.*|"), write_cache_state=False)),
                lvm.CreatePv("node1", "/dev/sdb"),
                lvm.CreateVg("node1", "vg1", ("/dev/sdb",)),
                lvm.CreateLv("node1", "vg1", LogicalVolume("lun1", "20M")),
                lvm.CreateLv("node1", "vg1", LogicalVolume("lun2", "50%FREE")),
                lvm.ExtendLv("node1", "vg1", "lun1", 40 * 2**20),
                lvm.DeactivateVg("node1", "vg1"),
                lvm.ActivateVg("node1", "vg1"),
                lvm.CreatePv("node1", "/dev/sdc"),
                lvm.ExtendVg("node1", "vg1", "/dev/sdc"),
            ),
        )
