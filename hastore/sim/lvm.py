"""LVM2: volume groups whose metadata lies on their physical volumes, so that the other node sees it after a switchover."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from math import ceil

from hastore.sim.block import Block, BlockDevice, Disk, Label
from hastore.sim.lvm_config import PATH, STOCK, LvmConfig, Rule, lets_through
from hastore.sim.lvm_volumes import DATA_START, Group, LvDevice, LvmRefusal, Physical, Volume, joined, mapper_path
from hastore.sim.world import Node


def _accepted(rules: list[Rule], names: list[str]) -> bool:
    verdicts = [next((accept for accept, pattern in rules if pattern.search(name)), None) for name in names]
    return True in verdicts or False not in verdicts


class Lvm:
    """The LVM of one node: what it sees depends on lvm.conf's filter and on what can be read."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.config = LvmConfig(node)
        self._uuids = 0
        if PATH not in node.files.files:
            node.files.add(PATH, STOCK)

    @property
    def block(self) -> Block:
        """The node's block layer."""
        return self.node.subsystem(Block)

    # What LVM sees

    def accepts(self, path: str) -> bool:
        """Tell whether the filters let a device through: in each the first pattern that matches any of its names decides."""
        names = [path, *(alias for alias, real in self.block.aliases.items() if real == path)]
        return all(_accepted(rules, names) for rules in self.config.filters())

    def labels(self) -> dict[str, Label]:
        """Return device path -> label of every physical volume that can be seen and read.

        Where two devices carry one label (DRBD's disk and its device), the upper one is taken (documented: lvm2, duplicate
        PVs prefer the device of a subsystem).
        """
        found: dict[str, Label] = {}
        for path, device in sorted(self.block.devices.items()):
            if not self.accepts(path):
                continue
            try:
                head = device.read(0)
            except OSError:
                continue
            if isinstance(head, Label):
                twin = next((other for other, label in found.items() if label.uuid == head.uuid), None)
                if twin is not None and not isinstance(self.block.devices[twin], Disk):
                    continue
                found.pop(twin or "", None)
                found[path] = head
        return found

    def groups(self) -> dict[str, Group]:
        """Return the groups that can be used here, by name: a group with another host's system ID is not (lvmsystemid(7))."""
        return {name: group for name, group in self.all_groups().items() if self.owns(group)}

    def owns(self, group: Group) -> bool:
        """Tell whether this host may use a group: it has no system ID, or this host's."""
        return not group.system_id or group.system_id == self.config.system_id

    def all_groups(self) -> dict[str, Group]:
        """Return the groups on devices that can be read, those of other hosts too; the newest metadata counts."""
        found: dict[str, Group] = {}
        for label in self.labels().values():
            group = label.group
            if isinstance(group, Group) and group.seqno >= found.get(group.name, group).seqno:
                found[group.name] = group
        return found

    def group(self, name: str) -> Group:
        """Return a group; LvmRefusal where it can't be seen, or belongs to another host.

        A host without a system ID complains of another's group when it looks and when it is to use it: twice
        (recorded: vgchange-systemid-clear; run for lvcreate, lvextend, lvremove, vgremove and vgchange).
        """
        found = self.all_groups().get(name)
        if found is None:
            msg = f'Volume group "{name}" not found'
            raise LvmRefusal(msg)
        if not self.owns(found):
            raise LvmRefusal("\n  ".join([self.foreign(found)] * (1 if self.config.system_id else 2)))
        return found

    def foreign(self, group: Group) -> str:
        """Return what LVM says of a group that belongs to another host (run)."""
        own = self.config.system_id
        here = f"local system ID {own}" if own else "unknown local system ID"
        return f"Cannot access VG {group.name} with system ID {group.system_id} with {here}."

    def visible(self, name: str) -> bool:
        """Tell whether a group can be seen here."""
        return name in self.groups()

    def active(self, name: str, only: str = "") -> bool:
        """Tell whether any volume of a group, or one of them, is active here."""
        return any(device.group == name and only in {"", device.volume.name} for device in self.active_volumes())

    def active_volumes(self) -> Iterator[LvDevice]:
        """Yield the active volumes."""
        for device in list(self.block.devices.values()):
            if isinstance(device, LvDevice):
                yield device

    def place_of(self, pv: str) -> str:
        """Return the path of the device that carries a physical volume; LvmRefusal where it is not seen."""
        for path, label in self.labels().items():
            if label.uuid == pv:
                return path
        msg = f"Couldn't find device with uuid {pv}."
        raise LvmRefusal(msg)

    # Changes

    def create_physical(self, path: str) -> None:
        """Make a physical volume (`pvcreate`)."""
        if not self.accepts(self._real(path)):
            msg = f"Cannot use {path}: device is rejected by filter config"
            raise LvmRefusal(msg)
        device = self._device(path)
        try:
            head = device.read(0)
        except OSError as error:
            msg = f"Error opening device {path} for reading: {error.strerror}.\n  No device found for {path}."
            raise LvmRefusal(msg) from error
        if device.path in self.block.exclusive or (self.block.holders_of(path) and isinstance(device, Disk)):
            msg = f"Can't open {path} exclusively.  Mounted filesystem?"
            raise LvmRefusal(msg)
        if isinstance(head, Label) and head.group is not None:
            group = head.group
            name = group.name if isinstance(group, Group) else ""
            msg = f'Can\'t initialize physical volume "{path}" of volume group "{name}" without -ff'
            raise LvmRefusal(msg)
        if not self.block.is_blank(path):
            self.node.world.violate("device-not-blank", f"pvcreate on {self.node.name}:{path}, which was not blank")
        device.write(0, Label("LVM2_member", self._uuid(f"pv{path}"), "raid"))

    def create_group(
        self, name: str, paths: list[str], extent_size: int = 4 * 2**20, system_id: str | None = None
    ) -> Group:
        """Make a volume group (`vgcreate`), and physical volumes of devices that are none yet.

        Without a system ID given it gets the host's, where the host has one (lvmsystemid(7); run).
        """
        if name in self.all_groups():
            msg = f"A volume group called {name} already exists."
            raise LvmRefusal(msg)
        labels = self.labels()
        for path in paths:
            if self._real(path) not in labels:
                self.create_physical(path)
        owner = self.config.system_id if system_id is None else system_id
        group = Group(name, self._uuid(f"vg{name}"), 0, extent_size, (), system_id=owner)
        return self.extend_group(group, paths)

    def extend_group(self, group: Group, paths: list[str]) -> Group:
        """Add physical volumes to a group (`vgextend`)."""
        labels = self.labels()
        places = {self.place_of(p.uuid) for p in group.physicals}
        for path in paths:
            label = labels.get(self._real(path))
            if label is None:
                self.create_physical(path)
                label = self.labels()[self._real(path)]
            if label.group is not None:
                msg = f"Physical volume '{path}' is already in volume group"
                raise LvmRefusal(msg)
            physical = Physical(label.uuid, self._extents(path, group.extent_size))
            group = replace(group, physicals=(*group.physicals, physical))
            places.add(self._real(path))
        return self._commit(group, {self._uuid_at(path): path for path in places})

    def resize_physical(self, path: str) -> None:
        """Take over a device's new size (`pvresize`)."""
        label = self.labels().get(self._real(path))
        if label is None:
            msg = f'Failed to find physical volume "{path}".'
            raise LvmRefusal(msg)
        if isinstance(label.group, Group):
            group = label.group
            grown = Physical(label.uuid, self._extents(path, group.extent_size))
            self._commit(replace(group, physicals=tuple(grown if p.uuid == label.uuid else p for p in group.physicals)))

    def create_volume(self, group_name: str, name: str, extents: int, *, active: bool = True) -> None:
        """Make a logical volume (`lvcreate`) and activate it; its start is wiped then, and only then."""
        group = self.group(group_name)
        if group.volume(name):
            msg = f'Logical Volume "{name}" already exists in volume group "{group_name}"'
            raise LvmRefusal(msg)
        volume = Volume(name, self._uuid(f"lv{group_name}/{name}"), group.allocate(extents))
        if active and not self.passes_volume_list(group, name):
            msg = (
                f'Volume "{group_name}/{name}" is not active locally (volume_list activation filter?).\n'
                "  Aborting. Failed to wipe start of new LV."
            )
            raise LvmRefusal(msg)
        if active:
            device = LvDevice(self.block, group_name, volume, group.extent_size, self._places(group))
            self._activate(device)
            device.write(0, None)
        self._commit(replace(group, volumes=(*group.volumes, volume)))

    def extend_volume(self, group_name: str, name: str, extents: int) -> tuple[int, int]:
        """Give a volume so many extents in all (`lvextend`); return the old and the new number."""
        group = self.group(group_name)
        volume = group.volume(name)
        if volume is None:
            msg = f'Failed to find logical volume "{group_name}/{name}"'
            raise LvmRefusal(msg)
        more = extents - volume.extents
        if more <= 0:
            msg = f"New size given ({extents} extents) not larger than existing size ({volume.extents} extents)"
            raise LvmRefusal(msg)
        grown = replace(volume, segments=joined(*volume.segments, *group.allocate(more)))
        self._commit(replace(group, volumes=tuple(grown if v.name == name else v for v in group.volumes)))
        for device in self.active_volumes():
            if device.group == group_name and device.volume.name == name:
                device.volume = grown
                device.places = self._places(group)
        return volume.extents, extents

    def remove_volume(self, group_name: str, name: str) -> None:
        """Remove a logical volume (`lvremove`)."""
        group = self.group(group_name)
        if group.volume(name) is None:
            msg = f'Failed to find logical volume "{group_name}/{name}"'
            raise LvmRefusal(msg)
        if self.block.holders_of(mapper_path(group_name, name)):
            msg = f"Logical volume {group_name}/{name} in use."
            raise LvmRefusal(msg)
        self._deactivate(group_name, name)
        self._commit(replace(group, volumes=tuple(v for v in group.volumes if v.name != name)))

    def remove_group(self, name: str) -> None:
        """Remove a volume group (`vgremove`); its physical volumes stay, free."""
        group = self.group(name)
        if group.volumes:
            msg = f'Volume group "{name}" still contains {len(group.volumes)} logical volume(s)'
            raise LvmRefusal(msg)
        for physical in group.physicals:
            path = self.place_of(physical.uuid)
            self.block.device(path).write(0, Label("LVM2_member", physical.uuid, "raid"))

    def remove_physical(self, path: str) -> None:
        """Remove a physical volume's label (`pvremove`)."""
        label = self.labels().get(self._real(path))
        if label is None:
            msg = f"No PV found on device {path}."
            raise LvmRefusal(msg)
        if label.group is not None:
            msg = f"PV {path} is used by a VG; use vgreduce first."
            raise LvmRefusal(msg)
        self.block.device(path).write(0, None)

    def change_group(self, name: str, *, system_id: str | None = None, tags: tuple[str, ...] | None = None) -> None:
        """Set a group's system id or tags."""
        group = self.group(name)
        if system_id is not None:
            if system_id == group.system_id:
                msg = f'Volume Group system ID is already "{system_id}".'
                raise LvmRefusal(msg)
            group = replace(group, system_id=system_id)
        if tags is not None:
            group = replace(group, tags=tags)
        self._commit(group)

    def take_over(self, name: str) -> None:
        """Make a group this host's, whosever it was, and nobody's to activate at boot, as LVM-activate does."""
        group = self.all_groups()[name]
        taken = replace(group, system_id=self.config.system_id, autoactivation=False)
        if taken != group:
            self._commit(taken)

    def activate(self, name: str, only: str = "") -> int:
        """Activate a group's volumes, or one (`vgchange -ay`, `lvchange -ay`); return how many are active then.

        What `volume_list` does not let through stays as it is, without a word (documented: lvm.conf(5)).
        """
        group = self.group(name)
        for volume in group.volumes:
            wanted = only in {"", volume.name} and mapper_path(name, volume.name) not in self.block.devices
            if wanted and self.passes_volume_list(group, volume.name):
                self._activate(LvDevice(self.block, name, volume, group.extent_size, self._places(group)))
        return sum(device.group == name for device in self.active_volumes())

    def deactivate(self, name: str, only: str = "") -> int:
        """Deactivate a group's volumes, or one (`vgchange -an`, `lvchange -an`); return how many are active then.

        LvmRefusal where one is in use.
        """
        ours = [device for device in self.active_volumes() if device.group == name]
        held = [device for device in ours if only in {"", device.volume.name}]
        busy = [device for device in held if self.block.holders_of(device.path)]
        for device in held:
            if device not in busy:
                self._deactivate(name, device.volume.name)
        if busy:
            msg = "\n  ".join(
                f"Logical volume {name}/{device.volume.name} contains a filesystem in use."
                if device.path in self.block.mounts
                else f"Logical volume {name}/{device.volume.name} in use."
                for device in busy
            )
            count = f'Can\'t deactivate volume group "{name}" with {len(busy)} open logical volume(s)'
            msg += f"\n  {count}"
            raise LvmRefusal(msg)
        return len(ours) - len(held)

    # Life and death

    def tick(self, _dt: float) -> None:
        """Nothing happens by itself."""

    def power_off(self) -> None:
        """Active volumes go with the block layer."""

    def boot(self) -> None:
        """Activate what the lists let through, as the boot scripts do (`vgchange -aay`).

        Documented (lvm.conf(5), vgchange(8)): of the groups that are this host's or nobody's, and whose autoactivation
        is on, what both `auto_activation_volume_list` and `volume_list` let through; no list lets everything through.
        """
        automatic = self.config.listed("auto_activation_volume_list")
        for name, group in self.groups().items():
            wanted = [v.name for v in group.volumes if lets_through(automatic, name, v.name, group.tags)]
            for volume in wanted if group.autoactivation else ():
                try:
                    self.activate(name, volume)
                except LvmRefusal as refusal:
                    self.node.world.log(self.node.name, f"{name} was not activated at boot: {refusal.text}")
                    break
        there = self.block.devices
        self.block.mounts |= {path: place for path, place in self.block.mounts_at_boot.items() if path in there}

    def passes_volume_list(self, group: Group, volume: str) -> bool:
        """Tell whether `volume_list` lets a volume be activated here."""
        return lets_through(self.config.listed("volume_list"), group.name, volume, group.tags)

    # Inside

    def _device(self, path: str) -> BlockDevice:
        try:
            return self.block.device(path)
        except OSError as error:
            msg = f"No device found for {path}."
            raise LvmRefusal(msg) from error

    def _real(self, path: str) -> str:
        return self.block.aliases.get(path, path)

    def _uuid(self, seed: str) -> str:
        """Return a new UUID in LVM's form; deterministic, unique on this node."""
        self._uuids += 1
        letters = re.sub(r"\W", "x", f"{self._uuids:04d}{self.node.name}{seed}").ljust(32, "0")[:32]
        cuts = (0, 6, 10, 14, 18, 22, 26, 32)
        return "-".join(letters[a:b] for a, b in pairwise(cuts))

    def _uuid_at(self, path: str) -> str:
        return self.labels()[self._real(path)].uuid

    def _extents(self, path: str, extent_size: int) -> int:
        return (self.block.size(path) - DATA_START) // extent_size

    def _places(self, group: Group) -> dict[str, str]:
        return {physical.uuid: self.place_of(physical.uuid) for physical in group.physicals}

    def _commit(self, group: Group, places: dict[str, str] | None = None) -> Group:
        newer = replace(group, seqno=group.seqno + 1)
        for uuid, path in (places or self._places(group)).items():
            self.block.device(path).write(0, Label("LVM2_member", uuid, "raid", newer))
        return newer

    def _activate(self, device: LvDevice) -> None:
        for path in device.below():
            lower = self.block.device(path)
            if isinstance(lower, Disk) and self.block.exclusive.get(path, "").startswith("drbd:"):
                msg = f"device-mapper: reload ioctl on  failed: Device or resource busy ({path})"
                raise LvmRefusal(msg)
            self.block.open(path, f"lvm:{device.path}")
        link = f"/dev/{device.group}/{device.volume.name}"
        self.block.add(device, link)

    def _deactivate(self, group: str, name: str) -> None:
        path = mapper_path(group, name)
        device = self.block.devices.get(path)
        if device is None:
            return
        for lower in device.below():
            self.block.close(lower, f"lvm:{path}")
        self.block.remove(path)


def extents_for(size: int, extent_size: int) -> int:
    """Return how many extents hold so many bytes."""
    return ceil(size / extent_size)
