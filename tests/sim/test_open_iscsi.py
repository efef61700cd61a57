"""The simulated initiator says what the recorded one said, and its writer is an honest witness."""

from __future__ import annotations

from pathlib import Path

import pytest
from storage_clusters import IQN, VIPS, Stack
from test_pacemaker_journey import stack

from hastore.model.errors import NotSimulated
from hastore.sim.block import Block
from hastore.sim.network import Network
from hastore.sim.open_iscsi import OpenIscsi
from hastore.sim.scst import Scst
from hastore.sim.workload import Writer
from hastore.sim.world import Reply

RECORD = ("iscsiadm", "-m", "node", "-T", IQN, "-p", VIPS[0])
WHERE = f"[iface: default, target: {IQN}, portal: {VIPS[0]},3260]"
INITIATOR = "iqn.1993-08.org.debian:01:drbd01"


def told(cluster: Stack, *argv: str) -> Reply:
    return cluster.node("drbd01").run(*argv, timeout=300)


def discovered() -> Stack:
    cluster = stack()
    assert told(cluster, "iscsiadm", "-m", "discovery", "-t", "sendtargets", "-p", VIPS[0]).exit_code == 0
    return cluster


def test_nothing_there_is_said_with_21() -> None:
    cluster = stack()
    assert told(cluster, "iscsiadm", "-m", "session") == Reply(21, b"", b"iscsiadm: No active sessions.\n")
    assert told(cluster, "iscsiadm", "-m", "node") == Reply(21, b"", b"iscsiadm: No records found\n")


def test_a_login_brings_a_disk_and_a_second_one_is_refused_with_15() -> None:
    cluster = discovered()
    first = told(cluster, *RECORD, "--login")
    assert first.stdout.decode() == f"Logging in to {WHERE}\nLogin to {WHERE} successful.\n"
    again = told(cluster, *RECORD, "-l")
    assert again.exit_code == 15
    assert again.stderr.decode() == (
        "iscsiadm: default: 1 session requested, but 1 already present.\niscsiadm: Could not log into all portals\n"
    )
    assert (
        told(cluster, "iscsiadm", "-m", "session").stdout.decode() == f"tcp: [1] {VIPS[0]}:3260,1 {IQN} (non-flash)\n"
    )
    details = told(cluster, "iscsiadm", "-m", "session", "-P", "3").stdout.decode()
    assert "\t\t\tAttached scsi disk sda\t\tState: running\n" in details
    assert "\t\tiSCSI Session State: LOGGED_IN\n" in details
    assert cluster.node("drbd01").subsystem(Block).size("/dev/sda") == 2**30
    out = told(cluster, *RECORD, "-u")
    assert out.stdout.decode().endswith(f"Logout of [sid: 1, target: {IQN}, portal: {VIPS[0]},3260] successful.\n")
    assert "/dev/sda" not in cluster.node("drbd01").subsystem(Block).devices


def test_wrong_or_missing_chap_is_refused_with_24() -> None:
    cluster = discovered()
    target = cluster.node("centos01").subsystem(Scst)
    target.set_attribute("targets/iscsi/mgmt", f"add_target_attribute {IQN} IncomingUser joe secret12chars")
    refused = told(cluster, *RECORD, "--login")
    assert refused.exit_code == 24
    assert refused.stderr.decode() == (
        f"iscsiadm: Could not login to {WHERE}.\n"
        "iscsiadm: initiator reported error (24 - iSCSI login failed due to authorization failure)\n"
        "iscsiadm: Could not log into all portals\n"
    )
    for name, text in (("authmethod", "CHAP"), ("username", "joe"), ("password", "secret12chars")):
        assert told(cluster, *RECORD, "-o", "update", "-n", f"node.session.auth.{name}", "-v", text).exit_code == 0
    assert told(cluster, *RECORD, "--login").exit_code == 0


def test_records_are_files_that_a_login_reads() -> None:
    cluster = discovered()
    client = cluster.node("drbd01")
    path = f"/etc/iscsi/nodes/{IQN}/{VIPS[0]},3260,1/default"
    assert client.files.modes[path] == 0o600
    cluster.node("centos01").subsystem(Scst).set_attribute(
        "targets/iscsi/mgmt", f"add_target_attribute {IQN} IncomingUser joe secret12chars"
    )
    chap = "\n# a comment\n\tnode.session.auth.authmethod=CHAP\nnode.session.auth.username = jim\nnode.session.auth.username = joe \n"
    text = client.files.read(path).decode() + chap
    client.files.write(path, f"{text}node.session.auth.password = wrong-secret\n".encode(), 0o600)
    assert told(cluster, *RECORD, "--login").exit_code == 24
    client.files.write(path, f"{text}node.session.auth.password = secret12chars\n".encode(), 0o600)
    assert told(cluster, *RECORD, "--login").exit_code == 0
    shown = told(cluster, *RECORD, "-o", "show").stdout.decode()
    assert "node.session.auth.username = joe\nnode.session.auth.password = ********\n" in shown
    assert told(cluster, *RECORD, "-o", "update", "-n", "node.session.queue_depth", "-v", "64").exit_code == 0
    assert b"node.session.auth.password = secret12chars\n" in client.files.read(path), "an update keeps all else"


def test_settings_are_checked_in_the_words_of_the_real_one() -> None:
    cluster = discovered()
    ending = "iscsiadm: Could not execute operation on all records: invalid parameter\n"
    for name, text, said in (
        ("node.session.nonsense", "1", "Cannot modify node.session.nonsense. Invalid param name."),
        ("node.name", "x", "Cannot modify node.name. It is used to look up the record and cannot be changed."),
    ):
        answer = told(cluster, *RECORD, "-o", "update", "-n", name, "-v", text)
        assert answer == Reply(7, b"", f"iscsiadm: {said}\n{ending}".encode())
    assert told(cluster, *RECORD, "-o", "update", "-n", "node.session.auth.authmethod", "-v", "nonsense").exit_code == 7


def test_records_show_what_was_recorded() -> None:
    cluster = stack()
    target, portal = "iqn.2026-11.example.lab:disks", "10.0.0.1:3260"
    told(cluster, "iscsiadm", "-m", "node", "-T", target, "-p", portal, "-o", "new")
    for name, text in (("authmethod", "CHAP"), ("username", "joe"), ("password", "secret12chars")):
        told(
            cluster,
            "iscsiadm",
            "-m",
            "node",
            "-T",
            target,
            "-o",
            "update",
            "-n",
            f"node.session.auth.{name}",
            "-v",
            text,
        )
    recorded = (Path(__file__).parents[1] / "recordings" / "open_iscsi" / "node-show.txt").read_text()
    shown = told(cluster, "iscsiadm", "-m", "node", "-o", "show").stdout.decode()
    assert shown == recorded[: recorded.index("# END RECORD")] + "# END RECORD\n"


def test_a_discovery_makes_records_anew_unless_it_is_told_not_to() -> None:
    cluster = discovered()
    told(cluster, *RECORD, "-o", "update", "-n", "node.startup", "-v", "automatic")
    discovery = ("iscsiadm", "-m", "discovery", "-t", "st", "-p", VIPS[0])
    records = cluster.node("drbd01").subsystem(OpenIscsi).node_records
    for argv, expected in (((*discovery, "-o", "new"), "automatic"), (discovery, "manual")):
        assert told(cluster, *argv).exit_code == 0
        record = records.get(IQN, f"{VIPS[0]}:3260")
        assert record is not None
        assert record["node.startup"] == expected


def test_a_portal_that_is_not_allowed_is_refused_with_19() -> None:
    cluster = discovered()
    scst = cluster.node("centos01").subsystem(Scst)
    scst.set_attribute("targets/iscsi/mgmt", f"del_target_attribute {IQN} allowed_portal {VIPS[0]}")
    refused = told(cluster, *RECORD, "--login")
    assert refused.exit_code == 19
    assert b"19 - encountered non-retryable iSCSI login failure" in refused.stderr
    nothing = told(cluster, "iscsiadm", "-m", "discovery", "-t", "st", "-p", VIPS[0])
    assert nothing == Reply(21, b"", b"iscsiadm: No portals found\n")


def test_a_blocked_port_lets_a_discovery_wait_and_then_fail() -> None:
    cluster = stack()
    cluster.node("centos01").subsystem(Network).block(VIPS[0], 3260)
    began = cluster.world.clock.now
    answer = told(cluster, "iscsiadm", "-m", "discovery", "-t", "st", "-p", VIPS[0])
    assert answer.exit_code == 8
    assert 29 < cluster.world.clock.now - began < 32


def test_a_session_that_was_forced_out_is_back_at_once_under_another_name() -> None:
    cluster = discovered()
    told(cluster, *RECORD, "--login")
    scst = cluster.node("centos01").subsystem(Scst)
    [session] = scst.targets[IQN].sessions
    assert session.initiator == INITIATOR
    scst.logout(session)
    cluster.world.advance(3)
    assert len(scst.targets[IQN].sessions) == 1
    [mine] = cluster.node("drbd01").subsystem(OpenIscsi).sessions.values()
    assert mine.logged_in


def test_only_the_group_that_matches_shows_its_luns() -> None:
    cluster = discovered()
    scst = cluster.node("centos01").subsystem(Scst)
    base = f"targets/iscsi/{IQN}/ini_groups"
    scst.set_attribute(f"{base}/mgmt", "create mine")
    scst.set_attribute(f"{base}/mine/initiators/mgmt", f"add {INITIATOR}")
    told(cluster, *RECORD, "--login")
    assert "Attached scsi disk" not in told(cluster, "iscsiadm", "-m", "session", "-P", "3").stdout.decode()
    scst.set_attribute(f"{base}/mine/luns/mgmt", "add VDISK-LUN01 0")
    told(cluster, "iscsiadm", "-m", "session", "--rescan")
    assert "Attached scsi disk sda" in told(cluster, "iscsiadm", "-m", "session", "-P", "3").stdout.decode()


def test_waiting_writes_fail_once_replacement_timeout_is_over() -> None:
    cluster = discovered()
    told(cluster, *RECORD, "-o", "update", "-n", "node.session.timeo.replacement_timeout", "-v", "30")
    told(cluster, *RECORD, "--login")
    writer = Writer(cluster.world, "drbd01", IQN)
    cluster.world.advance(5)
    for name in ("centos01", "centos02"):
        cluster.world.cut_link("drbd01", name)
    cluster.world.advance(25)
    assert writer.errors == []
    assert writer.standing_still
    cluster.world.advance(15)
    assert {error.error for error in writer.errors} == {"EIO"}
    assert 28 < writer.longest_stall < 33


def test_the_writer_notices_what_was_lost() -> None:
    cluster = stack()
    writer = cluster.writer()
    cluster.world.advance(5)
    assert writer.missing() == []
    device = cluster.node("centos01").subsystem(Scst).devices["VDISK-LUN01"]
    writer.stop()
    device.write(3, "somebody else's", sync=True)
    assert len(writer.missing()) == 1


def test_a_client_that_booted_logs_in_again_where_it_was_told_to() -> None:
    cluster = discovered()
    told(cluster, *RECORD, "-o", "update", "-n", "node.startup", "-v", "automatic")
    told(cluster, *RECORD, "--login")
    client = cluster.node("drbd01")
    client.power_off()
    client.boot()
    cluster.world.advance(2)
    assert told(cluster, "iscsiadm", "-m", "session").exit_code == 0


def test_what_is_not_known_is_said_honestly() -> None:
    with pytest.raises(NotSimulated, match="iscsiadm"):
        told(stack(), "iscsiadm", "-m", "iface")
