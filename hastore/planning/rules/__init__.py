"""The traps of such clusters, each a rule; `judge` says which of them stand in a stack.

Every rule is one row of `RULES`, in the order in which a person would look; docs/traps.md is made of it.
"""

from __future__ import annotations

from typing import Final

import attrs

from hastore.model.findings import Finding, Severity, by_weight
from hastore.model.stack import StorageStack
from hastore.model.state import ClusterState
from hastore.planning.rules import (
    agents_order,
    agents_use,
    cib_forms,
    clients,
    corosync,
    drbd,
    fencing,
    lvm,
    observed,
    scst,
    secrets,
)
from hastore.planning.rules.base import Rule, Sighting
from hastore.planning.rules.reading import whole

__all__ = ["RULES", "Rule", "Sighting", "judge", "rule_of"]

RULES: Final[tuple[Rule, ...]] = (
    fencing.fencing_disabled,
    fencing.fencing_node_uncovered,
    fencing.fencing_not_delayed,
    fencing.quorum_ignored,
    fencing.quorum_two_node_missing,
    fencing.quorum_wait_for_all_off,
    drbd.drbd_fencing_off,
    drbd.drbd_fence_handler_missing,
    drbd.drbd_dead_fence_handler,
    drbd.drbd_split_brain_discards,
    drbd.drbd_outage_becomes_io_error,
    drbd.drbd_asynchronous,
    drbd.drbd_two_primaries,
    drbd.drbd_syncer_section,
    drbd.drbd_max_buffers_typo,
    lvm.lvm_sees_backing_disk,
    lvm.lvm_hides_drbd,
    lvm.lvm_filter_unanchored,
    lvm.lvm_filters_ignored,
    lvm.lvm_scans_inside_luns,
    lvm.lvm_activation_not_exclusive,
    lvm.lvm_agent_superseded,
    lvm.lvm_activated_at_boot,
    lvm.lvm_agent_cannot_activate,
    lvm.lvm_write_cache_state,
    lvm.volume_size_unknown,
    agents_order.portblock_protects_nothing,
    agents_order.portblock_missing,
    agents_order.portblock_without_tickle,
    agents_order.order_repeats_group,
    agents_order.order_contradicts_group,
    agents_use.timeouts_too_short,
    agents_use.iscsi_enable_missing,
    agents_use.lun_parameters_dropped,
    agents_use.threads_num_at_creation,
    agents_use.target_parameters_unread,
    agents_use.target_acl_unread,
    agents_use.scst_lun_handler_cannot_stop,
    agents_use.scst_agents_one_of_each,
    agents_use.scst_daemon_unguarded,
    agents_use.agent_gone_in_pacemaker_3,
    agents_use.agent_not_packaged,
    scst.nv_cache_lies,
    scst.blockio_may_cache,
    scst.lun_identity_unpinned,
    scst.lun_identity_shared,
    scst.usn_prefix_shared,
    scst.scsi_id_without_serial,
    scst.lun_zero_missing,
    scst.target_open,
    scst.reservations_per_node,
    corosync.corosync_ring_ports,
    corosync.corosync_rrp_active,
    corosync.corosync_plugin,
    corosync.corosync_unauthenticated,
    corosync.corosync_single_link,
    cib_forms.master_element,
    cib_forms.score_form,
    cib_forms.op_depth,
    cib_forms.properties_of_the_cluster,
    clients.all_paths_down,
    clients.stall_outlasts_o2cb,
    clients.client_timeout_short,
    secrets.drbd_secret_published,
    secrets.drbd_unauthenticated,
    secrets.chap_secret_in_cib,
    secrets.fencing_secret_in_cib,
    observed.fence_constraint_left,
    observed.move_constraint_left,
    observed.fencing_untested,
    observed.resource_failed,
    observed.replica_not_current,
    observed.scst_daemon_down,
    observed.nv_cache_unasked,
    observed.chap_locks_clients_out,
    observed.lvm_group_without_system_id,
    observed.lvm_host_without_system_id,
)


def judge(stack: StorageStack, state: ClusterState | None = None) -> tuple[Finding, ...]:
    """Return what stands in the stack, and in what was observed where a state is given, heaviest first.

    A finding whose override the stack names stays visible, downgraded: BLOCKING becomes DANGER, which
    lets a plan go on, all others become NOTE.

    >>> [finding.code for finding in hastore.judge(stack, cluster.state) if finding.severity.value == "blocking"]
    []
    """
    told = whole(stack)
    found = [finding for rule in RULES for finding in rule(told, state)]
    return by_weight([_with_overrides(finding, stack.overrides) for finding in found])


def rule_of(code: str) -> Rule:
    """Return the rule of a code; KeyError where there is none."""
    return {rule.code: rule for rule in RULES}[code]


def _with_overrides(finding: Finding, overrides: tuple[str, ...]) -> Finding:
    if not finding.override or finding.override not in overrides:
        return finding
    lighter = Severity.DANGER if finding.severity is Severity.BLOCKING else Severity.NOTE
    summary = f"{finding.summary} (accepted by the override {finding.override!r})"
    return attrs.evolve(finding, severity=lighter, summary=summary)
