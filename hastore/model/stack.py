"""The desired state: what the storage should be, said once, by whoever owns it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

from hastore.model.client import Initiator
from hastore.model.corosync import Corosync
from hastore.model.drbd import DrbdResource
from hastore.model.lvm import LvmSettings, VolumeGroup
from hastore.model.pacemaker import Cib
from hastore.model.scsi import InitiatorGroup, ScstDevice, Target, Vip
from hastore.model.values import NO_PARAMS, Params, as_params, field, value


@value
class StorageNode:
    """A machine that holds storage, with its address on each network (`eth1` -> `192.168.100.181`)."""

    name: str
    addresses: Params = field(default=NO_PARAMS, converter=as_params)


@value
class StorageStack:
    """Everything a storage cluster should be.

    With `pacemaker`, the cluster starts and moves what its resources serve; without, targets run on the
    node they name. What the stack does not mention is left as it is found.
    """

    name: str = "storage"
    nodes: tuple[StorageNode, ...] = ()
    drbd: tuple[DrbdResource, ...] = ()
    volume_groups: tuple[VolumeGroup, ...] = ()
    devices: tuple[ScstDevice, ...] = ()
    targets: tuple[Target, ...] = ()
    vips: tuple[Vip, ...] = ()
    clients: tuple[Initiator, ...] = ()
    pacemaker: Cib | None = None
    corosync: Corosync | None = None
    lvm: LvmSettings | None = None
    overrides: tuple[str, ...] = ()
    """Named overrides of findings that the owner accepts, for good."""

    @property
    def node_names(self) -> tuple[str, ...]:
        """Names of the storage nodes."""
        return tuple(node.name for node in self.nodes)

    def drbd_resource(self, name: str) -> DrbdResource | None:
        """Return the DRBD resource of this name, or None."""
        return self._drbd.get(name)

    def volume_group(self, name: str) -> VolumeGroup | None:
        """Return the volume group of this name, or None."""
        return self._groups.get(name)

    def device(self, name: str) -> ScstDevice | None:
        """Return the SCST device of this name, or None."""
        return self._devices.get(name)

    def target(self, iqn: str) -> Target | None:
        """Return the target of this name, or None."""
        return self._targets.get(iqn)

    def served_by_pacemaker(self, reference: str) -> bool:
        """True where a Pacemaker resource of the stack serves this object (`target:<iqn>`, `vg:<name>` ...)."""
        return reference in self._served

    def drbd_under(self, group: VolumeGroup) -> DrbdResource | None:
        """Return the DRBD resource whose device carries the volume group, or None."""
        carrying = [self._carriers[path] for path in group.physical_volumes if path in self._carriers]
        return self.drbd[min(carrying)] if carrying else None

    def groups_of(self, device: str) -> Iterator[tuple[Target, InitiatorGroup | None]]:
        """Yield the targets, and groups of targets, that show a device."""
        for target in self.targets:
            if any(lun.device == device for lun in target.luns):
                yield target, None
            for group in target.groups:
                if any(lun.device == device for lun in group.luns):
                    yield target, group

    # -- found by name, however many there are; the first of a name wins ------------------------------

    @cached_property
    def _drbd(self) -> Mapping[str, DrbdResource]:
        return {r.name: r for r in reversed(self.drbd)}

    @cached_property
    def _groups(self) -> Mapping[str, VolumeGroup]:
        return {g.name: g for g in reversed(self.volume_groups)}

    @cached_property
    def _devices(self) -> Mapping[str, ScstDevice]:
        return {d.name: d for d in reversed(self.devices)}

    @cached_property
    def _targets(self) -> Mapping[str, Target]:
        return {t.iqn: t for t in reversed(self.targets)}

    @cached_property
    def _served(self) -> frozenset[str]:
        return frozenset(r.serves for r in self.pacemaker.resources) if self.pacemaker is not None else frozenset()

    @cached_property
    def _carriers(self) -> Mapping[str, int]:
        """Path of a DRBD device -> the place of its resource."""
        places = reversed(tuple(enumerate(self.drbd)))
        return {v.device: place for place, resource in places for v in resource.volumes}
