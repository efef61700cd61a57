"""crm_mon's XML: every recording is read, and what it says is what we say."""

from pathlib import Path

import pytest
from lxml import etree

from hastore.formats import crm_mon
from hastore.model.errors import ParseError
from hastore.model.pacemaker import Cib
from hastore.model.state import Failure, NodeStatus, ResourceStatus

RECORDINGS = Path(__file__).parents[1] / "recordings" / "pacemaker"
ALL = sorted([*RECORDINGS.glob("*crm_mon*.xml"), *RECORDINGS.glob("*history*.xml")])


def read(name: str) -> crm_mon.ClusterStatus:
    return crm_mon.parse((RECORDINGS / f"{name}.xml").read_bytes())


@pytest.mark.parametrize("recording", ALL, ids=lambda path: path.stem)
def test_every_recording_is_read(recording: Path) -> None:
    root = etree.parse(recording).getroot()
    status = crm_mon.parse(recording.read_bytes())
    assert len(status.nodes) == len(root.findall("nodes/node"))
    assert {r.id for r in status.resources} == {r.get("id") for r in root.iter("resource")}
    assert len(status.failures) == len(root.findall("failures/failure"))
    assert len(status.fencing_history) == len(list(root.iter("fence_event")))
    assert {r.role for r in status.resources} <= {"Started", "Stopped", "Promoted", "Unpromoted"}
    assert {r.node for r in status.resources} <= {*status.nodes, ""}
    assert (status.exit_code == 0) == (not status.error)
    assert status.state(Cib()).resources == status.resources


def test_a_healthy_cluster() -> None:
    status = read("stack-10-healthy.node2.crm_mon")
    assert (status.dc, status.quorum, status.idle, status.stonith_enabled) == ("node2", True, True, False)
    assert status.nodes["node2"] == NodeStatus("node2", online=True, dc=True)
    assert ResourceStatus("p_drbd_r0", "node2", "Promoted") in status.resources
    assert ResourceStatus("p_drbd_r0", "node3", "Unpromoted") in status.resources
    assert status.node_attributes["node3"] == {"master-p_drbd_r0": "10000"}
    assert read("live-crm_mon-healthy-xml").version == "2.1.5-a3f44794f94"


def test_failures_say_what_where_and_how_often() -> None:
    status = read("stack-01-target-without-iscsi_enable-FAILED-blocked.node2.crm_mon")
    stop = Failure("p_lvm_vg1", "node3", "stop", 1, "vg1: failed to deactivate.", 1_000_000)
    assert stop in status.failures
    assert any(r.id == "p_lvm_vg1" and r.blocked and r.failed for r in status.resources)
    promote = read("stack-42-daemon-killed-outcome-blocked.node2.crm_mon").failures
    assert ("p_drbd_r0", "promote", "Resource agent did not complete within 1m40s") in {
        (f.resource, f.operation, f.reason) for f in promote
    }


def test_nodes_that_do_not_serve() -> None:
    assert read("stack-20-node2-standby.node2.crm_mon").nodes["node2"].standby
    assert not read("live-crm_mon-node-lost-xml").nodes["node1"].online
    maintenance = read("live-crm_mon-maintenance-xml")
    assert maintenance.maintenance
    assert not any(r.managed for r in maintenance.resources)


def test_what_is_pending_is_not_idle() -> None:
    busy = (RECORDINGS / "stack-30-after-move.node2.crm_mon.xml").read_text()
    assert not crm_mon.parse(busy).idle
    assert 'pending="' in busy


def test_no_cluster_is_said() -> None:
    status = read("offline-no-cluster-crm_mon-xml")
    assert (status.exit_code, status.quorum, status.nodes) == (102, False, {})
    assert "Could not connect" in status.error


def test_fencing_is_a_sentence() -> None:
    assert read("fence-stonith-history-xml").fencing_history == (
        "reboot of node2 by node1: success at 2026-11-22 15:36:37Z",
    )


OLD = """<crm_mon version="1.1.11"><summary>
<current_dc present="true" version="1.1.11-97629de" name="centos01" id="centos01" with_quorum="true"/></summary>
<nodes><node name="centos01" online="true" is_dc="true"/></nodes>
<resources><clone id="ms"><resource id="p_drbd:0" role="Master" failed="false"><node name="centos01"/></resource>
<resource id="p_drbd:1" role="Slave"/></clone></resources></crm_mon>"""


def test_the_old_root_is_read() -> None:
    status = crm_mon.parse(OLD)
    assert status.version == "1.1.11-97629de"
    assert status.resources == (
        ResourceStatus("p_drbd", "centos01", "Promoted"),
        ResourceStatus("p_drbd", "", "Unpromoted"),
    )


@pytest.mark.parametrize("text", ["", "<cib/>", "Cluster Summary:", "<crm_mon><status code='x'/></crm_mon>"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        crm_mon.parse(text)
