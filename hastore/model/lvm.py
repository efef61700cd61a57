"""LVM as it should be: volume groups, logical volumes, and the settings that decide what LVM sees."""

from __future__ import annotations

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
