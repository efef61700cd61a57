"""SCST's device groups (ALUA): which devices, reached through which target groups, in which state."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from functools import partial

from hastore.sim import scst_tree as tree
from hastore.sim.filesystem import refuse
from hastore.sim.scst_tree import Attribute, Directory, Link, Verbatim

_STATES = ("active", "nonoptimized", "standby", "unavailable", "offline", "transitioning")


@dataclass
class TargetGroup:
    """Targets that share a state; those of other nodes have only a number."""

    directory: Directory = field(default_factory=Directory)
    targets: list[str] = field(default_factory=list)


@dataclass
class DeviceGroup:
    """Devices and the target groups they are reached through."""

    directory: Directory = field(default_factory=Directory)
    devices: list[str] = field(default_factory=list)
    target_groups: dict[str, TargetGroup] = field(default_factory=dict)


class DeviceGroups:
    """The directory `device_groups`; held against w-device-groups.json and 10-device-groups.json."""

    def __init__(self, devices: Directory, targets: Directory) -> None:
        self.directory = Directory()
        self.groups: dict[str, DeviceGroup] = {}
        self._devices = devices
        self._targets = targets
        self.directory.add("mgmt", Verbatim("", on_write=self._mgmt))

    def forget(self, device: str) -> None:
        """Take a device that was deleted out of its group."""
        for group in self.groups.values():
            if device in group.devices:
                self._remove_device(group, device)

    def _mgmt(self, text: str) -> None:
        match text.split():
            case ["create" | "add", name]:
                if name in self.groups:
                    raise refuse(errno.EEXIST)
                group = self.groups[name] = DeviceGroup()
                devices, groups = Directory(), Directory()
                devices.add("mgmt", Verbatim("", on_write=partial(self._devices_mgmt, group), result=True))
                groups.add("mgmt", Verbatim("", on_write=partial(self._target_groups_mgmt, group), result=True))
                group.directory.add("devices", devices)
                group.directory.add("target_groups", groups)
                self.directory.add(name, group.directory)
            case ["del", name] if name in self.groups:
                del self.groups[name]
                self.directory.remove(name)
            case _:
                raise refuse(errno.EINVAL)

    def _devices_mgmt(self, group: DeviceGroup, text: str) -> None:
        match text.split():
            case ["add", name] if name in self._devices.entries:
                if any(name in other.devices for other in self.groups.values()):
                    raise refuse(errno.EEXIST)
                group.devices.append(name)
                _inner(group.directory, "devices").add(name, Link(f"../../../devices/{name}"))
            case ["del", name] if name in group.devices:
                self._remove_device(group, name)
            case _:
                raise refuse(errno.EINVAL)

    def _target_groups_mgmt(self, group: DeviceGroup, text: str) -> None:
        match text.split():
            case ["create" | "add", name]:
                if name in group.target_groups:
                    raise refuse(errno.EEXIST)
                added = group.target_groups[name] = TargetGroup()
                added.directory.add(
                    "mgmt", Verbatim("", on_write=partial(self._targets_mgmt, group, added), result=True)
                )
                added.directory.add("group_id", Attribute("0", check=tree.natural, mark="sized"))
                added.directory.add("preferred", Attribute("0", check=tree.boolean, result=True))
                added.directory.add("state", Attribute("active", check=_state, mark="sized", result=True))
                _inner(group.directory, "target_groups").add(name, added.directory)
            case ["del", name] if name in group.target_groups:
                del group.target_groups[name]
                _inner(group.directory, "target_groups").remove(name)
            case _:
                raise refuse(errno.EINVAL)

    def _targets_mgmt(self, group: DeviceGroup, among: TargetGroup, text: str) -> None:
        match text.split():
            case ["add", name]:
                if any(name in other.targets for other in group.target_groups.values()):
                    raise refuse(errno.EEXIST)
                among.targets.append(name)
                here = name in self._targets.entries
                foreign = Directory({"rel_tgt_id": Attribute("0", check=tree.natural, mark="sized")})
                among.directory.add(name, Link(f"../../../../targets/iscsi/{name}") if here else foreign)
            case ["del", name] if name in among.targets:
                among.targets.remove(name)
                among.directory.remove(name)
            case _:
                raise refuse(errno.EINVAL)

    def _remove_device(self, group: DeviceGroup, name: str) -> None:
        group.devices.remove(name)
        _inner(group.directory, "devices").remove(name)


def _inner(directory: Directory, name: str) -> Directory:
    found = directory.entries[name]
    assert isinstance(found, Directory)  # noqa: S101 -- made so in _mgmt
    return found


def _state(text: str) -> str:
    return tree.one_of(text, _STATES)
