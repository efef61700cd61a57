"""SCST, Pacemaker and client drivers keep the drivers' contract on simulated hosts."""

from __future__ import annotations

from typing import ClassVar

from hastore.drivers.base import Driver
from hastore.drivers.client_open_iscsi import OpenIscsiDriver
from hastore.drivers.pacemaker_cib import PacemakerCibDriver
from hastore.drivers.scst_sysfs import ScstSysfsDriver
from hastore.model.cib_edits import Put, Remove, SetNodeAttribute, SetProperty, SetResourceDefault
from hastore.model.pacemaker import Op, PacemakerResource
from hastore.model.scsi import ChapUser, InitiatorGroup, Lun, ScstDevice, Target
from hastore.model.secrets import Secret
from hastore.model.state import ClusterState, PacemakerState
from hastore.planning import steps_client as client
from hastore.planning import steps_scst as scst
from hastore.planning.steps import Step
from hastore.planning.steps_cluster import PatchCib
from hastore.sim import Lab
from hastore.testing.contract import DriverContract
from hastore.testing.workbench import Bench

NODES = ("node1", "node2")
IQN = "iqn.2026-01.lab.example:t1"
CLIENT = "iqn.1993-08.org.debian:01:client1"
TARGET = Target(
    IQN,
    luns=(Lun(0, "disk1"),),
    groups=(InitiatorGroup("g1", (CLIENT,), (Lun(0, "disk1"), Lun(5, "disk2", read_only=True))),),
)


def lab() -> Lab:
    """Return two storage nodes with two small disks each, and a client."""
    machines = (*NODES, "client1")
    return Lab(
        NODES,
        disks={name: {"/dev/sdb": "64M", "/dev/sdc": "64M"} for name in NODES},
        clients=("client1",),
        networks={"eth0": {name: f"10.0.0.{last}/24" for last, name in enumerate(machines, 1)}},
    )


def serve() -> tuple[Step, ...]:
    """Return the steps that make a target with a group of its own."""
    return (
        scst.AddDevice("node1", ScstDevice("disk1", "/dev/sdb", attributes={"nv_cache": "0", "usn": "disk1usn"})),
        scst.AddDevice(
            "node1", ScstDevice("disk2", "/dev/sdc", "vdisk_blockio", {"t10_dev_id": "disk2-id", "blocksize": "512"})
        ),
        scst.AddTarget("node1", IQN),
        scst.AddGroup("node1", IQN, "g1"),
        scst.AddLun("node1", IQN, Lun(0, "disk1")),
        scst.AddLun("node1", IQN, Lun(0, "disk1"), "g1"),
        scst.AddLun("node1", IQN, Lun(5, "disk2", read_only=True), "g1"),
        scst.AddInitiator("node1", IQN, "g1", CLIENT),
        scst.EnableTarget("node1", IQN, TARGET),
        scst.EnableDriver("node1"),
    )


class TestScstSysfs(DriverContract):
    driver: ClassVar[type[Driver]] = ScstSysfsDriver

    def bench(self) -> Bench:
        return Bench(
            lab().hosts,
            "node1",
            steps=(
                *serve(),
                scst.SetDeviceAttribute("node1", "disk1", "threads_num", "4"),
                scst.SetTargetParameter("node1", IQN, "QueuedCommands", "64"),
                scst.AllowPortal("node1", IQN, "10.0.0.1"),
                scst.AddIncomingUser("node1", IQN, ChapUser("joe", Secret.literal("correct horse battery"))),
                scst.DisableTarget("node1", IQN),
                scst.RemoveLun("node1", IQN, 5, "g1"),
                scst.RemoveTarget("node1", IQN),
                scst.RemoveDevice("node1", "disk2", "vdisk_blockio"),
            ),
        )


class TestPacemakerCib(DriverContract):
    driver: ClassVar[type[Driver]] = PacemakerCibDriver

    def bench(self) -> Bench:
        made = lab()
        dummy = PacemakerResource("p_ip", "ocf:heartbeat:IPaddr2", {"ip": "10.0.0.100"}, (Op("monitor", "10s", "30"),))
        return Bench(
            made.hosts,
            "node1",
            steps=(
                PatchCib(
                    "node1",
                    edits=(SetProperty("stonith-enabled", "false"), SetResourceDefault("migration-threshold", "3")),
                ),
                PatchCib("node1", 1, (Put(dummy),)),
                PatchCib("node2", 2, (SetNodeAttribute("node1", "standby", "on"),)),
                PatchCib("node1", 3, (Remove("p_ip"),)),
            ),
            pass_time=made.world.advance,
        )

    def comparable(self, state: ClusterState, host: str) -> object:
        """Only the configuration is the driver's doing."""
        found = state.hosts[host].pacemaker
        assert isinstance(found, PacemakerState)
        return found.cib


class TestOpenIscsi(DriverContract):
    driver: ClassVar[type[Driver]] = OpenIscsiDriver

    def bench(self) -> Bench:
        made = lab()
        portal = "10.0.0.1:3260"
        return Bench(
            made.hosts,
            "client1",
            steps=(
                *serve(),
                client.DiscoverTarget("client1", IQN, portal),
                client.ConfigureSession(
                    "client1",
                    IQN,
                    portal,
                    "joe",
                    Secret.literal("correct horse battery"),
                    {"node.session.timeo.replacement_timeout": "30", "node.session.queue_depth": "64"},
                ),
                client.Login("client1", IQN, portal),
                client.Logout("client1", IQN, portal),
            ),
            pass_time=made.world.advance,
        )
