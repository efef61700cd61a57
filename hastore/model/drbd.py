"""DRBD as it should be: resources, volumes, hosts, and options in DRBD's own words."""

from __future__ import annotations

from hastore.model.secrets import Secret
from hastore.model.values import NO_PARAMS, Params, as_params, field, value


@value
class DrbdVolume:
    """One replicated volume: `device` is what is used, `disk` what is replicated.

    `disk` may differ from host to host: `disks` then holds node -> path for those that do.
    """

    number: int
    device: str
    """Such as `/dev/drbd0`; its minor is the number at its end."""
    disk: str
    meta_disk: str = "internal"
    disks: Params = field(default=NO_PARAMS, converter=as_params)

    def disk_on(self, node: str) -> str:
        """Return the backing disk's path on a node."""
        return self.disks.get(node, self.disk)

    @property
    def minor(self) -> int:
        """The device's minor number, read from the end of its name; -1 where there is none."""
        digits = self.device[len(self.device.rstrip("0123456789")) :]
        return int(digits) if digits else -1


@value
class DrbdHost:
    """One end of a resource's replication."""

    node: str
    address: str
    """`ip:port`, as DRBD writes it (`[ip6]:port` for IPv6)."""


@value
class DrbdResource:
    """A DRBD resource of two hosts (more with DRBD 9), options by section as drbd.conf(5) names them."""

    name: str
    volumes: tuple[DrbdVolume, ...] = ()
    hosts: tuple[DrbdHost, ...] = ()
    net: Params = field(default=NO_PARAMS, converter=as_params)
    """Without `shared-secret`: that is `secret`."""
    disk: Params = field(default=NO_PARAMS, converter=as_params)
    options: Params = field(default=NO_PARAMS, converter=as_params)
    handlers: Params = field(default=NO_PARAMS, converter=as_params)
    startup: Params = field(default=NO_PARAMS, converter=as_params)
    syncer: Params = field(default=NO_PARAMS, converter=as_params)
    """The section of DRBD before 8.4, still accepted there (versions.md 5); empty in new configurations."""
    secret: Secret | None = None
    """`net { shared-secret }`."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the nodes that replicate it."""
        return tuple(host.node for host in self.hosts)

    def volume(self, number: int) -> DrbdVolume | None:
        """Return the volume of this number, or None."""
        return next((v for v in self.volumes if v.number == number), None)
