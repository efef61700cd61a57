"""Drivers look at recorded systems: what real hosts printed becomes the state a person would tell from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from hastore.drivers.base import Driver, HostFacts
from hastore.drivers.drbd_84 import Drbd84Driver
from hastore.drivers.pacemaker_cib import PacemakerCibDriver
from hastore.drivers.scst_sysfs import ScstSysfsDriver
from hastore.formats import scst_tree
from hastore.hosts.exchange import Exchange
from hastore.hosts.operations import Entry, Operation, Outcome, ReadTree, Status
from hastore.model.drbd import DrbdResource
from hastore.model.state import DrbdState, PacemakerState, ScstState
from recorded import RECORDINGS, commands, tree

DRBD = RECORDINGS / "drbd84"
STATES = sorted(path.name.removesuffix(".txt") for path in DRBD.glob("[0-9]*.node[23].txt") if "live" not in path.name)


class Recorded:
    """Answers operations from a recording; what was not recorded is not there."""

    def __init__(self, answers: Mapping[str, tuple[int, bytes, bytes]], trees: dict[str, dict[str, Entry]]) -> None:
        self.answers = answers
        self.trees = trees
        self.round_trips = 0

    def perform(self, batch: Sequence[Operation]) -> tuple[Outcome, ...]:
        self.round_trips += 1
        return tuple(self._answer(operation) for operation in batch)

    def _answer(self, operation: Operation) -> Outcome:
        if isinstance(operation, ReadTree):
            return Outcome(operation, Status.DONE, tree=self.trees[operation.path])
        if str(operation) not in self.answers:
            return Outcome(operation, Status.FAILED, error="ENOENT")
        code, out, err = self.answers[str(operation)]
        done = code in getattr(operation, "ok", (0,))
        return Outcome(operation, Status.DONE if done else Status.FAILED, code, out, err)


def look(kind: type[Driver], recorded: Recorded, host: str = "node2") -> Any:
    """Choose by the recording's answers, and look."""
    facts = HostFacts(host, dict(zip(kind.probes, recorded.perform(kind.probes), strict=True)))
    assert kind.match(facts).score > 0, kind.match(facts)
    recorded.round_trips = 0
    seen = converse(kind(facts).observe(), recorded)
    assert recorded.round_trips <= 2
    return seen


def converse(exchange: Exchange[Any], recorded: Recorded) -> Any:
    asked = next(exchange)
    while True:
        try:
            asked = exchange.send(recorded.perform(asked))
        except StopIteration as stop:
            return stop.value


def drbd_host(state: str) -> Recorded:
    """Return a node of the recorded pair, its configuration file included."""
    answers = {r.command: (r.exit_code, r.output.encode(), r.errors.encode()) for r in commands(DRBD / f"{state}.txt")}
    answers["drbdadm get-gi r0/0"] = answers["drbdadm get-gi r0"]
    answers["drbdadm --version"] = (0, b"DRBDADM_VERSION=9.22.0\n", b"")
    configuration = "" if state.startswith("00") else "r0-pass2.res" if state >= "30" else "r0.res"
    files = {"r0.res": Entry("file", (DRBD / configuration).read_bytes())} if configuration else {}
    return Recorded(answers, {"/etc/drbd.d": files})


@pytest.mark.parametrize("state", STATES)
def test_every_recorded_state_of_drbd_is_seen(state: str) -> None:
    seen = look(Drbd84Driver, drbd_host(state), state[-5:])
    assert isinstance(seen, DrbdState), seen
    assert seen.version == "8.4.11"
    if state.startswith("00"):
        assert seen.resources == {}
        return
    resource = seen.resources["r0"]
    assert isinstance(resource.config, DrbdResource)
    assert resource.config.nodes == ("node2", "node3")
    unconfigured = state.startswith("01")
    assert resource.metadata == {0: not unconfigured}
    assert bool(resource.generations) is not unconfigured
    assert resource.up is not (unconfigured or (state[:2], state[-1]) in {("02", "3"), ("46", "3")})


def test_a_just_created_resource_shows_its_generation() -> None:
    seen = look(Drbd84Driver, drbd_host("03-connected-Inconsistent-Inconsistent.node2"))
    assert seen.resources["r0"].generations[0].startswith("0000000000000004:0000000000000000:")


@pytest.mark.parametrize("path", sorted((RECORDINGS / "scst").glob("[0-9]*.json")), ids=lambda path: path.name)
def test_every_recorded_state_of_scst_is_seen(path: Path) -> None:
    version = tree(RECORDINGS / "scst" / "03-devices.json")
    answers: dict[str, tuple[int, bytes, bytes]] = {
        f"cat {scst_tree.ROOT}/{name}": (0, entry.content, b"")
        for name, entry in version.items()
        if name == "version" or name.startswith("handlers/")
    }
    dump = {"version": version["version"]} | tree(path)
    seen = look(ScstSysfsDriver, Recorded(answers, {scst_tree.ROOT: dump}))
    assert isinstance(seen, ScstState)
    assert seen.daemon_running is not path.name.startswith("01")


def test_the_recorded_cluster_is_seen() -> None:
    stack = RECORDINGS / "pacemaker" / "stack-10-healthy.node2"
    status = (0, Path(f"{stack}.crm_mon.xml").read_bytes(), b"")
    cib = (0, Path(f"{stack}.cib.xml").read_bytes(), b"")
    answers = {"crm_mon --output-as=xml --one-shot --inactive --failcounts": status, "cibadmin --query": cib}
    seen = look(PacemakerCibDriver, Recorded(answers, {}))
    assert isinstance(seen, PacemakerState)
    assert seen.where("p_drbd_r0", "Promoted") == ("node2",)
    assert seen.cib.resource("p_lun1") is not None
    assert seen.cib_xml.encode() == cib[1]
