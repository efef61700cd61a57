"""Storage behaves as a whole: what a client was told is written is found again, and what must never be is seen."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from hastore.hosts.operations import Outcome, Run, Status
from hastore.sim import Lab, SimHost, article
from hastore.sim.block import Block, Label, Signature
from hastore.sim.drbd import Drbd
from hastore.sim.lvm import Lvm
from hastore.sim.lvm_volumes import Group, LvmRefusal, mapper_path
from hastore.sim.network import Network
from hastore.sim.scst import Scst
from hastore.sim.scst_devices import Device, build
from hastore.sim.scst_targets import Session
from hastore.sim.world import Node

IQN = "iqn.2016-02.local.virtual:virtual.vg1"
ANCHORED = 'devices {\n    filter = [ "a|^/dev/sda$|", "a|^/dev/drbd[0-9]+$|", "r|.*|" ]\n}\n'
UNANCHORED = 'devices {\n    filter = [ "a|/dev/sda*|", "a|/dev/drbd*|", "r|.*|" ]\n}\n'
RESOURCE = """
resource vg1 {
    disk { resync-rate 400M; }
    net { after-sb-0pri discard-zero-changes; after-sb-1pri discard-secondary; after-sb-2pri disconnect; }
    volume 0 { device /dev/drbd0; disk /dev/sdb; meta-disk internal; }
    on centos01 { address 192.168.100.181:7788; }
    on centos02 { address 192.168.100.182:7788; }
}
"""


class Stack:
    """The article's storage, brought up by commands as a person would."""

    def __init__(self, lvm_conf: str = ANCHORED) -> None:
        self.lab = article()
        for node in self.nodes():
            node.files.add("/etc/drbd.d/vg1.res", RESOURCE)
            node.files.add("/etc/lvm/lvm.conf", lvm_conf)
        for name in self.lab.nodes:
            self.run(name, "drbdadm create-md --force vg1", "drbdadm up vg1")
        self.lab.clock.sleep(1)
        self.run("centos01", "drbdadm primary --force vg1", "drbdadm wait-sync vg1")
        self.run("centos01", "pvcreate /dev/drbd0", "vgcreate vg1 /dev/drbd0", "lvcreate -y -n lun1 -l 50%VG vg1")

    def nodes(self) -> list[Node]:
        return [self.lab.world.nodes[name] for name in self.lab.nodes]

    def node(self, name: str) -> Node:
        return self.lab.world.nodes[name]

    def run(self, name: str, *commands: str) -> Outcome:
        outcomes = self.lab.hosts[name].perform([Run(tuple(text.split()), timeout=3600) for text in commands])
        assert all(outcome.done for outcome in outcomes), outcomes
        return outcomes[-1]

    def export(self, name: str, **parameters: str) -> Session:
        scst = self.node(name).subsystem(Scst)
        scst.add_device("vdisk_fileio", "LUN1", filename="/dev/vg1/lun1", **parameters)
        scst.add_target(IQN)
        scst.add_lun(IQN, 0, "LUN1")
        scst.enable(IQN)
        scst.enable_driver()
        return self.login(name)

    def login(self, name: str) -> Session:
        return self.node(name).subsystem(Scst).login("iqn.client:drbd01", "192.168.100.178", "192.168.100.180", IQN)

    def write(self, session: Session, extent: int, write_id: str) -> None:
        ledger = self.lab.world.ledger
        ledger.attempt(IQN, 0, extent, write_id)
        session.write(0, extent, write_id)
        ledger.acknowledge(IQN, 0, extent, write_id)

    def fail_over(self) -> None:
        """Lose the power of centos01 and bring everything up on centos02."""
        self.node("centos01").power_off()
        self.lab.clock.sleep(10)
        self.run("centos02", "drbdadm primary vg1", "vgchange -ay vg1")

    def codes(self) -> set[str]:
        self.lab.world.check()
        return {violation.code for violation in self.lab.world.violations}


@pytest.fixture
def stack() -> Stack:
    return Stack()


# Data


def test_an_acknowledged_write_survives_the_power_off_of_its_primary(stack: Stack) -> None:
    stack.write(stack.export("centos01"), 7, "safe")
    stack.fail_over()
    assert stack.export("centos02").read(0, 7) == "safe"
    assert stack.codes() == set()


def test_nv_cache_loses_what_it_acknowledged_and_the_world_notices(stack: Stack) -> None:
    session = stack.export("centos01", nv_cache="1")
    stack.write(session, 7, "in memory alone")
    assert session.read(0, 7) == "in memory alone"
    stack.fail_over()
    assert stack.export("centos02", nv_cache="1").read(0, 7) is None
    assert stack.codes() == {"write-lost"}


def test_nv_cache_is_written_back_when_the_device_is_deleted(stack: Stack) -> None:
    stack.write(stack.export("centos01", nv_cache="1"), 7, "flushed")
    stack.node("centos01").subsystem(Scst).del_device("LUN1")
    stack.fail_over()
    assert stack.export("centos02").read(0, 7) == "flushed"
    assert stack.codes() == set()


def test_what_was_written_while_the_peer_was_away_is_resynchronised(stack: Stack) -> None:
    session = stack.export("centos01")
    stack.node("centos02").power_off()
    stack.lab.clock.sleep(10)
    stack.write(session, 9, "alone")
    stack.node("centos02").boot()
    stack.run("centos02", "drbdadm up vg1")
    stack.lab.clock.sleep(5)
    stack.fail_over()
    assert stack.export("centos02").read(0, 9) == "alone"
    assert stack.codes() == set()


def test_a_write_hangs_while_the_peer_is_silent_and_goes_on_once_it_is_given_up(stack: Stack) -> None:
    session = stack.export("centos01")
    stack.lab.world.cut_link("centos01", "centos02", "eth1")
    with pytest.raises(BlockingIOError):
        stack.write(session, 3, "hangs")
    stack.lab.clock.sleep(7)
    stack.write(session, 3, "goes on")
    assert stack.node("centos01").subsystem(Drbd).cstate("vg1") == "WFConnection"


def test_a_lone_primary_after_a_disk_error_works_on_through_its_peer(stack: Stack) -> None:
    session = stack.export("centos01")
    stack.write(session, 3, "before")
    stack.lab.world.faults.disk_error("centos01", "/dev/sdb")
    stack.write(session, 4, "after")
    assert stack.node("centos01").subsystem(Drbd).dstates("vg1") == ("Diskless", "UpToDate")
    assert [session.read(0, extent) for extent in (3, 4)] == ["before", "after"]
    stack.fail_over()
    session = stack.export("centos02")
    assert [session.read(0, extent) for extent in (3, 4)] == ["before", "after"]


def test_a_resync_can_be_slow(stack: Stack) -> None:
    drbd = stack.node("centos01").subsystem(Drbd)
    stack.lab.world.faults.slow_resync(0.01)
    stack.run("centos02", "drbdadm invalidate vg1")
    stack.lab.clock.sleep(60)
    assert drbd.cstate("vg1") == "SyncSource"
    stack.lab.world.faults.clear()
    stack.lab.clock.sleep(60)
    assert drbd.cstate("vg1") == "Connected"


def test_events_are_streamed_as_time_passes(stack: Stack) -> None:
    lines = stack.lab.hosts["centos01"].stream(Run(("drbdsetup", "events2"), reads=True))
    began = [next(lines) for _ in range(5)]
    assert began[0] == b"exists resource name:vg1 role:Primary suspended:no\n"
    assert began[4] == b"exists -\n"
    stack.node("centos02").subsystem(Drbd).disconnect("vg1")
    changes = [next(lines) for _ in range(2)]
    assert b"connection:Connecting role:Unknown" in changes[0]
    assert b"replication:Off peer-disk:DUnknown" in changes[1]


# LVM


def test_the_other_node_sees_the_group_only_once_it_is_primary(stack: Stack) -> None:
    lvm = stack.node("centos02").subsystem(Lvm)
    assert not lvm.visible("vg1")
    stack.run("centos01", "vgchange -an vg1", "drbdadm secondary vg1")
    stack.run("centos02", "drbdadm primary vg1")
    assert lvm.visible("vg1")
    assert lvm.group("vg1").volume("lun1")


def test_an_unanchored_filter_sees_the_group_past_drbd() -> None:
    stack = Stack(UNANCHORED)
    node = stack.node("centos02")
    lvm = node.subsystem(Lvm)
    assert lvm.visible("vg1"), "/dev/sdb matches /dev/sda*"
    with pytest.raises(LvmRefusal, match="busy"):
        lvm.activate("vg1")
    node.power_off()
    node.boot()
    assert lvm.active("vg1"), "the boot scripts activate it on the disk"
    refused = stack.lab.hosts["centos02"].perform([Run(("drbdadm", "up", "vg1"))])[0]
    assert (refused.exit_code, "Can not open backing device" in refused.error_text) == (10, True)


def test_a_group_in_use_keeps_drbd_primary(stack: Stack) -> None:
    host = stack.lab.hosts["centos01"]
    demote = host.perform([Run(("drbdadm", "secondary", "vg1"))])[0]
    assert (demote.exit_code, "Device is held open by someone" in demote.error_text) == (11, True)
    stack.export("centos01")
    off = host.perform([Run(("vgchange", "-an", "vg1"))])[0]
    assert (off.exit_code, "in use" in off.error_text) == (5, True)


@pytest.fixture
def loop() -> SimHost:
    """The machine of the recordings in lvm: a loop device of 100 MiB."""
    lab = Lab(nodes=("alpha",), disks={"alpha": {"/dev/loop0": "100M"}})
    return lab.hosts["alpha"]


def said(host: SimHost, command: str) -> tuple[int | None, str, str]:
    outcome = host.perform([Run(tuple(command.split()))])[0]
    return outcome.exit_code, outcome.text, outcome.error_text


def test_report_fields_that_are_not_known_are_said(loop: SimHost) -> None:
    said(loop, "vgcreate tvg1 /dev/loop0")
    with pytest.raises(Exception, match="field vg_favourite_colour"):
        said(loop, "vgs --reportformat json --units b -o vg_favourite_colour")


@pytest.mark.parametrize("share", ["100%VG", "50%FREE", "25%VG", "3"])
def test_shares_of_a_group_become_extents(loop: SimHost, share: str) -> None:
    said(loop, "vgcreate tvg1 /dev/loop0")
    assert said(loop, f"lvcreate -n a -l {share} tvg1")[0] == 0
    lvm = loop.node.subsystem(Lvm)
    wanted = {"100%VG": 24, "50%FREE": 12, "25%VG": 6, "3": 3}[share]
    volume = lvm.group("tvg1").volume("a")
    assert volume is not None
    assert volume.extents == wanted


def test_what_volume_list_leaves_out_is_not_activated_without_a_word(loop: SimHost) -> None:
    said(loop, "vgcreate tvg1 /dev/loop0")
    said(loop, "lvcreate -n a -L 20M tvg1")
    said(loop, "vgchange -an tvg1")
    loop.node.files.add("/etc/lvm/lvm.conf", 'activation {\n    volume_list = [ "other" ]\n}\n')
    assert said(loop, "vgchange -ay tvg1") == (0, '  0 logical volume(s) in volume group "tvg1" now active\n', "")
    code, _, err = said(loop, "lvcreate -n b -L 20M tvg1")
    assert (code, "volume_list activation filter" in err) == (5, True)


def test_metadata_is_written_for_the_volume_that_is_named() -> None:
    lab = Lab(nodes=("alpha",), disks={"alpha": {"/dev/sdb": "1G", "/dev/sdc": "1G"}})
    node, host = lab.world.nodes["alpha"], lab.hosts["alpha"]
    volumes = "".join(f"volume {n} {{ device /dev/drbd{n}; disk /dev/sd{'bc'[n]}; }}" for n in (0, 1))
    node.files.add("/etc/drbd.d/r.res", f"resource r {{ {volumes} on alpha {{ address 10.0.0.1:7788; }} }}")
    assert said(host, "drbdadm create-md --force r/1")[0] == 0
    assert [node.subsystem(Block).is_blank(f"/dev/sd{letter}") for letter in "bc"] == [True, False]
    assert said(host, "drbdadm get-gi r/0")[0] == 1
    assert said(host, "drbdadm get-gi r/1")[0] == 0


# Block devices


@pytest.mark.oracle
def test_lsblk_has_the_form_of_the_real_one(stack: Stack) -> None:
    if shutil.which("lsblk") is None:
        pytest.skip("missing: lsblk")
    argv = ("lsblk", "-J", "-b", "-o", "NAME,PATH,SIZE,TYPE,FSTYPE,MOUNTPOINTS,PKNAME")
    real = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
    ours = json.loads(stack.lab.hosts["centos01"].perform([Run(argv)])[0].text)
    assert set(ours) == set(real)
    shapes = {(key, type(item).__name__) for device in real["blockdevices"] for key, item in device.items()}
    for device in _flat(ours["blockdevices"]):
        assert {key for key, _ in shapes} - {"children"} <= set(device)
        assert {type(device[key]).__name__ for key in ("name", "path", "type")} == {"str"}
        assert isinstance(device["size"], int)
        assert isinstance(device["mountpoints"], list)


def _flat(devices: list[dict[str, object]]) -> Iterator[dict[str, object]]:
    for device in devices:
        yield device
        children = device.get("children", [])
        assert isinstance(children, list)
        yield from _flat(children)


def test_blkid_finds_drbd_on_its_disk_the_group_on_its_device_and_nothing_on_a_secondary(stack: Stack) -> None:
    def found(node: str, device: str) -> tuple[int | None, str, str]:
        return said(stack.lab.hosts[node], f"blkid -p -o export {device}")

    assert "TYPE=drbd\n" in found("centos01", "/dev/sdb")[1]
    assert "TYPE=LVM2_member\n" in found("centos01", "/dev/drbd0")[1]
    assert found("centos01", "/dev/vg1/lun1")[0] == 2
    code, out, err = found("centos02", "/dev/drbd0")
    assert (code, out, "Wrong medium type" in err) == (2, "", True)


def test_wipefs_shows_and_removes_what_is_there(loop: SimHost) -> None:
    loop.node.subsystem(Block).disk_below("/dev/loop0").contents[0] = Signature("ext4", "some-uuid")
    shown = json.loads(said(loop, "wipefs -J /dev/loop0")[1])
    assert [row["type"] for row in shown["signatures"]] == ["ext4"]
    assert said(loop, "wipefs -a /dev/loop0")[0] == 0
    assert loop.node.subsystem(Block).is_blank("/dev/loop0")


def test_a_label_carries_its_group_from_disk_to_disk(stack: Stack) -> None:
    heads = [node.subsystem(Block).disk_below("/dev/sdb").contents[0] for node in stack.nodes()]
    assert heads[0] == heads[1]
    assert isinstance(heads[0], Label)
    assert isinstance(heads[0].group, Group)


# What must never be


def test_a_healthy_stack_breaks_nothing(stack: Stack) -> None:
    stack.export("centos01")
    stack.lab.clock.sleep(10)
    assert stack.codes() == set()


def test_two_primaries_are_seen(stack: Stack) -> None:
    stack.lab.world.cut_link("centos01", "centos02")
    stack.lab.clock.sleep(10)
    stack.run("centos02", "drbdadm primary vg1")
    assert stack.codes() == {"two-primaries"}


def test_a_target_enabled_before_it_is_complete_is_seen(stack: Stack) -> None:
    scst = stack.node("centos01").subsystem(Scst)
    scst.add_target(IQN)
    assert stack.codes() == set()
    scst.enable(IQN)
    assert stack.codes() == {"enabled-incomplete"}


def test_access_control_that_comes_after_enabling_is_seen_within_the_change_that_makes_the_target(stack: Stack) -> None:
    scst, host = stack.node("centos01").subsystem(Scst), stack.lab.hosts["centos01"]
    groups = f"targets/iscsi/{IQN}/ini_groups/mgmt"
    with host.hold("hastore"):
        stack.export("centos01")
        scst.set_attribute(groups, "create clients")
    assert stack.codes() == {"enabled-incomplete"}


def test_a_later_change_may_add_a_group_to_an_enabled_target(stack: Stack) -> None:
    scst, host = stack.node("centos01").subsystem(Scst), stack.lab.hosts["centos01"]
    with host.hold("hastore"):
        stack.export("centos01")
    with host.hold("hastore"):
        scst.set_attribute(f"targets/iscsi/{IQN}/ini_groups/mgmt", "create clients")
        scst.add_lun(IQN, 0, "LUN1", "clients")
        scst.set_attribute(f"targets/iscsi/{IQN}/ini_groups/clients/initiators/mgmt", "add iqn.client:*")
    assert stack.codes() == set()


def test_a_group_with_initiators_needs_lun_0(stack: Stack) -> None:
    stack.export("centos01")
    scst = stack.node("centos01").subsystem(Scst)
    scst.set_attribute(f"targets/iscsi/{IQN}/ini_groups/mgmt", "create clients")
    assert stack.codes() == set()
    scst.set_attribute(f"targets/iscsi/{IQN}/ini_groups/clients/initiators/mgmt", "add iqn.client:*")
    assert stack.codes() == {"lun-0-missing"}


def test_a_missing_lun_0_is_seen(stack: Stack) -> None:
    stack.export("centos01")
    scst = stack.node("centos01").subsystem(Scst)
    scst.add_lun(IQN, 1, "LUN1")
    scst.del_lun(IQN, 0)
    assert stack.codes() == {"lun-0-missing"}


def test_a_service_address_without_a_lun_is_seen_unless_its_port_is_blocked(stack: Stack) -> None:
    network = stack.node("centos01").subsystem(Network)
    network.block("192.168.100.180", 3260)
    network.add_address("192.168.100.180", 24)
    assert stack.codes() == set()
    network.unblock("192.168.100.180", 3260)
    assert stack.codes() == {"vip-without-lun"}


def test_devices_that_were_not_blank_are_seen() -> None:
    lab = article()
    lab.world.nodes["centos01"].subsystem(Block).disk_below("/dev/sdb").contents[0] = Signature("ext4")
    lab.hosts["centos01"].perform([Run(("pvcreate", "-y", "/dev/sdb"))])
    assert [violation.code for violation in lab.world.violations] == ["device-not-blank"]


def test_create_md_refuses_a_disk_in_use_by_something_else_unless_forced() -> None:
    lab = article()
    node = lab.world.nodes["centos01"]
    node.files.add("/etc/drbd.d/vg1.res", RESOURCE)
    node.subsystem(Block).disk_below("/dev/sdb").contents[0] = Signature("ext4")
    host = lab.hosts["centos01"]
    assert host.perform([Run(("drbdadm", "create-md", "vg1"))])[0].exit_code == 40
    assert lab.world.violations == []
    assert host.perform([Run(("drbdadm", "create-md", "--force", "vg1"))])[0].status is Status.DONE
    assert [violation.code for violation in lab.world.violations] == ["device-not-blank"]


def test_one_identity_for_two_luns_is_seen(stack: Stack) -> None:
    stack.export("centos01")
    node = stack.node("centos01")
    scst = node.subsystem(Scst)
    stack.run("centos01", "lvcreate -y -n lun2 -L 100M vg1")
    scst.add_device("vdisk_fileio", "LUN2", filename="/dev/vg1/lun2")
    scst.set_attribute("devices/LUN2/t10_dev_id", scst.devices["LUN1"].value("t10_dev_id"))
    scst.add_lun(IQN, 1, "LUN2")
    assert stack.codes() == {"identity-shared"}


def test_a_violation_is_recorded_once_for_as_long_as_it_lasts(stack: Stack) -> None:
    scst = stack.node("centos01").subsystem(Scst)
    scst.add_target(IQN)
    for _ in range(2):
        scst.enable(IQN)
        stack.lab.clock.sleep(5)
        scst.enable(IQN, on=False)
        stack.lab.clock.sleep(5)
    assert [violation.code for violation in stack.lab.world.violations] == ["enabled-incomplete"] * 2


# SCST beyond the recordings


def test_blockio_without_flush_turns_nv_cache_on(stack: Stack) -> None:
    node = stack.node("centos01")
    node.subsystem(Block).disk_below("/dev/sdb").flush = False
    device = build(node, "vdisk_blockio", "b", {"filename": "/dev/vg1/lun1"}, 0)
    assert device.value("nv_cache") == "1"


def test_identities_come_from_the_name_and_the_setup_id(stack: Stack) -> None:
    node = stack.node("centos01")

    def serial(setup_id: int) -> Device:
        return build(node, "vdisk_nullio", "disk1", {}, setup_id)

    assert serial(0).value("usn") == "b8fdbd32", "as recorded"
    assert serial(0x1234).value("usn") == "1234b8fdbd32"


def test_a_device_in_use_keeps_its_volume(stack: Stack) -> None:
    stack.export("centos01")
    path = mapper_path("vg1", "lun1")
    assert stack.node("centos01").subsystem(Block).holders_of(path) == ["scst:LUN1"]
    stack.node("centos01").subsystem(Scst).kill_daemon()
    assert stack.node("centos01").subsystem(Block).holders_of(path) == ["scst:LUN1"], "devices outlive the daemon"
