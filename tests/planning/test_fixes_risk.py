"""What a fix is said to cost, judged by Pacemaker's own scheduler and by the daemons that read the files."""

import os
import subprocess
from pathlib import Path

import attrs
import pytest
from lxml import etree
from rules_article import article
from test_fixes import codes
from test_rules_article import mended

from hastore.formats import cib_xml_write, corosync_conf, drbd_conf
from hastore.model.secrets import Secret
from hastore.model.stack import StorageStack
from hastore.planning.compose import compose
from hastore.planning.fixes import Fix, Risk, apply_fixes, suggest_fixes
from hastore.planning.fixes.pacemaker import GROUP_ORDERS
from needs import find, require

pytestmark = pytest.mark.oracle
PROMOTION = {"centos01": "10000", "centos02": "1000"}
"""crm_simulate promotes nothing without the scores that the DRBD agent sets at run time."""
OUTSIDE_THE_CIB = {"corosync-3", "corosync-authentication", "drbd-suspend-io"}
"""Fixes whose cost is the restart of a daemon, or is seen by clients alone."""

# The schema takes neither crmsh's `+inf` nor some of the cluster's own properties, so these two fixes come first.
FOR_THE_SCHEMA = {"constraint-forms", "cluster-properties"}
START = apply_fixes(article(), [fix for fix in suggest_fixes(article()) if fix.code in FOR_THE_SCHEMA])


def write_cib(path: Path, stack: StorageStack, status: etree._Element) -> None:
    root = etree.fromstring(cib_xml_write.render(compose(stack), schema="pacemaker-3.9").encode())
    root.attrib.update({"admin_epoch": "1", "epoch": "1", "num_updates": "1"})
    root.attrib.update({"crm_feature_set": "3.16.1", "have-quorum": "1"})
    for number, node in enumerate(root.iter("node"), start=1):
        node.set("id", str(number))
    for old in root.findall("status"):
        root.remove(old)
    root.append(status)
    path.write_bytes(etree.tostring(root))


def nodes_online() -> etree._Element:
    status = etree.Element("status")
    for number, (name, score) in enumerate(PROMOTION.items(), start=1):
        node = etree.SubElement(
            status, "node_state", id=str(number), uname=name, in_ccm="true", crmd="online", join="member"
        )
        node.set("expected", "member")
        attributes = etree.SubElement(node, "transient_attributes", id=str(number))
        values = etree.SubElement(attributes, "instance_attributes", id=f"status-{number}")
        etree.SubElement(values, "nvpair", id=f"status-{number}-m", name="master-p_drbd_vg1", value=score)
    return status


def simulate(before: Path, after: Path) -> etree._Element:
    argv = ["crm_simulate", "-x", str(before), "-S", "-O", str(after), "--quorum", "1", "--output-as=xml"]
    answer = subprocess.run(argv, capture_output=True, check=True)
    return etree.fromstring(answer.stdout)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> etree._Element:
    """The status of the article's cluster while everything runs."""
    require("crm_simulate")
    folder = tmp_path_factory.mktemp("running")
    write_cib(folder / "0.xml", START, nodes_online())
    simulate(folder / "0.xml", folder / "1.xml")
    settled = simulate(folder / "1.xml", folder / "2.xml")
    assert not settled.findall("transition/rsc_action")
    status = etree.parse(folder / "2.xml").getroot().find("status")
    assert status is not None
    return status


def stopped_by(stack: StorageStack, running: etree._Element, folder: Path) -> set[str]:
    """Return the primitives that a running cluster stops when its configuration becomes this stack's."""
    status = etree.fromstring(etree.tostring(running))
    write_cib(folder / "3.xml", stack, status)
    transition = simulate(folder / "3.xml", folder / "4.xml")
    stops = ("stop", "demote")
    return {a.get("resource", "") for a in transition.findall("transition/rsc_action") if a.get("op") in stops}


@pytest.mark.parametrize("fix", suggest_fixes(START), ids=lambda fix: fix.code)
def test_a_fix_restarts_what_its_risk_says(fix: Fix, running: etree._Element, tmp_path: Path) -> None:
    if fix.code in OUTSIDE_THE_CIB:
        return
    stopped = stopped_by(fix.apply(START), running, tmp_path)
    assert bool(stopped) is (fix.risk is not Risk.HARMLESS_IN_FILE), stopped


def test_all_harmless_fixes_together_restart_nothing(running: etree._Element, tmp_path: Path) -> None:
    harmless = apply_fixes(START, suggest_fixes(START), risks=(Risk.HARMLESS_IN_FILE,))
    assert harmless != START
    assert stopped_by(harmless, running, tmp_path) == set()


def test_adding_portblocks_restarts_what_comes_after_them(tmp_path: Path) -> None:
    require("crm_simulate")
    assert START.pacemaker is not None
    group = START.pacemaker.groups[0]
    guards = {"p_portblock_vg1", "p_portblock_vg1_unblock"}
    bare = attrs.evolve(
        START,
        pacemaker=attrs.evolve(
            START.pacemaker,
            groups=(attrs.evolve(group, members=tuple(m for m in group.members if m not in guards)),),
            resources=tuple(r for r in START.pacemaker.resources if r.id not in guards),
        ),
    )
    added = next(fix for fix in suggest_fixes(bare) if fix.code == "portblock-added")
    write_cib(tmp_path / "0.xml", bare, nodes_online())
    simulate(tmp_path / "0.xml", tmp_path / "1.xml")
    simulate(tmp_path / "1.xml", tmp_path / "2.xml")
    status = etree.parse(tmp_path / "2.xml").getroot().find("status")
    assert status is not None
    assert "p_ip_vg1" in stopped_by(added.apply(bare), status, tmp_path)


def test_a_contradicting_order_is_a_loop_that_no_transition_gets_through(tmp_path: Path) -> None:
    """Why the order fix takes the article's constraints with it."""
    require("crm_simulate")
    ordered = apply_fixes(START, suggest_fixes(START))
    assert ordered.pacemaker is not None
    assert START.pacemaker is not None
    looped = attrs.evolve(ordered, pacemaker=attrs.evolve(ordered.pacemaker, constraints=START.pacemaker.constraints))
    assert "order-contradicts-group" in codes(looped)
    write_cib(tmp_path / "loop.xml", looped, nodes_online())
    argv = ["crm_simulate", "-x", str(tmp_path / "loop.xml"), "-S", "--quorum", "1"]
    answer = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert "invalid transition" in answer.stderr
    mended_again = GROUP_ORDERS.apply(looped)
    assert "order-contradicts-group" not in codes(mended_again)
    write_cib(tmp_path / "ordered.xml", mended_again, nodes_online())
    simulate(tmp_path / "ordered.xml", tmp_path / "out.xml")


def test_the_mended_cib_passes_crm_verify_without_a_word(tmp_path: Path) -> None:
    require("crm_verify")
    write_cib(tmp_path / "cib.xml", mended(), nodes_online())
    answer = subprocess.run(
        ["crm_verify", "-x", str(tmp_path / "cib.xml"), "-V"], capture_output=True, text=True, check=False
    )
    assert (answer.returncode, answer.stderr) == (0, "")


def test_corosync_takes_the_mended_configuration(tmp_path: Path) -> None:
    require("corosync")
    corosync = mended().corosync
    assert corosync is not None
    (tmp_path / "authkey").write_bytes(bytes(range(128)))
    # corosync looks for the machine it runs on in the nodelist.
    here = attrs.evolve(corosync.nodes[0], name=os.uname().nodename)
    keyed = attrs.evolve(
        corosync,
        totem=corosync.totem.with_(keyfile=str(tmp_path / "authkey")),
        nodes=(here, *corosync.nodes[1:]),
    )
    (tmp_path / "corosync.conf").write_text(corosync_conf.render(keyed))
    argv = [find("corosync") or "", "-t", "-c", str(tmp_path / "corosync.conf")]
    answer = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr


def test_drbdadm_of_8_4_takes_the_mended_resource(tmp_path: Path) -> None:
    drbdadm = Path("/lib/drbd/drbdadm-84")
    if not drbdadm.exists():
        pytest.skip("missing: drbdadm-84")
    resource = attrs.evolve(mended().drbd[0], secret=Secret.literal("a-secret-of-our-own"))
    (tmp_path / "vg1.res").write_text(drbd_conf.render_text(resource, conceal=False))
    answer = subprocess.run(
        [str(drbdadm), "-c", str(tmp_path / "vg1.res"), "dump"], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert "resync-rate      40M" in answer.stdout
    assert "outdate-peer" not in answer.stdout
