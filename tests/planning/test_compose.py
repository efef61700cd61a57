"""compose and unserve are each other's inverse, whatever a CIB's agents were told."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hastore.model.drbd import DrbdResource
from hastore.model.errors import SpecError
from hastore.model.pacemaker import Cib, PacemakerResource
from hastore.model.scsi import Lun, ScstDevice, Target, Vip
from hastore.model.stack import StorageStack
from hastore.model.values import Params
from hastore.planning import agents
from hastore.planning.compose import compose, unserve

IQN = "iqn.2016-02.local.virtual:virtual.vg1"

WORDS = st.sampled_from(
    [
        "",
        " ",
        "0",
        "00",
        "7",
        "24",
        "255.255.255.0",
        "eth1",
        "vg1",
        "192.168.100.180",
        "192.168.200.180",
        "192.168.100.180  192.168.200.180",
        "fe80::1",
        IQN,
        "iqn.2016-02.local.virtual:other",
        "no iqn",
        "/dev/vg1/lun1",
        "vdisk_blockio",
        "VDISK-LUN01",
        "nv_cache=1 threads_num=4",
        "nv_cache=1  nv_cache=0",
        "nv_cache",
        "true",
        "3260",
    ]
)


@st.composite
def resources(draw: st.DrawFn) -> tuple[PacemakerResource, ...]:
    """Draw primitives of known agents whose parameters are there, or not, sensible, or not."""
    drawn = []
    for number in range(draw(st.integers(1, 5))):
        table = agents.TABLES[draw(st.sampled_from(sorted(agents.TABLES)))]
        names = [*table.parameters, *table.always, "wait_timeout"]
        params = draw(st.dictionaries(st.sampled_from(names), WORDS))
        drawn.append(PacemakerResource(f"p{number}", table.agent, params=Params(params)))
    return tuple(drawn)


@given(resources())
@example((PacemakerResource("p", "ocf:heartbeat:IPaddr2", Params(ip="192.168.100.180", cidr_netmask="")),))
def test_compose_gives_back_what_unserve_took(primitives: tuple[PacemakerResource, ...]) -> None:
    cib = Cib(resources=primitives)
    assert compose(unserve(cib, drbd=[DrbdResource("vg1")]).stack) == cib


@given(resources())
def test_unserving_twice_changes_nothing(primitives: tuple[PacemakerResource, ...]) -> None:
    once = unserve(Cib(resources=primitives), drbd=[DrbdResource("vg1")]).stack
    assert once.pacemaker is not None
    again = unserve(once.pacemaker).stack.pacemaker
    assert again is not None
    assert {r.id: r.serves for r in once.pacemaker.resources if r.serves}.items() <= {
        r.id: r.serves for r in again.resources
    }.items()


LUN = PacemakerResource(
    "p_lu",
    "ocf:scst:SCSTLun",
    Params(
        iscsi_enable="true",
        target_iqn=IQN,
        iscsi_lun="0",
        path="/dev/vg1/lun1",
        handler="vdisk_fileio",
        device_name="VDISK-LUN01",
        additional_parameters="nv_cache=1 threads_num=4",
        wait_timeout="60",
    ),
)


def test_what_the_objects_say_is_not_said_twice() -> None:
    taken = unserve(Cib(resources=(LUN,)))
    assert taken.stack.pacemaker is not None
    (lun,) = taken.stack.pacemaker.resources
    assert (lun.serves, lun.params) == (f"lun:{IQN}/0", Params(wait_timeout="60"))
    assert taken.stack.targets == (Target(IQN, luns=(Lun(0, "VDISK-LUN01"),)),)
    assert taken.stack.devices == (
        ScstDevice("VDISK-LUN01", "/dev/vg1/lun1", attributes=Params(nv_cache="1", threads_num="4")),
    )
    assert list(compose(taken.stack).resources[0].params) == list(LUN.params), "the order stands, too"


def test_an_own_parameter_wins() -> None:
    stack = StorageStack(
        vips=(Vip("192.168.100.180", nic="eth1"),),
        pacemaker=Cib(
            resources=(
                PacemakerResource(
                    "p_ip", "ocf:heartbeat:IPaddr2", Params(nic="bond0", cidr_netmask=""), serves="vip:192.168.100.180"
                ),
            )
        ),
    )
    assert compose(stack).resources[0].params == {"ip": "192.168.100.180", "nic": "bond0"}


def test_a_change_of_the_object_reaches_its_agent() -> None:
    stack = unserve(Cib(resources=(LUN,))).stack
    grown = attrs.evolve(stack, devices=(attrs.evolve(stack.devices[0], handler="vdisk_blockio"),))
    assert compose(grown).resources[0].params == LUN.params.with_(handler="vdisk_blockio")


@pytest.mark.parametrize(
    ("agent", "serves", "said"),
    [
        ("ocf:heartbeat:IPaddr2", "vip:192.168.100.181", "did you mean '192.168.100.180'"),
        ("ocf:heartbeat:IPaddr2", "vg:vg1", "serves a vip, not 'vg:vg1'"),
        ("ocf:heartbeat:Dummy", "vg:vg1", "hastore knows ocf:scst:SCSTTarget"),
        ("ocf:linbit:drbd", "drbd:vg1", "is no DRBD resource of the stack"),
        ("ocf:scst:SCSTLun", f"lun:{IQN}/0", "names no target of the stack"),
    ],
)
def test_serving_what_is_not_there_is_an_error_that_helps(agent: str, serves: str, said: str) -> None:
    cib = Cib(resources=(PacemakerResource("p_x", agent, serves=serves),))
    with pytest.raises(SpecError, match="primitive p_x") as caught:
        compose(StorageStack(vips=(Vip("192.168.100.180"),), pacemaker=cib))
    assert said in str(caught.value)


def test_what_cannot_be_taken_is_said_and_left() -> None:
    empty = PacemakerResource("p_ip", "ocf:heartbeat:IPaddr2", Params(ip="", nic="eth1"))
    taken = unserve(Cib(resources=(empty,)))
    assert taken.stack.pacemaker == Cib(resources=(empty,))
    assert [(u.resource, u.reason) for u in taken.unread] == [("p_ip", "it does not say the ip of its vip")]
