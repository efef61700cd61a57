"""Whatever is done to two simulated DRBD nodes: what says it is up to date holds the same data, and nothing crashes."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hastore.hosts.operations import Run
from hastore.sim import Lab
from hastore.sim.block import Block
from hastore.sim.drbd import Drbd
from hastore.sim.drbd_state import Volume

NODES = ("alpha", "beta")
RESOURCE = """
resource r0 {
    disk { resync-rate 100M; %s }
    net { after-sb-0pri %s; after-sb-1pri %s; after-sb-2pri disconnect; }
    on alpha { device /dev/drbd0; disk /dev/sdb; meta-disk internal; address 10.0.0.1:7788; }
    on beta { device /dev/drbd0; disk /dev/sdb; meta-disk internal; address 10.0.0.2:7788; }
}
"""
COMMANDS = ("up", "down", "connect", "disconnect", "primary", "secondary", "detach", "attach", "outdate", "invalidate",
            "adjust", "connect --discard-my-data", "primary --force", "pause-sync", "resume-sync")  # fmt: skip
STEPS = st.one_of(
    st.tuples(st.just("run"), st.sampled_from(NODES), st.sampled_from(COMMANDS)),
    st.tuples(st.sampled_from(["write", "write alone"]), st.sampled_from(NODES), st.integers(1, 5)),
    st.tuples(st.sampled_from(["cut", "join", "wait", "wait long"])),
    st.tuples(st.sampled_from(["off", "on"]), st.sampled_from(NODES)),
)


class Pair:
    def __init__(self, fencing: str, zero: str, one: str) -> None:
        networks = {"eth1": {"alpha": "10.0.0.1/24", "beta": "10.0.0.2/24"}}
        self.lab = Lab(nodes=NODES, disks={name: {"/dev/sdb": "64M"} for name in NODES}, networks=networks)
        self.count = 0
        for name in NODES:
            self.lab.world.nodes[name].files.add("/etc/drbd.d/r0.res", RESOURCE % (fencing, zero, one))
            self.run(name, "create-md --force")
            self.run(name, "up")
        self.lab.clock.sleep(1)
        self.run("alpha", "primary --force")
        self.lab.clock.sleep(3)

    def run(self, name: str, command: str) -> None:
        if self.lab.world.nodes[name].powered:
            self.lab.hosts[name].perform([Run(("drbdadm", *command.split(), "r0"))])

    def do(self, step: tuple[Any, ...]) -> None:
        world = self.lab.world
        match step:
            case ("run", name, command):
                self.run(name, command)
            case ("write", name, extent):
                self.write(name, extent)
            case ("write alone", name, extent):
                for part in (("cut",), ("wait long",), ("write", name, extent), ("join",), ("wait long",)):
                    self.do(part)
            case ("cut",):
                world.cut_link(*NODES)
            case ("join",):
                world.join_link(*NODES)
            case ("off", name):
                world.nodes[name].power_off()
            case ("on", name):
                world.nodes[name].boot()
            case ("wait",):
                self.lab.clock.sleep(1)
            case _:
                self.lab.clock.sleep(12)

    def write(self, name: str, extent: int) -> None:
        self.count += 1
        try:
            self.lab.world.nodes[name].subsystem(Block).write("/dev/drbd0", extent, f"{name} {self.count}")
        except OSError:
            return

    def volumes(self) -> list[Volume]:
        drbds = [self.lab.world.nodes[name].subsystem(Drbd) for name in NODES]
        return [drbd.resources["r0"].volumes[0] for drbd in drbds if "r0" in drbd.resources]

    def check(self) -> None:
        volumes = self.volumes()
        self.run("alpha", "status")
        self.run("beta", "status")
        if len(volumes) < len(NODES):
            return
        one, two = volumes
        if one.resource.connected and two.resource.connected and one.resource.reachable():
            assert (one.peer_disk, two.peer_disk) == (two.disk, one.disk)
            if one.disk == two.disk == "UpToDate":
                assert one.disk_below().contents == two.disk_below().contents
            assert {one.resource.role, two.resource.role} != {"Primary"}
        for volume in volumes:
            if volume.disk == "UpToDate":
                assert not (volume.metadata.everything and volume.replication == "Established")


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(STEPS, max_size=25),
    fencing=st.sampled_from(["", "fencing resource-only;"]),
    zero=st.sampled_from(["disconnect", "discard-zero-changes", "discard-least-changes"]),
    one=st.sampled_from(["disconnect", "discard-secondary"]),
)
def test_connected_and_up_to_date_means_the_same_data(
    steps: list[tuple[Any, ...]], fencing: str, zero: str, one: str
) -> None:
    pair = Pair(fencing, zero, one)
    for step in steps:
        pair.do(step)
        pair.check()


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(STEPS, max_size=15))
def test_from_anywhere_one_side_can_be_made_to_follow_the_other(steps: list[tuple[Any, ...]]) -> None:
    pair = Pair("", "disconnect", "disconnect")
    for step in steps:
        pair.do(step)
    pair.do(("join",))
    for name in NODES:
        pair.do(("on", name))
    pair.lab.clock.sleep(12)
    for name in NODES:
        for command in ("resume-sync", "up", "attach", "secondary"):
            pair.run(name, command)
    pair.lab.clock.sleep(12)
    pair.run("alpha", "primary --force")
    if pair.volumes()[0].resource.role != "Primary":  # the peer has the only good data
        pair.run("beta", "primary")
    pair.run("beta", "disconnect")
    pair.run("beta", "connect --discard-my-data")
    pair.run("alpha", "connect")
    pair.lab.clock.sleep(12)
    pair.run("beta", "invalidate")
    pair.lab.clock.sleep(12)
    one, two = pair.volumes()
    assert (one.disk, two.disk) == ("UpToDate", "UpToDate")
    assert one.disk_below().contents == two.disk_below().contents
