"""Steps on SCST where hastore drives it directly: devices, targets, groups, LUNs, who may log in."""

from __future__ import annotations

from typing import ClassVar

import attrs

from hastore.model.scsi import ChapUser, InitiatorGroup, Lun, ScstDevice, Target
from hastore.model.state import ClusterState, ScstDeviceState, ScstState, TargetState
from hastore.model.values import Params, value
from hastore.planning.evolve import host_of, put, scst_on, target_on, with_scst, with_target, without
from hastore.planning.steps import HostStep, Layer, Subsystem

DRIVER_WIDE = "scst:driver"


@value
class _ScstStep(HostStep):
    subsystem: ClassVar[Subsystem] = "scst"

    def requires(self, state: ClusterState) -> str:
        scst = host_of(state, self.host).scst
        if not isinstance(scst, ScstState):
            return f"SCST on {self.host} is not known"
        return super().requires(state)


@value
class _TargetStep(_ScstStep):
    """A step on a part of one target."""

    iqn: str

    @property
    def subject(self) -> str:
        return f"target:{self.iqn}"

    def now(self, state: ClusterState) -> TargetState | None:
        """Return the target on this step's host, or None."""
        return target_on(state, self.host, self.iqn)

    def requires(self, state: ClusterState) -> str:
        """Without iscsi-scstd there is no target and none can be made (recording scst/w-daemon)."""
        if not scst_on(state, self.host).daemon_running:
            return f"iscsi-scstd does not run on {self.host}: start it (systemctl start scst)"
        return super().requires(state)


@value
class AddDevice(_ScstStep):
    """Register a device with a handler of SCST, its identity pinned at creation where that is possible."""

    base_layer: ClassVar[int] = Layer.SCST_DEVICE
    verb: ClassVar[str] = "add"
    device: ScstDevice
    on: str = ""
    """Reference of what carries its path, such as `lv:vg1/lun1`."""

    @property
    def subject(self) -> str:
        return f"device:{self.device.name}"

    @property
    def title(self) -> str:
        return f"export {self.device.path} as {self.device.handler} device {self.device.name}"

    @property
    def needs(self) -> frozenset[str]:
        return self.touches | ({f"{self.on}@{self.host}"} if self.on else frozenset())

    def ensures(self, state: ClusterState) -> bool:
        return self.device.name in scst_on(state, self.host).devices

    def effect(self, state: ClusterState) -> ClusterState:
        device = self.device
        made = ScstDeviceState(device.name, device.handler, device.path, device.attributes)
        return with_scst(state, self.host, devices=put(scst_on(state, self.host).devices, device.name, made))


@value
class RemoveDevice(_ScstStep):
    """Unregister a device that no LUN shows any more; SCST itself would take its LUNs along without a word."""

    base_layer: ClassVar[int] = Layer.SCST_REMOVE + 2
    verb: ClassVar[str] = "remove"
    name: str
    handler: str

    @property
    def subject(self) -> str:
        return f"device:{self.name}"

    @property
    def title(self) -> str:
        return f"close device {self.name}"

    def requires(self, state: ClusterState) -> str:
        for target in scst_on(state, self.host).targets.values():
            if any(lun.device == self.name for lun in _all_luns(target)):
                return f"{self.name} is still shown by {target.iqn}"
        return super().requires(state)

    def ensures(self, state: ClusterState) -> bool:
        return self.name not in scst_on(state, self.host).devices

    def effect(self, state: ClusterState) -> ClusterState:
        return with_scst(state, self.host, devices=without(scst_on(state, self.host).devices, self.name))


@value
class SetDeviceAttribute(_ScstStep):
    """Write one attribute of a device, and read it back."""

    base_layer: ClassVar[int] = Layer.SCST_ATTRIBUTE
    verb: ClassVar[str] = "set"
    device: str
    name: str
    setting: str

    @property
    def subject(self) -> str:
        return f"device:{self.device}"

    @property
    def key(self) -> str:
        return f"{self.verb} {self.subject}.{self.name}@{self.host}"

    @property
    def title(self) -> str:
        return f"set {self.name}={self.setting} on device {self.device}"

    def ensures(self, state: ClusterState) -> bool:
        device = scst_on(state, self.host).devices.get(self.device)
        return device is not None and device.attributes.get(self.name) == self.setting

    def effect(self, state: ClusterState) -> ClusterState:
        device = scst_on(state, self.host).devices.get(self.device)
        if device is None:
            return state
        changed = attrs.evolve(device, attributes=device.attributes.with_({self.name: self.setting}))
        return with_scst(state, self.host, devices=put(scst_on(state, self.host).devices, self.device, changed))


@value
class AddTarget(_TargetStep):
    """Make a target, disabled."""

    base_layer: ClassVar[int] = Layer.SCST_TARGET
    verb: ClassVar[str] = "add"

    @property
    def title(self) -> str:
        return f"make target {self.iqn}"

    def ensures(self, state: ClusterState) -> bool:
        return self.now(state) is not None

    def effect(self, state: ClusterState) -> ClusterState:
        return with_target(state, self.host, self.iqn)


@value
class RemoveTarget(_TargetStep):
    """Remove a target that has no sessions."""

    base_layer: ClassVar[int] = Layer.SCST_REMOVE + 3
    verb: ClassVar[str] = "remove"

    @property
    def title(self) -> str:
        return f"remove target {self.iqn}"

    def requires(self, state: ClusterState) -> str:
        target = self.now(state)
        if target and target.sessions:
            return f"{self.iqn} has sessions: {', '.join(s.initiator for s in target.sessions)}"
        return super().requires(state)

    def ensures(self, state: ClusterState) -> bool:
        return self.now(state) is None

    def effect(self, state: ClusterState) -> ClusterState:
        return with_scst(state, self.host, targets=without(scst_on(state, self.host).targets, self.iqn))


@value
class SetTargetParameter(_TargetStep):
    """Set one iSCSI parameter of a target."""

    base_layer: ClassVar[int] = Layer.SCST_PARAMETER
    verb: ClassVar[str] = "set"
    name: str
    setting: str

    @property
    def key(self) -> str:
        return f"{self.verb} {self.subject}.{self.name}@{self.host}"

    @property
    def title(self) -> str:
        return f"set {self.name}={self.setting} on target {self.iqn}"

    def ensures(self, state: ClusterState) -> bool:
        target = self.now(state)
        return target is not None and target.parameters.get(self.name) == self.setting

    def effect(self, state: ClusterState) -> ClusterState:
        target = self.now(state)
        known = target.parameters if target else Params()
        return with_target(state, self.host, self.iqn, parameters=known.with_({self.name: self.setting}))


@value
class AllowPortal(_TargetStep):
    """Let a target answer on one address (SCST's `allowed_portal`)."""

    base_layer: ClassVar[int] = Layer.SCST_PARAMETER
    verb: ClassVar[str] = "allow-portal"
    portal: str

    @property
    def key(self) -> str:
        return f"{self.verb} {self.subject}#{self.portal}@{self.host}"

    @property
    def title(self) -> str:
        return f"let target {self.iqn} answer on {self.portal}"

    def ensures(self, state: ClusterState) -> bool:
        target = self.now(state)
        return target is not None and self.portal in target.portals

    def effect(self, state: ClusterState) -> ClusterState:
        target = self.now(state)
        portals = target.portals if target else ()
        return with_target(state, self.host, self.iqn, portals=(*portals, self.portal))


@value
class AddIncomingUser(_TargetStep):
    """Give a target a CHAP user; the first one locks out clients without credentials at their next login."""

    base_layer: ClassVar[int] = Layer.SCST_PARAMETER
    verb: ClassVar[str] = "add-user"
    user: ChapUser

    @property
    def key(self) -> str:
        return f"{self.verb} {self.subject}#{self.user.name}@{self.host}"

    @property
    def title(self) -> str:
        return f"add CHAP user {self.user.name} to target {self.iqn}"

    def ensures(self, state: ClusterState) -> bool:
        target = self.now(state)
        return target is not None and self.user.name in target.incoming_users

    def effect(self, state: ClusterState) -> ClusterState:
        target = self.now(state)
        users = target.incoming_users if target else ()
        return with_target(state, self.host, self.iqn, incoming_users=(*users, self.user.name))


@value
class AddGroup(_TargetStep):
    """Make a group of initiators on a target."""

    base_layer: ClassVar[int] = Layer.SCST_GROUP
    verb: ClassVar[str] = "add-group"
    group: str

    @property
    def key(self) -> str:
        return f"{self.verb} {self.subject}/{self.group}@{self.host}"

    @property
    def title(self) -> str:
        return f"make initiator group {self.group} of target {self.iqn}"

    def ensures(self, state: ClusterState) -> bool:
        target = self.now(state)
        return target is not None and any(g.name == self.group for g in target.groups)

    def effect(self, state: ClusterState) -> ClusterState:
        target = self.now(state)
        groups = target.groups if target else ()
        return with_target(state, self.host, self.iqn, groups=(*groups, InitiatorGroup(self.group)))


@value
class AddInitiator(_TargetStep):
    """Name an initiator, or a pattern, in a group: its live session moves there at once."""

    base_layer: ClassVar[int] = Layer.SCST_INITIATOR
    verb: ClassVar[str] = "add-initiator"
    group: str
    initiator: str

    @property
    def key(self) -> str:
        return f"{self.verb} {self.subject}/{self.group}#{self.initiator}@{self.host}"

    @property
    def title(self) -> str:
        return f"let {self.initiator} into group {self.group} of target {self.iqn}"

    def ensures(self, state: ClusterState) -> bool:
        group = _group(self.now(state), self.group)
        return group is not None and self.initiator in group.initiators

    def effect(self, state: ClusterState) -> ClusterState:
        return _with_group(state, self.host, self.iqn, self.group, initiator=self.initiator)


@value
class AddLun(_TargetStep):
    """Show a device under a number, to a group or to everybody else."""

    base_layer: ClassVar[int] = Layer.SCST_LUN
    verb: ClassVar[str] = "add-lun"
    lun: Lun
    group: str = ""
    """Empty for the target's own LUNs."""

    @property
    def key(self) -> str:
        return f"{self.verb} {self.subject}/{self.group}#{self.lun.number}@{self.host}"

    @property
    def title(self) -> str:
        to = f"group {self.group}" if self.group else "everybody no group names"
        return f"show {self.lun.device} as LUN {self.lun.number} of target {self.iqn} to {to}"

    @property
    def needs(self) -> frozenset[str]:
        return self.touches | {f"device:{self.lun.device}@{self.host}"}

    def requires(self, state: ClusterState) -> str:
        taken = next((lun for lun in self._luns(state) if lun.number == self.lun.number), None)
        if taken and taken.device != self.lun.device:
            return f"LUN {self.lun.number} of {self.iqn} shows {taken.device} already"
        return super().requires(state)

    def ensures(self, state: ClusterState) -> bool:
        return any((lun.number, lun.device) == (self.lun.number, self.lun.device) for lun in self._luns(state))

    def effect(self, state: ClusterState) -> ClusterState:
        if self.group:
            return _with_group(state, self.host, self.iqn, self.group, lun=self.lun)
        return with_target(state, self.host, self.iqn, luns=(*self._luns(state), self.lun))

    def _luns(self, state: ClusterState) -> tuple[Lun, ...]:
        return _luns(self.now(state), self.group)


@value
class RemoveLun(_TargetStep):
    """Take a LUN away; its clients must have let go of it before."""

    base_layer: ClassVar[int] = Layer.SCST_REMOVE + 1
    verb: ClassVar[str] = "remove-lun"
    number: int
    group: str = ""

    @property
    def key(self) -> str:
        return f"{self.verb} {self.subject}/{self.group}#{self.number}@{self.host}"

    @property
    def title(self) -> str:
        return f"take LUN {self.number} of target {self.iqn} away" + (f" from group {self.group}" if self.group else "")

    def ensures(self, state: ClusterState) -> bool:
        return all(lun.number != self.number for lun in _luns(self.now(state), self.group))

    def effect(self, state: ClusterState) -> ClusterState:
        target = self.now(state)
        if target is None:
            return state
        if not self.group:
            return with_target(
                state, self.host, self.iqn, luns=tuple(lun for lun in target.luns if lun.number != self.number)
            )
        groups = tuple(
            attrs.evolve(g, luns=tuple(lun for lun in g.luns if lun.number != self.number))
            if g.name == self.group
            else g
            for g in target.groups
        )
        return with_target(state, self.host, self.iqn, groups=groups)


@value
class EnableTarget(_TargetStep):
    """Open a target, once its access control stands and LUN 0 is there (SCST:scst/README, IMPORTANT)."""

    base_layer: ClassVar[int] = Layer.SCST_ENABLE
    verb: ClassVar[str] = "enable"
    desired: Target

    @property
    def title(self) -> str:
        return f"enable target {self.iqn}"

    @property
    def touches(self) -> frozenset[str]:
        return frozenset({f"{self.subject}@{self.host}", f"{DRIVER_WIDE}@{self.host}"})

    def requires(self, state: ClusterState) -> str:
        target = self.now(state)
        if target is None:
            return f"{self.iqn} does not exist on {self.host}"
        missing = [g.name for g in self.desired.groups if _group(target, g.name) is None]
        if missing:
            return f"group {missing[0]} of {self.iqn} is not there yet"
        for name, luns in (("", target.luns), *((g.name, g.luns) for g in target.groups)):
            if luns and all(lun.number != 0 for lun in luns):
                return f"LUN 0 is missing in {name or 'the default LUNs'} of {self.iqn}: initiators would see no disks"
        return super().requires(state)

    def ensures(self, state: ClusterState) -> bool:
        target = self.now(state)
        return target is not None and target.enabled

    def effect(self, state: ClusterState) -> ClusterState:
        return with_target(state, self.host, self.iqn, enabled=True)


@value
class DisableTarget(_TargetStep):
    """Close a target for new logins; its sessions stay."""

    base_layer: ClassVar[int] = Layer.SCST_REMOVE
    verb: ClassVar[str] = "disable"

    @property
    def title(self) -> str:
        return f"disable target {self.iqn}"

    def ensures(self, state: ClusterState) -> bool:
        target = self.now(state)
        return target is None or not target.enabled

    def effect(self, state: ClusterState) -> ClusterState:
        return with_target(state, self.host, self.iqn, enabled=False)


@value
class EnableDriver(_ScstStep):
    """Enable SCST's iSCSI driver as a whole."""

    base_layer: ClassVar[int] = Layer.SCST_DRIVER
    verb: ClassVar[str] = "enable"

    @property
    def subject(self) -> str:
        return DRIVER_WIDE

    @property
    def title(self) -> str:
        return "enable SCST's iSCSI driver"

    def requires(self, state: ClusterState) -> str:
        if not scst_on(state, self.host).daemon_running:
            return f"iscsi-scstd does not run on {self.host}: start it (systemctl start scst)"
        return super().requires(state)

    def ensures(self, state: ClusterState) -> bool:
        return scst_on(state, self.host).driver_enabled

    def effect(self, state: ClusterState) -> ClusterState:
        return with_scst(state, self.host, driver_enabled=True)


# -- what the steps share -----------------------------------------------------------------------------


def _group(target: TargetState | None, name: str) -> InitiatorGroup | None:
    return next((g for g in target.groups if g.name == name), None) if target else None


def _luns(target: TargetState | None, group: str) -> tuple[Lun, ...]:
    if target is None:
        return ()
    found = _group(target, group)
    return (found.luns if found else ()) if group else target.luns


def _all_luns(target: TargetState) -> tuple[Lun, ...]:
    return target.luns + tuple(lun for group in target.groups for lun in group.luns)


def _with_group(
    state: ClusterState, host: str, iqn: str, name: str, *, initiator: str = "", lun: Lun | None = None
) -> ClusterState:
    target = target_on(state, host, iqn) or TargetState(iqn, enabled=False)
    group = _group(target, name) or InitiatorGroup(name)
    changed = attrs.evolve(
        group,
        initiators=(*group.initiators, initiator) if initiator else group.initiators,
        luns=(*group.luns, lun) if lun else group.luns,
    )
    others = tuple(g for g in target.groups if g.name != name)
    return with_target(state, host, iqn, groups=(*others, changed))
