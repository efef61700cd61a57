"""The article's plan stopped at every operation: planned again and applied, it comes to the same end, and nothing is done twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache

import attrs
import drawn
import pytest
from moments import LOSSES, MARK, MOMENTS, Moments, cut_at_next_change, done_once, marks, stopped, unwatched, write_mark
from verify import faults, violations
from worlds import CANARY, connect, lab_for

from hastore.demo import article_stack
from hastore.hosts.operations import Expect, Operation, WriteFile
from hastore.model.errors import HastoreError
from hastore.model.secrets import Secret
from hastore.model.stack import StorageStack
from hastore.sim.faults import Killed, Moment
from hastore.sim.lab import Lab

pytestmark = pytest.mark.laws
ALL = "HASTORE_EXAMPLES" in os.environ
"""Guards, too, and the moments that are one and the same world in the simulator."""


@cache
def article() -> StorageStack:
    stack = article_stack()
    return attrs.evolve(stack, drbd=tuple(attrs.evolve(r, secret=Secret.literal(CANARY)) for r in stack.drbd))


@cache
def run() -> tuple[tuple[tuple[str, Operation, Lab], ...], Lab]:
    """Provision the article's cluster once; return the world before each change, and the one at the end."""
    lab = lab_for(article())
    moments = Moments(lab)
    connect(lab).plan(article()).apply()
    return tuple(moments.worlds), unwatched(lab)


def once() -> dict[str, int]:
    """Return what happens once in a run that nobody stops."""
    counts = done_once(run()[1])
    assert set(counts.values()) == {1}
    assert len(counts) == 4, counts
    return counts


def comes_to_the_same_end(lab: Lab) -> list[str]:
    """Let a new process look, plan and apply; return what is then not as after a run that nobody stopped."""
    write_mark(lab)
    marked = marks(lab)
    try:
        connect(lab).plan(article()).apply()
        left = [step.key for step in connect(lab).plan(article()).steps]
    except HastoreError as error:
        return [f"planned again it stops: {error}"]
    wrong = [*faults(lab, article()), *violations(lab), *(f"left to do: {key}" for key in left)]
    if done_once(lab) != once():
        wrong.append(f"not once: {done_once(lab)}")
    if marked and set(marks(lab).values()) != {MARK}:
        wrong.append(f"what was written is lost: {marks(lab)}")
    return wrong


def stops() -> Iterator[tuple[str, Operation, Lab, Moment]]:
    for host, operation, lab in run()[0]:
        for moment in MOMENTS:
            same_world = moment == "during" and not isinstance(operation, WriteFile)
            if ALL or not (isinstance(operation, Expect) or same_world):
                yield host, operation, lab, moment


def test_an_uninterrupted_run_is_as_it_should_be() -> None:
    end = run()[1]
    assert faults(end, article()) == []
    assert violations(end) == []
    assert set(marks(end).values()) == {MARK}
    assert once()


def test_stopped_at_every_operation_it_comes_to_the_same_end() -> None:
    wrong: list[str] = []
    tried = 0
    for host, operation, lab, moment in stops():
        tried += 1
        found = comes_to_the_same_end(stopped(lab, host, operation, moment))
        wrong += [f"stopped {moment} {str(operation).splitlines()[0]} on {host}: {text}" for text in found]
    operations = len(run()[0])
    drawn.tell(
        "stopped and planned again",
        f"{operations} operations, each before, during and after: {3 * operations} stops, "
        f"{tried} of them different worlds (guards change nothing), {len(wrong)} came to another end",
    )
    assert wrong == []


def test_a_link_lost_at_every_change_comes_to_the_same_end() -> None:
    wrong: list[str] = []
    tried = survived = 0
    for host, operation, lab in run()[0]:
        if isinstance(operation, Expect) and not ALL:
            continue
        for moment in LOSSES:
            tried += 1
            world = unwatched(lab)
            cluster = connect(world)
            plan = cluster.plan(article())
            cut_at_next_change(world, moment)
            try:
                plan.apply()
                survived += 1
            except HastoreError:
                pass
            found = comes_to_the_same_end(unwatched(world))
            wrong += [f"link lost {moment} {str(operation).splitlines()[0]} on {host}: {text}" for text in found]
    drawn.tell("link lost and planned again", f"{tried} losses; {survived} times the first run went on by itself")
    assert wrong == []


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("number", [1, 30, 60, 90])
def test_killed_in_the_middle_of_a_batch_it_leaves_no_lock(moment: Moment, number: int) -> None:
    lab = lab_for(article())
    cluster = connect(lab)
    plan = cluster.plan(article())
    lab.world.faults.stop_after("centos01", number, moment)
    with pytest.raises(Killed):
        plan.apply()
    assert comes_to_the_same_end(lab) == []
