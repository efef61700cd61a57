"""LVM's settings as a part of provisioning: planned first, on every storage node, and only where they differ."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from rules_article import article

from hastore.model.lvm import LvmSettings
from hastore.model.stack import StorageStack
from hastore.model.state import ABSENT, ClusterState, LvmState
from hastore.planning.compare import Comparison, compare
from hastore.planning.evolve import lvm_on, vg_on, with_host, with_lvm
from hastore.planning.fixes import apply_fixes, suggest_fixes
from hastore.planning.planner import arrange
from hastore.planning.steps_drbd import DrbdUp
from hastore.planning.steps_lvm import ConfigureLvm, CreatePv, CreateVg
from hastore.testing.fresh_states import fresh
from hastore.testing.strategies_stack import stacks

NODES = ("centos01", "centos02")


def mended() -> StorageStack:
    """Return the article's stack with every fix applied."""
    stack = article()
    return apply_fixes(stack, suggest_fixes(stack, platform="debian-12"))


def end(stack: StorageStack) -> ClusterState:
    """Return what is foretold of a stack provisioned on fresh hosts."""
    return arrange(compare(stack, fresh(stack)).steps, fresh(stack)).predicted[-1]


def drift(comparison: Comparison) -> dict[str, str]:
    """Return host -> evidence of settings that drifted."""
    return {f.objects[-1]: f.evidence for f in comparison.findings if f.code == "lvm-settings-drift"}


@given(stacks())
def test_every_storage_node_gets_the_settings_before_anything_shows_lvm_a_disk(stack: StorageStack) -> None:
    steps = arrange(compare(stack, fresh(stack)).steps, fresh(stack)).steps
    settings = {step.host: place for place, step in enumerate(steps) if isinstance(step, ConfigureLvm)}
    assert set(settings) == (set(stack.node_names) if stack.lvm and stack.lvm.said() else set())
    for place, step in enumerate(steps):
        if isinstance(step, DrbdUp | CreatePv | CreateVg):
            assert settings.get(step.host, -1) < place


def test_what_the_host_says_already_is_no_step_and_no_drift() -> None:
    stack = mended()
    assert stack.lvm is not None
    state = fresh(stack)
    for node in NODES:
        state = with_lvm(state, node, settings=stack.lvm.over(LvmSettings(use_devicesfile=False, volume_list=("vg9",))))
    assert not [step for step in arrange(compare(stack, state).steps, state).steps if isinstance(step, ConfigureLvm)]


def test_one_setting_changed_on_a_running_cluster_is_drift_and_one_step() -> None:
    stack = mended()
    done = end(stack)
    assert not drift(compare(stack, done))
    state = with_lvm(done, "centos02", settings=attrs.evolve(lvm_on(done, "centos02").settings, filter=("a|.*|",)))
    comparison = compare(stack, state)
    assert drift(comparison) == {"host:centos02": "filter is ('a|.*|',)"}
    (step,) = arrange(comparison.steps, state).steps
    assert (step.key, step.title) == (
        "configure lvm:settings@centos02",
        "set filter, auto_activation_volume_list, system_id_source in lvm.conf",
    )


def test_before_there_is_any_storage_other_settings_are_no_drift() -> None:
    stack = mended()
    assert not drift(compare(stack, fresh(stack)))


def test_without_settings_in_the_stack_those_of_the_hosts_are_nobodys_business() -> None:
    stack = attrs.evolve(mended(), lvm=None)
    state = with_lvm(fresh(stack), "centos01", settings=LvmSettings(filter=("r|.*|",)))
    assert not [step for step in compare(stack, state).steps if isinstance(step, ConfigureLvm)]


def test_settings_for_a_node_without_lvm_block_the_plan() -> None:
    stack = StorageStack(nodes=mended().nodes, lvm=LvmSettings(system_id_source="uname"))
    findings = compare(stack, with_host(fresh(stack), "centos02", lvm=ABSENT)).findings
    assert [(f.code, f.objects) for f in findings] == [("subsystem-unknown", ("host:centos02",))]


@pytest.mark.parametrize(("source", "owner"), [("uname", "centos01"), ("none", ""), (None, "")])
def test_a_new_group_gets_the_hosts_system_id_where_it_has_one(source: str | None, owner: str) -> None:
    stack = mended()
    state = with_lvm(fresh(stack), "centos01", settings=LvmSettings(system_id_source=source))
    group = vg_on(CreateVg("centos01", "vg1", ("/dev/drbd0",)).effect(state), "centos01", "vg1")
    assert group is not None
    assert group.system_id == owner


def test_the_group_is_foretold_to_belong_to_the_node_that_runs_it() -> None:
    state = end(mended())
    (holder,) = [node for node in NODES if vg_on(state, node, "vg1")]
    group = vg_on(state, holder, "vg1")
    assert group is not None
    assert group.system_id == holder


def test_the_fix_gives_a_stack_without_settings_what_its_agent_needs() -> None:
    stack = attrs.evolve(article(), lvm=None)
    mended_stack = apply_fixes(stack, [fix for fix in suggest_fixes(stack) if fix.code == "lvm-activate"])
    assert mended_stack.lvm == LvmSettings(filter=("r|^/dev/sdb[0-9]*$|", "a|.*|"), system_id_source="uname")


def test_the_text_of_the_file_is_neither_compared_nor_shown() -> None:
    assert LvmState(config_text="# secret ways") == LvmState()
    assert "secret" not in repr(LvmState(config_text="# secret ways"))
