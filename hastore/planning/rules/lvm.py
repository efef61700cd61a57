"""LVM: which disks it may see, and who may activate a volume group."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hastore.model.findings import Severity
from hastore.model.lvm import LvmSettings
from hastore.model.pacemaker import PacemakerResource
from hastore.model.stack import StorageStack
from hastore.planning.rules.base import Sighting, rule
from hastore.planning.rules.reading import backing_disks, group_name_of, groups_on_drbd, is_true, of_type


def split_pattern(pattern: str) -> tuple[bool, str]:
    """Return (accepts, regex) of a pattern of lvm.conf(5): `a` or `r`, a delimiter, the regex, the delimiter."""
    body = pattern[1:]
    if body[:1] and body[0] == body[-1:]:
        body = body[1:-1]
    return pattern.startswith("a"), body


def accepts(patterns: tuple[str, ...] | None, path: str) -> bool:
    """Return whether LVM's filter lets it see a path: the first pattern that matches anywhere decides."""
    for pattern in patterns or ():
        allowed, regex = split_pattern(pattern)
        try:
            if re.search(regex, path):
                return allowed
        except re.error:
            continue
    return True


def sees(settings: LvmSettings, path: str) -> bool:
    """Return whether both filters let LVM see a path."""
    return accepts(settings.global_filter, path) and accepts(settings.filter, path)


def filters_in_force(settings: LvmSettings) -> str:
    """Return the filters as they stand, for evidence."""
    shown = [
        f"{name} = [ {', '.join(patterns)} ]"
        for name, patterns in (("filter", settings.filter), ("global_filter", settings.global_filter))
        if patterns is not None
    ]
    return "; ".join(shown) or "no filter"


@rule(
    "lvm-sees-backing-disk",
    Severity.DANGER,
    trap="trap 8",
    summary="LVM sees the disk below DRBD and can activate the volume group there, behind DRBD's back",
    source="lvm.conf(5), devices/filter: patterns are matched anywhere in the path unless anchored; reproduced",
    mend="Anchor the filter: a|^/dev/drbd[0-9]+$| and the system disk, then r|.*|",
)
def lvm_sees_backing_disk(stack: StorageStack) -> Iterator[Sighting]:
    """Find replicated disks that the filter lets through."""
    settings = stack.lvm
    if settings is None or settings.use_devicesfile or not groups_on_drbd(stack):
        return
    for resource, disk in backing_disks(stack):
        if sees(settings, disk):
            yield Sighting((f"disk:{disk}", f"drbd:{resource.name}", "lvm:filter"), filters_in_force(settings))


@rule(
    "lvm-hides-drbd",
    Severity.DANGER,
    trap="trap 8",
    summary="LVM's filter hides the DRBD device that carries the volume group",
    source="lvm.conf(5), devices/filter",
    mend="Accept a|^/dev/drbd[0-9]+$| before the pattern that rejects it",
)
def lvm_hides_drbd(stack: StorageStack) -> Iterator[Sighting]:
    """Find physical volumes on DRBD that LVM may not see."""
    settings = stack.lvm
    if settings is None or settings.use_devicesfile:
        return
    for group in groups_on_drbd(stack):
        for path in group.physical_volumes or tuple(v.device for r in stack.drbd for v in r.volumes):
            if not sees(settings, path):
                yield Sighting((f"vg:{group.name}", f"disk:{path}", "lvm:filter"), filters_in_force(settings))


@rule(
    "lvm-filter-unanchored",
    Severity.WARNING,
    trap="trap 8",
    summary="An accepting pattern is matched anywhere in a path, and lets through more than it says",
    source="lvm.conf(5), devices/filter; /dev/sda* is the regex /dev/sd and any number of a",
    mend="Anchor every accepting pattern with ^ and $",
)
def lvm_filter_unanchored(stack: StorageStack) -> Iterator[Sighting]:
    """Find accepting patterns that do not start at the path's beginning and end at its end."""
    if stack.lvm is None:
        return
    for pattern in (*(stack.lvm.filter or ()), *(stack.lvm.global_filter or ())):
        allowed, regex = split_pattern(pattern)
        if allowed and regex != ".*" and not (regex.startswith("^") and regex.endswith("$")):
            yield Sighting(("lvm:filter",), pattern)


@rule(
    "lvm-filters-ignored",
    Severity.WARNING,
    trap="trap 8",
    summary="With a devices file LVM reads no filter: the filter here protects nothing",
    source="lvmdevices(8): use_devicesfile=1 makes filter and global_filter be ignored",
    mend="List the DRBD devices with lvmdevices --adddev, or set use_devicesfile = 0",
)
def lvm_filters_ignored(stack: StorageStack) -> Iterator[Sighting]:
    """Find a filter beside a devices file."""
    settings = stack.lvm
    if settings and settings.use_devicesfile and (settings.filter or settings.global_filter):
        yield Sighting(("lvm:use_devicesfile",), f"use_devicesfile = 1; {filters_in_force(settings)}")


@rule(
    "lvm-scans-inside-luns",
    Severity.WARNING,
    trap="practice 7",
    summary="LVM on the storage node looks inside what it exports; a client's volume group found there holds the LUN open",
    source="experience: an LV held open makes the demotion of DRBD fail; lvm.conf(5): scan_lvs, filter",
    mend="Reject everything that is not the system disk or DRBD: end the filter with r|.*|",
)
def lvm_scans_inside_luns(stack: StorageStack) -> Iterator[Sighting]:
    """Find exported volumes that LVM's filter lets it scan."""
    settings = stack.lvm
    if settings is None or settings.use_devicesfile:
        return
    groups = {group.name for group in stack.volume_groups}
    for device in stack.devices:
        if device.path.split("/")[2:3] and device.path.split("/")[2] in groups and sees(settings, device.path):
            yield Sighting(
                (f"device:{device.name}", "lvm:filter"), f"{device.path} passes {filters_in_force(settings)}"
            )


def activation(resource: PacemakerResource) -> str:
    """Return how a primitive activates its group: `plain`, `tagging`, `system_id` or another access mode."""
    if resource.agent_type == "LVM-activate":
        return resource.params.get("vg_access_mode", "")
    return "tagging" if is_true(resource.params.get("exclusive", "false")) else "plain"


@rule(
    "lvm-activation-not-exclusive",
    Severity.WARNING,
    trap="trap 9",
    summary="The LVM agent activates plainly: nothing keeps the other node from activating the group too",
    source="resource-agents heartbeat/LVM: exclusive defaults to false, set_lvm_mode then says plain",
    mend="Use ocf:heartbeat:LVM-activate, whose modes tagging and system_id always activate exclusively",
)
def lvm_activation_not_exclusive(stack: StorageStack) -> Iterator[Sighting]:
    """Find LVM primitives in plain mode."""
    for resource in of_type(stack, "LVM"):
        if activation(resource) == "plain":
            shown = resource.params.get("exclusive", "unset")
            yield Sighting((f"primitive:{resource.id}", f"vg:{group_name_of(resource)}"), f"exclusive={shown}")


@rule(
    "lvm-agent-superseded",
    Severity.ADVICE,
    trap="trap 9",
    summary="ocf:heartbeat:LVM is superseded by LVM-activate",
    source="resource-agents heartbeat/LVM-activate, since 2017-11; both are in Debian 12 (resource-agents 4.12)",
    mend="Use ocf:heartbeat:LVM-activate",
)
def lvm_agent_superseded(stack: StorageStack) -> Iterator[Sighting]:
    """Find primitives of the old agent."""
    for resource in of_type(stack, "LVM"):
        yield Sighting((f"primitive:{resource.id}",), resource.agent)


@rule(
    "lvm-activated-at-boot",
    Severity.DANGER,
    trap="trap 9",
    summary="volume_list names a group that an agent activates: every node may activate it by itself as well",
    source="lvm.conf(5): activation/volume_list and auto_activation_volume_list; LVM-activate's tagging_check refuses "
    "such a list",
    mend="Name the node's own groups in auto_activation_volume_list, and let the agent activate this one",
)
def lvm_activated_at_boot(stack: StorageStack) -> Iterator[Sighting]:
    """Find groups that belong to an agent and are activated without it."""
    if stack.lvm is None:
        return
    automatic = stack.lvm.auto_activation_volume_list
    name, listed = "auto_activation_volume_list", automatic
    if automatic is None:
        name, listed = "volume_list", stack.lvm.volume_list
    for resource in of_type(stack, "LVM", "LVM-activate"):
        group = group_name_of(resource)
        if group in (listed or ()):
            shown = f"{name} = [ {', '.join(listed or ())} ]"
            yield Sighting((f"vg:{group}", f"lvm:{name}", f"primitive:{resource.id}"), shown)


@rule(
    "lvm-agent-cannot-activate",
    Severity.DANGER,
    trap="trap 9",
    summary="The agent's way to activate does not fit lvm.conf: its start fails",
    source="resource-agents heartbeat/LVM-activate: tagging_check wants a volume_list without the group, systemid_check "
    "wants system_id_source; lvm.conf(5): plain activation is refused to groups outside volume_list; lvmsystemid(7): vgcreate "
    "gives the group the host's system ID, and other hosts cannot use it (run)",
    mend="tagging: set volume_list without the group; system_id: set system_id_source; plain: list the group; without "
    "LVM-activate: no system_id_source",
)
def lvm_agent_cannot_activate(stack: StorageStack) -> Iterator[Sighting]:
    """Find agents whose mode and lvm.conf contradict each other."""
    if stack.lvm is None:
        return
    listed = stack.lvm.volume_list
    for resource in of_type(stack, "LVM", "LVM-activate"):
        mode, name = activation(resource), group_name_of(resource)
        source = stack.lvm.system_id_source
        if mode == "tagging" and listed is None:
            why = "tagging without any volume_list"
        elif mode == "system_id" and source in (None, "none"):
            why = f"system_id with system_id_source = {source or 'unset'}"
        elif mode in ("plain", "system_id") and listed is not None and name not in listed:
            why = f"{mode} activation, volume_list = [ {', '.join(listed)} ]"
        elif mode in ("plain", "tagging") and source not in (None, "none"):
            why = f"{mode} activation of a group that would belong to one host, system_id_source = {source}"
        else:
            continue
        yield Sighting((f"primitive:{resource.id}", f"vg:{name}"), why)


@rule(
    "lvm-write-cache-state",
    Severity.ADVICE,
    trap="trap 9",
    summary="write_cache_state is gone from LVM 2.03; the line does nothing",
    source="lvmconfig of LVM 2.03.16 does not know it (run)",
    mend="Drop write_cache_state",
)
def lvm_write_cache_state(stack: StorageStack) -> Iterator[Sighting]:
    """Find the setting of old."""
    if stack.lvm and stack.lvm.write_cache_state is not None:
        yield Sighting(("lvm:write_cache_state",), f"write_cache_state = {int(stack.lvm.write_cache_state)}")


@rule(
    "volume-size-unknown",
    Severity.ADVICE,
    trap="practice 10",
    summary="Nothing says how large the volume is: it can be used where it exists, and not be created",
    source="no configuration file holds a volume's size; lvs on the active node shows it",
    mend="Say its size in the stack (hastore.planning.fixes.volume_size), such as 20G or 100%FREE",
)
def volume_size_unknown(stack: StorageStack) -> Iterator[Sighting]:
    """Find volumes without a size."""
    for group in stack.volume_groups:
        for volume in group.logical_volumes:
            if not volume.size:
                yield Sighting((f"volume:{group.name}/{volume.name}",), "size unset")
