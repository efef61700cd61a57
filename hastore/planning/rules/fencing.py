"""Fencing and quorum: who makes sure that a lost node writes no more."""

from __future__ import annotations

from collections.abc import Iterator

from hastore.model.findings import Severity
from hastore.model.pacemaker import PacemakerResource
from hastore.model.stack import StorageStack
from hastore.planning.rules.base import Sighting, rule
from hastore.planning.rules.reading import (
    cib_of,
    fencing_policy,
    fencing_works,
    has_quorum_of_its_own,
    is_true,
    node_names,
    pacemaker_runs_drbd,
    replicated,
)


@rule(
    "fencing-disabled",
    Severity.BLOCKING,
    trap="trap 1",
    summary="Nothing fences a lost node, so both nodes may write to what DRBD replicates",
    source="drbd-utils scripts/crm-fence-peer.sh:590 stops waiting for the peer to be shot; drbd.ocf: fence in DRBD "
    "and in Pacemaker, or use quorum; crm_verify says nothing of it",
    mend="Add a fencing device for each node (hastore.planning.fixes.fencing_device) and set stonith-enabled=true",
    override="no-fencing",
)
def fencing_disabled(stack: StorageStack) -> Iterator[Sighting]:
    """Find DRBD under a Pacemaker that cannot fence."""
    if not pacemaker_runs_drbd(stack) or fencing_works(stack):
        return
    if stack.drbd and all(map(has_quorum_of_its_own, stack.drbd)):
        return
    properties = cib_of(stack).properties
    name = "fencing-enabled" if "fencing-enabled" in properties else "stonith-enabled"
    devices = len(cib_of(stack).fencing_devices())
    policies = "".join(f", drbd {r.name} fencing {fencing_policy(r)}" for r in stack.drbd)
    yield Sighting(
        (f"property:{name}", *replicated(stack)),
        f"{name}={properties.get(name, 'true (default)')}, {devices} fencing devices{policies}",
    )


def covered(device: PacemakerResource, node: str) -> bool:
    """Return whether a fencing device may shoot a node; one that names no hosts is asked at run time."""
    listed = device.params.get("pcmk_host_list", "").replace(",", " ").replace(";", " ").split()
    mapped = [entry.partition(":")[0] for entry in device.params.get("pcmk_host_map", "").replace(";", " ").split()]
    return node in listed + mapped if listed or mapped else True


@rule(
    "fencing-node-uncovered",
    Severity.DANGER,
    trap="practice 13",
    summary="No fencing device can shoot this node; when it is lost the cluster waits for a person",
    source="Pacemaker: pcmk_host_list and pcmk_host_map name whom a device shoots (pacemaker-fenced(7))",
    mend="Add a fencing device whose pcmk_host_list names the node",
)
def fencing_node_uncovered(stack: StorageStack) -> Iterator[Sighting]:
    """Find nodes that no fencing device names."""
    if not fencing_works(stack):
        return
    devices = cib_of(stack).fencing_devices()
    for node in node_names(stack):
        if not any(covered(device, node) for device in devices):
            yield Sighting((f"host:{node}",), f"{len(devices)} fencing devices, none names {node}")


@rule(
    "fencing-not-delayed",
    Severity.WARNING,
    trap="practice 14",
    summary="Two nodes that lose sight of each other shoot at the same moment, and both go down",
    source="pacemaker-fenced(7): pcmk_delay_base; Pacemaker Explained: priority-fencing-delay",
    mend="Delay the fencing of the node that should survive: pcmk_delay_base=15s on its device",
    override="fencing-without-delay",
)
def fencing_not_delayed(stack: StorageStack) -> Iterator[Sighting]:
    """Find two-node clusters whose fencing has no delay on one side."""
    cib = cib_of(stack)
    if len(node_names(stack)) != 2 or not fencing_works(stack):
        return
    devices = cib.fencing_devices()
    delays = [device.params.get("pcmk_delay_base", "0") for device in devices]
    one_sided = len(set(delays)) > 1 or any(
        "pcmk_delay_max" in d.params or ":" in delay for d, delay in zip(devices, delays, strict=True)
    )
    if not one_sided and cib.properties.get("priority-fencing-delay", "0") in ("0", "0s"):
        yield Sighting(tuple(f"primitive:{d.id}" for d in devices), f"pcmk_delay_base={', '.join(delays)}")


@rule(
    "quorum-ignored",
    Severity.DANGER,
    trap="trap 1",
    summary="A node without quorum goes on as if it had it",
    source="Pacemaker Explained: no-quorum-policy=ignore; with votequorum, two_node makes it needless "
    "(votequorum(5)); it also passes over wait_for_all",
    mend="Drop no-quorum-policy=ignore and let votequorum's two_node keep quorum for two nodes",
    override="quorum-ignored",
)
def quorum_ignored(stack: StorageStack) -> Iterator[Sighting]:
    """Find no-quorum-policy=ignore."""
    if cib_of(stack).properties.get("no-quorum-policy") == "ignore":
        yield Sighting(("property:no-quorum-policy",), "no-quorum-policy=ignore")


@rule(
    "quorum-two-node-missing",
    Severity.WARNING,
    trap="practice 14",
    summary="Two nodes without two_node: the one that is left has no quorum and stops everything",
    source="votequorum(5), TWO NODE CLUSTERS",
    mend="Set two_node: 1 in the quorum section (it implies wait_for_all)",
)
def quorum_two_node_missing(stack: StorageStack) -> Iterator[Sighting]:
    """Find two nodes under votequorum without two_node and without a quorum device."""
    corosync = stack.corosync
    if corosync is None or corosync.generation == 1 or len(corosync.nodes or stack.nodes) != 2:
        return
    has_device = any(name.startswith("quorum.device") for name, _ in corosync.other)
    if not has_device and not is_true(corosync.quorum.get("two_node", "0")):
        yield Sighting(("corosync:quorum",), f"two_node: {corosync.quorum.get('two_node', 'unset')}")


@rule(
    "quorum-wait-for-all-off",
    Severity.DANGER,
    trap="practice 14",
    summary="Two nodes that start apart shoot each other in turns",
    source="votequorum(5): two_node switches wait_for_all on for this reason",
    mend="Drop wait_for_all: 0 from the quorum section",
)
def quorum_wait_for_all_off(stack: StorageStack) -> Iterator[Sighting]:
    """Find two_node with wait_for_all switched off."""
    corosync = stack.corosync
    if corosync is None or not is_true(corosync.quorum.get("two_node", "0")):
        return
    if not is_true(corosync.quorum.get("wait_for_all", "1")):
        yield Sighting(("corosync:quorum",), f"wait_for_all: {corosync.quorum['wait_for_all']}")
