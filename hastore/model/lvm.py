"""LVM as it should be: volume groups, logical volumes, and the settings that decide what LVM sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from hastore.model.values import value


@value
class LogicalVolume:
    """A logical volume; `size` as a person writes it: `20G`, or a share such as `100%VG` or `50%FREE`.

    Without a size it can be used where it exists, and not be created.
    """

    name: str
    size: str = ""


@value
class VolumeGroup:
    """A volume group on its physical volumes."""

    name: str
    physical_volumes: tuple[str, ...] = ()
    """Device paths, such as `/dev/drbd0`."""
    logical_volumes: tuple[LogicalVolume, ...] = ()


@value
class LvmSettings:
    """The settings of lvm.conf that matter here; None where the file does not say."""

    filter: tuple[str, ...] | None = None
    """`devices/filter`, each pattern as written, such as `a|^/dev/drbd[0-9]+$|`."""
    global_filter: tuple[str, ...] | None = None
    write_cache_state: bool | None = None
    """Gone in LVM 2.03."""
    use_devicesfile: bool | None = None
    volume_list: tuple[str, ...] | None = None
    auto_activation_volume_list: tuple[str, ...] | None = None
    system_id_source: str | None = None

    def said(self) -> Mapping[str, Any]:
        """Return setting -> value of all that is not None."""
        names = (field.name for field in attrs.fields(type(self)))
        return {name: setting for name in names if (setting := getattr(self, name)) is not None}

    def unmet_by(self, other: LvmSettings) -> tuple[str, ...]:
        """Return the names of the settings here that the other does not say, or says otherwise."""
        return tuple(name for name, setting in self.said().items() if getattr(other, name) != setting)

    def over(self, other: LvmSettings) -> LvmSettings:
        """Return the other settings with all that is said here in their place."""
        return attrs.evolve(other, **self.said())
