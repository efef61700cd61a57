"""What SCST exports: devices, targets, LUNs, groups of initiators, addresses."""

from __future__ import annotations

from hastore.model.names import check_ip, check_iqn, check_lun
from hastore.model.secrets import Secret
from hastore.model.values import NO_PARAMS, Params, as_params, field, value


@value
class ScstDevice:
    """A backing device of SCST: a file or block device behind a handler.

    `attributes` are SCST's own (`nv_cache`, `write_through`, `blocksize`, `threads_num`, `usn`,
    `t10_dev_id`, `naa_id` ...), whether given at creation or written afterwards: the driver knows which.
    """

    name: str
    path: str
    handler: str = "vdisk_fileio"
    attributes: Params = field(default=NO_PARAMS, converter=as_params)


@value
class Lun:
    """A number under which a target, or a group of it, shows a device."""

    number: int = field(validator=lambda _self, _field, number: check_lun(number))
    device: str
    """The device's name in SCST."""
    read_only: bool = False


@value
class InitiatorGroup:
    """Initiators (names or SCST patterns with `*`, `?`, `!`) and the LUNs they see instead of the target's own."""

    name: str
    initiators: tuple[str, ...] = ()
    luns: tuple[Lun, ...] = ()


@value
class ChapUser:
    """A CHAP user of a target; users belong to targets, not to groups (recording scst/w-targets)."""

    name: str
    secret: Secret


@value
class Target:
    """An iSCSI target: who may log in where, and what they see.

    `luns` are for initiators that no group names. `portals` are addresses the target answers on; empty
    for all. `parameters` are iSCSI parameters by RFC 3720's names.
    """

    iqn: str = field(validator=lambda _self, _field, name: check_iqn(name))
    luns: tuple[Lun, ...] = ()
    portals: tuple[str, ...] = ()
    groups: tuple[InitiatorGroup, ...] = ()
    parameters: Params = field(default=NO_PARAMS, converter=as_params)
    incoming_users: tuple[ChapUser, ...] = ()
    enabled: bool = True
    node: str = ""
    """Where it runs without Pacemaker; empty where Pacemaker decides."""

    def all_luns(self) -> tuple[tuple[str, Lun], ...]:
        """Return every LUN with the name of its group (empty for the target's own)."""
        own = tuple(("", lun) for lun in self.luns)
        return own + tuple((group.name, lun) for group in self.groups for lun in group.luns)


@value
class Vip:
    """A service address that moves with the storage."""

    ip: str = field(validator=lambda _self, _field, address: check_ip(address))
    prefix: int = 24
    """Bits of its network; 0 where nobody says and the agent takes it from the routing table."""
    nic: str = ""
