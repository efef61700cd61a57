"""The recorded LVM session is played to the simulated LVM, command by command: same exit code, same words."""

from __future__ import annotations

import re
import shlex

import pytest

from hastore.hosts.operations import Run
from hastore.model.errors import NotSimulated
from hastore.sim.lab import Lab
from hastore.sim.lvm import Lvm
from hastore.sim.lvm_volumes import DATA_START, Group
from recorded_commands import RECORDINGS, recorded

Answer = tuple[int | None, str, str]
JSON = ("--reportformat", "json", "--units", "b")
NO_KERNEL = "  WARNING: Activation disabled. No device-mapper interaction will be attempted.\n"
"""What `--driverloaded n` says: the recording machine had no device-mapper, a simulated kernel has it."""
SESSION = (
    "pvcreate-file", "pvcreate-devdir", "pvcreate-loop", "vgcreate-loop", "lvcreate-driverloaded-n", "lvs-json-loop",
    "vgs-json-loop", "pvs-json-loop", "lvcreate-dup", "lvextend", "lvcreate-nospace", "vgchange-addtag", "tvg1.vgcfg",
    "lvremove", "vgremove", "vgcreate-loop", "vgchange-systemid", "vgchange-systemid-clear",
)  # fmt: skip
"""In an order that what they say allows: 19 extents are free in vgs-json-loop, 17 in lvcreate-nospace, no tag is there yet."""


class Machine:
    """The recording machine: a loop device of 100 MiB, no system ID of its own."""

    def __init__(self) -> None:
        lab = Lab(nodes=("alpha",), disks={"alpha": {"/dev/loop0": "100M"}})
        self.host = lab.hosts["alpha"]
        self.files = lab.world.nodes["alpha"].files

    @property
    def group(self) -> Group:
        """The group that the session is about."""
        return self.host.node.subsystem(Lvm).group("tvg1")

    def say(self, line: str) -> Answer:
        """Run a recorded command line; what it gave by --config stands in lvm.conf."""
        words = shlex.split(line)
        if "--driverloaded" in words:
            del words[(place := words.index("--driverloaded")) : place + 2]
        if "--config" in words:
            place = words.index("--config")
            self.files.add("/etc/lvm/lvm.conf", words[place + 1])
            del words[place : place + 2]
        outcome = self.host.perform([Run(tuple(words))])[0]
        return outcome.exit_code, outcome.text, outcome.error_text


@pytest.fixture(scope="module")
def heard() -> dict[str, Answer]:
    """Return what the simulator said to each command of the session, and in tvg1.vgcfg's place the group as it was."""
    machine = Machine()
    answers: dict[str, Answer] = {}
    for name in SESSION:
        if name == "tvg1.vgcfg":
            answers[name] = (None, metadata(machine.group), "")
        else:
            answers[name] = machine.say(last_part(recorded("lvm", name).line))
    return answers


def last_part(line: str) -> str:
    """Return the last command of a line: before it, vgchange-systemid-clear asks for a report in human form."""
    return line.rpartition("; ")[2]


@pytest.mark.parametrize("name", sorted({*SESSION} - {"tvg1.vgcfg", "vgchange-systemid-clear"}))
def test_the_simulated_lvm_says_what_was_recorded(heard: dict[str, Answer], name: str) -> None:
    """UUIDs are drawn at random, and without device-mapper LVM does not know whether a volume is active."""
    real = recorded("lvm", name)
    code, out, err = heard[name]
    assert (code, _without_chance(out)) == (real.exit_code, _without_chance(real.out))
    assert err == real.err.replace(NO_KERNEL, "")


def _without_chance(text: str) -> str:
    text = re.sub(r'"vg_uuid":"\w{6}(-\w{4}){5}-\w{6}"', '"vg_uuid":"UUID"', text)
    text = re.sub(r'("lv_attr":"-wi-)..(----")', r"\1??\2", text)
    return re.sub(r'"lv_active":"\w*"', '"lv_active":"?"', text)


def test_a_host_without_a_system_id_complains_once_by_a_report_and_twice_by_a_change(heard: dict[str, Answer]) -> None:
    real = recorded("lvm", "vgchange-systemid-clear")
    machine = Machine()
    for name in ("vgcreate-loop", "vgchange-systemid"):
        machine.say(recorded("lvm", name).line)
    report, change = real.line.split("; ")
    unasked = machine.say(f"{report} {shlex.join(JSON)}")
    refused = machine.say(change)
    assert (refused[0], unasked[2] + refused[2]) == (real.exit_code, real.err)
    assert refused == heard["vgchange-systemid-clear"]
    assert (unasked[0], refused[1]) == (0, "")


def test_the_group_is_the_one_that_was_backed_up(heard: dict[str, Answer]) -> None:
    """Numbers of changes, sizes, tags and extents, in the order of LVM's own text (vgcfgbackup(8))."""
    wanted = metadata(None)
    assert heard["tvg1.vgcfg"][1] == wanted
    assert "seqno = 4" in wanted


def metadata(group: Group | None) -> str:
    """Return those lines of a group's metadata that chance does not decide; of None those of the recording."""
    if group is None:
        text = (RECORDINGS / "lvm" / "tvg1.vgcfg").read_text()
        names = "seqno|tags|extent_size|pe_start|pe_count|segment_count|start_extent|extent_count"
        return "\n".join(re.findall(rf"(?m)^\t+((?:{names}) = [^\t\n]+)", text))
    (physical,), (volume,) = group.physicals, group.volumes
    (segment,) = volume.segments
    tags = ", ".join(f'"{tag}"' for tag in group.tags)
    return (
        f"seqno = {group.seqno}\ntags = [{tags}]\nextent_size = {group.extent_size // 512}\n"
        f"pe_start = {DATA_START // 512}\npe_count = {physical.extents}\nsegment_count = {len(volume.segments)}\n"
        f"start_extent = {segment.start}\nextent_count = {segment.count}"
    )


def test_a_volume_made_inactive_is_inactive() -> None:
    machine = Machine()
    for name in ("vgcreate-loop", "lvcreate-driverloaded-n"):
        machine.say(recorded("lvm", name).line)
    assert not machine.host.node.subsystem(Lvm).active("tvg1")
    assert machine.say("vgchange -ay tvg1") == (0, '  1 logical volume(s) in volume group "tvg1" now active\n', "")


@pytest.mark.parametrize("name", ["vgs-json", "fullreport"])
def test_reports_that_the_simulator_does_not_make_are_said(name: str) -> None:
    with pytest.raises(NotSimulated):
        Machine().say(recorded("lvm", name).line)
