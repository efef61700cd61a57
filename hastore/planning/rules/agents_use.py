"""Agents in use: timeouts, what they never read, what they do when they stop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from hastore.model.findings import Severity
from hastore.model.pacemaker import PacemakerResource
from hastore.model.stack import StorageStack
from hastore.planning.rules.base import Sighting, rule
from hastore.planning.rules.reading import cib_of, exports, is_true, of_type, scst_agents, seconds

PACEMAKER_TIMEOUT: Final = "20s"
"""What an operation gets that says nothing (crm/common/actions.h:32)."""

PACKAGED_PROVIDERS: Final = frozenset({"heartbeat", "pacemaker", "linbit", "openstack", "booth"})

ADVISED: Final = {
    "SCSTTarget": {"start": 180, "stop": 180},
    "SCSTLun": {"start": 180, "stop": 180},
    "LVM": {"start": 30, "stop": 30},
    "LVM-activate": {"start": 90, "stop": 90},
    "drbd": {"start": 240, "stop": 100, "promote": 90, "demote": 90},
}
"""Seconds that the agents' metadata advise; SCST's wait up to 60 s by themselves and need room around it."""


def timeout_of(stack: StorageStack, resource: PacemakerResource, operation: str) -> str:
    """Return the timeout that an operation gets, by itself or by default."""
    own = (op.timeout for op in resource.ops if op.name == operation and op.timeout)
    return next(own, "") or cib_of(stack).operation_defaults.get("timeout", PACEMAKER_TIMEOUT)


def short_timeouts(stack: StorageStack, resource: PacemakerResource) -> dict[str, str]:
    """Return the operations of a primitive whose timeout is below what its agent needs."""
    advised = ADVISED.get(resource.agent_type, {})
    given = {operation: timeout_of(stack, resource, operation) for operation in advised}
    return {operation: text for operation, text in given.items() if seconds(text) < advised[operation]}


@rule(
    "timeouts-too-short",
    Severity.DANGER,
    trap="trap 6",
    summary="The agent may take longer than its operation is given: a stop that fails blocks or fences the node",
    source="scst-ocf SCSTLun:210,341 waits up to 60 s and advises stop=180; LVM-activate's metadata advises 90; "
    "crm/common/actions.h:32: the default is 20 s",
    mend="Give start and stop the timeouts that the agent's metadata advises",
)
def timeouts_too_short(stack: StorageStack) -> Iterator[Sighting]:
    """Find operations with less time than their agents need."""
    for resource in cib_of(stack).resources:
        short = short_timeouts(stack, resource)
        if short:
            advised = ADVISED[resource.agent_type]
            shown = ", ".join(f"{name} {text} (advised {advised[name]}s)" for name, text in short.items())
            yield Sighting((f"primitive:{resource.id}",), shown)


@rule(
    "iscsi-enable-missing",
    Severity.DANGER,
    trap="practice 2",
    summary="Without iscsi_enable the agent's probe always says running: the target is blocked before it ever starts",
    source="recorded with scst-ocf 1.3: target without iscsi_enable, failed and blocked",
    mend="Set iscsi_enable=true",
)
def iscsi_enable_missing(stack: StorageStack) -> Iterator[Sighting]:
    """Find SCST agents that are not told to enable iSCSI."""
    for resource in scst_agents(stack):
        if not is_true(resource.params.get("iscsi_enable", "false")):
            shown = resource.params.get("iscsi_enable", "unset")
            yield Sighting((f"primitive:{resource.id}",), f"iscsi_enable={shown}")


@rule(
    "lun-parameters-dropped",
    Severity.WARNING,
    trap="trap 3",
    summary="The agent drops all additional parameters when there is more than one; another agent would apply them",
    source='scst-ocf 1.3 SCSTLun:422: an unquoted test fails with "too many arguments" and skips the branch (run)',
    mend="Leave at most one additional parameter, and only one that is meant",
)
def lun_parameters_dropped(stack: StorageStack) -> Iterator[Sighting]:
    """Find SCSTLun primitives with several additional parameters."""
    for resource in of_type(stack, "SCSTLun"):
        text = resource.params.get("additional_parameters", "")
        if len(text.split()) > 1:
            objects = (f"primitive:{resource.id}", f"device:{resource.params.get('device_name', '')}")
            yield Sighting(objects, f"additional_parameters={text!r}")


@rule(
    "threads-num-at-creation",
    Severity.WARNING,
    trap="trap 3",
    summary="threads_num is no creation parameter: were it applied, adding the device would fail",
    source='SCST scst_vdisk.c:7020: "Unknown parameter"; recorded: an attribute only',
    mend="Leave it out of the agent's parameters and write the attribute while the device runs",
)
def threads_num_at_creation(stack: StorageStack) -> Iterator[Sighting]:
    """Find threads_num among what an agent gives at creation."""
    for export in exports(stack):
        if "threads_num" in export.attributes:
            objects = (f"device:{export.device}", f"primitive:{export.resource.id}")
            yield Sighting(objects, f"threads_num={export.attributes['threads_num']}")


@rule(
    "target-parameters-unread",
    Severity.WARNING,
    trap="trap 4",
    summary="SCSTTarget declares additional_parameters and never reads them: they are lost",
    source="scst-ocf 1.3 SCSTTarget:136,165; SCST pins DefaultTime2Wait and DefaultTime2Retain at 0 "
    "(iscsi-scst/usr/param.c:380)",
    mend="Drop them; what the target needs is to be set by an agent or driver that writes it",
)
def target_parameters_unread(stack: StorageStack) -> Iterator[Sighting]:
    """Find parameters that SCSTTarget never reads."""
    for resource in of_type(stack, "SCSTTarget"):
        text = resource.params.get("additional_parameters", "")
        if text:
            yield Sighting((f"primitive:{resource.id}", f"target:{resource.params.get('iqn', '')}"), repr(text))


@rule(
    "target-acl-unread",
    Severity.DANGER,
    trap="trap 4",
    summary="SCSTTarget declares allowed_initiators and never reads it: it protects nothing",
    source="scst-ocf 1.3 SCSTTarget:136,165",
    mend="Restrict initiators where it works: a group of the target, or the network",
)
def target_acl_unread(stack: StorageStack) -> Iterator[Sighting]:
    """Find access control that nobody reads."""
    for resource in of_type(stack, "SCSTTarget"):
        if resource.params.get("allowed_initiators"):
            shown = f"allowed_initiators={resource.params['allowed_initiators']}"
            yield Sighting((f"primitive:{resource.id}",), shown)


@rule(
    "scst-lun-handler-cannot-stop",
    Severity.DANGER,
    trap="trap 5",
    summary="SCSTLun's stop removes the device through vdisk_fileio whatever its handler is: other handlers never stop",
    source="scst-ocf 1.3 SCSTLun, stop",
    mend="Use vdisk_fileio with this agent, or another agent",
)
def scst_lun_handler_cannot_stop(stack: StorageStack) -> Iterator[Sighting]:
    """Find SCSTLun primitives of another handler."""
    for export in exports(stack):
        if export.resource.agent_type == "SCSTLun" and export.handler != "vdisk_fileio":
            yield Sighting((f"primitive:{export.resource.id}", f"device:{export.device}"), f"handler={export.handler}")


@rule(
    "scst-agents-one-of-each",
    Severity.NOTE,
    trap="trap 5",
    summary="These agents carry one LUN a target and one target a host: stopping one LUN disables its whole target, "
    "stopping one target unloads SCST",
    source="scst-ocf 1.3: SCSTLun stop disables the target, SCSTTarget stop runs rmmod scst",
    mend="Keep to one target and one LUN with these agents",
)
def scst_agents_one_of_each(stack: StorageStack) -> Iterator[Sighting]:
    """Find the agents that stop more than themselves; a danger where there is more than one of a kind."""
    targets = of_type(stack, "SCSTTarget")
    luns = [export for export in exports(stack) if export.resource.agent_type == "SCSTLun"]
    by_target = Counter(export.target for export in luns)
    crowded = len(targets) > 1 or any(count > 1 for count in by_target.values())
    if targets or luns:
        yield Sighting(
            tuple(f"primitive:{r.id}" for r in (*targets, *(export.resource for export in luns))),
            f"{len(targets)} targets, {len(luns)} LUNs",
            Severity.DANGER if crowded else None,
        )


@rule(
    "scst-daemon-unguarded",
    Severity.NOTE,
    trap="practice 13",
    summary="When iscsi-scstd dies, these agents leave the device open: LVM and DRBD cannot stop, the cluster is blocked",
    source="recorded: daemon killed on the active node, 122 s, then I/O errors and a total outage",
    mend="Watch the daemon outside Pacemaker, and fence the node when it is gone",
)
def scst_daemon_unguarded(stack: StorageStack) -> Iterator[Sighting]:
    """Find targets whose agents do not survive the daemon's death."""
    ids = tuple(f"primitive:{r.id}" for r in scst_agents(stack))
    if ids:
        yield Sighting(ids, "ocf:scst agents")


@rule(
    "agent-gone-in-pacemaker-3",
    Severity.WARNING,
    trap="trap 18",
    summary="The agent is dropped in Pacemaker 3",
    source="Pacemaker ChangeLog 3.0.0",
    mend="Plan for another way to run O2CB before the upgrade",
)
def agent_gone_in_pacemaker_3(stack: StorageStack) -> Iterator[Sighting]:
    """Find agents that Pacemaker 3 no longer has."""
    for resource in cib_of(stack).resources:
        if resource.agent == "ocf:pacemaker:o2cb":
            yield Sighting((f"primitive:{resource.id}",), resource.agent)


@rule(
    "agent-not-packaged",
    Severity.NOTE,
    trap="trap 16",
    summary="The agent comes with no distribution: where a node lacks it, nothing of the group starts there",
    source="Debian 12: resource-agents, pacemaker and drbd-utils ship the providers heartbeat, pacemaker and linbit",
    mend="Install it on every node below /usr/lib/ocf/resource.d (not resources.d)",
)
def agent_not_packaged(stack: StorageStack) -> Iterator[Sighting]:
    """Find agents of providers that no package brings."""
    for resource in cib_of(stack).resources:
        standard, _, provider = resource.agent.rpartition(":")[0].partition(":")
        if standard == "ocf" and provider not in PACKAGED_PROVIDERS:
            yield Sighting((f"primitive:{resource.id}",), resource.agent)
