"""What SCST's errnos mean, write by write: the kernel log says it, errno alone does not (recordings scst/w-*)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hastore.drivers.base import explain
from hastore.formats.scst_tree import ISCSI, ROOT
from hastore.hosts.operations import Expect, Outcome, WriteAttribute, conceal

_NO_DAEMON: Final = "iscsi-scstd does not run, and without it there is no iSCSI: start it (systemctl start scst)"

_MEANINGS: Final[Mapping[tuple[str, str], str]] = {
    ("add_device", "EEXIST"): "a device of this name exists already, under whatever handler",
    ("add_device", "ENOENT"): "the file or block device below does not exist: is the volume group active here?",
    (
        "add_device",
        "EBUSY",
    ): "something else holds the block device: another SCST device, a mount, or DRBD is secondary",
    ("add_device", "ENOTBLK"): "vdisk_blockio needs a block device; use vdisk_fileio for a file",
    ("add_device", "EMEDIUMTYPE"): "the DRBD device below is secondary here",
    (
        "add_device",
        "EINVAL",
    ): "a parameter is not known to this handler or version, or has a value that it does not take",
    ("del_device", "EINVAL"): "there is no device of this name",
    ("add_target", "EEXIST"): "the target exists already",
    ("add_target", "EPERM"): _NO_DAEMON,
    ("add_target", "EINVAL"): "SCST does not take the target's name or one of its parameters",
    ("del_target", "ENOENT"): "there is no such target",
    ("del_target", "EBUSY"): "the target has live sessions: log its clients out first",
    ("add_target_attribute", "ENOENT"): "there is no such target, or iscsi-scstd does not run",
    ("add_target_attribute", "EEXIST"): "the target has one already",
    ("add_target_attribute", "EINVAL"): "it is there already, or a CHAP secret has fewer than 12 bytes",
    ("create", "EEXIST"): "the group exists already",
    ("del", "EBUSY"): "live sessions use it",
    ("del", "EINVAL"): "it is not there",
    ("enabled", "ENOENT"): "there is no such target, or iscsi-scstd does not run (systemctl start scst)",
    ("enabled", "EBADSLT"): "its rel_tgt_id is another target's, too: give it one of its own",
}
_LUN: Final[Mapping[str, str]] = {
    "EEXIST": "the LUN's number is in use already",
    "EINVAL": "SCST knows no such device, or the number is above 16383",
    "ENOENT": "there is no such target or group",
}
_INITIATOR: Final[Mapping[str, str]] = {
    "EEXIST": "the group names this initiator already",
    "ENOENT": "there is no such target or group",
}


def meaning_of(outcome: Outcome) -> str:
    """Return why a write was refused, and how to mend it, with the errno it gave."""
    said = explain(outcome)
    operation = outcome.operation
    if isinstance(operation, Expect):
        return f"it does not hold that {operation.because} ({said})"
    if not isinstance(operation, WriteAttribute):
        return said
    meaning = _meaning(operation, outcome.error)
    return f"{meaning} ({said})" if meaning else said


def _meaning(operation: WriteAttribute, error: str) -> str:
    place = operation.path.removeprefix(f"{ROOT}/").removesuffix("/mgmt")
    if not operation.path.endswith("/mgmt"):
        name = place.rpartition("/")[2]
        return _MEANINGS.get((name, error), "") or _ATTRIBUTE.get(error, "")
    if error == "ENOENT" and place.startswith(f"{ISCSI}/"):
        return "there is no such target or group, or iscsi-scstd does not run (systemctl start scst)"
    verb = conceal(operation.content).decode(errors="replace").partition(" ")[0]
    if verb == "add":
        return (_LUN if place.endswith("/luns") else _INITIATOR).get(error, "")
    return _MEANINGS.get((verb, error), "")


_ATTRIBUTE: Final[Mapping[str, str]] = {
    "EACCES": "the attribute can be given at creation alone: remove the device and add it anew",
    "ENOENT": "there is no such attribute in this version, or no such object",
    "EINVAL": "SCST does not take this value",
    "EBUSY": "it can't be changed while sessions use the device",
}
