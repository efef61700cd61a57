"""SCST: caches that are honest, identities that stay, LUN maps that hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from hastore.model.findings import Severity
from hastore.model.stack import StorageStack
from hastore.planning.rules.base import Sighting, rule
from hastore.planning.rules.reading import LUN_AGENTS, devices_asked, is_true, of_type, replicated

IDENTITIES: Final = ("usn", "t10_dev_id", "naa_id")
"""The attributes by which clients tell one LUN from another."""
NEEDED: Final = ("usn", "t10_dev_id")


@rule(
    "nv-cache-lies",
    Severity.DANGER,
    trap="trap 2",
    summary="nv_cache=1 ignores the clients' flushes: acknowledged data lies in one node's memory and is lost at failover",
    source="SCST scst/README:1150-1164 and README.drbd: it overrides write_through and reports itself as write-through",
    mend="Drop nv_cache; write_through=0 alone is honest for a single primary",
    override="nv-cache",
)
def nv_cache_lies(stack: StorageStack) -> Iterator[Sighting]:
    """Find devices that claim a battery which a failover does not have."""
    if not replicated(stack) and len(stack.nodes) < 2:
        return
    for name, handler, attributes in devices_asked(stack):
        if is_true(attributes.get("nv_cache", "0")):
            shown = " ".join(f"{k}={attributes[k]}" for k in ("nv_cache", "write_through") if k in attributes)
            yield Sighting((f"device:{name}", *replicated(stack)), f"{handler} {shown}")


@rule(
    "blockio-may-cache",
    Severity.NOTE,
    trap="trap 15",
    summary="blockio on a disk without flush support turns nv_cache on by itself, without a word",
    source="SCST scst_vdisk.c:516",
    mend="Read nv_cache back after the device is made",
)
def blockio_may_cache(stack: StorageStack) -> Iterator[Sighting]:
    """Find blockio devices."""
    for name, handler, attributes in devices_asked(stack):
        if handler == "vdisk_blockio" and not is_true(attributes.get("nv_cache", "0")):
            yield Sighting((f"device:{name}",), f"handler {handler}")


def identities(stack: StorageStack) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each device with the identity it is given, by the device or by its agent."""
    told = {
        lun.params.get("device_name", lun.id): {
            "usn": lun.params.get("scsi_sn", ""),
            "t10_dev_id": lun.params.get("scsi_id", ""),
        }
        for lun in of_type(stack, *LUN_AGENTS)
    }
    for name, _handler, attributes in devices_asked(stack):
        by_agent = told.get(name, {})
        given = {key: attributes.get(key, by_agent.get(key, "")) for key in IDENTITIES}
        yield name, {key: text for key, text in given.items() if text}


@rule(
    "lun-identity-unpinned",
    Severity.WARNING,
    trap="trap 14",
    summary="The LUN's serial and id are left to SCST's checksum of name and setup_id: equal on both nodes by luck only",
    source="SCST scst_vdisk.c:3464: crc32c(device name) and setup_id; differing ids strand the clients' multipath maps",
    mend="Pin usn and t10_dev_id to what the LUN answers now (look on the active node), not to what would be nicer",
    override="identity-unpinned",
)
def lun_identity_unpinned(stack: StorageStack) -> Iterator[Sighting]:
    """Find devices that move between nodes without a fixed identity."""
    if not replicated(stack) and len(stack.nodes) < 2:
        return
    for name, given in identities(stack):
        missing = [key for key in NEEDED if key not in given]
        if missing:
            yield Sighting((f"device:{name}",), f"{' and '.join(missing)} unset")


@rule(
    "lun-identity-shared",
    Severity.BLOCKING,
    trap="practice 6",
    summary="Two LUNs answer with one identity: clients' multipath merges them and corrupts both",
    source="multipath(8) tells LUNs apart by their WWID alone",
    mend="Give each device its own usn, t10_dev_id and naa_id",
)
def lun_identity_shared(stack: StorageStack) -> Iterator[Sighting]:
    """Find identities that two devices share."""
    holders: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for name, given in identities(stack):
        for key, text in given.items():
            holders[key, text].append(name)
    for (key, text), names in holders.items():
        if len(names) > 1:
            yield Sighting(tuple(f"device:{name}" for name in names), f"{key}={text}")


@rule(
    "usn-prefix-shared",
    Severity.ADVICE,
    trap="trap 14",
    summary="Two serials are alike in their first eight characters: ESXi takes the LUNs for one",
    source="SCST scst/README:1365",
    mend="Make the first eight characters of each usn unique",
    override="no-esxi",
)
def usn_prefix_shared(stack: StorageStack) -> Iterator[Sighting]:
    """Find serials that differ only after their eighth character."""
    holders: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, given in identities(stack):
        if "usn" in given:
            holders[given["usn"][:8]].append((name, given["usn"]))
    for same in holders.values():
        if len({usn for _, usn in same}) > 1:
            yield Sighting(tuple(f"device:{name}" for name, _ in same), ", ".join(f"usn={usn}" for _, usn in same))


@rule(
    "scsi-id-without-serial",
    Severity.WARNING,
    trap="trap 14",
    summary="The agent takes scsi_id only beside scsi_sn; alone it does nothing, and failing it only warns",
    source="scst-ocf 1.3 SCSTLun, start",
    mend="Give scsi_sn as well, and read the identity back",
)
def scsi_id_without_serial(stack: StorageStack) -> Iterator[Sighting]:
    """Find SCSTLun primitives with half an identity."""
    for resource in of_type(stack, "SCSTLun"):
        if resource.params.get("scsi_id") and not resource.params.get("scsi_sn"):
            yield Sighting((f"primitive:{resource.id}",), f"scsi_id={resource.params['scsi_id']}, scsi_sn unset")


@rule(
    "lun-zero-missing",
    Severity.BLOCKING,
    trap="practice 2",
    summary="A set of LUNs without LUN 0: initiators do not find the others",
    source="SCST scst/README: LUN 0 must exist in each set",
    mend="Show a device under LUN 0 in each set",
)
def lun_zero_missing(stack: StorageStack) -> Iterator[Sighting]:
    """Find targets and groups whose LUNs do not begin at 0."""
    for target in stack.targets:
        sets = [("", target.luns), *((group.name, group.luns) for group in target.groups)]
        for name, luns in sets:
            if luns and all(lun.number != 0 for lun in luns):
                objects = (f"target:{target.iqn}", *([f"initiator-group:{name}"] if name else []))
                yield Sighting(objects, f"LUNs {', '.join(str(lun.number) for lun in luns)}")


@rule(
    "target-open",
    Severity.ADVICE,
    trap="practice 4",
    summary="Any initiator that reaches the port may log in and write",
    source="SCST scst/README, IMPORTANT: access control must stand before a target is enabled",
    mend="Name the initiators in a group, or give the target a CHAP user while no client depends on it being open",
    override="open-target",
)
def target_open(stack: StorageStack) -> Iterator[Sighting]:
    """Find targets that show LUNs to everybody and ask for no secret."""
    for target in stack.targets:
        if target.luns and not target.incoming_users:
            yield Sighting((f"target:{target.iqn}",), f"{len(target.luns)} LUNs for all initiators, no CHAP user")


@rule(
    "reservations-per-node",
    Severity.NOTE,
    trap="practice 5",
    summary="Persistent reservations are kept on each node by itself: a failover loses or revives registrations",
    source="recorded: SCST keeps them in files of the node; cluster_mode shares them through DLM",
    mend="Ask whether Windows clusters, VMware or other users of reservations stand behind these LUNs",
)
def reservations_per_node(stack: StorageStack) -> Iterator[Sighting]:
    """Find LUNs that move between nodes without cluster_mode."""
    if not replicated(stack) and len(stack.nodes) < 2:
        return
    for name, _handler, attributes in devices_asked(stack):
        if not is_true(attributes.get("cluster_mode", "0")):
            yield Sighting((f"device:{name}",), f"cluster_mode={attributes.get('cluster_mode', 'unset')}")
