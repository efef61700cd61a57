"""SCST's recorded trees are read: devices, targets, groups, sessions, marks, and what is not known."""

from __future__ import annotations

from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hastore.formats import scst_tree
from hastore.hosts.operations import Entry
from hastore.model.errors import ParseError
from hastore.model.scsi import Lun
from hastore.model.state import ScstState
from recorded import RECORDINGS, tree

DUMPS = sorted((RECORDINGS / "scst").glob("[0-9]*.json"))
TARGET = "iqn.2026-01.lab.example:tgt1"


def state(prefix: str) -> ScstState:
    """Return a recorded state; some dumps hold the targets alone and get their version from another."""
    (path,) = (p for p in DUMPS if p.name.startswith(prefix))
    return scst_tree.parse(whole(path))


def whole(path: Path) -> dict[str, Entry]:
    version = tree(DUMPS[0])["version"]
    return {"version": version} | tree(path)


@pytest.mark.parametrize("path", DUMPS, ids=lambda path: path.name)
def test_every_recorded_tree_is_read(path: Path) -> None:
    found = scst_tree.parse(whole(path))
    assert found.version == "3.11.0-pre"
    names = {name.split("/")[1] for name in tree(path) if name.startswith("devices/")}
    assert set(found.devices) == {name for name in names if ":" not in name}
    assert set(found.targets) == {
        name.split("/")[2] for name in tree(path) if name.startswith("targets/iscsi/") and name.endswith("/luns/mgmt")
        and "/ini_groups/" not in name
    }  # fmt: skip


def test_the_daemon_s_life_shows_in_the_tree() -> None:
    assert [state(n).daemon_running for n in ("01", "02", "23")] == [False, True, True]
    assert state("23").targets == {}
    assert [state(n).driver_enabled for n in ("02", "08")] == [False, True]


def test_devices_with_their_marks() -> None:
    device = state("07").devices["disk1"]
    assert (device.handler, device.path, device.size) == ("vdisk_fileio", "/srv/f1", 64 * 2**20)
    assert device.attributes["blocksize"] == "512"
    assert device.changed == {"filename", "size"}
    assert "filename" not in device.attributes
    assert state("30").devices["d1"].changed >= {"nv_cache", "t10_dev_id", "threads_num"}
    assert state("07").devices["lv1"].handler == "vdisk_blockio"


def test_a_target_with_everything() -> None:
    target = state("11").targets[TARGET]
    assert (target.enabled, target.rel_tgt_id, target.portals) == (True, 7, ("10.77.1.11",))
    assert target.luns == (Lun(0, "disk1"), Lun(1, "lv1"))
    assert target.parameters["QueuedCommands"] == "64"
    group = next(g for g in state("07").targets[TARGET].groups if g.name == "g1")
    assert group.luns == (Lun(0, "disk2", read_only=True), Lun(1, "disk1"))
    assert {"iqn.2026-01.*", "!iqn.bad*", "iqn.????-01.lab#10.77.1.*", "\\*"} <= set(group.initiators)


def test_secrets_stay_outside() -> None:
    found = state("11")
    assert found.targets[TARGET].incoming_users == ("joe",)
    assert "passwd" not in repr(found)


def test_sessions_and_the_group_they_were_given() -> None:
    (session,) = state("20").targets[TARGET].sessions
    assert (session.initiator, session.ips, session.group) == ("iqn.2026-01.lab.example:node1", ("10.77.1.11",), "")
    (session,) = state("22").targets[TARGET].sessions
    assert session.group == "g1"


def test_unreadable_attributes_are_left_out_and_unknown_ones_kept() -> None:
    read = whole(DUMPS[-1]) | {
        "devices/d1/brand_new": Entry("file", b"7\n[key]\n"),
        "devices/d1/broken": Entry("file", error="EIO"),
        "devices/d1/story": Entry("file", b"one\ntwo\n"),
    }
    device = scst_tree.parse(read).devices["d1"]
    assert (device.attributes["brand_new"], device.attributes["story"]) == ("7", "one\ntwo")
    assert "broken" not in device.attributes
    assert "brand_new" in device.changed


def test_what_is_skipped_changes_nothing_that_is_read() -> None:
    for path in DUMPS:
        read = whole(path)

        def skipped(name: str) -> bool:
            parts = name.split("/")
            above = ("/".join(parts[:end]) for end in range(1, len(parts) + 1))
            return any(fnmatch(part, pattern) for part in above for pattern in scst_tree.SKIP)

        rest = {name: entry for name, entry in read.items() if not skipped(name)}
        assert len(rest) < len(read)
        slim, full = scst_tree.parse(rest), scst_tree.parse(read)
        assert slim.targets == full.targets
        assert set(slim.devices) == set(full.devices)


def test_creation_parameters_come_from_the_handler_s_help() -> None:
    help_text = tree(DUMPS[2])["handlers/vdisk_fileio/mgmt"].text
    found = scst_tree.parse_creation_parameters(help_text)
    assert {"filename", "t10_dev_id", "nv_cache", "write_through"} <= found
    assert not {"threads_num", "usn", "naa_id"} & found
    assert scst_tree.parse_creation_parameters("no help here") == frozenset()
    blocks = (RECORDINGS / "scst" / "mgmt-help.txt").read_text().split("==== ")[1:]
    shown = {block.partition("\n")[0]: scst_tree.parse_creation_parameters(block) for block in blocks}
    assert shown["/sys/kernel/scst_tgt/handlers/vdisk_fileio/mgmt"] == found


def test_broken_trees_are_parse_errors() -> None:
    with pytest.raises(ParseError, match="SCST version"):
        scst_tree.parse({})
    read = {"version": Entry("file", b"SCST version: 3.8.0\n")}
    read |= {f"targets/iscsi/{TARGET}": Entry("dir"), f"targets/iscsi/{TARGET}/luns/99999": Entry("dir")}
    with pytest.raises(ParseError, match="a LUN with its device"):
        scst_tree.parse(read)
    link = {f"targets/iscsi/{TARGET}/luns/99999/device": Entry("link", target="../devices/x")}
    with pytest.raises(ParseError, match="up to 16383"):
        scst_tree.parse(read | link)


NAMES = st.sampled_from(
    ["version", "devices", "targets", "iscsi", "luns", "0", "ini_groups", "g", "sessions", "ip", "enabled", "device"]
)
ENTRIES = st.builds(
    Entry,
    st.sampled_from(["file", "dir", "link"]),
    st.binary(max_size=9) | st.just(b"SCST version: 3"),
    st.text(max_size=5),
)


@given(st.dictionaries(st.lists(NAMES, min_size=1, max_size=7).map("/".join), ENTRIES, max_size=12))
def test_strange_trees_are_parse_errors_and_nothing_else(read: dict[str, Entry]) -> None:
    with suppress(ParseError):
        scst_tree.parse(read | {"version": Entry("file", b"SCST version: 3.11\n")})
