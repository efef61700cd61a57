"""Fixes of LVM, DRBD and SCST."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import attrs

from hastore.model.drbd import DrbdResource
from hastore.model.lvm import LvmSettings
from hastore.model.pacemaker import PacemakerResource
from hastore.model.stack import StorageStack
from hastore.model.values import Params
from hastore.planning.fixes.base import Fix, Risk, with_resources
from hastore.planning.fixes.pacemaker import with_timeouts
from hastore.planning.rules.agents_use import ADVISED, timeout_of
from hastore.planning.rules.drbd import DISCARDING
from hastore.planning.rules.lvm import (
    lvm_filter_unanchored,
    lvm_scans_inside_luns,
    lvm_sees_backing_disk,
    split_pattern,
)
from hastore.planning.rules.reading import (
    backing_disks,
    exports,
    group_name_of,
    is_true,
    of_type,
    seconds,
    words,
)

DRBD_PATTERN: Final = "a|^/dev/drbd[0-9]+$|"
REJECT_REST: Final = "r|.*|"
ACCEPT_REST: Final = "a|.*|"


# -- LVM ----------------------------------------------------------------------------------------------


def exclusive(stack: StorageStack) -> StorageStack:
    """Return the stack with LVM-activate in system_id mode in place of LVM, and lvm.conf to suit."""
    old = {r.id: group_name_of(r) for r in of_type(stack, "LVM")}
    managed = set(old.values()) | {group_name_of(r) for r in of_type(stack, "LVM-activate")}
    if not managed:
        return stack

    def edit(resource: PacemakerResource) -> PacemakerResource:
        if resource.id not in old:
            return resource
        own = resource.params.with_(exclusive=None, tag=None, volgrpname=None)
        params = own if resource.serves else Params({"vgname": old[resource.id]}).with_(own)
        changed = attrs.evolve(
            resource, agent="ocf:heartbeat:LVM-activate", params=params.with_(vg_access_mode="system_id")
        )
        advised = ADVISED["LVM-activate"]
        short = {op: time for op, time in advised.items() if seconds(timeout_of(stack, changed, op)) < time}
        return with_timeouts(changed, short)

    modes = {r.params.get("vg_access_mode") for r in of_type(stack, "LVM-activate")}
    changed = with_resources(stack, edit)
    if modes and modes != {"system_id"}:
        return changed
    settled = attrs.evolve(changed, lvm=by_system_id(stack.lvm or LvmSettings(), managed))
    # where the stack knew nothing of lvm.conf it now does, and has to keep LVM off what lies below DRBD, too
    return settled if stack.lvm else anchored(settled)


def by_system_id(settings: LvmSettings, managed: set[str]) -> LvmSettings:
    """Return lvm.conf's settings under which only an agent activates these groups."""
    own = settings.auto_activation_volume_list
    listed = own if own is not None else settings.volume_list
    source = settings.system_id_source
    return attrs.evolve(
        settings,
        volume_list=None,
        auto_activation_volume_list=None if listed is None else tuple(name for name in listed if name not in managed),
        system_id_source="uname" if source in (None, "none") else source,
    )


LVM_ACTIVATE: Final = Fix(
    "lvm-activate",
    "Let LVM-activate own the volume group by system ID",
    "One node alone may then activate the group, and at boot none does by itself. The lists move together with the agent: "
    "volume_list would refuse the agent's own activation, auto_activation_volume_list keeps only the boot from it. "
    "system_id, not tagging: it was recorded with DRBD and SCST and needs no volume_list. partial_activation stays off: a "
    "group that misses a replica must not start. The group itself needs a system ID (vgchange --systemid), "
    "and the initramfs the new lvm.conf",
    Risk.RESTARTS_SERVICE,
    ("lvm-activation-not-exclusive", "lvm-agent-superseded", "lvm-activated-at-boot"),
    exclusive,
)


def anchored(stack: StorageStack) -> StorageStack:
    """Return the stack with a filter that lets LVM see the system disk and DRBD, and nothing else.

    Where no pattern says which disk the system is on, only what lies below DRBD is rejected: a filter that
    hides the system's own volume group would keep the machine from booting.
    """
    settings = stack.lvm
    open_filter = any(
        any(rule(stack)) for rule in (lvm_sees_backing_disk, lvm_filter_unanchored, lvm_scans_inside_luns)
    )
    if settings is None or not open_filter:
        return stack
    backing = {disk for _, disk in backing_disks(stack)}
    kept = [p for pattern in settings.filter or () if (p := anchor(pattern, backing))]
    if not kept:
        rejecting = tuple(f"r|^{disk}[0-9]*$|" for disk in sorted(backing))
        return attrs.evolve(stack, lvm=attrs.evolve(settings, filter=(*rejecting, ACCEPT_REST), global_filter=None))
    accepting = tuple(dict.fromkeys((*kept, DRBD_PATTERN)))
    # A global filter that let too much through is said again by the filter.
    return attrs.evolve(stack, lvm=attrs.evolve(settings, filter=(*accepting, REJECT_REST), global_filter=None))


def anchor(pattern: str, backing: Iterable[str]) -> str:
    """Return an accepting pattern with anchors; empty for one that rejects, is DRBD's, or means a replicated disk."""
    allowed, regex = split_pattern(pattern)
    if not allowed:
        return ""
    stem = regex.removeprefix("^").removesuffix("$")
    disk = stem.rstrip("*+").removesuffix("[0-9]").removesuffix(".")
    if disk in ("", "/dev/drbd") or disk in backing or not disk.startswith("/dev/"):
        return ""
    return pattern if regex == f"^{stem}$" else f"a|^{disk}[0-9]*$|"


LVM_FILTER: Final = Fix(
    "lvm-filter",
    "Anchor LVM's filter: the system disk, DRBD, nothing else",
    "The disk below DRBD is then never seen; the system disk and its partitions still are, and where it is known which "
    "those are, nothing else is, what clients keep inside their LUNs included",
    Risk.HARMLESS_IN_FILE,
    ("lvm-sees-backing-disk", "lvm-filter-unanchored", "lvm-hides-drbd", "lvm-scans-inside-luns"),
    anchored,
)


def without_write_cache(stack: StorageStack) -> StorageStack:
    """Return the stack without lvm.conf's write_cache_state."""
    return attrs.evolve(stack, lvm=attrs.evolve(stack.lvm, write_cache_state=None)) if stack.lvm else stack


LVM_WRITE_CACHE: Final = Fix(
    "lvm-write-cache-state",
    "Drop write_cache_state",
    "LVM 2.03 does not know it",
    Risk.HARMLESS_IN_FILE,
    ("lvm-write-cache-state",),
    without_write_cache,
)


# -- DRBD ---------------------------------------------------------------------------------------------


def each_drbd(edit: Callable[[DrbdResource], DrbdResource]) -> Callable[[StorageStack], StorageStack]:
    """Return the change of a stack that edits every DRBD resource."""
    return lambda stack: attrs.evolve(stack, drbd=tuple(edit(resource) for resource in stack.drbd))


def fence_peer_only(resource: DrbdResource) -> DrbdResource:
    """Return a resource without outdate-peer; where it was the only handler it gets the name of today."""
    handlers = resource.handlers
    if "outdate-peer" not in handlers:
        return resource
    kept = handlers.get("fence-peer", handlers["outdate-peer"])
    return attrs.evolve(resource, handlers=handlers.with_({"fence-peer": kept, "outdate-peer": None}))


def resync_rate(resource: DrbdResource) -> DrbdResource:
    """Return a resource whose syncer section stands where DRBD 8.4 reads it."""
    if not resource.syncer:
        return resource
    words_of_today = {"rate": "resync-rate", "after": "resync-after"}
    of_net = {"csums-alg", "verify-alg", "use-rle"}
    moved = {words_of_today.get(key, key): text for key, text in resource.syncer.items() if key not in of_net}
    net = {key: text for key, text in resource.syncer.items() if key in of_net}
    return attrs.evolve(resource, syncer={}, disk={**moved, **resource.disk}, net={**net, **resource.net})


def buffers(resource: DrbdResource) -> DrbdResource:
    """Return a resource with the digits of max-buffers put right."""
    typo = resource.net.get("max-buffers") == "8912"
    return attrs.evolve(resource, net=resource.net.with_({"max-buffers": "8192"})) if typo else resource


def ask_a_person(resource: DrbdResource) -> DrbdResource:
    """Return a resource that stays apart after a split brain until a person decides."""
    bad = {key: "disconnect" for key, policies in DISCARDING.items() if resource.net.get(key) in policies}
    return attrs.evolve(resource, net=resource.net.with_(bad)) if bad else resource


def suspend(resource: DrbdResource) -> DrbdResource:
    """Return a resource that holds I/O while no good replica can be reached."""
    return attrs.evolve(resource, options=resource.options.with_({"on-no-data-accessible": "suspend-io"}))


DRBD_FIXES: Final = (
    Fix(
        "drbd-fence-handler",
        "Keep one fence handler",
        "The first of fence-peer and outdate-peer wins and the other is dead code of heartbeat's time",
        Risk.HARMLESS_IN_FILE,
        ("drbd-dead-fence-handler",),
        each_drbd(fence_peer_only),
    ),
    Fix(
        "drbd-resync-rate",
        "Write the syncer's options where DRBD 8.4 reads them",
        "DRBD 8.4 rewrites the section by itself, utilities of 9 refuse it",
        Risk.HARMLESS_IN_FILE,
        ("drbd-syncer-section",),
        each_drbd(resync_rate),
    ),
    Fix(
        "drbd-max-buffers",
        "Set max-buffers to 8192",
        "8912 is 8192 mistyped; it takes effect at drbdadm adjust",
        Risk.HARMLESS_IN_FILE,
        ("drbd-max-buffers-typo",),
        each_drbd(buffers),
    ),
    Fix(
        "drbd-ask-after-split-brain",
        "Stay disconnected after a split brain until a person decides",
        "Throwing one side's writes away unasked is acceptable only with working fencing, and then it never happens; "
        "the price is that replication stays down until somebody looks",
        Risk.HARMLESS_IN_FILE,
        ("drbd-split-brain-discards",),
        each_drbd(ask_a_person),
    ),
    Fix(
        "drbd-suspend-io",
        "Hold I/O while no good replica can be reached",
        "Clients then wait instead of getting errors that their file systems do not survive",
        Risk.CHANGES_WHAT_CLIENTS_SEE,
        ("drbd-outage-becomes-io-error",),
        each_drbd(suspend),
    ),
)


# -- SCST ---------------------------------------------------------------------------------------------


def honest(stack: StorageStack) -> StorageStack:
    """Return the stack whose devices do not claim to keep what they would lose; write_through=0 may stay.

    What SCSTLun cannot give at creation, or is 0 anyway, goes in the same breath: fewer words make the
    agent apply those that are left, and nv_cache must not be one of them.
    """
    by_agent = {export.device for export in exports(stack) if export.resource.agent_type == "SCSTLun"}

    def edit(device: str, attributes: Params) -> Params:
        gone: dict[str, str | None] = {"nv_cache": None}
        if device in by_agent:
            gone["threads_num"] = None
            if not is_true(attributes.get("thin_provisioned", "0")):
                gone["thin_provisioned"] = None
        return attributes.with_(gone)

    devices = tuple(attrs.evolve(d, attributes=edit(d.name, d.attributes)) for d in stack.devices)
    names = {export.resource.id: export.device for export in exports(stack)}

    def own(resource: PacemakerResource) -> PacemakerResource:
        text = resource.params.get("additional_parameters")
        if not text or resource.id not in names:
            return resource
        kept = " ".join(f"{key}={content}" for key, content in edit(names[resource.id], Params(words(text))).items())
        return attrs.evolve(resource, params=resource.params.with_(additional_parameters=kept or None))

    return with_resources(attrs.evolve(stack, devices=devices), own)


def read_parameters_only(stack: StorageStack) -> StorageStack:
    """Return the stack without target parameters that its agent never reads."""
    unread = {r.id: r.params.get("iqn") for r in of_type(stack, "SCSTTarget") if r.params.get("additional_parameters")}
    targets = tuple(attrs.evolve(t, parameters={}) if t.iqn in unread.values() else t for t in stack.targets)

    def edit(resource: PacemakerResource) -> PacemakerResource:
        own = resource.params.with_(additional_parameters=None)
        return attrs.evolve(resource, params=own) if resource.id in unread else resource

    return with_resources(attrs.evolve(stack, targets=targets), edit)


SCST_FIXES: Final = (
    Fix(
        "honest-caching",
        "Drop nv_cache, and give the LUN's agent only what it can apply",
        "With write_through=0 alone SCST tells clients that it caches, they flush, and a flushed write is on both disks. "
        "SCSTLun drops everything when there is more than one word, and threads_num would make SCST refuse the device: "
        "write that attribute while the device runs",
        Risk.CHANGES_WHAT_CLIENTS_SEE,
        ("nv-cache-lies", "lun-parameters-dropped", "threads-num-at-creation"),
        honest,
    ),
    Fix(
        "target-parameters",
        "Drop target parameters that SCSTTarget never reads",
        "They look as if they were in force; SCST pins DefaultTime2Wait and DefaultTime2Retain at 0 anyway",
        Risk.RESTARTS_SERVICE,
        ("target-parameters-unread",),
        read_parameters_only,
    ),
)

FIXES: Final = (LVM_ACTIVATE, LVM_FILTER, LVM_WRITE_CACHE, *DRBD_FIXES, *SCST_FIXES)
