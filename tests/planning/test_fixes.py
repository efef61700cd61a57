"""Fixes mend what they say, in any order, once and for all."""

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rules_article import IQN, article

from hastore.model.errors import SpecError
from hastore.model.findings import Severity
from hastore.model.scsi import Lun
from hastore.model.stack import StorageStack
from hastore.model.state import ClusterState, HostState, ScstDeviceState, ScstState, TargetState
from hastore.planning.compose import compose
from hastore.planning.fixes import (
    PLATFORMS,
    Fix,
    Risk,
    apply_fixes,
    fencing_device,
    pin_identities_seen,
    pin_identity,
    suggest_fixes,
)
from hastore.planning.rules import RULES, judge
from needs import examples

CODES = {rule.code for rule in RULES}
PLATFORM_NAMES = sorted(PLATFORMS)
SUGGESTED = {platform: suggest_fixes(article(), platform=platform) for platform in PLATFORM_NAMES}


def codes(stack: StorageStack) -> set[str]:
    return {finding.code for finding in judge(stack)}


def serious(stack: StorageStack) -> set[str]:
    return {finding.code for finding in judge(stack) if finding.severity.weight <= Severity.DANGER.weight}


@pytest.mark.parametrize("platform", PLATFORM_NAMES)
def test_every_fix_suggested_changes_something_and_says_so(platform: str) -> None:
    for fix in suggest_fixes(article(), platform=platform):
        assert fix.apply(article()) != article()
        assert fix.changes
        assert set(fix.mends) <= CODES


@pytest.mark.parametrize("platform", PLATFORM_NAMES)
def test_after_a_fix_what_it_mends_is_gone_and_nothing_as_heavy_is_new(platform: str) -> None:
    for fix in suggest_fixes(article(), platform=platform):
        fixed = fix.apply(article())
        assert not set(fix.mends) & codes(fixed), fix.code
        assert serious(fixed) <= serious(article()), fix.code


@pytest.mark.parametrize("platform", PLATFORM_NAMES)
@settings(max_examples=examples(40))
@given(data=st.data())
def test_any_choice_of_fixes_composes_in_any_order(platform: str, data: st.DataObject) -> None:
    fixes = SUGGESTED[platform]
    chosen = data.draw(st.lists(st.sampled_from(fixes), unique_by=lambda fix: fix.code))
    fixed = apply_fixes(article(), chosen)
    assert apply_fixes(article(), data.draw(st.permutations(chosen))) == fixed
    assert apply_fixes(fixed, chosen) == fixed
    assert not {code for fix in chosen for code in fix.mends} & codes(fixed)
    assert serious(fixed) <= serious(article())
    compose(fixed)


@pytest.mark.parametrize("platform", PLATFORM_NAMES)
def test_after_all_fixes_none_is_left_to_suggest(platform: str) -> None:
    fixes = suggest_fixes(article(), platform=platform)
    assert suggest_fixes(apply_fixes(article(), fixes), platform=platform) == ()


@pytest.mark.parametrize("risk", list(Risk))
def test_a_class_of_risk_applies_alone(risk: Risk) -> None:
    fixes = suggest_fixes(article())
    alone = [fix for fix in fixes if fix.risk is risk]
    assert alone
    assert apply_fixes(article(), fixes, risks=(risk,)) == apply_fixes(article(), alone)


def test_a_fix_tells_its_changes_in_lines_for_people() -> None:
    told = {fix.code: fix.changes for fix in suggest_fixes(article())}
    assert told["drbd-max-buffers"] == ("drbd vg1 net max-buffers: 8912 -> 8192",)
    assert told["orders-within-group"] == (
        "pacemaker constraints o_lun_before_ip: dropped",
        "pacemaker constraints o_lvm_before_lun: dropped",
    )
    assert (
        "pacemaker resources p_lvm_vg1 agent: ocf:heartbeat:LVM -> ocf:heartbeat:LVM-activate" in told["lvm-activate"]
    )
    assert "lvm auto_activation_volume_list: unset -> vg_centos vg2" in told["lvm-activate"]


def test_a_fix_claims_only_what_it_mends_here() -> None:
    stack = article()
    wordy = {**stack.devices[0].attributes, "rotational": "0"}
    stack = attrs.evolve(stack, devices=(attrs.evolve(stack.devices[0], attributes=wordy),))
    honest = next(fix for fix in suggest_fixes(stack) if fix.code == "honest-caching")
    assert honest.mends == ("nv-cache-lies", "threads-num-at-creation")
    assert "lun-parameters-dropped" in codes(honest.apply(stack))


def test_the_group_starts_in_the_order_that_protects_clients() -> None:
    fixed = apply_fixes(article(), suggest_fixes(article()))
    assert fixed.pacemaker is not None
    assert fixed.pacemaker.groups[0].members == (
        "p_lvm_vg1",
        "p_portblock_vg1",
        "p_portblock_vg1_2",
        "p_ip_vg1",
        "p_ip_vg1_2",
        "p_target_vg1",
        "p_lu_vg1_lun1",
        "p_portblock_vg1_unblock",
        "p_portblock_vg1_2_unblock",
        "p_email_admin",
    )
    assert [c.id for c in fixed.pacemaker.constraints] == ["c_vg1_on_drbd", "o_drbd_before_vg1"]


def test_an_address_without_portblock_gets_a_pair() -> None:
    stack = article()
    assert stack.pacemaker is not None
    cib = stack.pacemaker
    group = attrs.evolve(cib.groups[0], members=("p_lvm_vg1", "p_target_vg1", "p_lu_vg1_lun1", "p_ip_vg1"))
    bare = attrs.evolve(stack, pacemaker=attrs.evolve(cib, groups=(group,)))
    assert "portblock-missing" in codes(bare)
    fixed = apply_fixes(bare, suggest_fixes(bare))
    assert fixed.pacemaker is not None
    assert fixed.pacemaker.groups[0].members == (
        "p_lvm_vg1",
        "p_ip_vg1_block",
        "p_ip_vg1",
        "p_target_vg1",
        "p_lu_vg1_lun1",
        "p_ip_vg1_unblock",
    )
    assert not {"portblock-missing", "portblock-protects-nothing", "portblock-without-tickle"} & codes(fixed)


def test_the_filter_still_finds_the_system_disk() -> None:
    fixed = apply_fixes(article(), suggest_fixes(article()))
    assert fixed.lvm is not None
    assert fixed.lvm.filter == ("a|^/dev/sda[0-9]*$|", "a|^/dev/drbd[0-9]+$|", "r|.*|")


def test_the_lists_move_with_the_agent() -> None:
    fixed = apply_fixes(article(), suggest_fixes(article()))
    assert fixed.lvm is not None
    assert fixed.lvm.volume_list is None
    assert fixed.lvm.auto_activation_volume_list == ("vg_centos", "vg2")
    params = {r.id: r for r in compose(fixed).resources}["p_lvm_vg1"].params
    assert params == {"vgname": "vg1", "vg_access_mode": "system_id"}


def test_corosync_3_pairs_the_addresses_of_both_networks() -> None:
    fixed = apply_fixes(article(), suggest_fixes(article()))
    assert fixed.corosync is not None
    assert [(node.name, node.id, node.addresses) for node in fixed.corosync.nodes] == [
        ("centos01", 1, ("192.168.100.181", "192.168.200.181")),
        ("centos02", 2, ("192.168.100.182", "192.168.200.182")),
    ]
    assert fixed.corosync.quorum == {"provider": "corosync_votequorum", "two_node": "1"}
    assert fixed.corosync.totem["crypto_hash"] == "sha256"


def test_rings_whose_members_nobody_knows_are_left_to_a_person() -> None:
    strange = attrs.evolve(article(), nodes=(), drbd=())
    assert "corosync-3" not in {fix.code for fix in suggest_fixes(strange)}


def fence(stack: StorageStack, **more: str) -> Fix:
    return fencing_device(
        stack,
        agent="fence_ipmilan",
        per_node_params={"centos01": {"ip": "10.0.0.1"}, "centos02": {"ip": "10.0.0.2"}},
        shared_params={"password_script": "/usr/local/sbin/bmc-password"},
        **more,
    )


def test_a_fencing_device_lifts_the_block() -> None:
    stack = article()
    assert fence(stack).apply(stack) == fence(stack).apply(fence(stack).apply(stack))
    fenced = fence(stack, delay_on="centos01").apply(stack)
    assert not {"fencing-disabled", "fencing-not-delayed", "fencing-node-uncovered"} & codes(fenced)
    assert "fencing-not-delayed" in codes(fence(stack).apply(stack))


def test_a_fencing_password_is_refused() -> None:
    with pytest.raises(SpecError, match="password_script"):
        fencing_device(article(), agent="fence_ipmilan", per_node_params={"centos01": {"password": "x"}})


def test_a_fencing_device_for_a_stranger_is_refused() -> None:
    with pytest.raises(SpecError, match=r"centos03.*centos01, centos02"):
        fencing_device(article(), agent="fence_ipmilan", per_node_params={"centos03": {}})


def test_an_identity_that_the_agent_cannot_make_is_refused() -> None:
    with pytest.raises(SpecError, match="VDISK-LUN01"):
        pin_identity("VDISK-LUN01", usn="1d2f3c4a", t10_dev_id="other").apply(article())


def test_an_unknown_platform_is_told_with_a_suggestion() -> None:
    with pytest.raises(SpecError, match="debian-12"):
        suggest_fixes(article(), platform="debian12")


def world(**answers: str) -> ClusterState:
    """Hosts that export the article's device, each with the serial it answers; an empty one exports nothing."""

    def host(name: str, usn: str) -> HostState:
        identity = {"usn": usn, "t10_dev_id": f"{usn}-VDISK-LUN01"}
        device = ScstDeviceState("VDISK-LUN01", "vdisk_fileio", attributes=identity)
        target = TargetState(IQN, enabled=bool(usn), luns=(Lun(0, "VDISK-LUN01"),))
        return HostState(name, scst=ScstState("3.8", devices={"VDISK-LUN01": device}, targets={IQN: target}))

    return ClusterState({name: host(name, usn) for name, usn in answers.items()})


def test_what_the_active_node_answers_is_pinned() -> None:
    (pin,) = pin_identities_seen(article(), world(centos01="1d2f3c4a", centos02=""))
    pinned = pin.apply(article())
    assert "lun-identity-unpinned" not in codes(pinned)
    params = {r.id: r.params for r in compose(pinned).resources}["p_lu_vg1_lun1"]
    assert (params["scsi_sn"], params["scsi_id"]) == ("1d2f3c4a", "VDISK-LUN01")
    assert pin_identities_seen(pinned, world(centos01="1d2f3c4a")) == ()


def test_what_two_nodes_answer_differently_is_left_to_a_person() -> None:
    assert pin_identities_seen(article(), world(centos01="1d2f3c4a", centos02="99999999")) == ()
    assert pin_identities_seen(article(), world(centos01="")) == ()


def test_without_such_an_agent_the_identity_is_the_devices_own() -> None:
    alone = attrs.evolve(article(), pacemaker=None)
    pinned = pin_identity("VDISK-LUN01", usn="u", t10_dev_id="t").apply(alone)
    assert pinned.devices[0].attributes["t10_dev_id"] == "t"
    assert "lun-identity-unpinned" not in codes(pinned)
