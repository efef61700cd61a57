"""Verdicts explain: what a tool said, what it means, how to mend."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from test_contract_storage import RESOURCE

from hastore.drivers.base import Driver, HostFacts
from hastore.drivers.client_open_iscsi import OpenIscsiDriver
from hastore.drivers.drbd_84 import Drbd84Driver
from hastore.drivers.lvm_lvm2 import Lvm2Driver
from hastore.drivers.pacemaker_cib import PacemakerCibDriver
from hastore.drivers.scst_meaning import meaning_of
from hastore.drivers.scst_sysfs import ScstSysfsDriver
from hastore.hosts.operations import Expect, Outcome, ReadFile, Run, Status, WriteAttribute
from hastore.model.drbd import DrbdResource
from hastore.model.scsi import ChapUser, ScstDevice
from hastore.model.secrets import Secret
from hastore.model.state import ClusterState, DrbdState, HostState
from hastore.planning import steps_client as client
from hastore.planning import steps_drbd as drbd
from hastore.planning import steps_lvm as lvm
from hastore.planning import steps_scst as scst
from hastore.planning.steps import Step
from hastore.planning.steps_cluster import PatchCib
from recorded import RECORDINGS, commands

IQN = "iqn.2026-01.lab.example:tgt1"
ROOT = "/sys/kernel/scst_tgt"
OURS = ("add_device ", "add_target ", "del_target ", "add_target_attribute ", "create ", "add ", "del ")
"""How the driver's own management commands begin."""


def refused(kind: type[Driver], step: Step, code: int, said: str) -> str:
    """Return the reason of the verdict where a step's one program ended so."""
    outcome = Outcome(Run(("program",)), Status.FAILED, code, stderr=said.encode())
    verdict = kind(HostFacts("node1")).judge(step, (outcome,))
    assert verdict.result == "refused"
    assert said.split("\n", maxsplit=1)[0][:40] in verdict.reason
    return verdict.reason


def recorded_writes() -> list[dict[str, Any]]:
    names = ("w-devices", "w-targets", "w-sessions", "w-daemon")
    writes = [write for name in names for write in json.loads((RECORDINGS / "scst" / f"{name}.json").read_text())]
    return [
        write
        for write in writes
        if write["result"] != "ok" and write["path"].endswith("/mgmt") and write["data"].startswith(OURS)
        and not write["path"].startswith("device_groups")
    ]  # fmt: skip


@pytest.mark.parametrize("write", recorded_writes(), ids=lambda write: f"{write['data'][:40]}-{write['result']}")
def test_every_recorded_refusal_of_our_commands_has_a_meaning(write: dict[str, Any]) -> None:
    operation = WriteAttribute(f"{ROOT}/{write['path']}", write["data"].encode())
    reason = meaning_of(Outcome(operation, Status.FAILED, error=write["result"]))
    assert reason.endswith(f"{write['result']})")
    assert reason.partition(" (")[0]


@pytest.mark.parametrize(
    ("step", "path", "error", "said"),
    [
        (scst.EnableDriver("n"), "targets/iscsi/enabled", "ENOENT", "iscsi-scstd"),
        (scst.SetDeviceAttribute("n", "d", "nv_cache", "1"), "devices/d/nv_cache", "EACCES", "creation"),
        (scst.AddTarget("n", IQN), "targets/iscsi/mgmt", "EPERM", "start it"),
    ],
)
def test_refused_writes_of_attributes(step: Step, path: str, error: str, said: str) -> None:
    driver = ScstSysfsDriver(HostFacts("n"))
    operation = WriteAttribute(f"{ROOT}/{path}", b"add_target x" if path.endswith("mgmt") else b"1")
    verdict = driver.judge(step, (Outcome(operation, Status.FAILED, error=error),))
    assert verdict.result == "refused"
    assert said in verdict.reason


def test_what_an_attribute_answers_counts_more_than_that_it_was_written() -> None:
    """blockio without flush support turns nv_cache on by itself (SCST scst_vdisk.c:516)."""
    driver = ScstSysfsDriver(HostFacts("n"))
    device = ScstDevice("d", "/dev/vg1/lun1", "vdisk_blockio", {"nv_cache": "0", "usn": "abc"})
    step = scst.AddDevice("n", device)
    rendered = driver.render(step, ClusterState())
    answers = {f"{ROOT}/devices/d/nv_cache": b"1\n[key]\n", f"{ROOT}/devices/d/usn": b"abc\n[key]\n"}
    outcomes = tuple(
        Outcome(o, Status.DONE, stdout=answers[o.path] if isinstance(o, ReadFile) else b"") for o in rendered
    )
    verdict = driver.judge(step, outcomes)
    assert verdict.result == "refused"
    assert "turned nv_cache on by itself" in verdict.reason
    assert "usn" not in verdict.reason


def test_creation_parameters_follow_the_version() -> None:
    """Without the handler's help the version decides: t10_dev_id at creation from 3.8 on, threads_num never."""
    device = ScstDevice("d", "/dev/sdb", attributes={"t10_dev_id": "id", "threads_num": "4", "nv_cache": "0"})
    (probe,) = (p for p in ScstSysfsDriver.probes if str(p).endswith("scst_tgt/version"))
    for version, first in (
        ("3.7.0", b"add_device d filename=/dev/sdb; nv_cache=0"),
        ("3.8.0", b"add_device d filename=/dev/sdb; t10_dev_id=id; nv_cache=0"),
    ):
        answer = Outcome(probe, Status.DONE, stdout=f"SCST version: {version}\n".encode())
        driver = ScstSysfsDriver(HostFacts("n", {probe: answer}))
        rendered = driver.render(scst.AddDevice("n", device), ClusterState())
        writes = [o for o in rendered if isinstance(o, WriteAttribute)]
        assert writes[0].content == first
        assert f"{ROOT}/devices/d/threads_num" in {o.path for o in writes}


def test_a_chap_secret_is_a_piece_of_its_own() -> None:
    secret = Secret.environment("CHAP")
    step = scst.AddIncomingUser("n", IQN, ChapUser("joe", secret))
    (write,) = ScstSysfsDriver(HostFacts("n")).render(step, ClusterState())
    assert isinstance(write, WriteAttribute)
    assert write.content == (f"add_target_attribute {IQN} IncomingUser joe ".encode(), secret)


# -- DRBD: what it said in recorded transcripts -------------------------------------------------------

TRANSCRIPT = [r for name in ("pass1", "pass2") for r in commands(RECORDINGS / "drbd84" / f"TRANSCRIPT-{name}.txt")]
STEPS: dict[str, Callable[[str, DrbdResource], Step]] = {
    "up": drbd.DrbdUp,
    "down": drbd.DrbdDown,
    "primary": drbd.DrbdPrimary,
    "secondary": drbd.DrbdSecondary,
}
REFUSALS = {
    (r.command.split()[2], r.output): r
    for r in TRANSCRIPT
    if r.exit_code
    and len(r.command.split()) == 4
    and r.command.split()[1] == "drbdadm"
    and r.command.split()[2] in STEPS
}


@pytest.mark.parametrize("verb", sorted(STEPS))
def test_each_verb_was_refused_in_the_recordings(verb: str) -> None:
    assert any(known == verb for known, _ in REFUSALS)


@pytest.mark.parametrize(
    "said", [r for r in REFUSALS.values() if "not allocated" not in r.output], ids=lambda r: r.command
)
def test_drbd_s_recorded_refusals_have_a_meaning(said: Any) -> None:
    step = STEPS[said.command.split()[2]]("node2", RESOURCE)
    reason = refused(Drbd84Driver, step, said.exit_code, said.output)
    assert not reason.startswith("program")


def test_a_module_that_is_not_loaded_is_loaded_and_looked_at_first() -> None:
    """drbdadm of drbd-utils 9 would write metadata of DRBD 9."""
    driver = Drbd84Driver(HostFacts("node1"))
    unloaded = ClusterState({"node1": HostState("node1", drbd=DrbdState("", module_loaded=False))})
    for step in (drbd.CreateDrbdMetadata("node1", RESOURCE), drbd.DrbdUp("node1", RESOURCE)):
        load, expect, *rest = driver.render(step, unloaded)
        assert load == Run(("modprobe", "drbd"))
        assert isinstance(expect, Expect)
        assert "8.4" in expect.because
        loaded = ClusterState({"node1": HostState("node1", drbd=DrbdState("8.4.11"))})
        assert driver.render(step, loaded) == tuple(rest)


# -- the others ---------------------------------------------------------------------------------------


def test_lvm_s_exit_code_of_an_idle_activation_is_not_believed() -> None:
    said = b'  0 logical volume(s) in volume group "vg1" now active\n'
    outcome = Outcome(Run(("vgchange", "-ay", "vg1")), Status.DONE, 0, stdout=said)
    driver = Lvm2Driver(HostFacts("n"))
    assert "volume_list" in driver.judge(lvm.ActivateVg("n", "vg1"), (outcome,)).reason
    assert driver.judge(lvm.DeactivateVg("n", "vg1"), (outcome,)).result == "done"


@pytest.mark.parametrize("name", ["lvcreate-nospace", "lvcreate-dup"])
def test_lvm_s_refusals_have_a_meaning(name: str) -> None:
    said = {
        "lvcreate-nospace": 'Volume group "tvg1" has insufficient free space (17 extents): 5120 required.',
        "lvcreate-dup": 'Logical Volume "lun1" already exists in volume group "tvg1"',
    }[name]
    assert not refused(Lvm2Driver, lvm.ActivateVg("n", "vg1"), 5, said).startswith("program")


def test_a_patch_that_came_too_late_is_stale() -> None:
    said = b"Call cib_apply_diff failed: Update was older than existing configuration\n"
    outcome = Outcome(Run(("cibadmin",)), Status.FAILED, 103, stderr=said)
    verdict = PacemakerCibDriver(HostFacts("n")).judge(PatchCib("n"), (outcome,))
    assert verdict.result == "stale"
    assert "older than existing" in verdict.reason
    lost = Outcome(Run(("cibadmin",)), Status.UNKNOWN)
    assert PacemakerCibDriver(HostFacts("n")).judge(PatchCib("n"), (lost,)).result == "unknown"
    assert "valid" in refused(PacemakerCibDriver, PatchCib("n"), 78, "Call failed: Update does not conform")


@pytest.mark.parametrize(("code", "meaning"), [(24, "CHAP"), (19, "portal"), (8, "in time"), (21, "discover")])
def test_logins_are_refused_with_a_reason(code: int, meaning: str) -> None:
    said = f"iscsiadm: initiator reported error ({code} - something)"
    assert meaning in refused(OpenIscsiDriver, client.Login("c", IQN, "10.77.1.11:3260"), code, said)


def test_a_discovery_without_the_target_is_no_success() -> None:
    step = client.DiscoverTarget("c", IQN, "10.77.1.11:3260")
    driver = OpenIscsiDriver(HostFacts("c"))
    for offered, result in (("iqn.2026-01.lab.example:other", "refused"), (IQN, "done")):
        outcome = Outcome(Run(("iscsiadm",)), Status.DONE, 0, stdout=f"10.77.1.11:3260,1 {offered}\n".encode())
        assert driver.judge(step, (outcome,)).result == result
