"""The laws of planning that need no host: effects lead to the stack, from anywhere on the way."""

from __future__ import annotations

import attrs
from hypothesis import given, note
from hypothesis import strategies as st

from hastore.model.stack import StorageStack
from hastore.model.state import BlockDevice, ClusterState
from hastore.planning.compare import compare
from hastore.planning.planner import Schedule, arrange
from hastore.planning.steps import Watch
from hastore.testing.fresh_states import fresh
from hastore.testing.strategies_stack import stacks


def schedule(stack: StorageStack, state: ClusterState) -> Schedule:
    return arrange(compare(stack, state).steps, state)


@given(stacks())
def test_after_all_effects_nothing_is_left_to_do(stack: StorageStack) -> None:
    start = fresh(stack)
    first = schedule(stack, start)
    assert not first.findings, first.findings
    again = schedule(stack, first.predicted[-1]) if first.waves else first
    note("\n".join(step.key for step in again.steps))
    assert not again.steps


@given(stacks(), st.data())
def test_planned_again_from_any_wave_it_comes_to_the_same_end(stack: StorageStack, data: st.DataObject) -> None:
    first = schedule(stack, fresh(stack))
    if not first.waves:
        return
    stopped = first.predicted[data.draw(st.integers(0, len(first.waves) - 1), label="stopped after wave")]
    rest = schedule(stack, stopped)
    assert not rest.findings, rest.findings
    end = rest.predicted[-1] if rest.waves else stopped
    assert not schedule(stack, end).steps
    assert end.hosts.keys() == first.predicted[-1].hosts.keys()


@given(stacks())
def test_every_step_finds_what_it_requires_and_makes_what_it_ensures(stack: StorageStack) -> None:
    state = fresh(stack)
    for wave in schedule(stack, state).waves:
        for step in wave:
            assert step.requires(state) == "", step.key
            assert not step.ensures(state), step.key
            state = step.effect(state)
            assert step.ensures(state), step.key


@given(stacks())
def test_keys_are_unique_and_planning_is_deterministic(stack: StorageStack) -> None:
    first, second = schedule(stack, fresh(stack)), schedule(stack, fresh(stack))
    keys = [step.key for step in first.steps]
    assert len(keys) == len(set(keys))
    assert keys == [step.key for step in second.steps]


@given(stacks())
def test_steps_that_look_first_never_share_a_batch_with_what_they_follow(stack: StorageStack) -> None:
    for wave in schedule(stack, fresh(stack)).waves:
        fresh_steps = [step for step in wave if step.fresh or isinstance(step, Watch)]
        for step in fresh_steps:
            others = {
                other for other in wave if other.layer < step.layer and other.touches & (step.needs | step.touches)
            }
            assert not others, (step.key, [other.key for other in others])


@given(stacks(), st.data())
def test_a_disk_that_is_not_blank_is_never_written(stack: StorageStack, data: st.DataObject) -> None:
    start = fresh(stack)
    replicated = [(n, v.disk_on(n)) for r in stack.drbd for n in r.nodes for v in r.volumes]
    if not replicated:
        return
    node, path = data.draw(st.sampled_from(replicated))
    host = start.hosts[node]
    assert isinstance(host.blocks, dict)
    used = BlockDevice(path, 20 * 2**30, signature="ext4")
    dirty = attrs.evolve(start, hosts={**start.hosts, node: attrs.evolve(host, blocks={**host.blocks, path: used})})
    blocked = schedule(stack, dirty)
    assert any("not blank" in finding.summary for finding in blocked.blocking)
