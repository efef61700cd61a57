"""The contract suite catches drivers that break it: each of these has one bug, and one test that must see it."""

from __future__ import annotations

from itertools import count
from typing import Any, ClassVar

import attrs
import pytest
import test_contract_serving as serving
import test_contract_storage as storage

from hastore.drivers.base import DONE, Driver, HostFacts, Match, Verdict
from hastore.drivers.drbd_84 import Drbd84Driver
from hastore.drivers.lvm_lvm2 import Lvm2Driver
from hastore.drivers.scst_sysfs import ScstSysfsDriver
from hastore.formats import lsblk
from hastore.hosts.exchange import Exchange
from hastore.hosts.operations import Expect, Operation, Outcome, ReadFile, Run, WriteFile
from hastore.model.errors import ParseError
from hastore.model.state import ClusterState, ScstState
from hastore.planning.steps import Step, Subsystem
from hastore.planning.steps_drbd import WriteDrbdConfig
from hastore.testing.contract import DriverContract


class WritesWhileLooking(Lvm2Driver):
    def observe(self) -> Exchange[Any]:
        yield (WriteFile("/tmp/been-here", b""),)  # noqa: S108  a simulated host's
        return (yield from super().observe())


class AsksThreeTimes(Lvm2Driver):
    def observe(self) -> Exchange[Any]:
        for path in ("/etc/hostname", "/etc/hosts"):
            yield (ReadFile(path),)
        return (yield from super().observe())


class TrustsAnswers(Lvm2Driver):
    def observe(self) -> Exchange[Any]:
        (listed,) = yield (Run(("lsblk", "-J", "-b", "-p", "-o", ",".join(lsblk.COLUMNS)), reads=True),)
        lsblk.parse(listed.text)
        return (yield from super().observe())


class TrustsProbes(Lvm2Driver):
    @classmethod
    def match(cls, facts: HostFacts, /) -> Match:
        version = facts.of(cls.probes[0]).text.split("LVM version:")[1].split()[0]
        return Match(10, version)


class NeverSameTwice(Lvm2Driver):
    numbers: ClassVar[Any] = count()

    def render(self, step: Step, state: ClusterState, /) -> tuple[Operation, ...]:
        return (ReadFile(f"/tmp/{next(self.numbers)}"), *super().render(step, state))  # noqa: S108  a simulated host's


class AlwaysContent(Lvm2Driver):
    def judge(self, _step: Step, _outcomes: tuple[Outcome, ...], /) -> Verdict:
        return DONE


class ForgetsToAct(Lvm2Driver):
    def render(self, step: Step, state: ClusterState, /) -> tuple[Operation, ...]:
        return tuple(operation for operation in super().render(step, state) if isinstance(operation, Expect))


class TellsTheSecret(Drbd84Driver):
    def render(self, step: Step, state: ClusterState, /) -> tuple[Operation, ...]:
        rendered = super().render(step, state)
        if isinstance(step, WriteDrbdConfig) and step.resource.secret:
            return (*rendered, Run(("logger", step.resource.secret.reference[0]), reads=True))
        return rendered


class MissesTheMark(ScstSysfsDriver):
    """It takes the first line of nothing: the driver's state is misread."""

    def observe(self) -> Exchange[Any]:
        seen = yield from super().observe()
        return attrs.evolve(seen, driver_enabled=False) if isinstance(seen, ScstState) else seen


class KnowsEverything(Lvm2Driver):
    def render(self, step: Step, state: ClusterState, /) -> tuple[Operation, ...]:
        return super().render(step, state) if step.subsystem == self.subsystem else ()


class WrongName(Lvm2Driver):
    name: ClassVar[str] = "lvm2"


class ProbesByWriting(Lvm2Driver):
    probes: ClassVar[tuple[Operation, ...]] = (*Lvm2Driver.probes, Run(("true",)))
    subsystem: ClassVar[Subsystem] = "lvm"


LVM: type[DriverContract] = storage.TestLvm2
BUGS: list[tuple[type[Driver], type[DriverContract], str, type[BaseException]]] = [
    (WrongName, LVM, "test_its_name_says_subsystem_and_access_path", AssertionError),
    (ProbesByWriting, LVM, "test_its_probes_only_read", AssertionError),
    (TrustsProbes, LVM, "test_a_host_without_its_tools_is_a_reason", IndexError),
    (TrustsProbes, LVM, "test_matching_is_total_and_pure", IndexError),
    (WritesWhileLooking, LVM, "test_looking_only_reads_and_costs_two_round_trips_at_most", AssertionError),
    (AsksThreeTimes, LVM, "test_looking_only_reads_and_costs_two_round_trips_at_most", AssertionError),
    (TrustsAnswers, LVM, "test_strange_answers_make_unknown_state_and_never_an_exception", ParseError),
    (NeverSameTwice, LVM, "test_rendering_is_deterministic_and_keeps_secrets_out_of_sight", AssertionError),
    (
        TellsTheSecret,
        storage.TestDrbd84,
        "test_rendering_is_deterministic_and_keeps_secrets_out_of_sight",
        AssertionError,
    ),
    (AlwaysContent, LVM, "test_judging_is_total", AssertionError),
    (ForgetsToAct, LVM, "test_each_step_makes_true_what_it_ensures", AssertionError),
    (MissesTheMark, serving.TestScstSysfs, "test_each_step_makes_true_what_it_ensures", AssertionError),
    (KnowsEverything, LVM, "test_a_step_it_has_no_commands_for_is_unsupported", pytest.fail.Exception),
]


@pytest.mark.parametrize(
    ("kind", "contract", "test", "error"), BUGS, ids=[f"{kind.__name__}-{test}" for kind, _, test, _ in BUGS]
)
def test_a_driver_with_a_bug_is_caught(
    kind: type[Driver], contract: type[DriverContract], test: str, error: type[BaseException]
) -> None:
    suite: Any = type("Buggy", (contract,), {"driver": kind})()
    with pytest.raises(error):
        getattr(suite, test)()
