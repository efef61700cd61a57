"""Script highly available iSCSI storage: DRBD, LVM, SCST, Pacemaker and the clients that use them.

Say what the storage should be (`StorageStack`), connect to the hosts (`connect`), look at the plan
(`cluster.plan(stack)`), and let it be done (`plan.apply()`). `hastore.sim.article()` is a whole cluster to
try it on, without a single real disk.

Importing hastore loads neither plumbum nor sh; names are loaded at their first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hastore import sim
    from hastore.cluster.adopt import Adopted, adopt
    from hastore.cluster.cluster import Cluster
    from hastore.cluster.connect import connect, local, observe_only, over, ssh
    from hastore.cluster.look import Look
    from hastore.cluster.plan import Plan
    from hastore.cluster.show import show
    from hastore.display.progress import Progress
    from hastore.execution.journal import FileJournal
    from hastore.execution.report import ApplyReport
    from hastore.model.client import Initiator, Login
    from hastore.model.corosync import Corosync, CorosyncNode, CorosyncRing
    from hastore.model.drbd import DrbdHost, DrbdResource, DrbdVolume
    from hastore.model.errors import (
        ApplyError,
        ConnectError,
        DriverError,
        DriverMismatch,
        HastoreError,
        HostError,
        OutcomeUnknown,
        ParseError,
        PlanError,
        Refused,
        SecretError,
        SpecError,
        StalePlan,
        StepFailed,
    )
    from hastore.model.events import Event
    from hastore.model.findings import Finding, Severity
    from hastore.model.lvm import LogicalVolume, LvmSettings, VolumeGroup
    from hastore.model.pacemaker import (
        Cib,
        Clone,
        ClusterNode,
        Colocation,
        Group,
        Location,
        Op,
        Order,
        PacemakerResource,
        Tag,
    )
    from hastore.model.scsi import ChapUser, InitiatorGroup, Lun, ScstDevice, Target, Vip
    from hastore.model.secrets import Secret
    from hastore.model.stack import StorageNode, StorageStack
    from hastore.model.state import ABSENT, Absent, ClusterState, HostState, Unknown
    from hastore.planning.compose import compose
    from hastore.planning.fixes import (
        Fix,
        Risk,
        apply_fixes,
        fencing_device,
        pin_identity,
        replication_secret,
        suggest_fixes,
        volume_size,
    )
    from hastore.planning.rules import judge

_HOMES = {
    "hastore.cluster.adopt": "Adopted adopt",
    "hastore.cluster.cluster": "Cluster",
    "hastore.cluster.connect": "connect local observe_only over ssh",
    "hastore.cluster.look": "Look",
    "hastore.cluster.plan": "Plan",
    "hastore.cluster.show": "show",
    "hastore.display.progress": "Progress",
    "hastore.execution.journal": "FileJournal",
    "hastore.execution.report": "ApplyReport",
    "hastore.model.client": "Initiator Login",
    "hastore.model.corosync": "Corosync CorosyncNode CorosyncRing",
    "hastore.model.drbd": "DrbdHost DrbdResource DrbdVolume",
    "hastore.model.errors": "ApplyError ConnectError DriverError DriverMismatch HastoreError HostError OutcomeUnknown "
    "ParseError PlanError Refused SecretError SpecError StalePlan StepFailed",
    "hastore.model.events": "Event",
    "hastore.model.findings": "Finding Severity",
    "hastore.model.lvm": "LogicalVolume LvmSettings VolumeGroup",
    "hastore.model.pacemaker": "Cib Clone ClusterNode Colocation Group Location Op Order PacemakerResource Tag",
    "hastore.model.scsi": "ChapUser InitiatorGroup Lun ScstDevice Target Vip",
    "hastore.model.secrets": "Secret",
    "hastore.model.stack": "StorageNode StorageStack",
    "hastore.model.state": "ABSENT Absent ClusterState HostState Unknown",
    "hastore.planning.compose": "compose",
    "hastore.planning.fixes": "Fix Risk apply_fixes fencing_device pin_identity replication_secret suggest_fixes volume_size",
    "hastore.planning.rules": "judge",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = [
    "ABSENT",
    "Absent",
    "Adopted",
    "ApplyError",
    "ApplyReport",
    "ChapUser",
    "Cib",
    "Clone",
    "Cluster",
    "ClusterNode",
    "ClusterState",
    "Colocation",
    "ConnectError",
    "Corosync",
    "CorosyncNode",
    "CorosyncRing",
    "DrbdHost",
    "DrbdResource",
    "DrbdVolume",
    "DriverError",
    "DriverMismatch",
    "Event",
    "FileJournal",
    "Finding",
    "Fix",
    "Group",
    "HastoreError",
    "HostError",
    "HostState",
    "Initiator",
    "InitiatorGroup",
    "Location",
    "LogicalVolume",
    "Login",
    "Look",
    "Lun",
    "LvmSettings",
    "Op",
    "Order",
    "OutcomeUnknown",
    "PacemakerResource",
    "ParseError",
    "Plan",
    "PlanError",
    "Progress",
    "Refused",
    "Risk",
    "ScstDevice",
    "Secret",
    "SecretError",
    "Severity",
    "SpecError",
    "StalePlan",
    "StepFailed",
    "StorageNode",
    "StorageStack",
    "Tag",
    "Target",
    "Unknown",
    "Vip",
    "VolumeGroup",
    "adopt",
    "apply_fixes",
    "compose",
    "connect",
    "fencing_device",
    "judge",
    "local",
    "observe_only",
    "over",
    "pin_identity",
    "replication_secret",
    "show",
    "sim",
    "ssh",
    "suggest_fixes",
    "volume_size",
]


def __getattr__(name: str) -> Any:
    """Load a public name at its first use."""
    if name == "sim":
        return import_module("hastore.sim")
    if name not in _HOME:
        msg = f"module 'hastore' has no attribute {name!r}"
        raise AttributeError(msg)
    found = getattr(import_module(_HOME[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, "sim"})
