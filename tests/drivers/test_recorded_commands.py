"""The drivers of LVM and open-iscsi read and judge recorded answers: what was refused is explained, what was done is done."""

from __future__ import annotations

import pytest
from test_observe_recordings import Recorded, converse

from hastore.drivers.base import HostFacts
from hastore.drivers.client_open_iscsi import OpenIscsiDriver
from hastore.drivers.lvm_lvm2 import Lvm2Driver
from hastore.formats import lvm_report
from hastore.model.lvm import LogicalVolume
from hastore.model.state import ClientState
from hastore.planning import steps_lvm as lvm
from hastore.planning.steps import Step
from recorded_commands import recorded

LUN = lvm.CreateLv("n", "tvg1", LogicalVolume("lun1", "20M"))
PV = lvm.CreatePv("n", "/dev/loop0")


@pytest.mark.parametrize(
    ("name", "step", "meaning"),
    [
        ("lvcreate-dup", LUN, "a volume of this name exists already"),
        ("lvcreate-nospace", LUN, "the volume group is too small: extend it first"),
        ("lvcreate-activate", LUN, "modprobe dm_mod"),
        ("lvcreate-noactivate", LUN, "modprobe dm_mod"),
        ("vgchange-aey", lvm.ActivateVg("n", "tvg1"), "modprobe dm_mod"),
        ("vgchange-systemid-clear", lvm.ActivateVg("n", "tvg1"), "another host's system ID"),
        ("pvcreate-file", PV, "LVM does not see the device"),
        ("pvcreate-devdir", PV, "LVM does not see the device"),
    ],
)
def test_recorded_refusals_of_lvm_are_explained(name: str, step: Step, meaning: str) -> None:
    said = recorded("lvm", name)
    verdict = Lvm2Driver(HostFacts("n")).judge(step, (said.outcome,))
    assert verdict.result == "refused"
    assert meaning in verdict.reason.partition(" (")[0] or verdict.reason.startswith(meaning)
    assert said.err.strip() in verdict.reason, "what LVM said is never lost"


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("pvcreate-loop", PV),
        ("vgcreate-loop", lvm.CreateVg("n", "tvg1", ("/dev/loop0",))),
        ("lvcreate-driverloaded-n", LUN),
        ("lvextend", lvm.ExtendLv("n", "tvg1", "lun1", 28 * 2**20)),
    ],
)
def test_what_lvm_did_is_done(name: str, step: Step) -> None:
    assert Lvm2Driver(HostFacts("n")).judge(step, (recorded("lvm", name).outcome,)).result == "done"


def test_the_recorded_version_of_lvm_suits_the_driver() -> None:
    match = Lvm2Driver.match(HostFacts("n", {Lvm2Driver.probes[0]: recorded("lvm", "version").outcome}))
    assert match.score > 0
    assert match.reason == "LVM 2.03.16"


@pytest.mark.parametrize("name", ["fullreport", "vgs-json"])
def test_a_machine_without_lvm_volumes_reports_none(name: str) -> None:
    said = recorded("lvm", name)
    assert said.exit_code == 0
    assert lvm_report.parse(said.out) == lvm_report.LvmReport()


def test_recorded_reports_in_bytes_are_one_group() -> None:
    report = lvm_report.parse(*(recorded("lvm", f"{kind}-json-loop").out for kind in ("vgs", "lvs", "pvs")))
    assert report.physical_volumes == {"/dev/loop0": "tvg1"}
    (group,) = report.groups.values()
    assert (group.size, group.free, group.tags, group.system_id) == (24 * 2**22, 19 * 2**22, (), "")
    (volume,) = group.logical_volumes.values()
    assert (volume.name, volume.size, volume.active, volume.open) == ("lun1", 20 * 2**20, False, False)


def test_a_client_where_nothing_was_done_is_seen_so() -> None:
    """iscsiadm refuses `-m session -P 3` and `-m node -o show` with the same code and words (run with 2.1.8)."""
    seen = converse(OpenIscsiDriver(facts()).observe(), Recorded(_IDLE, {}))
    assert isinstance(seen, ClientState)
    assert (tuple(seen.sessions), tuple(seen.nodes), seen.version) == ((), (), "2.1.8")


_ASKED = {"iscsiadm -m session -P 3": "iscsiadm-session", "iscsiadm -m node -o show": "iscsiadm-node"}
_IDLE = {
    asked: (said.exit_code, said.out.encode(), said.err.encode())
    for asked, said in ((asked, recorded("iscsi", name)) for asked, name in _ASKED.items())
}


def facts() -> HostFacts:
    facts = HostFacts("n", {OpenIscsiDriver.probes[0]: recorded("iscsi", "iscsiadm-version").outcome})
    assert OpenIscsiDriver.match(facts).reason == "open-iscsi 2.1.8"
    return facts
