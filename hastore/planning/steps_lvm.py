"""Steps on LVM: its settings, physical volumes, volume groups, logical volumes, activation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import attrs

from hastore.model.lvm import LogicalVolume, LvmSettings
from hastore.model.names import parse_size, show_size
from hastore.model.state import ClusterState, LvmState, LvState, VgState
from hastore.model.values import value
from hastore.planning.evolve import host_of, lvm_on, put, vg_on, with_lvm, with_vg
from hastore.planning.steps import HostStep, Layer, Subsystem


def lv_size(size: str, group: VgState) -> int:
    """Return bytes for an LV's size in a group, rounded up to extents: `20G`, `100%VG`, `50%FREE`."""
    share, percent, whole = size.partition("%")
    if not percent:
        wanted = parse_size(size)
        return -(-wanted // group.extent_size) * group.extent_size
    base = group.free if whole.upper() == "FREE" else group.size
    return int(float(share) / 100 * base) // group.extent_size * group.extent_size


def settings_of(host: str) -> str:
    """Return the reference of a host's lvm.conf, which all that LVM could see or activate there needs."""
    return f"lvm:settings@{host}"


@value
class _LvmStep(HostStep):
    subsystem: ClassVar[Subsystem] = "lvm"

    def requires(self, state: ClusterState) -> str:
        if not isinstance(host_of(state, self.host).lvm, LvmState):
            return f"LVM on {self.host} is not known"
        return super().requires(state)


@value
class ConfigureLvm(_LvmStep):
    """Set what lvm.conf says of what LVM sees, activates and owns; settings that are None stay as they are there."""

    base_layer: ClassVar[int] = Layer.LVM_CONFIG
    verb: ClassVar[str] = "configure"
    settings: LvmSettings

    @property
    def subject(self) -> str:
        return "lvm:settings"

    @property
    def title(self) -> str:
        return f"set {', '.join(self.settings.said())} in lvm.conf"

    def ensures(self, state: ClusterState) -> bool:
        return not self.settings.unmet_by(lvm_on(state, self.host).settings)

    def effect(self, state: ClusterState) -> ClusterState:
        """The file's text is the host's to show."""
        return with_lvm(state, self.host, settings=self.settings.over(lvm_on(state, self.host).settings))


@value
class CreatePv(_LvmStep):
    """Make a blank device a physical volume."""

    base_layer: ClassVar[int] = Layer.LVM_PV
    fresh: ClassVar[bool] = True
    verb: ClassVar[str] = "create"
    path: str
    on: str = ""
    """Reference of what carries the device, such as `drbd:vg1`."""

    @property
    def subject(self) -> str:
        return f"pv:{self.path}"

    @property
    def title(self) -> str:
        return f"make {self.path} a physical volume"

    @property
    def needs(self) -> frozenset[str]:
        return self.touches | {settings_of(self.host)} | ({self.on} if self.on else frozenset())

    def requires(self, state: ClusterState) -> str:
        blocks = host_of(state, self.host).blocks
        device = blocks.get(self.path) if isinstance(blocks, Mapping) else None
        if device is not None and not device.blank:
            found = device.signature or device.mountpoint or ", ".join(device.children)
            return f"{self.path} on {self.host} is not blank ({found}); wipe it by hand if it may go"
        return super().requires(state)

    def ensures(self, state: ClusterState) -> bool:
        return self.path in lvm_on(state, self.host).physical_volumes

    def effect(self, state: ClusterState) -> ClusterState:
        volumes = put(lvm_on(state, self.host).physical_volumes, self.path, "")
        return with_lvm(state, self.host, physical_volumes=volumes)


@value
class CreateVg(_LvmStep):
    """Make a volume group of physical volumes."""

    base_layer: ClassVar[int] = Layer.LVM_VG
    verb: ClassVar[str] = "create"
    group: str
    paths: tuple[str, ...]

    @property
    def subject(self) -> str:
        return f"vg:{self.group}"

    @property
    def title(self) -> str:
        return f"make volume group {self.group} of {', '.join(self.paths)}"

    @property
    def needs(self) -> frozenset[str]:
        return self.touches | {settings_of(self.host)} | {f"pv:{path}@{self.host}" for path in self.paths}

    def requires(self, state: ClusterState) -> str:
        owners = lvm_on(state, self.host).physical_volumes
        taken = [path for path in self.paths if owners.get(path, "") not in {"", self.group}]
        if taken:
            return f"{taken[0]} on {self.host} belongs to volume group {owners[taken[0]]}"
        return super().requires(state)

    def ensures(self, state: ClusterState) -> bool:
        return vg_on(state, self.host, self.group) is not None

    def effect(self, state: ClusterState) -> ClusterState:
        """Sizes are known to the host alone; they are 0 until it was asked.

        The system ID is foretold where it is the host's name (lvmsystemid(7): system_id_source = uname).
        """
        lvm = lvm_on(state, self.host)
        owner = self.host if lvm.settings.system_id_source == "uname" else ""
        owned = {**lvm.physical_volumes, **dict.fromkeys(self.paths, self.group)}
        state = with_lvm(state, self.host, physical_volumes=owned)
        made = VgState(self.group, size=0, free=0, physical_volumes=self.paths, system_id=owner)
        return with_vg(state, self.host, made)


@value
class ExtendVg(_LvmStep):
    """Add a physical volume to a volume group."""

    base_layer: ClassVar[int] = Layer.LVM_VG
    verb: ClassVar[str] = "extend"
    group: str
    path: str

    @property
    def subject(self) -> str:
        return f"vg:{self.group}"

    @property
    def title(self) -> str:
        return f"add {self.path} to volume group {self.group}"

    @property
    def needs(self) -> frozenset[str]:
        return self.touches | {f"pv:{self.path}@{self.host}"}

    def ensures(self, state: ClusterState) -> bool:
        group = vg_on(state, self.host, self.group)
        return group is not None and self.path in group.physical_volumes

    def effect(self, state: ClusterState) -> ClusterState:
        group = vg_on(state, self.host, self.group)
        if group is None:
            return state
        owned = put(lvm_on(state, self.host).physical_volumes, self.path, self.group)
        state = with_lvm(state, self.host, physical_volumes=owned)
        return with_vg(state, self.host, attrs.evolve(group, physical_volumes=(*group.physical_volumes, self.path)))


@value
class CreateLv(_LvmStep):
    """Cut a logical volume from a group."""

    base_layer: ClassVar[int] = Layer.LVM_LV
    verb: ClassVar[str] = "create"
    group: str
    volume: LogicalVolume

    @property
    def subject(self) -> str:
        return f"lv:{self.group}/{self.volume.name}"

    @property
    def title(self) -> str:
        return f"cut logical volume {self.group}/{self.volume.name} of {self.volume.size}"

    @property
    def touches(self) -> frozenset[str]:
        return frozenset({f"{self.subject}@{self.host}", f"vg:{self.group}@{self.host}"})

    def requires(self, state: ClusterState) -> str:
        if not self.volume.size:
            return f"{self.group}/{self.volume.name} is not there and the stack gives no size to create it with"
        return super().requires(state)

    def ensures(self, state: ClusterState) -> bool:
        group = vg_on(state, self.host, self.group)
        return group is not None and self.volume.name in group.logical_volumes

    def effect(self, state: ClusterState) -> ClusterState:
        group = vg_on(state, self.host, self.group) or VgState(self.group, size=0, free=0)
        size = lv_size(self.volume.size, group) if self.volume.size else 0
        volume = LvState(self.volume.name, size, active=True)
        left = max(0, group.free - size)
        made = attrs.evolve(group, free=left, logical_volumes=put(group.logical_volumes, volume.name, volume))
        return with_vg(state, self.host, made)


@value
class ExtendLv(_LvmStep):
    """Grow a logical volume to a size in bytes."""

    base_layer: ClassVar[int] = Layer.LVM_LV
    verb: ClassVar[str] = "extend"
    group: str
    name: str
    size: int

    @property
    def subject(self) -> str:
        return f"lv:{self.group}/{self.name}"

    @property
    def title(self) -> str:
        return f"grow logical volume {self.group}/{self.name} to {show_size(self.size)}"

    def requires(self, state: ClusterState) -> str:
        group = vg_on(state, self.host, self.group)
        volume = group.logical_volumes.get(self.name) if group else None
        if group is None or volume is None:
            return f"{self.group}/{self.name} is not known on {self.host}"
        if self.size - volume.size > group.free:
            return (
                f"{self.group} has {show_size(group.free)} free, {show_size(self.size - volume.size)} more are needed"
            )
        return super().requires(state)

    def ensures(self, state: ClusterState) -> bool:
        group = vg_on(state, self.host, self.group)
        return (
            group is not None
            and self.name in group.logical_volumes
            and group.logical_volumes[self.name].size >= self.size
        )

    def effect(self, state: ClusterState) -> ClusterState:
        group = vg_on(state, self.host, self.group)
        if group is None or self.name not in group.logical_volumes:
            return state
        volume = group.logical_volumes[self.name]
        grown = attrs.evolve(volume, size=self.size)
        free = group.free - (self.size - volume.size)
        return with_vg(
            state,
            self.host,
            attrs.evolve(group, free=free, logical_volumes=put(group.logical_volumes, self.name, grown)),
        )


@value
class ActivateVg(_LvmStep):
    """Activate every logical volume of a group here."""

    base_layer: ClassVar[int] = Layer.LVM_ACTIVATE
    verb: ClassVar[str] = "activate"
    active: ClassVar[bool] = True
    group: str

    @property
    def subject(self) -> str:
        return f"vg:{self.group}"

    @property
    def title(self) -> str:
        return f"{self.verb} volume group {self.group}"

    def ensures(self, state: ClusterState) -> bool:
        group = vg_on(state, self.host, self.group)
        return group is not None and all(lv.active is self.active for lv in group.logical_volumes.values())

    def effect(self, state: ClusterState) -> ClusterState:
        group = vg_on(state, self.host, self.group)
        if group is None:
            return state
        volumes = {name: attrs.evolve(lv, active=self.active) for name, lv in group.logical_volumes.items()}
        return with_vg(state, self.host, attrs.evolve(group, logical_volumes=volumes))


@value
class DeactivateVg(ActivateVg):
    """Deactivate every logical volume of a group here, so that what carries it can be let go."""

    base_layer: ClassVar[int] = Layer.LVM_DEACTIVATE
    fresh: ClassVar[bool] = True
    verb: ClassVar[str] = "deactivate"
    active: ClassVar[bool] = False

    def ensures(self, state: ClusterState) -> bool:
        """A group that can't be seen here is not active here."""
        return vg_on(state, self.host, self.group) is None or super().ensures(state)
