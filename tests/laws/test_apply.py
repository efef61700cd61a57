"""Whatever the stack, whatever the start: after applying, the storage is there and nothing is left to do."""

from __future__ import annotations

from functools import partial

import drawn
import foreign
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from projection import differences
from verify import faults, violations
from worlds import PHASES, connect, lab_for, provision, sound_stacks

from hastore.model.stack import StorageStack
from hastore.planning.planner import arrange
from hastore.planning.steps_cluster import AwaitCluster
from needs import examples

pytestmark = pytest.mark.laws
law = partial(
    settings,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
        HealthCheck.large_base_example,
    ],
    phases=PHASES,
)
FOREIGN = st.lists(st.sampled_from(sorted(foreign.KINDS)), unique=True)


def holds(stack: StorageStack, kinds: list[str]) -> None:
    """Provision a stack beside what is somebody else's, and ask the world whether all of it is there."""
    lab = lab_for(stack)
    for kind in kinds:
        foreign.KINDS[kind](lab, stack)
    before = foreign.photograph(lab, stack)
    provision(lab, stack)
    again = connect(lab).plan(stack)
    note(str(again))
    assert again.empty, [step.key for step in again.steps]
    assert faults(lab, stack) == []
    assert violations(lab) == []
    assert foreign.photograph(lab, stack) == before


@law(max_examples=examples(8))
@given(sound_stacks(pacemaker=True), FOREIGN)
def test_after_apply_a_cluster_is_as_its_stack_says(stack: StorageStack, kinds: list[str]) -> None:
    drawn.count("apply under Pacemaker", stack, *(f"beside {kind}" for kind in kinds))
    holds(stack, kinds)


@law(max_examples=examples(100))
@given(sound_stacks(pacemaker=False), FOREIGN)
def test_after_apply_a_single_host_is_as_its_stack_says(stack: StorageStack, kinds: list[str]) -> None:
    drawn.count("apply without Pacemaker", stack, *(f"beside {kind}" for kind in kinds))
    holds(stack, kinds)


def agrees(stack: StorageStack) -> None:
    """Do a plan step by step, and hold what each foretold against what is then observed."""
    lab = lab_for(stack)
    cluster = connect(lab)
    for step in cluster.plan(stack).steps:
        plan = cluster.plan_by(partial(arrange, (step,)))
        if plan.empty:
            continue
        foretold = plan.schedule.predicted[-1]
        plan.apply()
        # where nobody says where, the cluster chooses the nodes
        anywhere = stack.node_names if isinstance(step, AwaitCluster) else ()
        found = differences(foretold, cluster.observe(), anywhere=anywhere)
        assert found == [], f"after {step.key}"
    assert faults(lab, stack) == []


@law(max_examples=examples(8))
@given(sound_stacks(pacemaker=True))
def test_effect_simulator_and_observation_agree_after_every_step_of_a_cluster(stack: StorageStack) -> None:
    drawn.count("agreement under Pacemaker", stack)
    agrees(stack)


@law(max_examples=examples(50))
@given(sound_stacks(pacemaker=False))
def test_effect_simulator_and_observation_agree_after_every_step_on_one_host(stack: StorageStack) -> None:
    drawn.count("agreement without Pacemaker", stack)
    agrees(stack)
