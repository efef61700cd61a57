"""The simulated scheduler beside the real one: what crm_simulate would do, and where it puts everything."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from generated_cibs import Generated
from lxml import etree

from hastore.sim.cib_state import ClusterState
from hastore.sim.cluster_xml import Element, detach, parse_xml, print_xml, select
from hastore.sim.scheduler import schedule

RECORDINGS = Path(__file__).parent.parent / "recordings" / "stack"
RECORDED = [
    "01-target-without-iscsi_enable-FAILED-blocked",
    "10-healthy",
    "20-node2-standby",
    "30-after-move",
    "40-daemon-killed-failed-resource",
    "41-after-recovery",
    "42-daemon-killed-outcome-blocked",
    "50-node-just-offline",
    "51-node-offline-recovered",
]
SHOWN = {"start", "stop", "promote", "demote"}
DIFFERENT: dict[int, str] = {
    175: "a group held by a member that failed to stop: Pacemaker leaves the promotion where it is",
}
"""Seeds whose CIB is scheduled otherwise by Pacemaker, and why; docs/simulator-cluster.md names these limits."""


def real(path: Path, folder: Path) -> list[str]:
    """Return what crm_simulate does; the live cluster's quorum is given, scores stand in the CIB."""
    if not shutil.which("crm_simulate"):
        pytest.skip("missing: crm_simulate")
    command = ["crm_simulate", "-x", str(path), "-S", "--quorum", "1", "--output-as=xml", "-O", str(folder / "out.xml")]
    done = subprocess.run(command, capture_output=True, check=False)
    root = etree.fromstring(done.stdout)
    found = [(a.get("op"), str(a.get("resource")), a.get("node")) for a in root.iterfind(".//transition/rsc_action")]
    return sorted(f"{op} {id.partition(':')[0]} {node}" for op, id, node in found if op in SHOWN)


def simulated(root: Element) -> list[str]:
    decision = schedule(ClusterState(root), quorate=True)
    return sorted(f"{a.kind} {a.resource} {a.node}" for a in decision.actions if a.kind in SHOWN and not a.pseudo)


def parsed(text: str) -> Element:
    root = parse_xml(text)
    assert root is not None
    return root


@pytest.mark.oracle
@pytest.mark.parametrize("name", RECORDED)
def test_it_schedules_recorded_clusters_as_pacemaker_does(name: str, tmp_path: Path) -> None:
    path = RECORDINGS / f"{name}.node2.cib.xml"
    assert simulated(parsed(path.read_text())) == real(path, tmp_path)


@pytest.mark.oracle
@pytest.mark.parametrize("decade", range(20))
def test_it_schedules_generated_clusters_as_pacemaker_does(decade: int, tmp_path: Path) -> None:
    different = {}
    for seed in range(decade * 10, decade * 10 + 10):
        text = Generated(seed).text()
        path = tmp_path / "cib.xml"
        path.write_text(text)
        theirs, ours = real(path, tmp_path), simulated(parsed(text))
        if theirs != ours:
            different[seed] = (theirs, ours)
    expected = {seed for seed in DIFFERENT if seed // 10 == decade}
    assert set(different) == expected, {seed: pair for seed, pair in different.items() if seed not in expected}


@pytest.mark.oracle
def test_with_fencing_on_and_no_device_nothing_is_done(tmp_path: Path) -> None:
    for seed in range(12):
        text = (
            Generated(seed)
            .text()
            .replace('name="stonith-enabled" value="false"', 'name="stonith-enabled" value="true"')
        )
        root = parsed(text)
        for device in select(root, "//primitive[@id='st']"):
            detach(device)
        for history in select(root, "//lrm_resource[@id='st']"):
            detach(history)
        path = tmp_path / "cib.xml"
        path.write_text(print_xml(root))
        assert simulated(root) == real(path, tmp_path) == [], seed


def test_an_action_waits_for_what_must_be_done_before() -> None:
    """Whatever the cluster: no circle, a start after its group's earlier ones, a demotion after what uses it stopped."""
    for seed in range(60):
        state = ClusterState(parsed(Generated(seed).text()))
        actions = schedule(state, quorate=True).actions
        done: set[int] = set()
        while len(done) < len(actions):
            ready = {n for n, a in enumerate(actions) if n not in done and a.requires <= done}
            assert ready, f"seed {seed}: actions wait for each other"
            done |= ready
