"""Each trap of the article is found in its stack, and nothing else is."""

import attrs
import pytest
from rules_article import article

from hastore.model.findings import Severity
from hastore.model.secrets import Secret
from hastore.model.stack import StorageStack
from hastore.planning.fixes import (
    apply_fixes,
    fencing_device,
    pin_identity,
    replication_secret,
    suggest_fixes,
    volume_size,
)
from hastore.planning.rules import RULES, judge

FOUND = {
    "fencing-disabled": {"property:stonith-enabled", "drbd:vg1"},
    "quorum-ignored": {"property:no-quorum-policy"},
    "drbd-dead-fence-handler": {"drbd:vg1"},
    "drbd-split-brain-discards": {"drbd:vg1"},
    "drbd-outage-becomes-io-error": {"drbd:vg1"},
    "drbd-syncer-section": {"drbd:vg1"},
    "drbd-max-buffers-typo": {"drbd:vg1"},
    "drbd-secret-published": {"drbd:vg1"},
    "lvm-sees-backing-disk": {"disk:/dev/sdb", "drbd:vg1", "lvm:filter"},
    "lvm-filter-unanchored": {"lvm:filter"},
    "lvm-activation-not-exclusive": {"primitive:p_lvm_vg1", "vg:vg1"},
    "lvm-agent-superseded": {"primitive:p_lvm_vg1"},
    "lvm-activated-at-boot": {"primitive:p_lvm_vg1", "vg:vg1", "lvm:volume_list"},
    "lvm-write-cache-state": {"lvm:write_cache_state"},
    "volume-size-unknown": {"volume:vg1/lun1"},
    "portblock-protects-nothing": {
        "group:g_vg1",
        "primitive:p_ip_vg1",
        "primitive:p_portblock_vg1",
        "primitive:p_portblock_vg1_unblock",
        "primitive:p_ip_vg1_2",
        "primitive:p_portblock_vg1_2",
        "primitive:p_portblock_vg1_2_unblock",
    },
    "portblock-without-tickle": {"primitive:p_portblock_vg1_unblock", "primitive:p_portblock_vg1_2_unblock"},
    "order-repeats-group": {"constraint:o_lun_before_ip", "constraint:o_lvm_before_lun", "group:g_vg1"},
    "timeouts-too-short": {"primitive:p_lu_vg1_lun1", "primitive:p_target_vg1"},
    "lun-parameters-dropped": {"primitive:p_lu_vg1_lun1", "device:VDISK-LUN01"},
    "threads-num-at-creation": {"primitive:p_lu_vg1_lun1", "device:VDISK-LUN01"},
    "target-parameters-unread": {"primitive:p_target_vg1", "target:iqn.2016-02.local.virtual:virtual.vg1"},
    "scst-agents-one-of-each": {"primitive:p_target_vg1", "primitive:p_lu_vg1_lun1"},
    "agent-not-packaged": {"primitive:p_lu_vg1_lun1", "primitive:p_target_vg1"},
    "scst-daemon-unguarded": {"primitive:p_lu_vg1_lun1", "primitive:p_target_vg1"},
    "nv-cache-lies": {"device:VDISK-LUN01", "drbd:vg1"},
    "lun-identity-unpinned": {"device:VDISK-LUN01"},
    "target-open": {"target:iqn.2016-02.local.virtual:virtual.vg1"},
    "reservations-per-node": {"device:VDISK-LUN01"},
    "corosync-ring-ports": {"ring:0", "ring:1"},
    "corosync-rrp-active": {"corosync:totem"},
    "corosync-plugin": {"corosync:service"},
    "corosync-unauthenticated": {"corosync:totem"},
    "master-element": {"clone:ms_drbd_vg1"},
    "score-form": {
        "constraint:c_vg1_on_drbd",
        "constraint:o_drbd_before_vg1",
        "constraint:o_lun_before_ip",
        "constraint:o_lvm_before_lun",
    },
    "op-depth": {"primitive:p_portblock_vg1", "primitive:p_portblock_vg1_2"},
    "properties-of-the-cluster": {
        "property:dc-version",
        "property:cluster-infrastructure",
        "property:expected-quorum-votes",
    },
    "all-paths-down": {"group:g_vg1", "vip:192.168.100.180", "vip:192.168.200.180"},
    "stall-outlasts-o2cb": {"primitive:p_lu_vg1_lun1"},
}
"""Code -> everything it concerns in the article."""


def mended() -> StorageStack:
    """The article with every fix, and with what a person has to add."""
    stack = article()
    stack = apply_fixes(stack, suggest_fixes(stack))
    fences = {"centos01": {"ip": "10.0.0.1"}, "centos02": {"ip": "10.0.0.2"}}
    return apply_fixes(
        stack,
        (
            fencing_device(stack, agent="fence_ipmilan", per_node_params=fences, delay_on="centos01"),
            replication_secret("vg1", Secret.file("/etc/hastore/vg1.secret")),
            pin_identity("VDISK-LUN01", usn="1d2f3c4a", t10_dev_id="1d2f3c4a-VDISK-LUN01"),
            volume_size("vg1", "lun1", "100%VG"),
        ),
    )


@pytest.mark.parametrize("code", sorted(FOUND))
def test_the_article_shows(code: str) -> None:
    findings = [finding for finding in judge(article()) if finding.code == code]
    assert {name for finding in findings for name in finding.objects} == FOUND[code]
    for finding in findings:
        assert finding.summary
        assert finding.mend
        assert finding.evidence.startswith("seen: ")


def test_the_article_shows_nothing_else() -> None:
    assert {finding.code for finding in judge(article())} == set(FOUND)


def test_the_mended_article_shows_only_what_these_agents_are() -> None:
    left = {finding.code: finding.severity for finding in judge(mended())}
    assert left == {
        "stall-outlasts-o2cb": Severity.WARNING,
        "target-open": Severity.ADVICE,
        "all-paths-down": Severity.NOTE,
        "reservations-per-node": Severity.NOTE,
        "scst-agents-one-of-each": Severity.NOTE,
        "scst-daemon-unguarded": Severity.NOTE,
        "agent-not-packaged": Severity.NOTE,
    }


def test_an_override_downgrades_and_stays_visible() -> None:
    stack = attrs.evolve(article(), overrides=("no-fencing", "quorum-ignored", "nothing-of-the-kind"))
    findings = {finding.code: finding for finding in judge(stack)}
    assert findings["fencing-disabled"].severity is Severity.DANGER
    assert "'no-fencing'" in findings["fencing-disabled"].summary
    assert findings["quorum-ignored"].severity is Severity.NOTE
    assert findings["nv-cache-lies"].severity is Severity.DANGER


def test_findings_come_heaviest_first_and_blocking_is_the_first() -> None:
    weights = [finding.severity.weight for finding in judge(article())]
    assert weights == sorted(weights)
    assert judge(article())[0].code == "fencing-disabled"


def test_codes_are_kebab_case_and_unique() -> None:
    codes = [rule.code for rule in RULES]
    assert len(set(codes)) == len(codes)
    assert all(code == code.lower() and set(code) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for code in codes)


def test_no_finding_shows_a_secret() -> None:
    stack = article()
    drbd = attrs.evolve(stack.drbd[0], secret=Secret.literal("correct-horse"))
    assert "correct-horse" not in repr(judge(attrs.evolve(stack, drbd=(drbd,))))


def test_an_empty_stack_is_judged_without_a_word() -> None:
    assert judge(StorageStack()) == ()
