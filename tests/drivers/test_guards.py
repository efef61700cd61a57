"""What must never be overwritten is not: guards on the host stop a step whose world moved after it was planned."""

from __future__ import annotations

import attrs
import pytest
import test_contract_serving as serving
import test_contract_storage as storage
from test_contract_storage import RESOURCE, lab

from hastore.drivers.base import Driver, Verdict
from hastore.drivers.drbd_84 import Drbd84Driver
from hastore.drivers.lvm_lvm2 import Lvm2Driver
from hastore.drivers.scst_sysfs import ScstSysfsDriver
from hastore.hosts.operations import Run
from hastore.model.errors import UnsupportedStep
from hastore.model.lvm import LogicalVolume
from hastore.model.scsi import ScstDevice
from hastore.planning import steps_drbd as drbd
from hastore.planning import steps_lvm as lvm
from hastore.planning import steps_scst as scst
from hastore.planning.steps import Step
from hastore.testing.workbench import Bench, Workbench


def signature(work: Workbench, path: str) -> str:
    (outcome,) = work.host.perform((Run(("blkid", "-p", "-o", "export", path), reads=True, ok=(0, 2)),))
    return outcome.text


@pytest.mark.parametrize(
    ("kind", "step"),
    [(Drbd84Driver, drbd.CreateDrbdMetadata("node1", RESOURCE)), (Lvm2Driver, lvm.CreatePv("node1", "/dev/sdb"))],
)
def test_a_disk_that_got_a_signature_is_left_alone(kind: type[Driver], step: Step) -> None:
    work = Workbench(Bench(lab().hosts, "node1", steps=(drbd.WriteDrbdConfig("node1", RESOURCE),)), kind)
    for prepared in work.steps():
        work.do(prepared)
    operations = work.render(step)
    (made,) = work.host.perform((Run(("pvcreate", "/dev/sdb")),))
    assert made.done
    before = signature(work, "/dev/sdb")
    assert "LVM2_member" in before
    verdict = work.perform(step, operations)
    assert verdict.result == "refused"
    assert "is blank" in verdict.reason
    assert signature(work, "/dev/sdb") == before


def test_metadata_is_never_written_over_metadata() -> None:
    work = Workbench(storage.TestDrbd84().bench(), Drbd84Driver)
    step = drbd.CreateDrbdMetadata("node1", RESOURCE)
    operations = work.render(step)
    for prepared in work.steps():
        work.do(prepared)
    before = work.state
    assert work.perform(step, operations).result == "refused"
    assert work.state == before


def test_a_resource_that_held_data_is_never_forced() -> None:
    work = Workbench(storage.TestDrbd84().bench(), Drbd84Driver)
    step = drbd.InitialPrimary("node2", RESOURCE)
    operations = work.render(step)
    for prepared in work.steps():
        if isinstance(prepared, drbd.DrbdSecondary):
            break
        work.do(prepared)
    verdict = work.perform(step, operations)
    assert verdict.result == "refused"
    assert "never held data" in verdict.reason
    assert drbd.InitialPrimary("node1", RESOURCE).ensures(work.state)
    assert work.state.hosts["node2"].drbd.resources["r0"].role == "Secondary"  # type: ignore[union-attr]  # it is up


def test_a_group_is_made_of_unused_physical_volumes_alone() -> None:
    """vgcreate by itself makes a physical volume of any device it is given."""
    work = Workbench(Bench(lab().hosts, "node1"), Lvm2Driver)
    verdict = work.do(lvm.CreateVg("node1", "vg1", ("/dev/sdb",)))
    assert verdict.result == "refused"
    assert "physical volume of no group" in verdict.reason
    assert signature(work, "/dev/sdb") == ""


@pytest.mark.parametrize(
    "step",
    [
        lvm.CreateVg("node1", "vg1", ("/dev/sdc",)),
        lvm.CreateLv("node1", "vg1", LogicalVolume("lun1", "20M")),
    ],
    ids=["vg", "lv"],
)
def test_what_exists_is_not_made_twice(step: Step) -> None:
    steps = (
        lvm.CreatePv("node1", "/dev/sdb"),
        lvm.CreatePv("node1", "/dev/sdc"),
        lvm.CreateVg("node1", "vg1", ("/dev/sdb",)),
        lvm.CreateLv("node1", "vg1", LogicalVolume("lun1", "40M")),
    )
    work = Workbench(Bench(lab().hosts, "node1", steps=steps), Lvm2Driver)
    for prepared in work.steps():
        work.do(prepared)
    before = work.state
    assert work.do(step).result == "refused"
    assert work.state == before


# -- SCST: what it would take without a word ----------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"threads_num": "99999"}, "crash"),
        ({"numa_node_id": "many"}, "NUMA|node"),
        ({"blocksize": "1000"}, "512"),
        ({"nv_cache": "yes"}, "0 or 1"),
        ({"usn": "x" * 21}, "20 bytes"),
        ({"t10_dev_id": "a b"}, "white space"),
        ({"naa_id": "xyz"}, "hexadecimal"),
        ({"comment": "two\nlines"}, "line break"),
    ],
)
def test_values_that_scst_does_not_check_are_refused_before_they_are_written(
    attributes: dict[str, str], said: str
) -> None:
    work = Workbench(serving.TestScstSysfs().bench(), ScstSysfsDriver)
    with pytest.raises(UnsupportedStep, match=said):
        work.render(scst.AddDevice("node1", ScstDevice("d", "/dev/sdb", attributes=attributes)))


@pytest.mark.parametrize(
    "step",
    [
        scst.AddInitiator("node1", "iqn.2026-01.a:b", "g", "has/slash"),
        scst.AddGroup("node1", "iqn.2026-01.a:b", "two words"),
        scst.SetTargetParameter("node1", "iqn.2026-01.a:b", "NopInInterval", "garbage"),
        scst.SetDeviceAttribute("node1", "d", "threads_num", "100000"),
        scst.AddDevice("node1", ScstDevice("x" * 65, "/dev/sdb")),
        scst.AddDevice("node1", ScstDevice("d", "/dev/sdb; nv_cache=1")),
    ],
    ids=lambda step: step.verb,
)
def test_names_that_break_its_commands_are_refused(step: Step) -> None:
    work = Workbench(serving.TestScstSysfs().bench(), ScstSysfsDriver)
    with pytest.raises(UnsupportedStep):
        work.render(step)


def test_a_numa_node_that_is_not_there_is_refused_by_the_host() -> None:
    work = Workbench(serving.TestScstSysfs().bench(), ScstSysfsDriver)
    device = ScstDevice("d", "/dev/sdb", attributes={"numa_node_id": "7"})
    work.host.inner.node.files.absent.add("/sys/devices/system/node/node7")  # type: ignore[attr-defined]  # simulated
    verdict = work.do(scst.AddDevice("node1", device))
    assert verdict.result == "refused"
    assert "NUMA node 7" in verdict.reason
    assert "d" not in work.state.hosts["node1"].scst.devices  # type: ignore[union-attr]  # SCST is loaded


def test_the_old_configuration_is_kept_beside_the_new() -> None:
    work = Workbench(storage.TestDrbd84().bench(), Drbd84Driver)
    for protocol in ("C", "B"):
        changed = attrs.evolve(RESOURCE, net=RESOURCE.net.with_(protocol=protocol))
        verdict: Verdict = work.do(drbd.WriteDrbdConfig("node1", changed))
        assert verdict.result == "done"
    (kept,) = work.host.perform((Run(("cat", "/etc/drbd.d/r0.res.before-hastore"), reads=True),))
    assert "protocol C" in kept.text
    assert set(work.state.hosts["node1"].drbd.resources) == {"r0"}  # type: ignore[union-attr]  # it is known
