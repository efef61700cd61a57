"""The simulated host keeps the contract that every host keeps, and strikes with the faults that a test orders."""

from __future__ import annotations

import copy

import pytest
from host_contract import FileContract, OrderContract

from hastore.hosts.host import Host
from hastore.hosts.operations import (
    Await,
    Bracket,
    Condition,
    ReadFile,
    ReadTree,
    Run,
    Status,
    WriteAttribute,
    WriteFile,
)
from hastore.model.errors import ConnectError, HostError, NotSimulated
from hastore.sim import Killed, Lab, SimHost
from hastore.sim.scst import ROOT, Scst

RESULT = f"{ROOT}/last_sysfs_mgmt_res"
ADD_TARGET = WriteAttribute(f"{ROOT}/targets/iscsi/mgmt", b"add_target iqn.2026-01.example:a", result_path=RESULT)


@pytest.fixture
def lab() -> Lab:
    lab = Lab(nodes=("alpha", "beta"), disks={"alpha": {"/dev/sdb": "1G"}})
    for node in lab.world.nodes.values():
        node.files.directories.add("/srv")
    return lab


@pytest.fixture
def alpha(lab: Lab) -> SimHost:
    return lab.hosts["alpha"]


class TestSimHost(FileContract, OrderContract):
    @pytest.fixture
    def host(self, alpha: SimHost) -> Host:
        return alpha

    @pytest.fixture
    def folder(self) -> str:
        return "/srv"


def names(host: SimHost) -> list[str]:
    return list(host.perform([ReadTree("/srv")])[0].tree)


def three_files() -> list[WriteFile]:
    return [WriteFile(f"/srv/{name}", b"x") for name in "abc"]


def test_a_batch_is_one_round_trip(alpha: SimHost) -> None:
    alpha.perform(three_files())
    alpha.perform([ReadTree("/srv"), ReadFile("/srv/a")])
    assert alpha.round_trips == 2


def test_what_is_not_simulated_is_said_with_its_words(alpha: SimHost) -> None:
    with pytest.raises(NotSimulated, match="frobnicate --all"):
        alpha.perform([Run(("frobnicate", "--all"))])
    with pytest.raises(NotSimulated, match="/sys/class/net"):
        alpha.perform([ReadTree("/sys/class/net")])
    with pytest.raises(NotSimulated, match="lsblk --zoned"):
        alpha.perform([Run(("lsblk", "--zoned"))])


def test_a_link_lost_before_an_operation_leaves_it_undone_and_unknown(lab: Lab, alpha: SimHost) -> None:
    lab.world.faults.link_lost_before("alpha", 2)
    outcomes = alpha.perform(three_files())
    assert [outcome.status for outcome in outcomes] == [Status.DONE, Status.UNKNOWN, Status.UNKNOWN]
    assert names(alpha) == ["a"]


def test_a_link_lost_after_the_effect_reports_it_unknown_though_it_happened(lab: Lab, alpha: SimHost) -> None:
    lab.world.faults.link_lost_after_effect("alpha", 2)
    outcomes = alpha.perform(three_files())
    assert [outcome.status for outcome in outcomes] == [Status.DONE, Status.UNKNOWN, Status.UNKNOWN]
    assert names(alpha) == ["a", "b"]


@pytest.mark.parametrize(("moment", "there"), [("before", ["a"]), ("during", ["a"]), ("after", ["a", "b"])])
def test_hastore_may_die_at_any_moment(lab: Lab, alpha: SimHost, moment: str, there: list[str]) -> None:
    told: list[int] = []
    lab.world.faults.stop_after("alpha", 2, moment)  # type: ignore[arg-type]  # one of the three words
    with pytest.raises(Killed):
        alpha.perform(three_files(), on_outcome=lambda place, _outcome: told.append(place))
    assert told == [0]
    assert names(alpha) == there


def test_a_write_cut_short_leaves_the_backup_and_the_old_content(lab: Lab, alpha: SimHost) -> None:
    alpha.perform([WriteFile("/srv/conf", b"old")])
    lab.world.faults.stop_after("alpha", 1, "during")
    with pytest.raises(Killed):
        alpha.perform([WriteFile("/srv/conf", b"new", backup="/srv/conf.before")])
    read = alpha.perform([ReadFile("/srv/conf"), ReadFile("/srv/conf.before")])
    assert [outcome.stdout for outcome in read] == [b"old", b"old"]


@pytest.mark.parametrize("fault", ["link_lost_before", "link_lost_after_effect", "stop_after"])
def test_a_bracket_is_left_whatever_happens_to_the_link(lab: Lab, alpha: SimHost, fault: str) -> None:
    getattr(lab.world.faults, fault)("alpha", 2)
    suspend = f"{ROOT}/suspend"
    bracket = Bracket((WriteAttribute(suspend, b"10"),), (WriteFile("/srv/a", b""),), (WriteAttribute(suspend, b"-1"),))
    try:
        assert alpha.perform([bracket])[0].status is Status.UNKNOWN
    except Killed:
        assert fault == "stop_after"
    assert alpha.perform([ReadFile(suspend)])[0].text == "0\n"


def test_eagain_is_waited_for_on_the_host(lab: Lab, alpha: SimHost) -> None:
    lab.world.faults.eagain("alpha", 3.0, "targets/iscsi/mgmt")
    began = lab.clock.now
    done, again = alpha.perform([ADD_TARGET, ADD_TARGET])
    assert (done.status, again.status, again.error) == (Status.DONE, Status.FAILED, "EEXIST")
    assert lab.clock.now - began >= 6.0


def test_eagain_past_the_deadline_is_unknown_and_happens_nevertheless(lab: Lab, alpha: SimHost) -> None:
    lab.world.faults.eagain("alpha", 5.0)
    impatient = WriteAttribute(ADD_TARGET.path, ADD_TARGET.content, result_path=RESULT, deadline=1.0)
    assert alpha.perform([impatient])[0].status is Status.UNKNOWN
    assert alpha.perform([ReadFile(RESULT)])[0].text == "-11\n"
    lab.clock.sleep(5)
    assert "iqn.2026-01.example:a" in lab.world.nodes["alpha"].subsystem(Scst).targets


def test_a_machine_that_is_off_or_hangs_is_not_reached(lab: Lab, alpha: SimHost) -> None:
    node = lab.world.nodes["alpha"]
    node.power_off()
    with pytest.raises(ConnectError, match="off"):
        alpha.perform([ReadFile("/srv/a")])
    node.boot()
    node.hung = True
    with pytest.raises(ConnectError, match="hangs"):
        alpha.perform([ReadFile("/srv/a")])


def test_files_survive_a_power_off_and_sysfs_does_not(lab: Lab, alpha: SimHost) -> None:
    alpha.perform([WriteFile("/srv/a", b"kept"), ADD_TARGET])
    node = lab.world.nodes["alpha"]
    node.power_off()
    node.boot()
    read, tree = alpha.perform([ReadFile("/srv/a"), ReadTree(f"{ROOT}/targets/iscsi")])
    assert read.stdout == b"kept"
    assert "iqn.2026-01.example:a" not in tree.tree


def test_awaiting_lets_the_world_go_on(lab: Lab, alpha: SimHost) -> None:
    never = Await(ReadFile("/srv/a"), Condition(), "it comes", deadline=2, interval=0.5)
    outcome = alpha.perform([never])[0]
    assert (outcome.error, round(outcome.seconds)) == ("TIMEOUT", 2)
    assert lab.clock.now == pytest.approx(2)


def test_a_program_beyond_its_time_is_unknown(alpha: SimHost) -> None:
    change, read = alpha.perform([Run(("sleep", "5"), timeout=1), Run(("sleep", "5"), timeout=1, reads=True)])
    assert [change.status, change.error, read.status] == [Status.UNKNOWN, "TIMEOUT", Status.FAILED]


def test_a_lock_names_its_holder_and_is_gone_with_its_connection(lab: Lab) -> None:
    mine = SimHost(lab.world, "alpha", holder="me")
    with mine.hold("apply"), pytest.raises(HostError, match="held by me"), lab.hosts["alpha"].hold("apply"):
        pytest.fail("two held it")
    with lab.hosts["alpha"].hold("apply"):
        pass


def test_a_world_can_be_forked(lab: Lab) -> None:
    fork = copy.deepcopy(lab)
    fork.hosts["alpha"].perform([WriteFile("/srv/a", b""), ADD_TARGET])
    fork.clock.sleep(10)
    assert names(lab.hosts["alpha"]) == []
    assert lab.clock.now == 0
    assert not lab.world.nodes["alpha"].subsystem(Scst).targets
    assert fork.world.nodes["alpha"].subsystem(Scst).targets


def test_two_worlds_that_are_treated_alike_are_alike() -> None:
    def play() -> list[str]:
        lab = Lab(nodes=("alpha", "beta"), disks={name: {"/dev/sdb": "1G"} for name in ("alpha", "beta")})
        lab.hosts["alpha"].perform([Run(("pvcreate", "/dev/sdb")), Run(("vgcreate", "vg", "/dev/sdb"))])
        lab.clock.sleep(30)
        report = Run(("vgs", "--reportformat", "json", "--units", "b", "-o", "vg_name,vg_uuid"), reads=True)
        return [lab.hosts["alpha"].perform([report])[0].text, *map(str, lab.world.events)]

    assert play() == play()
