"""The cluster's tools speak as recorded ones do: same elements and attributes, same exit codes and words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lxml import etree
from storage_clusters import Stack, running
from test_pacemaker_journey import stack

from hastore.model.errors import NotSimulated
from hastore.sim.cluster import Partition

RECORDINGS = Path(__file__).parent.parent / "recordings" / "pacemaker"
STACK = RECORDINGS.parent / "stack"
WHOLE = ("10-healthy", "20-node2-standby", "42-daemon-killed-outcome-blocked")
RECORDED = [*sorted(RECORDINGS.glob("*crm_mon*.xml")), *(STACK / f"{name}.node2.crm_mon.xml" for name in WHOLE)]


def shape(text: bytes) -> dict[str, set[str]]:
    """Return path of an element -> names of its attributes."""
    found: dict[str, set[str]] = {}
    for element in etree.fromstring(text).iter():
        path = "/".join([*(str(a.tag) for a in reversed(list(element.iterancestors()))), str(element.tag)])
        found.setdefault(path, set()).update(map(str, element.attrib))
    return found


def all_recorded() -> dict[str, set[str]]:
    whole: dict[str, set[str]] = {}
    for path in RECORDED:
        for key, names in shape(path.read_bytes()).items():
            whole.setdefault(key, set()).update(names)
    return whole


def monitored(cluster: Stack) -> bytes:
    return cluster.run("centos02", "crm_mon", "--output-as=xml", "--one-shot", "--inactive", "--failcounts").encode()


def test_crm_mon_has_no_element_or_attribute_that_was_not_recorded() -> None:
    known = all_recorded()
    troubled = stack()
    troubled.run("centos01", "crm_standby", "-N", "centos01", "-v", "on")
    troubled.world.advance(20)
    seen = [monitored(stack()), monitored(troubled)]
    troubled.settle()
    seen.append(monitored(troubled))
    for text in seen:
        for path, names in shape(text).items():
            assert path in known, path
            assert names <= known[path], (path, names - known[path])


def test_crm_mon_has_all_that_a_healthy_recorded_cluster_shows() -> None:
    ours, theirs = shape(monitored(stack())), shape((STACK / "10-healthy.node2.crm_mon.xml").read_bytes())
    assert set(theirs) <= set(ours)
    missing = {path: names - ours[path] for path, names in theirs.items() if names - ours[path]}
    assert missing == {}


def test_the_cib_that_the_cluster_writes_has_the_recorded_form() -> None:
    recorded = STACK / "10-healthy.node2.cib.xml"
    theirs, ours = shape(recorded.read_bytes()), shape(stack().run("centos01", "cibadmin", "-Q").encode())
    status = [path for path in ours if path.startswith("cib/status")]
    assert len(status) > 5
    for path in status:
        assert ours[path] <= theirs[path], path


def test_quorum_and_links_are_told_as_recorded() -> None:
    cluster = stack()
    told = cluster.run("centos01", "corosync-quorumtool", "-s")
    assert "Quorum:           1  \nFlags:            2Node Quorate" in told
    assert re.search(r"^         1          1 centos01 \(local\)$", told, re.MULTILINE)
    links = cluster.run("centos01", "corosync-cfgtool", "-s")
    assert links.startswith("Local node ID 1, transport knet\nLINK ID 0 udp\n\taddr\t= 192.168.100.181\n\tstatus:\n")
    assert "\t\tnodeid:          2:\tconnected\n" in links
    cluster.world.cut_link("centos01", "centos02")
    assert "\t\tnodeid:          2:\tdisconnected\n" in cluster.run("centos01", "corosync-cfgtool", "-s")


def test_small_tools_answer_as_recorded() -> None:
    cluster = stack()
    assert cluster.run("centos01", "crm_node", "-n") == "centos01\n"
    assert cluster.run("centos01", "crm_node", "-l") == "1 centos01 member\n2 centos02 member\n"
    assert cluster.run("centos01", "crmadmin", "-D") == "Designated Controller is: centos01\n"
    assert cluster.run("centos01", "crmadmin", "-S", "centos02") == "Controller on centos02 in state S_NOT_DC: ok\n"
    assert cluster.run("centos01", "crm_resource", "-W", "-r", "g_vg1") == "resource g_vg1 is running on: centos01\n"
    assert cluster.run("centos01", "pacemakerd", "--features").startswith("Pacemaker 2.1.5 (Build: a3f44794f94)\n")
    bad = cluster.node("centos01").run("crm_attribute", "-N", "nodeX", "-n", "standby", "-v", "on")
    assert (bad.exit_code, bad.stderr) == (105, b"crm_attribute: Could not map name=nodeX to a UUID\n")


def test_a_change_by_somebody_else_makes_a_patch_stale() -> None:
    cluster = stack()
    epoch = int(etree.fromstring(cluster.run("centos01", "cibadmin", "-Q").encode()).get("epoch", ""))
    cluster.run("centos02", "crm_attribute", "-t", "crm_config", "-n", "cluster-recheck-interval", "-v", "5min")
    now = etree.fromstring(cluster.run("centos01", "cibadmin", "-Q").encode())
    assert int(now.get("epoch", "")) == epoch + 1
    diff = (
        f'<diff format="2"><version><source admin_epoch="0" epoch="{epoch}" num_updates="0"/>'
        f'<target admin_epoch="0" epoch="{epoch + 1}" num_updates="0"/></version></diff>'
    )
    answer = cluster.node("centos01").run("cibadmin", "--patch", "--xml-pipe", stdin=diff.encode())
    assert answer.exit_code == 103
    assert answer.stderr == b"Call cib_apply_diff failed: Update was older than existing configuration\n"


def test_the_cib_is_one_on_all_nodes_and_survives_all_their_boots() -> None:
    cluster = stack()
    names = ("centos01", "centos02")
    before = [cluster.run(name, "cibadmin", "-Q", "-o", "resources") for name in names]
    assert before[0] == before[1]
    for name in names:
        cluster.node(name).power_off()
    for name in names:
        cluster.node(name).boot()
    cluster.world.advance(10)
    cluster.settle()
    assert cluster.run("centos02", "cibadmin", "-Q", "-o", "resources") == before[0]
    assert cluster.active() in names


def test_a_lone_node_that_boots_waits_for_the_other() -> None:
    cluster = running(fencing=True)
    for name in ("centos01", "centos02"):
        cluster.node(name).power_off()
    cluster.node("centos02").boot()
    cluster.world.advance(60)
    told = cluster.node("centos02").run("corosync-quorumtool", "-s")
    assert told.exit_code == 2
    assert b"Quorate:          No" in told.stdout
    partition = cluster.lab.cluster.partition_of("centos02")
    assert isinstance(partition, Partition)
    assert cluster.lab.cluster.fencings == []


def test_the_fencing_history_is_told_as_recorded() -> None:
    cluster = stack(fencing=True)
    cluster.node("centos02").power_off()
    cluster.world.advance(20)
    told = cluster.run("centos01", "stonith_admin", "--history", "*", "--output-as=xml")
    recorded = next(RECORDINGS.glob("fence-stonith-history-xml.xml"))
    assert shape(told.encode()) == shape(recorded.read_bytes())


@pytest.mark.parametrize(
    "argv",
    [
        ("crm_mon", "-1"),
        ("cibadmin", "--erase"),
        ("crm_resource", "--ban"),
        ("corosync-cfgtool", "-R"),
        ("crm_verify",),
    ],
)
def test_what_is_not_known_is_said_honestly(argv: tuple[str, ...]) -> None:
    with pytest.raises(NotSimulated, match=argv[0]):
        stack().node("centos01").run(*argv)


def test_an_unknown_agent_is_said_honestly() -> None:
    cluster = stack()
    primitive = '<primitive id="x" class="ocf" provider="heartbeat" type="Squid"/>'
    cluster.run("centos01", "cibadmin", "-C", "-o", "resources", "-X", primitive)
    with pytest.raises(NotSimulated, match="Squid"):
        cluster.world.advance(5)
