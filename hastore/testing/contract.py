"""The suite that every driver must pass, shipped for drivers of other packages, too.

Subclass `DriverContract` in a test file, name the driver, and return a bench::

    class TestMyDriver(DriverContract):
        driver = MyDriver

        def bench(self) -> Bench:
            lab = hastore.sim.Lab(...)
            return Bench(lab.hosts, "node1", steps=(...), pass_time=lab.world.advance)

pytest then tries: that looking only reads, costs at most two round trips and never raises, whatever hosts answer;
that matching and judging are total and pure; that rendering is deterministic and keeps secrets out of argv; that each
step of the bench makes true what it ensures; and that doing it again is refused or harmless.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final, get_args

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hastore.drivers.base import Driver, HostFacts, Match, Verdict
from hastore.hosts.exchange import Exchange, gather
from hastore.hosts.operations import Await, Bracket, Entry, Expect, Operation, Outcome, Run, Status
from hastore.model.errors import UnsupportedStep
from hastore.model.secrets import Secret
from hastore.model.state import ClusterState, Unknown
from hastore.planning.steps import HostStep, Step, Subsystem
from hastore.testing.workbench import Bench, Workbench

MAX_ROUND_TRIPS: Final = 2
_UNHURRIED: Final = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)
_EXAMPLES: Final = settings(
    max_examples=60, deadline=None, suppress_health_check=_UNHURRIED, database=None, report_multiple_bugs=False
)


class DriverContract:
    """What is asked of every driver; see the module for how to use it."""

    driver: ClassVar[type[Driver]]

    def bench(self) -> Bench:
        """Return a fresh bench where the driver suits `bench.host`."""
        raise NotImplementedError

    def comparable(self, state: ClusterState, host: str) -> object:
        """Return what must be the same after a step was done a second time; override to leave out what moves by itself."""
        fields = {"block": "blocks"}
        return getattr(state.hosts[host], fields.get(self.driver.subsystem, self.driver.subsystem))

    # -- what it is -----------------------------------------------------------------------------------

    def test_its_name_says_subsystem_and_access_path(self) -> None:
        """`scst+sysfs`: the registry, `explain()` and the user's wishes go by it."""
        assert self.driver.subsystem in get_args(Subsystem)
        assert self.driver.name.startswith(f"{self.driver.subsystem}+")

    def test_its_probes_only_read(self) -> None:
        """Probes are asked on every host, before anything was agreed to."""
        assert self.driver.probes
        assert all(probe.reads for probe in self.driver.probes)

    # -- matching -------------------------------------------------------------------------------------

    def test_it_suits_the_bench(self) -> None:
        """A bench where it does not work shows nothing."""
        match = self.driver.match(Workbench(self.bench(), self.driver).facts)
        assert match.score > 0, match.reason

    def test_a_host_without_its_tools_is_a_reason(self) -> None:
        """Neither an exception nor a silent no."""
        absent = {probe: Outcome(probe, Status.FAILED, error="ENOENT") for probe in self.driver.probes}
        for facts in (HostFacts("bare", absent), HostFacts("unasked")):
            match = self.driver.match(facts)
            assert match.score <= 0
            assert match.reason

    def test_matching_is_total_and_pure(self) -> None:
        """Whatever the probes brought, the answer is a match, and the same the second time."""
        real = Workbench(self.bench(), self.driver).facts

        @_EXAMPLES
        @given(st.data())
        def check(data: st.DataObject) -> None:
            answers = _spoiled(data, [real.of(probe) for probe in self.driver.probes])
            facts = HostFacts("odd", dict(zip(self.driver.probes, answers, strict=True)))
            match = self.driver.match(facts)
            assert isinstance(match, Match)
            assert match == self.driver.match(facts)

        check()

    # -- looking --------------------------------------------------------------------------------------

    def test_looking_only_reads_and_costs_two_round_trips_at_most(self) -> None:
        """Counted on the host itself, in the first state and in the last."""
        work = Workbench(self.bench(), self.driver)
        self._look(work)
        for step in work.steps():
            work.do(step)
        self._look(work)

    def _look(self, work: Workbench) -> None:
        before = len(work.host.batches)
        gather({"it": work.driver().observe()}, work.host)
        asked = work.host.batches[before:]
        assert len(asked) <= MAX_ROUND_TRIPS
        assert all(operation.reads for batch in asked for operation in batch)

    def test_strange_answers_make_unknown_state_and_never_an_exception(self) -> None:
        """Real answers of the last state, cut, emptied, replaced, refused: it still says something."""
        work = Workbench(self.bench(), self.driver)
        for step in work.steps():
            work.do(step)
        known: dict[Operation, Outcome] = {}
        for batch in _batches(work.driver().observe(), work):
            known |= batch

        @_EXAMPLES
        @given(st.data())
        def check(data: st.DataObject) -> None:
            exchange = work.driver().observe()
            seen = _converse(exchange, data, known)
            if isinstance(seen, Unknown):
                assert seen.reason

        check()

    # -- doing ----------------------------------------------------------------------------------------

    def test_each_step_makes_true_what_it_ensures(self) -> None:
        """Rendered, performed, judged done, and seen."""
        work = Workbench(self.bench(), self.driver)
        for step in work.steps():
            reason = step.requires(work.state)
            assert not reason, f"the bench is wrong: {step.title}: {reason}"
            verdict = work.do(step)
            assert verdict.result == "done", f"{step.title}: {verdict.reason}"
            assert not step.observable or step.ensures(work.state), f"done, and not seen: {step.title}"

    def test_doing_it_again_is_refused_or_harmless(self) -> None:
        """The report may have been lost: the same operations once more must not spoil what the first ones did."""
        work = Workbench(self.bench(), self.driver)
        for step in work.steps():
            if not work.is_on_trial(step):
                work.do(step)
                continue
            operations = work.render(step)
            work.perform(step, operations)
            first = self.comparable(work.state, step.host)
            verdict = work.perform(step, operations)
            assert verdict.result in {"done", "refused", "stale"}, f"{step.title}: {verdict}"
            assert verdict.result == "done" or verdict.reason
            assert not step.observable or step.ensures(work.state), step.title
            assert self.comparable(work.state, step.host) == first, step.title

    def test_rendering_is_deterministic_and_keeps_secrets_out_of_sight(self) -> None:
        """The same step in the same state gives the same operations; no secret stands in an argv or in what is shown."""
        work = Workbench(self.bench(), self.driver)
        for step in work.steps():
            if work.is_on_trial(step):
                operations = work.render(step)
                assert operations == work.render(step)
                for secret in _secrets_of(step):
                    _assert_hidden(secret, operations)
            work.do(step)

    def test_judging_is_total(self) -> None:
        """A verdict for whatever comes back; nothing that was not run, or got lost, is called done."""
        work = Workbench(self.bench(), self.driver)
        rendered: list[tuple[Step, tuple[Operation, ...]]] = []
        for step in work.steps():
            if work.is_on_trial(step):
                rendered.append((step, work.render(step)))
            work.do(step)
        judge = work.driver().judge
        for step, operations in rendered:
            if operations:
                assert judge(step, tuple(Outcome(o, Status.UNKNOWN) for o in operations)).result == "unknown", (
                    step.title
                )
                assert judge(step, tuple(Outcome(o, Status.NOT_RUN) for o in operations)).result != "done", step.title

        @_EXAMPLES
        @given(st.data())
        def check(data: st.DataObject) -> None:
            step, operations = data.draw(st.sampled_from(rendered))
            answers = _spoiled(data, [Outcome(operation, Status.DONE, 0) for operation in operations])
            verdict = judge(step, tuple(answers))
            assert isinstance(verdict, Verdict)
            assert verdict == judge(step, tuple(answers))
            assert verdict.result == "done" or verdict.reason

        if rendered:
            check()

    def test_a_step_it_has_no_commands_for_is_unsupported(self) -> None:
        """Said by its own error, so that a plan can name the step."""
        with pytest.raises(UnsupportedStep, match="something nobody ever heard of"):
            Workbench(self.bench(), self.driver).driver().render(_StrangeStep("nowhere"), ClusterState())


@attrs.frozen
class _StrangeStep(HostStep):
    """A step that no driver knows."""

    subsystem: ClassVar[Subsystem] = "block"
    verb: ClassVar[str] = "puzzle"

    @property
    def layer(self) -> int:
        """Come first."""
        return 0

    @property
    def subject(self) -> str:
        """Name nothing."""
        return "nothing:at-all"

    @property
    def title(self) -> str:
        """Say so."""
        return "do something nobody ever heard of"

    def ensures(self, state: ClusterState) -> bool:
        """Ensure nothing."""
        return not state.hosts

    def effect(self, state: ClusterState) -> ClusterState:
        """Have none."""
        return state


# -- strange answers ----------------------------------------------------------------------------------


def _spoiled(data: st.DataObject, real: Sequence[Outcome]) -> list[Outcome]:
    return [data.draw(_answers(outcome), label=str(outcome.operation)) for outcome in real]


def _answers(real: Outcome) -> st.SearchStrategy[Outcome]:
    """Return strategies for what may come back instead of a real answer."""
    operation = real.operation
    texts = st.binary(max_size=40) | st.sampled_from(
        [b"{}", b"[]", b"<a/>", b"\xff\n", b"version: 8.4.1\n", b" 0: cs:"]
    )
    cut = st.integers(0, max(0, len(real.stdout))).map(lambda at: attrs.evolve(real, stdout=real.stdout[:at]))
    garbled = st.builds(
        lambda at, text: attrs.evolve(real, stdout=real.stdout[:at] + text + real.stdout[at + len(text) :]),
        st.integers(0, max(0, len(real.stdout))),
        texts,
    )
    made = st.builds(
        Outcome,
        st.just(operation),
        st.sampled_from(Status),
        st.none() | st.integers(0, 255),
        texts,
        texts,
        st.sampled_from(["", "ENOENT", "EACCES", "EIO", "EEXIST", "EBUSY", "TIMEOUT", "LINK"]),
    )
    return st.just(real) | cut | garbled | made | _pruned(real)


def _pruned(real: Outcome) -> st.SearchStrategy[Outcome]:
    """Return the answer with entries of its tree lost, emptied or unreadable."""
    names = list(real.tree)
    if not names:
        return st.just(attrs.evolve(real, tree={}))

    def without(lost: Sequence[str], bent: Mapping[str, Entry]) -> Outcome:
        tree = {name: entry for name, entry in real.tree.items() if name not in lost}
        return attrs.evolve(real, tree=tree | {name: entry for name, entry in bent.items() if name in tree})

    entries = st.builds(Entry, st.sampled_from(["file", "dir", "link"]), st.binary(max_size=8), st.text(max_size=8))
    unreadable = st.just(Entry("file", error="EIO"))
    bent = st.dictionaries(st.sampled_from(names), entries | unreadable, max_size=4)
    return st.builds(without, st.lists(st.sampled_from(names), max_size=8), bent)


def _batches(exchange: Exchange[Any], work: Workbench) -> Iterator[dict[Operation, Outcome]]:
    """Hold an exchange with the bench's host and yield what it asked and heard."""
    answers: tuple[Outcome, ...] | None = None
    while True:
        try:
            asked = next(exchange) if answers is None else exchange.send(answers)
        except StopIteration:
            return
        answers = work.host.perform(asked)
        yield dict(zip(asked, answers, strict=True))


def _converse(exchange: Exchange[Any], data: st.DataObject, known: Mapping[Operation, Outcome]) -> object:
    """Hold an exchange with answers that are spoiled; what was never asked before gets a refusal to spoil."""
    answers: tuple[Outcome, ...] | None = None
    for _ in range(MAX_ROUND_TRIPS + 1):
        try:
            asked = next(exchange) if answers is None else exchange.send(answers)
        except StopIteration as stop:
            return stop.value
        assert all(operation.reads for operation in asked)
        answers = tuple(_spoiled(data, [known.get(o) or Outcome(o, Status.FAILED, 1) for o in asked]))
    msg = f"it asked more than {MAX_ROUND_TRIPS} times"
    raise AssertionError(msg)


# -- secrets ------------------------------------------------------------------------------------------


def _secrets_of(thing: object) -> Iterator[str]:
    """Yield every literal secret in a value, however deep."""
    if isinstance(thing, Secret):
        if thing.source == "literal":
            yield thing.reference[0]
    elif isinstance(thing, tuple | list | frozenset):
        for inner in thing:
            yield from _secrets_of(inner)
    elif attrs.has(kind := type(thing)):
        for attribute in attrs.fields(kind):
            yield from _secrets_of(getattr(thing, attribute.name))


def _assert_hidden(secret: str, operations: Sequence[Operation]) -> None:
    for operation in operations:
        match operation:
            case Bracket():
                _assert_hidden(secret, (*operation.enter, *operation.body, *operation.leave))
            case Run(argv=argv, env=env) | Expect(probe=Run(argv=argv, env=env)) | Await(probe=Run(argv=argv, env=env)):
                assert all(secret not in word for word in (*argv, *env.values())), operation
            case _:
                pass
        assert secret not in str(operation), "a secret is shown"
        assert secret not in repr(operation), "a secret is shown"
