"""lsblk, LVM's reports and iscsiadm's lists: recorded and real answers are read, strange ones are ParseErrors."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hastore.formats import iscsiadm, lsblk, lvm_report
from hastore.model.errors import ParseError
from hastore.model.state import ClientSession
from recorded import RECORDINGS, commands

SESSIONS = {r.command: r for r in commands(RECORDINGS / "scst" / "cmds-sessions.txt")}
TARGET = "iqn.2026-01.lab.example:tgt1"


def test_sessions_of_both_forms() -> None:
    short = iscsiadm.parse_sessions(SESSIONS["iscsiadm -m session"].output)
    assert short == (ClientSession(TARGET, "10.77.1.11:3260"),)
    (session,) = iscsiadm.parse_sessions(SESSIONS["iscsiadm -m session -P 3"].output)
    assert session == ClientSession(TARGET, "10.77.1.11:3260", "LOGGED_IN", ("sda", "sdb"))
    assert iscsiadm.parse_sessions("") == ()


def test_discoveries() -> None:
    found = next(
        r for command, r in SESSIONS.items() if command.startswith("iscsiadm -m discovery -t st -p 10.77.1.11; rm")
    )
    assert [portal for _, portal in iscsiadm.parse_discovery(found.output)] == ["10.77.1.11:3260", "10.77.0.11:3260"]
    with pytest.raises(ParseError, match="iscsiadm -m discovery:1:1"):
        iscsiadm.parse_discovery("nothing of the kind")


def test_node_records() -> None:
    text = (RECORDINGS / "open_iscsi" / "node-show.txt").read_text()
    chap, bare = iscsiadm.parse_nodes(text)
    assert (chap.target, chap.portal) == ("iqn.2026-11.example.lab:disks", "10.0.0.1:3260")
    assert (bare.target, bare.portal) == ("iqn.2026-11.example.lab:disks", "[fd00::1]:3260")
    assert (chap.has_password, chap.mutual, bare.has_password) == (True, False, False)
    assert chap.settings["node.session.auth.username"] == "joe"
    assert chap.settings["node.session.timeo.replacement_timeout"] == "120"
    assert "node.session.auth.username" not in bare.settings, "what is empty is not set"
    assert chap.shown + bare.shown == text
    for broken in ("nothing of the kind", text.replace("node.name", "node.nome"), text.removesuffix("# END RECORD\n")):
        with pytest.raises(ParseError, match="iscsiadm -m node -o show"):
            iscsiadm.parse_nodes(broken)


def test_a_password_that_iscsiadm_showed_is_not_kept() -> None:
    text = (RECORDINGS / "open_iscsi" / "node-show.txt").read_text()
    shown = text.replace("password = ********", "password = canary-of-a-secret").replace(
        "password_in = <empty>", "password_in = canary-of-a-secret", 1
    )
    records = iscsiadm.parse_nodes(shown)
    assert (records[0].has_password, records[0].mutual) == (True, True)
    assert "canary" not in "".join(f"{record!r}{record.shown}{record.settings}" for record in records)


def test_the_file_of_a_record_is_found_in_the_place_of_either_distribution() -> None:
    chap, bare = iscsiadm.parse_nodes((RECORDINGS / "open_iscsi" / "node-show.txt").read_text())
    debian = f"/etc/iscsi/nodes/{chap.target}/10.0.0.1,3260,1/default"
    old = f"/var/lib/iscsi/nodes/{bare.target}/fd00::1,3260"
    files = (debian, old, f"/etc/iscsi/nodes/{chap.target}/10.0.0.1,3260,2/default")
    assert iscsiadm.file_of(chap, files) == debian
    assert iscsiadm.file_of(bare, files) == old
    assert not iscsiadm.file_of(chap, (debian, debian.replace("/etc", "/var/lib"))), "two could be it"
    assert not iscsiadm.file_of(chap, ())


def test_ipv6_portals_and_names() -> None:
    assert iscsiadm.parse_discovery("[fd00::1]:3260,1 iqn.2026-01.a:b\n") == (("iqn.2026-01.a:b", "[fd00::1]:3260"),)
    assert iscsiadm.parse_initiator_name("## do not edit\nInitiatorName=iqn.1993-08.org.debian:01:abc\n") == (
        "iqn.1993-08.org.debian:01:abc"
    )
    assert iscsiadm.parse_initiator_name("#InitiatorName=x\n") == ""


# -- LVM ----------------------------------------------------------------------------------------------

VGS = '{"report":[{"vg":[{"vg_name":"vg1","vg_size":"1073741824B","vg_free":"1048576B","vg_extent_size":"4194304B","vg_tags":"a,b"}]}]}'
LVS = (
    '{"report":[{"lv":[{"lv_name":"lun1","vg_name":"vg1","lv_size":"20971520B","lv_attr":"-wi-ao----"},'
    '{"lv_name":"[hidden]","vg_name":"vg1","lv_size":"4194304B","lv_attr":"-wi-------"}]}]}'
)
PVS = '{"report":[{"pv":[{"pv_name":"/dev/drbd0","vg_name":"vg1"},{"pv_name":"/dev/sdc","vg_name":""}]}]}'


@pytest.mark.parametrize("order", [(VGS, LVS, PVS), (PVS, LVS, VGS)])
def test_three_reports_make_one(order: tuple[str, ...]) -> None:
    report = lvm_report.parse(*order)
    group = report.groups["vg1"]
    assert (group.size, group.free, group.extent_size, group.tags) == (2**30, 2**20, 4 * 2**20, ("a", "b"))
    assert group.physical_volumes == ("/dev/drbd0",)
    assert [(v.name, v.size, v.active, v.open) for v in group.logical_volumes.values()] == [
        ("lun1", 20971520, True, True)
    ]
    assert report.physical_volumes == {"/dev/drbd0": "vg1", "/dev/sdc": ""}


def test_a_full_report_names_the_group_once() -> None:
    parts = {
        **json.loads(VGS)["report"][0],
        "lv": [{"lv_name": "lun1", "lv_size": "4194304B", "lv_attr": "-wi-------"}],
    }
    report = lvm_report.parse(json.dumps({"report": [parts | {"pv": [{"pv_name": "/dev/drbd0"}]}]}))
    assert report.groups["vg1"].logical_volumes["lun1"].active is False
    assert report.physical_volumes == {"/dev/drbd0": "vg1"}


# -- lsblk --------------------------------------------------------------------------------------------


@pytest.mark.oracle
def test_lsblk_of_this_machine_is_read() -> None:
    if shutil.which("lsblk") is None:
        pytest.skip("missing: lsblk")
    argv = ["lsblk", "-J", "-b", "-p", "-o", ",".join(lsblk.COLUMNS)]
    text = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    names = subprocess.run(["lsblk", "-n", "-l", "-p", "-o", "NAME"], capture_output=True, text=True, check=True).stdout
    assert set(lsblk.parse(text)) == set(names.split())


def test_a_device_is_blank_only_without_anything() -> None:
    row = {"name": "/dev/sdb", "size": 1, "type": "disk", "fstype": None, "pttype": None, "mountpoint": None}
    child = row | {"name": "/dev/sdb1", "type": "part"}
    for changed, blank in (
        ({}, True),
        ({"fstype": "ext4"}, False),
        ({"pttype": "dos"}, False),
        ({"mountpoint": "/"}, False),
        ({"children": [child]}, False),
    ):
        devices = lsblk.parse(json.dumps({"blockdevices": [row | changed]}))
        assert devices["/dev/sdb"].blank is blank
    assert devices["/dev/sdb"].children == ("/dev/sdb1",)
    assert devices["/dev/sdb1"].kind == "part"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "report",
                    "vg",
                    "lv",
                    "pv",
                    "vg_name",
                    "lv_name",
                    "lv_size",
                    "blockdevices",
                    "name",
                    "size",
                    "children",
                ]
            ),
            inner,
        )
    ),
    max_leaves=20,
)
PARSERS: tuple[Callable[[str], object], ...] = (
    lvm_report.parse,
    lsblk.parse,
    iscsiadm.parse_sessions,
    iscsiadm.parse_nodes,
    iscsiadm.parse_initiator_name,
)


@given(JSON.map(json.dumps) | st.text(max_size=40))
def test_strange_answers_are_parse_errors_and_nothing_else(text: str) -> None:
    for parse in PARSERS:
        with suppress(ParseError):
            parse(text)
