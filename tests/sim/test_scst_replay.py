"""The simulated SCST against recordings of a real one: every write that was tried, and the tree after each series."""

from __future__ import annotations

import errno

import pytest
from sim_recorded import scst_tree, scst_writes

from hastore.sim import World
from hastore.sim.block import Block
from hastore.sim.lvm import Lvm
from hastore.sim.network import Network
from hastore.sim.scst import ROOT, Scst
from hastore.sim.world import Node

MIB = 2**20
NOT_COMPARED = {
    "sgv": "memory pools' statistics are not simulated",
    "dif_": "data integrity fields are not simulated",
    "_cmd_count": "counters",
    "_io_count_kb": "counters",
    "latency": "statistics",
    "thread_": "process numbers",
    "copy_manager_sess": "the copy manager's own session is not simulated",
    "handlers/dev_disk": "pass-through devices are not simulated",
    "handlers/scst_user": "devices in user space are not simulated",
    "handlers/vcdrom": "CD-ROM devices are not simulated",
    "trace_": "debug settings",
    "last_sysfs_mgmt_res": "global and often stale: compared after each write instead",
    "sessions/iqn.2026-01.lab.example:node1/lun": "threads of a session's LUN",
    "sessions/iqn.2026-01.lab.example:node1/sid": "a random session identifier",
    "sessions/iqn.2026-01.lab.example:node1/MaxOutstandingR2T": "negotiated with the initiator",
    "sessions/iqn.2026-01.lab.example:node1/MaxXmitDataSegmentLength": "negotiated with the initiator",
}


def compared(path: str) -> bool:
    return not any(part in path for part in NOT_COMPARED) and path != "version" and not path.endswith("mgmt")


@pytest.fixture
def node() -> Node:
    """A machine as it was recorded: three files, a volume group with two volumes, SCST just loaded."""
    node = World().add_node("node1")
    node.install("network", Network(node))
    block = Block(node)
    node.install("block", block)
    block.add_disk("/dev/vdb", "1G")
    lvm = Lvm(node)
    node.install("lvm", lvm)
    lvm.create_group("vg1", ["/dev/vdb"])
    for name in ("lun1", "lun2"):
        lvm.create_volume("vg1", name, 16)
    for name in ("f1", "f2", "f3"):
        node.files.add(f"/srv/{name}", bytes(64 * MIB))
    node.files.add("/srv/empty", b"")
    node.files.add("/srv/odd", bytes(1000))
    scst = Scst(node, loaded=False)
    node.install("scst", scst)
    scst.load()
    return node


def write(node: Node, path: str, data: str) -> str:
    try:
        node.files.write(f"{ROOT}/{path}", data.encode())
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "ok"


def replay(node: Node, name: str, first: int = 0, last: int | None = None) -> None:
    for place, row in enumerate(scst_writes(name)[first : None if last is None else last + 1], start=first):
        assert write(node, row["path"], row["data"]) == row["result"], (name, place, row["path"], row["data"])


def assert_tree(node: Node, name: str) -> None:
    recorded = {path: entry for path, entry in scst_tree(name).items() if compared(path)}
    shown = {
        path: (
            entry.kind,
            f"{entry.mode:04o}" if entry.kind == "file" else "",
            entry.target or ("" if entry.error == "EACCES" else entry.error) or entry.content.decode(),
        )
        for path, entry in node.files.tree(ROOT).items()
        if compared(path)
    }
    assert shown == recorded


def run_devices(node: Node) -> None:
    replay(node, "w-devices", last=1)
    node.subsystem(Scst).start_daemon()
    replay(node, "w-devices", first=2)


def test_a_fresh_load_shows_the_recorded_tree_without_and_with_the_daemon(node: Node) -> None:
    assert_tree(node, "01-fresh-load-daemon-not-started")
    node.subsystem(Scst).start_daemon()
    assert_tree(node, "02-fresh-load-daemon-started")


def test_device_writes_give_the_recorded_errnos_and_trees(node: Node) -> None:
    replay(node, "w-devices", last=1)
    node.subsystem(Scst).start_daemon()
    replay(node, "w-devices", first=2, last=103)
    assert_tree(node, "03-devices")
    replay(node, "w-devices", first=104)
    assert_tree(node, "04-devices-attrs-changed")


def test_target_writes_give_the_recorded_errnos_and_trees(node: Node) -> None:
    run_devices(node)
    done = -1
    for last, name in (
        (12, "05-targets-new"),
        (43, "06-target-luns"),
        (80, "07-ini-groups"),
        (200, "08-target-attrs-driver-enabled"),
        (202, "09-enabled"),
    ):
        replay(node, "w-targets", first=done + 1, last=last)
        assert_tree(node, name)
        done = last
    replay(node, "w-targets", first=done + 1)


def test_device_group_writes_give_the_recorded_errnos_and_tree(node: Node) -> None:
    run_devices(node)
    replay(node, "w-targets")
    replay(node, "w-device-groups", last=38)
    groups = {path: entry for path, entry in scst_tree("10-device-groups").items() if path.startswith("device_groups/")}
    shown = node.files.tree(f"{ROOT}/device_groups")
    assert {f"device_groups/{path}" for path in shown} == set(groups)
    for path, (kind, _mode, content) in groups.items():
        entry = shown[path.removeprefix("device_groups/")]
        assert entry.kind == kind
        assert path.endswith("mgmt") or (entry.target or entry.content.decode()) == content
    replay(node, "w-device-groups", first=39)


def test_top_level_writes_give_the_recorded_errnos(node: Node) -> None:
    node.subsystem(Scst).start_daemon()
    replay(node, "w-top")
    shown = {
        name: node.files.read(f"{ROOT}/{name}").decode() for name in ("setup_id", "threads", "suspend", "cluster_name")
    }
    recorded = scst_tree("11-before-session")
    assert shown == {name: recorded[name][2] for name in shown}


def test_writes_beside_a_live_session_give_the_recorded_errnos_and_tree(node: Node) -> None:
    scst = node.subsystem(Scst)
    scst.start_daemon()
    target, initiator = "iqn.2026-01.lab.example:tgt1", "iqn.2026-01.lab.example:node1"
    replay(node, "w-sessions", last=10)
    session = scst.login(initiator, "10.77.1.11", "10.77.1.11", target)
    assert_tree_of_session(node, "20-session-live-idle")
    replay(node, "w-sessions", first=11, last=15)
    assert session.luns is scst.targets[target].groups["g1"].luns, "a live session moves with its initiator"
    assert (
        node.files.tree(f"{ROOT}/targets/iscsi/{target}/sessions")[f"{initiator}/luns"].target
        == "../../ini_groups/g1/luns"
    )
    replay(node, "w-sessions", first=16, last=30)
    assert not session.alive, "force_close ends it"
    scst.login(initiator, "10.77.1.11", "10.77.1.11", target)  # the initiator is back within half a second
    replay(node, "w-sessions", first=31)


def assert_tree_of_session(node: Node, name: str) -> None:
    def mine(path: str) -> bool:
        return "tgt1/sessions/" in path and compared(path)

    recorded = {path: entry for path, entry in scst_tree(name).items() if mine(path)}
    shown = {path for path in node.files.tree(ROOT) if mine(path)}
    assert shown == set(recorded)


def test_without_the_daemon_there_is_no_iscsi(node: Node) -> None:
    scst = node.subsystem(Scst)
    scst.start_daemon()
    replay(node, "w-sessions", last=10)
    session = scst.login("iqn.2026-01.lab.example:node1", "10.77.1.11", "10.77.1.11", "iqn.2026-01.lab.example:tgt1")
    scst.kill_daemon()
    assert not session.alive
    assert set(scst.devices) == {"d1", "d2", "lv1", "lv2"}, "devices stay"
    replay(node, "w-daemon", last=3)
    scst.start_daemon()
    replay(node, "w-daemon", first=4)
    tree = scst_tree("23-after-daemon-restart")
    names = {path for path in tree if compared(path)}
    shown = {f"targets/iscsi/{name}" for name in node.files.tree(f"{ROOT}/targets/iscsi")}
    assert {path for path in shown if compared(path)} == names - {"targets/iscsi"}


@pytest.mark.parametrize("name", ["w-devices", "w-targets"])
def test_the_last_result_of_a_refused_management_write_is_its_errno(node: Node, name: str) -> None:
    """last_sysfs_mgmt_res says something of one's own write where that write is management work."""
    scst = node.subsystem(Scst)
    if name == "w-targets":
        run_devices(node)
    scst.start_daemon()
    for row in scst_writes(name)[2:]:
        result = write(node, row["path"], row["data"])
        if row["path"].endswith("/mgmt") and row["data"] and not row["path"].startswith("handlers/dev_disk"):
            last = node.files.read(f"{ROOT}/last_sysfs_mgmt_res").decode().strip()
            assert last == row["last"], (row, result)
