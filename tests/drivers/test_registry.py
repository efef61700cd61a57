"""The registry: what is built in, who is chosen, and why not the others."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import get_args

import attrs
import pytest

from hastore.drivers import registry
from hastore.drivers.base import HostFacts
from hastore.hosts.exchange import gather
from hastore.hosts.operations import Operation, Outcome, Status
from hastore.model.errors import DriverMismatch
from hastore.planning.steps import Subsystem
from hastore.sim.article_lab import article


def facts(host: str) -> HostFacts:
    lab = article()
    probes = registry.probes()
    return HostFacts(host, dict(zip(probes, lab.hosts[host].perform(probes), strict=True)))


def test_the_built_in_drivers_are_those_of_the_package_s_entry_points() -> None:
    pyproject = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    declared = {
        group.removeprefix(f"{registry.GROUP}."): points
        for group, points in pyproject["project"]["entry-points"].items()
        if group.startswith(registry.GROUP)
    }
    built_in = {
        subsystem: {
            found.name: f"{found.driver.__module__}:{found.driver.__name__}"
            for found in registry.available()
            if found.subsystem == subsystem and found.driver is not None
        }
        for subsystem in get_args(Subsystem)
    }
    assert built_in == declared


def test_a_storage_node_and_a_client_get_what_suits_them() -> None:
    chosen = {s: c.driver.name if c.driver else "" for s, c in registry.choose(facts("centos01")).items()}
    assert chosen == {
        "block": "block+lsblk",
        "drbd": "drbd+8.4",
        "lvm": "lvm+lvm2",
        "scst": "scst+sysfs",
        "pacemaker": "pacemaker+cib",
        "client": "",
    }
    client = registry.choose(facts("drbd01"))
    assert {s for s, c in client.items() if c.driver} == {"block", "client"}
    assert client["scst"].explanation == ("scst+sysfs: cannot work here: SCST is not loaded (no /sys/kernel/scst_tgt)",)


def test_looking_with_all_drivers_of_a_host_costs_two_round_trips_at_most() -> None:
    lab = article()
    for name, host in lab.hosts.items():
        chosen = {s: c.driver for s, c in registry.choose(facts(name)).items() if c.driver is not None}
        before = host.round_trips
        gather({subsystem: driver.observe() for subsystem, driver in chosen.items()}, host)
        assert host.round_trips - before <= 2


def test_each_question_is_asked_once() -> None:
    assert len(set(registry.probes())) == len(registry.probes())
    assert all(probe.reads for probe in registry.probes())


def test_wishes_that_cannot_be_met_say_why() -> None:
    with pytest.raises(DriverMismatch, match=r"drbd\+8.4 cannot work on drbd01: drbdadm is not installed"):
        registry.choose(facts("drbd01"), {"drbd": "drbd+8.4"})
    with pytest.raises(DriverMismatch, match=r"no drbd driver 'drbd\+7'; there are drbd\+8.4"):
        registry.choose(facts("centos01"), {"drbd": "drbd+7"})
    with pytest.raises(DriverMismatch, match="no subsystem 'disk'; there are block"):
        registry.choose(facts("centos01"), {"disk": "x"})  # type: ignore[dict-item]  # a user's typing error


def with_answer(known: HostFacts, probe: str, **changes: object) -> HostFacts:
    """Return the facts with one probe's outcome changed."""
    (asked,) = (operation for operation in registry.probes() if probe in str(operation))
    changed: dict[Operation, Outcome] = {**known.outcomes, asked: attrs.evolve(known.of(asked), **changes)}  # type: ignore[arg-type]  # fields of Outcome
    return HostFacts(known.host, changed)


@pytest.mark.parametrize(
    ("subsystem", "probe", "answer", "said"),
    [
        ("drbd", "/proc/drbd", b"version: 9.3.3 (api:2/proto:118-125)\n", "speaks 8.4"),
        ("drbd", "/proc/drbd", b"nothing known", "expected 'version"),
        ("lvm", "lvm version", b"  LVM version:     1.0.8 (2003-11-17)\n", "is not LVM 2"),
        ("scst", "scst_tgt/version", b"something else\n", "SCST version"),
        ("pacemaker", "crm_mon", b"usage: crm_mon", "before 2.0.3"),
    ],
)
def test_other_versions_are_not_mistaken(subsystem: Subsystem, probe: str, answer: bytes, said: str) -> None:
    choice = registry.choose(with_answer(facts("centos01"), probe, stdout=answer))[subsystem]
    assert choice.driver is None
    assert said in choice.explanation[0]


def test_a_module_that_is_not_loaded_suits_weakly() -> None:
    choice = registry.choose(with_answer(facts("centos01"), "/proc/drbd", status=Status.FAILED, error="ENOENT"))["drbd"]
    assert choice.driver is not None
    assert choice.match.score == 1
