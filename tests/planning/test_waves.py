"""Waves, held against the plain definition: behind every step of a lower layer that touched what is wanted."""

from __future__ import annotations

from typing import ClassVar

from hypothesis import given
from hypothesis import strategies as st

from hastore.model.state import ClusterState, HostState
from hastore.model.values import value
from hastore.planning.planner import EVERYTHING, arrange
from hastore.planning.steps import HostStep, Step, Subsystem, Watch

HOSTS = ("a", "b")
STATE = ClusterState({name: HostState(name) for name in HOSTS})
REFERENCES = ("x", "y", "x@a", "x@b", "y@a", "y@b")


@value
class Move(HostStep):
    subsystem: ClassVar[Subsystem] = "lvm"
    number: int
    place: int
    touched: frozenset[str]
    wanted: frozenset[str]

    @property
    def layer(self) -> int:
        return self.place

    @property
    def key(self) -> str:
        return f"{self.number}@{self.host}"

    @property
    def title(self) -> str:
        return self.key

    @property
    def touches(self) -> frozenset[str]:
        return self.touched

    @property
    def needs(self) -> frozenset[str]:
        return self.wanted

    def ensures(self, state: ClusterState) -> bool:
        del state
        return False

    def effect(self, state: ClusterState) -> ClusterState:
        return state


@value
class FreshMove(Move):
    fresh: ClassVar[bool] = True


@value
class Wait(Move):
    calm: ClassVar[float] = 0.0
    deadline: float = 1.0
    patience: float = 1.0

    def progress(self, state: ClusterState) -> tuple[float | None, str]:
        del state
        return None, ""

    def hopeless(self, state: ClusterState) -> str:
        del state
        return ""


@st.composite
def moves(draw: st.DrawFn) -> list[Move]:
    some = st.frozensets(st.sampled_from(REFERENCES), max_size=2)
    return [
        draw(st.sampled_from((Move, FreshMove, Wait)))(
            draw(st.sampled_from(HOSTS)),
            number,
            draw(st.integers(0, 4)),
            draw(some),
            draw(st.one_of(some, st.just(frozenset({EVERYTHING})))),
        )
        for number in range(draw(st.integers(0, 9)))
    ]


def follows(later: Step, earlier: Step) -> bool:
    wanted = later.needs | later.touches
    return earlier.layer < later.layer and (
        EVERYTHING in wanted or any(same(want, made) for want in wanted for made in earlier.touches)
    )


def same(one: str, other: str) -> bool:
    both_on_hosts = "@" in one and "@" in other
    return one == other or (one.partition("@")[0] == other.partition("@")[0] and not both_on_hosts)


def apart(earlier: Step, later: Step) -> bool:
    return later.fresh or isinstance(earlier, Watch) or isinstance(later, Watch) or earlier.host != later.host


@given(moves())
def test_every_step_is_in_the_earliest_wave_it_may_share(steps: list[Move]) -> None:
    expected: dict[str, int] = {}
    for step in sorted(steps, key=lambda s: s.layer):
        before = [s for s in steps if follows(step, s)]
        expected[step.key] = max((expected[s.key] + apart(s, step) for s in before), default=0)
    schedule = arrange(steps, STATE)
    assert {step.key: number for number, wave in enumerate(schedule.waves) for step in wave} == expected
    for wave in schedule.waves:
        assert [step.layer for step in wave] == sorted(step.layer for step in wave)
