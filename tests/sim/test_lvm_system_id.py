"""System IDs: the simulated LVM says what the real one says, and LVM-activate starts and refuses as its script does."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from storage_clusters import provision

from hastore.hosts.operations import Run
from hastore.model.errors import NotSimulated
from hastore.sim.agents import make_agent
from hastore.sim.article_lab import article
from hastore.sim.cib_words import Primitive
from hastore.sim.cluster import Pacemaker
from hastore.sim.lab import Lab
from hastore.sim.lvm import Lvm
from needs import MISSING, find, require, require_root

Answer = tuple[int | None, str, str]
OWN = os.uname().nodename
UNAME = 'global { system_id_source = "uname" }'
OTHER = 'global { system_id_source = "lvmlocal" } local { system_id = "other" }'
NONE = 'global { system_id_source = "none" }'
DENIED = f"Cannot access VG tvg with system ID {OWN} with local system ID other.\n"
UNKNOWN = f"Cannot access VG tvg with system ID {OWN} with unknown local system ID.\n"
ASKED = (
    "WARNING: Requested system ID third does not match local system ID {own}.\n"
    "WARNING: Volume group tvg might become inaccessible from this machine.\n"
)
FIELDS = "--reportformat json --units b -o"
EMPTY = "WARNING: Empty system ID supplied.\nWARNING: Removing the system ID allows unsafe access from other hosts.\n"

STEPS: list[tuple[str, str, Answer]] = [
    (UNAME, "lvm systemid", (0, f"system ID: {OWN}\n", "")),
    (UNAME, "vgcreate tvg DISK", (0, f'Physical volume "DISK" successfully created.\nVolume group "tvg" successfully created with system ID {OWN}\n', "")),
    (UNAME, "lvcreate -an -Zn -Wn -n lun1 -L 8M tvg", (0, 'Logical volume "lun1" created.\n', "")),
    (UNAME, f"vgs {FIELDS} vg_name,vg_systemid tvg", (0, f'{{"vg_name":"tvg", "vg_systemid":"{OWN}"}}\n', "")),
    (OTHER, "lvm systemid", (0, "system ID: other\n", "")),
    (OTHER, f"vgs {FIELDS} vg_name", (0, "", "")),
    (OTHER, f"lvs {FIELDS} lv_name", (0, "", "")),
    (OTHER, f"pvs {FIELDS} pv_name,vg_name", (0, "", "")),
    (OTHER, f"vgs {FIELDS} vg_name tvg", (5, "", DENIED)),
    (OTHER, f"lvs {FIELDS} lv_name tvg", (5, "", DENIED)),
    (OTHER, f"pvs {FIELDS} pv_name,vg_name DISK", (5, "", "Cannot use PV DISK in foreign VG tvg.\n")),
    (OTHER, f"vgs --foreign {FIELDS} vg_name,vg_systemid tvg", (0, f'{{"vg_name":"tvg", "vg_systemid":"{OWN}"}}\n', "")),
    (OTHER, f"lvs --foreign {FIELDS} lv_name tvg", (0, '{"lv_name":"lun1"}\n', "")),
    (OTHER, f"pvs --foreign {FIELDS} pv_name,vg_name", (0, '{"pv_name":"DISK", "vg_name":"tvg"}\n', "")),
    (OTHER, "vgchange -ay tvg", (5, "", DENIED)),
    (OTHER, "vgchange -an tvg", (5, "", DENIED)),
    (OTHER, "lvcreate -an -Zn -Wn -n lun2 -L 8M tvg", (5, "", DENIED)),
    (OTHER, "lvextend -L +4M tvg/lun1", (5, "", DENIED)),
    (OTHER, "lvremove -y tvg/lun1", (5, "", DENIED)),
    (OTHER, "vgremove -y tvg", (5, "", DENIED)),
    (OTHER, "vgchange --addtag x tvg", (5, "", DENIED)),
    (OTHER, "vgchange -y --systemid other tvg", (5, "", DENIED)),
    (OTHER, "vgcreate tvg DISK", (5, "", "A volume group called tvg already exists.\n")),
    (NONE, "lvm systemid", (0, "system ID: \n", "")),
    (NONE, f"vgs {FIELDS} vg_name", (0, "", UNKNOWN)),
    (NONE, f"vgs {FIELDS} vg_name tvg", (5, "", UNKNOWN * 2)),
    (UNAME, f"vgchange --systemid {OWN} tvg", (5, "", f'Volume Group system ID is already "{OWN}".\n')),
    (UNAME, "vgchange --systemid third tvg", (5, "", ASKED.format(own=OWN) + "Set foreign system ID third on volume group tvg? [y/n]: [n]\nVolume group tvg system ID not changed.\n")),
    (UNAME, "vgchange -y --systemid third tvg", (0, 'Volume group "tvg" successfully changed\n', ASKED.format(own=OWN))),
    (UNAME, f"vgs {FIELDS} vg_name tvg", (5, "", f"Cannot access VG tvg with system ID third with local system ID {OWN}.\n")),
    ('global { system_id_source = "lvmlocal" } local { system_id = "third" }', "lvremove -y tvg/lun1", (0, 'Logical volume "lun1" successfully removed.\n', "")),
    ('global { system_id_source = "lvmlocal" } local { system_id = "third" }', "vgremove -y tvg", (0, 'Volume group "tvg" successfully removed\n', "")),
    (UNAME, "vgcreate --addtag x tvg DISK", (0, f'Volume group "tvg" successfully created with system ID {OWN}\n', "")),
    (UNAME, "vgchange --systemid= tvg", (5, "", EMPTY + f"Remove system ID {OWN} from volume group tvg? [y/n]: [n]\nSystem ID of volume group tvg not changed.\n")),
    (UNAME, "vgchange -y --systemid= tvg", (0, 'Volume group "tvg" successfully changed\n', EMPTY)),
    (UNAME, "vgremove -y tvg", (0, 'Volume group "tvg" successfully removed\n', "")),
    (NONE, "vgcreate tvg DISK", (0, 'Volume group "tvg" successfully created\n', "")),
    (OTHER, f"vgs {FIELDS} vg_name,vg_systemid tvg", (0, '{"vg_name":"tvg", "vg_systemid":""}\n', "")),
    (OTHER, "vgchange --systemid other tvg", (0, 'Volume group "tvg" successfully changed\n', "")),
    (UNAME, f"vgs {FIELDS} vg_name", (0, "", "")),
]  # fmt: skip
"""lvm.conf, command, and what LVM 2.03.16 answered (run), in order: one volume group changes hands."""


def told(disk: str, answer: Answer) -> Answer:
    """Return an answer without what differs by machine: indentation, the device's name, JSON's frame, a repeated complaint."""
    code, out, err = (text.replace(disk, "DISK") if isinstance(text, str) else text for text in answer)
    assert isinstance(out, str)
    assert isinstance(err, str)
    rows = re.findall(r"\{\"[^}]*\}", out)
    out = (
        "".join(f"{row.replace(chr(34) + ',' + chr(34), chr(34) + ', ' + chr(34))}\n" for row in rows)
        if "report" in out
        else out
    )
    noise = re.compile(r"NOT backed up|mapper|kernel driver|not zeroed|File descriptor")
    lines = [line.strip(" ") for line in err.splitlines() if not noise.search(line)]
    return code if isinstance(code, int) else None, re.sub(r"(?m)^ +", "", out), "".join(f"{line}\n" for line in lines)


def test_the_simulated_lvm_says_so() -> None:
    disk = "/dev/sdz"
    lab = Lab(nodes=(OWN,), disks={OWN: {disk: "64M"}})
    host, files = lab.hosts[OWN], lab.world.nodes[OWN].files

    def run(config: str, command: str) -> Answer:
        files.add("/etc/lvm/lvm.conf", f'devices {{ filter = [ "a|^{disk}$|", "r|.*|" ] }}\n{config}\n')
        outcome = host.perform([Run(tuple(command.replace("DISK", disk).split()))])[0]
        return told(disk, (outcome.exit_code, outcome.text, outcome.error_text))

    assert play(run) == [answer for _, _, answer in STEPS]


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[str]:
    """A loop device of 64 MiB, gone afterwards."""
    require("losetup", "lvm")
    require_root()
    (tmp_path / "disk").write_bytes(b"")
    os.truncate(tmp_path / "disk", 64 * 2**20)
    losetup = find("losetup") or "losetup"
    made = subprocess.run(
        [losetup, "-f", "--show", str(tmp_path / "disk")], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"{MISSING}a loop device")
    yield made.stdout.strip()
    subprocess.run([losetup, "-d", made.stdout.strip()], check=True)


@pytest.mark.oracle
def test_the_real_lvm_says_so(loop: str, tmp_path: Path) -> None:
    """On a loop device and without device-mapper, so nothing is activated and the machine's own LVM is not looked at."""
    quiet = "backup { backup=0 archive=0 } activation { udev_sync=0 udev_rules=0 monitoring=0 }"

    def run(config: str, command: str) -> Answer:
        own = f'devices {{ filter = [ "a|^{loop}$|", "r|.*|" ] use_devicesfile = 0 }}\n{quiet}\n{config}\n'
        (tmp_path / "lvm.conf").write_text(own)
        program, *words = command.replace("DISK", loop).split()
        driver = [] if words == ["systemid"] else ["--driverloaded", "n"]
        done = subprocess.run(
            [find(program) or program, *words, *driver],
            env={**os.environ, "LVM_SYSTEM_DIR": str(tmp_path), "LVM_SUPPRESS_FD_WARNINGS": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return told(loop, (done.returncode, done.stdout, done.stderr))

    assert play(run) == [answer for _, _, answer in STEPS]


def play(run: Callable[[str, str], Answer]) -> list[Answer]:
    return [run(config, command) for config, command, _ in STEPS]


# -- at boot ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "active"),
    [
        ("", True),
        ('activation { volume_list = [ "vg9" ] }', False),
        ('activation { auto_activation_volume_list = [ "vg9" ] }', False),
        ("activation { auto_activation_volume_list = [] }", False),
        ('activation { auto_activation_volume_list = [ "vg9", "vg1/a" ] }', True),
        (UNAME, True),
        (OTHER, False),
    ],
)
def test_what_boots_activate(config: str, active: bool) -> None:
    """A group of this host's own system ID is activated, too: the agent switches that off, or a list does."""
    lab = Lab(nodes=("alpha",), disks={"alpha": {"/dev/sdz": "64M"}})
    node, lvm = lab.world.nodes["alpha"], lab.world.nodes["alpha"].subsystem(Lvm)
    node.files.add("/etc/lvm/lvm.conf", UNAME if config in {UNAME, OTHER} else "")
    lvm.create_group("vg1", ["/dev/sdz"])
    lvm.create_volume("vg1", "a", 4)
    node.files.add("/etc/lvm/lvm.conf", config)
    node.power_off()
    node.boot()
    assert lvm.active("vg1") is active


# -- LVM-activate -------------------------------------------------------------------------------------


class Agents:
    """The article's storage, DRBD primary on centos01, and LVM-activate called by hand on either node."""

    def __init__(self, config: str = UNAME) -> None:
        self.lab = article()
        provision(self.lab)
        for name in self.lab.nodes:
            self.configure(name, config)
            self.run(name, "drbdadm up vg1")
        self.lab.world.advance(3)
        self.run("centos01", "drbdadm primary vg1")

    def configure(self, name: str, config: str) -> None:
        text = f'devices {{ filter = [ "a|^/dev/drbd[0-9]+$|", "r|.*|" ] }}\n{config}\n'
        self.lab.world.nodes[name].files.add("/etc/lvm/lvm.conf", text)

    def run(self, name: str, command: str) -> None:
        reply = self.lab.world.nodes[name].run(*command.split())
        assert reply.exit_code == 0, (command, reply)

    def lvm(self, name: str) -> Lvm:
        return self.lab.world.nodes[name].subsystem(Lvm)

    def call(self, kind: str, name: str = "centos01", **params: str) -> tuple[int, str]:
        """Return the exit code of an action and its reason."""
        given = {"vgname": "vg1", "vg_access_mode": "system_id", **params}
        made = Primitive("p_lvm_vg1", "ocf", "heartbeat", "LVM-activate", given, {}, [])
        agent = make_agent(self.lab.world.nodes[name].subsystem(Pacemaker), made, kind, "")
        codes = [stage.act() for stage in agent.stages(kind)]
        return codes[-1] or 0, agent.reason

    def own(self) -> Agents:
        """Give the group centos01's system ID, as vgcreate does on a host that has one."""
        self.run("centos01", "vgchange --systemid centos01 vg1")
        return self

    def switch_over(self) -> None:
        """Make centos02 DRBD's primary."""
        self.run("centos01", "drbdadm secondary vg1")
        self.run("centos02", "drbdadm primary vg1")


def test_a_group_without_system_id_is_refused() -> None:
    code, reason = Agents().call("start")
    assert (code, "doesn't match the lock_type" in reason) == (6, True)


def test_the_group_is_activated_and_never_again_at_boot() -> None:
    agents = Agents().own()
    assert [agents.call(kind)[0] for kind in ("probe", "start", "monitor", "start")] == [7, 0, 0, 0]
    assert agents.lvm("centos01").active("vg1")
    assert not agents.lvm("centos01").group("vg1").autoactivation
    assert [agents.call(kind)[0] for kind in ("stop", "probe", "monitor", "stop")] == [0, 7, 1, 0]


def test_the_other_node_takes_the_system_id_over() -> None:
    agents = Agents().own()
    agents.call("start")
    agents.call("stop")
    agents.switch_over()
    second = agents.lvm("centos02")
    assert not second.visible("vg1"), "it is centos01's still"
    assert agents.call("start", "centos02")[0] == 0
    assert (second.group("vg1").system_id, second.active("vg1")) == ("centos02", True)


@pytest.mark.parametrize(
    ("config", "code", "reason"),
    [(NONE, 2, "system_id_source"), ("", 2, "system_id_source"), ('global { system_id_source = "lvmlocal" }', 2, "local/system_id")],
)  # fmt: skip
def test_a_host_without_system_id_does_not_start_it(config: str, code: int, reason: str) -> None:
    agents = Agents().own()
    agents.switch_over()
    agents.configure("centos02", config)
    assert (agents.call("start", "centos02")[0], reason in agents.call("start", "centos02")[1]) == (code, True)
    assert not agents.lvm("centos02").active("vg1")


def test_a_group_that_cannot_be_read_is_an_error_of_this_moment() -> None:
    agents = Agents().own()
    assert [agents.call(kind, "centos02")[0] for kind in ("probe", "start", "stop")] == [7, 1, 0]


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"lvname": "lun7"}, "LV (lun7) is not in the given VG (vg1)"),
        ({"vg_access_mode": "wishful"}, "doesn't match the lock_type"),
        ({"vgname": ""}, "must identify the volume group"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_for_good(params: dict[str, str], reason: str) -> None:
    code, told_reason = Agents().own().call("start", **params)
    assert (code, reason in told_reason) == (6, True)


def test_a_group_without_volumes_is_refused_for_good() -> None:
    agents = Agents().own()
    agents.run("centos01", "lvremove -y vg1/lun1")
    assert agents.call("start")[0] == 6


def test_one_volume_alone_is_activated_and_deactivated() -> None:
    agents = Agents().own()
    agents.run("centos01", "lvcreate -y -n lun2 -L 100M vg1")
    agents.run("centos01", "vgchange -an vg1")
    assert agents.call("start", lvname="lun2")[0] == 0
    assert [device.volume.name for device in agents.lvm("centos01").active_volumes() if device.group == "vg1"] == [
        "lun2"
    ]
    assert agents.call("probe", lvname="lun1")[0] == 7
    assert agents.call("stop", lvname="lun2")[0] == 0
    assert not agents.lvm("centos01").active("vg1")


def test_what_volume_list_leaves_out_is_started_without_being_active() -> None:
    """The script returns what lvchange did, which is nothing, gladly; the next monitor tells."""
    agents = Agents().own()
    agents.configure("centos01", UNAME + ' activation { volume_list = [ "vg_centos" ] }')
    code, reason = agents.call("start")
    assert (code, "failed to activate" in reason) == (0, True)
    assert agents.call("monitor")[0] == 1


@pytest.mark.parametrize(
    ("config", "code"),
    [("", 2), ('activation { volume_list = [ "vg1" ] }', 2), ('activation { volume_list = [ "@pacemaker" ] }', 2)],
)
def test_tagging_wants_a_volume_list_without_the_group_and_the_tag(config: str, code: int) -> None:
    assert Agents(config).call("start", vg_access_mode="tagging")[0] == code


@pytest.mark.parametrize("mode", ["lvmlockd", "clvmd"])
def test_modes_with_daemons_are_not_simulated(mode: str) -> None:
    with pytest.raises(NotSimulated, match=mode):
        Agents().call("start", vg_access_mode=mode)


# -- and as the real script judges ---------------------------------------------------------------------

SCRIPT = Path("/usr/lib/ocf/resource.d/heartbeat/LVM-activate")
VERDICTS: list[tuple[str, dict[str, str], int]] = [
    (UNAME, {}, 0),
    (UNAME, {"lvname": "lun1"}, 0),
    (UNAME, {"lvname": "lun7"}, 6),
    (UNAME, {"vg_access_mode": "wishful"}, 6),
    (UNAME, {"vgname": ""}, 6),
    (UNAME, {"vgname": "unseen"}, 1),
    (UNAME, {"vg_access_mode": "tagging"}, 2),
    (OTHER, {}, 0),
    (NONE, {}, 2),
    ("", {}, 2),
    ('global { system_id_source = "lvmlocal" }', {}, 2),
    ('activation { volume_list = [ "@pacemaker" ] }', {"vg_access_mode": "tagging"}, 2),
]
"""lvm.conf of a host, parameters, and what the agent says of them before a start."""


@pytest.mark.parametrize(("config", "params", "code"), VERDICTS)
def test_the_simulated_agent_judges_so(config: str, params: dict[str, str], code: int) -> None:
    agents = Agents().own()
    agents.configure("centos01", config)
    assert agents.call("start", **params)[0] == code


@pytest.mark.oracle
def test_the_real_agent_judges_so(loop: str, tmp_path: Path) -> None:
    """`validate-all` of the installed script, which a start begins with, on a loop device without device-mapper."""
    require("vgcreate", "dmsetup", "pgrep")
    if not SCRIPT.exists():
        pytest.skip(f"{MISSING}{SCRIPT}")
    env = {**os.environ, "LVM_SYSTEM_DIR": str(tmp_path), "LVM_SUPPRESS_FD_WARNINGS": "1", "OCF_ROOT": "/usr/lib/ocf"}
    env |= {"HA_LOGFACILITY": "none", "OCF_RESOURCE_INSTANCE": "p_lvm", "OCF_RESKEY_CRM_meta_interval": "0"}
    quiet = "backup { backup=0 archive=0 } activation { udev_sync=0 udev_rules=0 monitoring=0 }"

    def run(config: str, *argv: str, **params: str) -> int:
        own = f'devices {{ filter = [ "a|^{loop}$|", "r|.*|" ] use_devicesfile = 0 }}\n{quiet}\n{config}\n'
        (tmp_path / "lvm.conf").write_text(own)
        given = {f"OCF_RESKEY_{name}": text for name, text in params.items()}
        done = subprocess.run([*argv], env=env | given, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        return done.returncode

    def judged(config: str, params: dict[str, str]) -> int:
        return run(config, str(SCRIPT), "validate-all", **{"vgname": "tvg", "vg_access_mode": "system_id", **params})

    assert run("", "vgcreate", "tvg", loop, "--driverloaded", "n") == 0
    assert judged(UNAME, {}) == 6, "a group without a system ID"
    assert run(UNAME, "vgchange", "--systemid", OWN, "tvg", "--driverloaded", "n") == 0
    assert judged(UNAME, {}) == 6, "a group without volumes"
    making = ("lvcreate", "-an", "-Zn", "-Wn", "-n", "lun1", "-L", "8M", "tvg", "--driverloaded", "n")
    assert run(UNAME, *making) == 0
    assert [judged(config, params) for config, params, _ in VERDICTS] == [code for _, _, code in VERDICTS]
