"""Steps on DRBD: configuration, metadata, bringing up, first primary, sync, and taking down again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import attrs

from hastore.model.drbd import DrbdResource
from hastore.model.state import BlockDevice, ClusterState, DrbdResourceState, DrbdState, DrbdVolumeState, Unknown
from hastore.model.values import value
from hastore.planning.evolve import drbd_on, host_of, lvm_on, with_drbd, with_host, without
from hastore.planning.steps import HostStep, Layer, Subsystem

JUST_CREATED = "0000000000000004"
"""The current UUID of metadata that never held data (recording drbd84: 03-connected-Inconsistent-Inconsistent)."""


def same_configuration(ours: DrbdResource, theirs: object) -> bool:
    """True where a host's configuration says what we say; what a secret is, that is a mere reference, can't be compared.

    That there is one can: a host that has none, or one that we do not say, would not connect to the other.
    """
    if not isinstance(theirs, DrbdResource):
        return False
    reference = ours.secret is not None and ours.secret.source != "literal"
    return ours == (attrs.evolve(theirs, secret=ours.secret) if reference and theirs.secret is not None else theirs)


@value
class _ResourceStep(HostStep):
    """What steps on one resource of one host have in common."""

    subsystem: ClassVar[Subsystem] = "drbd"
    resource: DrbdResource

    @property
    def subject(self) -> str:
        return f"drbd:{self.resource.name}"

    def now(self, state: ClusterState) -> DrbdResourceState:
        """Return the resource's state on this step's host."""
        return drbd_on(state, self.host, self.resource.name)

    def peers(self) -> tuple[str, ...]:
        """Return the other nodes of the resource."""
        return tuple(node for node in self.resource.nodes if node != self.host)


@value
class WriteDrbdConfig(_ResourceStep):
    """Write /etc/drbd.d/<resource>.res, the old file kept beside it."""

    base_layer: ClassVar[int] = Layer.DRBD_CONFIG
    verb: ClassVar[str] = "write-config"

    @property
    def title(self) -> str:
        return f"write the configuration of DRBD resource {self.resource.name}"

    @property
    def path(self) -> str:
        """The file that is written whole."""
        return f"/etc/drbd.d/{self.resource.name}.res"

    def requires(self, state: ClusterState) -> str:
        """The file must be this resource's alone, and understood: it is written whole, and nothing may be lost."""
        here, drbd = self.now(state), host_of(state, self.host).drbd
        if isinstance(here.config, Unknown):
            return (
                f"{here.config_path} on {self.host} is not understood ({here.config.reason}); mend it or move it away"
            )
        if here.config_path not in {"", self.path}:
            return f"{here.config_path} on {self.host} has {self.resource.name} already, and drbdadm takes it only once"
        resources = drbd.resources if isinstance(drbd, DrbdState) else {}
        others = [n for n, r in resources.items() if r.config_path == self.path and n != self.resource.name]
        if others:
            return f"{self.path} on {self.host} has {', '.join(others)}, too, which would be lost: give it a file of its own"
        return super().requires(state)

    def ensures(self, state: ClusterState) -> bool:
        return same_configuration(self.resource, self.now(state).config)

    def effect(self, state: ClusterState) -> ClusterState:
        return with_drbd(state, self.host, self.resource.name, config=self.resource, config_path=self.path)


@value
class AdjustDrbd(_ResourceStep):
    """Let a resource that is up take its changed configuration, as `drbdadm adjust` does."""

    base_layer: ClassVar[int] = Layer.DRBD_UP
    verb: ClassVar[str] = "adjust"
    observable: ClassVar[bool] = False

    @property
    def title(self) -> str:
        return f"let DRBD resource {self.resource.name} take its changed configuration"

    def ensures(self, state: ClusterState) -> bool:
        return not self.now(state).up

    def effect(self, state: ClusterState) -> ClusterState:
        return state


@value
class CreateDrbdMetadata(_ResourceStep):
    """Write DRBD metadata onto a blank backing disk; refused on any other."""

    base_layer: ClassVar[int] = Layer.DRBD_METADATA
    verb: ClassVar[str] = "create-md"
    volume: int = 0

    @property
    def key(self) -> str:
        return f"{self.verb} {self.subject}/{self.volume}@{self.host}"

    @property
    def disk(self) -> str:
        """Path of the backing disk on this host."""
        volume = self.resource.volume(self.volume)
        return volume.disk_on(self.host) if volume else ""

    @property
    def title(self) -> str:
        return f"write DRBD metadata for {self.resource.name}/{self.volume} onto the blank disk {self.disk}"

    def requires(self, state: ClusterState) -> str:
        """The disk must be known, and blank."""
        blocks = host_of(state, self.host).blocks
        if not isinstance(blocks, Mapping):
            return f"the block devices of {self.host} are not known"
        disk = blocks.get(self.disk)
        if not isinstance(disk, BlockDevice):
            return f"{self.host} has no disk {self.disk}"
        if not disk.blank:
            found = disk.signature or disk.mountpoint or ", ".join(disk.children)
            return f"{self.disk} on {self.host} is not blank ({found}); wipe it by hand if it may go"
        return ""

    def ensures(self, state: ClusterState) -> bool:
        return self.now(state).metadata.get(self.volume) is True

    def effect(self, state: ClusterState) -> ClusterState:
        resource = self.now(state)
        blocks = host_of(state, self.host).blocks
        if isinstance(blocks, Mapping) and self.disk in blocks:
            marked = attrs.evolve(blocks[self.disk], signature="drbd")
            state = with_host(state, self.host, blocks={**blocks, self.disk: marked})
        return with_drbd(
            state,
            self.host,
            self.resource.name,
            metadata={**resource.metadata, self.volume: True},
            generations={**resource.generations, self.volume: f"{JUST_CREATED}:0:0:0:0:0:0:0:0:0:0"},
        )


@value
class DrbdUp(_ResourceStep):
    """Bring a resource up: attach its disks and connect to the peer."""

    base_layer: ClassVar[int] = Layer.DRBD_UP
    verb: ClassVar[str] = "up"

    @property
    def needs(self) -> frozenset[str]:
        """LVM must not see the disk: it could take it before DRBD does."""
        return self.touches | {f"lvm:settings@{self.host}"}

    @property
    def title(self) -> str:
        return f"bring DRBD resource {self.resource.name} up"

    def ensures(self, state: ClusterState) -> bool:
        return self.now(state).up

    def effect(self, state: ClusterState) -> ClusterState:
        """Connecting takes a while: `AwaitConnection` foretells its end."""
        volumes = tuple(
            DrbdVolumeState(v.number, v.minor, _disk_by_generation(self.now(state).generations.get(v.number, "")))
            for v in self.resource.volumes
        )
        return with_drbd(
            state,
            self.host,
            self.resource.name,
            up=True,
            role="Secondary",
            connection="Connecting",
            peer_role="Unknown",
            volumes=volumes,
        )


@value
class AwaitConnection(_ResourceStep):
    """Wait until a resource is connected to its peer."""

    base_layer: ClassVar[int] = Layer.DRBD_CONNECT
    fresh: ClassVar[bool] = True
    verb: ClassVar[str] = "connected"
    deadline: float = 60.0
    patience: float = 1.0

    @property
    def title(self) -> str:
        return f"wait until DRBD resource {self.resource.name} is connected"

    @property
    def needs(self) -> frozenset[str]:
        """Both ends must be up."""
        return frozenset({f"drbd:{self.resource.name}"})

    def ensures(self, state: ClusterState) -> bool:
        return self.now(state).connection == "Connected"

    def effect(self, state: ClusterState) -> ClusterState:
        for peer in self.peers():
            if drbd_on(state, peer, self.resource.name).up:
                state = connected(state, self.resource.name, self.host, peer)
        return state

    def progress(self, state: ClusterState) -> tuple[float | None, str]:
        return None, f"{self.resource.name}: {self.now(state).connection or 'down'}"

    def hopeless(self, state: ClusterState) -> str:
        """StandAlone never connects by itself."""
        if self.now(state).connection == "StandAlone":
            return f"{self.resource.name} is StandAlone on {self.host}: a split brain, or refused by the peer"
        return ""


@value
class InitialPrimary(_ResourceStep):
    """Declare this host's blank data the good one and become primary: once in a resource's life."""

    base_layer: ClassVar[int] = Layer.DRBD_FIRST_PRIMARY
    fresh: ClassVar[bool] = True
    verb: ClassVar[str] = "first-primary"

    @property
    def title(self) -> str:
        return f"make {self.host} the first primary of {self.resource.name}, the source of the initial sync"

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({f"drbd:{self.resource.name}"})

    def requires(self, state: ClusterState) -> str:
        """Both ends freshly made and connected, nobody with data."""
        resource = self.now(state)
        if resource.connection != "Connected":
            return f"{self.resource.name} is not connected on {self.host}: {resource.connection or 'down'}"
        used = [v for v, gi in resource.generations.items() if gi and not gi.startswith(JUST_CREATED)]
        if used:
            return f"{self.resource.name} on {self.host} has held data before (volume {used[0]})"
        return ""

    def ensures(self, state: ClusterState) -> bool:
        """Some node holds good data already."""
        return any(drbd_on(state, node, self.resource.name).up_to_date for node in self.resource.nodes)

    def effect(self, state: ClusterState) -> ClusterState:
        """The initial sync begins."""
        name = self.resource.name
        mine = tuple(
            attrs.evolve(v, disk="UpToDate", peer_disk="Inconsistent", replication="SyncSource")
            for v in self.now(state).volumes
        )
        state = with_drbd(state, self.host, name, role="Primary", volumes=mine, generations={})
        for peer in self.peers():
            theirs = tuple(
                attrs.evolve(v, disk="Inconsistent", peer_disk="UpToDate", replication="SyncTarget")
                for v in drbd_on(state, peer, name).volumes
            )
            state = with_drbd(state, peer, name, peer_role="Primary", volumes=theirs, generations={})
        return state


@value
class DrbdPrimary(_ResourceStep):
    """Promote a resource whose data is good here; never forced."""

    base_layer: ClassVar[int] = Layer.DRBD_PRIMARY
    fresh: ClassVar[bool] = True
    verb: ClassVar[str] = "primary"

    @property
    def title(self) -> str:
        return f"make {self.host} primary of {self.resource.name}"

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({f"drbd:{self.resource.name}"})

    def requires(self, state: ClusterState) -> str:
        """Good data here, no primary elsewhere."""
        if not self.now(state).up_to_date:
            disks = ", ".join(v.disk for v in self.now(state).volumes) or "down"
            return f"{self.resource.name} on {self.host} is not UpToDate: {disks}"
        if "Primary" in (
            self.now(state).peer_role,
            *(drbd_on(state, p, self.resource.name).role for p in self.peers()),
        ):
            return f"{self.resource.name} is primary on the other node"
        return ""

    def ensures(self, state: ClusterState) -> bool:
        return self.now(state).role == "Primary"

    def effect(self, state: ClusterState) -> ClusterState:
        return _with_role(state, self.resource, self.host, "Primary")


@value
class AwaitSync(_ResourceStep):
    """Wait until every replica of a resource is UpToDate."""

    base_layer: ClassVar[int] = Layer.DRBD_SYNC
    fresh: ClassVar[bool] = True
    verb: ClassVar[str] = "sync"
    deadline: float = 7 * 24 * 3600.0
    patience: float = 10.0

    @property
    def title(self) -> str:
        return f"wait until both replicas of {self.resource.name} are UpToDate"

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({f"drbd:{self.resource.name}"})

    def ensures(self, state: ClusterState) -> bool:
        here = self.now(state)
        return here.up_to_date and all(v.peer_disk == "UpToDate" for v in here.volumes)

    def effect(self, state: ClusterState) -> ClusterState:
        for node in self.resource.nodes:
            synced = tuple(
                attrs.evolve(
                    v, disk="UpToDate", peer_disk="UpToDate", replication="Established", done=None, out_of_sync=0
                )
                for v in drbd_on(state, node, self.resource.name).volumes
            )
            state = with_drbd(state, node, self.resource.name, volumes=synced)
        return state

    def progress(self, state: ClusterState) -> tuple[float | None, str]:
        """The least advanced volume."""
        syncing = [v for v in self.now(state).volumes if v.done is not None]
        if not syncing:
            disks = ", ".join(f"{v.disk}/{v.peer_disk}" for v in self.now(state).volumes)
            return None, f"{self.resource.name}: {disks}"
        slowest = min(syncing, key=lambda v: v.done or 0.0)
        done = slowest.done or 0.0
        speed = f", {slowest.speed // 1024} MiB/s" if slowest.speed else ""
        left = f", {slowest.seconds_left} s left" if slowest.seconds_left is not None else ""
        return done, f"{self.resource.name}: {done:.1%} synchronised{speed}{left}"

    def hopeless(self, state: ClusterState) -> str:
        """No sync goes on without a connection or a disk."""
        here = self.now(state)
        if here.connection == "StandAlone":
            return f"{self.resource.name} is StandAlone on {self.host}: it will not synchronise by itself"
        if any("Diskless" in (v.disk, v.peer_disk) or "Failed" in (v.disk, v.peer_disk) for v in here.volumes):
            return f"{self.resource.name} has lost a disk"
        return ""


@value
class DrbdSecondary(_ResourceStep):
    """Demote a resource; what stands on it must have let go before."""

    base_layer: ClassVar[int] = Layer.DRBD_SECONDARY
    verb: ClassVar[str] = "secondary"
    carries: tuple[str, ...] = ()
    """References of what stands on it, such as `vg:vg1`."""

    @property
    def title(self) -> str:
        return f"make {self.host} secondary of {self.resource.name}"

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({f"drbd:{self.resource.name}", *(f"{ref}@{self.host}" for ref in self.carries)})

    def ensures(self, state: ClusterState) -> bool:
        return self.now(state).role != "Primary"

    def effect(self, state: ClusterState) -> ClusterState:
        """A group that stands on it can't be read here any more."""
        lvm = lvm_on(state, self.host)
        for ref in self.carries:
            kind, _, name = ref.partition(":")
            if kind == "vg" and name in lvm.groups:
                hidden = {path: group for path, group in lvm.physical_volumes.items() if group != name}
                lvm = attrs.evolve(lvm, groups=without(lvm.groups, name), physical_volumes=hidden)
                state = with_host(state, self.host, lvm=lvm)
        return _with_role(state, self.resource, self.host, "Secondary")


@value
class DrbdDown(_ResourceStep):
    """Take a resource down, so that Pacemaker can bring it up."""

    base_layer: ClassVar[int] = Layer.DRBD_DOWN
    verb: ClassVar[str] = "down"

    @property
    def title(self) -> str:
        return f"take DRBD resource {self.resource.name} down"

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({f"drbd:{self.resource.name}"})

    def requires(self, state: ClusterState) -> str:
        if self.now(state).role == "Primary":
            return f"{self.host} is primary of {self.resource.name}"
        return super().requires(state)

    def ensures(self, state: ClusterState) -> bool:
        return not self.now(state).up

    def effect(self, state: ClusterState) -> ClusterState:
        name = self.resource.name
        good = {v.number: "U:0:0:0:1:1:0:0:0:0:0" for v in self.now(state).volumes if v.disk == "UpToDate"}
        kept = {**self.now(state).generations, **good}
        state = with_drbd(
            state,
            self.host,
            name,
            up=False,
            role="Unknown",
            peer_role="Unknown",
            connection="",
            volumes=(),
            generations=kept,
        )
        for peer in self.peers():
            theirs = drbd_on(state, peer, name)
            if theirs.up:
                lost = tuple(attrs.evolve(v, peer_disk="DUnknown", replication="") for v in theirs.volumes)
                state = with_drbd(state, peer, name, connection="Connecting", peer_role="Unknown", volumes=lost)
        return state


# -- what the effects share ---------------------------------------------------------------------------


def _disk_by_generation(gi: str) -> str:
    """Foretell a disk's state from its generation: `uuid:uuid:uuid:uuid:consistent:up-to-date:...`."""
    parts = gi.split(":")
    if len(parts) < 6 or gi.startswith(JUST_CREATED):
        return "Inconsistent"
    return "UpToDate" if parts[4:6] == ["1", "1"] else "Outdated" if parts[4] == "1" else "Inconsistent"


def connected(state: ClusterState, name: str, one: str, other: str) -> ClusterState:
    """Return the state with two ends of a resource connected: each sees the other's role and disks."""
    for here, there in ((one, other), (other, one)):
        mine, theirs = drbd_on(state, here, name), drbd_on(state, there, name)
        disks = {v.number: v.disk for v in theirs.volumes}
        volumes = tuple(
            attrs.evolve(v, peer_disk=disks.get(v.number, "DUnknown"), replication=v.replication or "Established")
            for v in mine.volumes
        )
        state = with_drbd(state, here, name, connection="Connected", peer_role=theirs.role, volumes=volumes)
    return state


def _with_role(state: ClusterState, resource: DrbdResource, host: str, role: str) -> ClusterState:
    state = with_drbd(state, host, resource.name, role=role)
    for peer in resource.nodes:
        if peer != host and drbd_on(state, peer, resource.name).up:
            state = with_drbd(state, peer, resource.name, peer_role=role)
    return state
