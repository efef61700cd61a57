"""One storage host without Pacemaker and one client: the smallest world in which everything can go wrong."""

from __future__ import annotations

from collections.abc import Mapping

import hastore
from hastore import sim
from hastore.model.values import NO_PARAMS

IQN = "iqn.2026-11.example.lab:disks"
CLIENT_IQN = "iqn.1993-08.org.debian:01:client"


def lab() -> sim.Lab:
    networks = {"eth0": {"store": "10.0.0.1/24", "client": "10.0.0.2/24"}}
    return sim.Lab(["store"], {"store": {"/dev/sdb": "10G"}}, ["client"], networks)


def stack(*, chap: hastore.Secret | None = None, settings: Mapping[str, str] = NO_PARAMS) -> hastore.StorageStack:
    luns = (hastore.Lun(0, "disk_a"), hastore.Lun(1, "disk_b"))
    target = hastore.Target(
        IQN,
        groups=(hastore.InitiatorGroup("db", (CLIENT_IQN,), luns),),
        portals=("10.0.0.1",),
        node="store",
        incoming_users=(hastore.ChapUser("db", chap),) if chap else (),
    )
    user = "db" if chap else ""
    client = hastore.Initiator(
        "client", logins=(hastore.Login(IQN, ("10.0.0.1",)),), chap_user=user, chap_secret=chap, settings=settings
    )
    volumes = tuple(hastore.LogicalVolume(name, "1G") for name in "abc")
    return hastore.StorageStack(
        nodes=(hastore.StorageNode("store"),),
        volume_groups=(hastore.VolumeGroup("vg0", ("/dev/sdb",), volumes),),
        devices=(
            hastore.ScstDevice("disk_a", "/dev/vg0/a", "vdisk_blockio", {"t10_dev_id": "a-1", "threads_num": "2"}),
            hastore.ScstDevice("disk_b", "/dev/vg0/b", attributes={"t10_dev_id": "b-1"}),
        ),
        targets=(target,),
        clients=(client,),
    )
