"""What can be done, as values: each step knows what it needs, what it makes true, and its effect.

A step says nothing of commands: drivers render it. `effect` predicts the state afterwards, so that a
whole plan can be judged before anything runs. A `Change` is rendered and run; a `Watch` only waits
until the world is so.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Protocol, runtime_checkable

from hastore.model.state import ClusterState
from hastore.model.values import value

Subsystem = Literal["block", "drbd", "lvm", "scst", "pacemaker", "client"]


@runtime_checkable
class Step(Protocol):
    """One thing to be done on one host."""

    subsystem: ClassVar[Subsystem]
    observable: ClassVar[bool]
    """False where no look from outside tells whether it was done: such a step is never passed over."""
    fresh: ClassVar[bool]
    """True where it decides by what was observed just before: it never shares a batch with what it follows."""
    always: ClassVar[bool]
    """True where it takes back what was put for the plan's time alone: it is done even after a step that failed."""

    @property
    def layer(self) -> int:
        """Its place in the order of things; see `Layer`."""
        ...

    @property
    def host(self) -> str:
        """The host whose driver does it."""
        ...

    @property
    def key(self) -> str:
        """Stable name of the step within a plan, such as `up drbd:vg1@centos01`."""
        ...

    @property
    def title(self) -> str:
        """What it does, in the imperative, for people."""
        ...

    @property
    def touches(self) -> frozenset[str]:
        """Objects it makes or changes, as `drbd:vg1@centos01` or `drbd:vg1` for all hosts."""
        ...

    @property
    def needs(self) -> frozenset[str]:
        """Objects that steps of lower layers must have finished with before."""
        ...

    def requires(self, state: ClusterState) -> str:
        """Return why it may not run in this state; empty where it may."""
        ...

    def ensures(self, state: ClusterState) -> bool:
        """True where what it makes true is known to be so: it is then passed over."""
        ...

    def effect(self, state: ClusterState) -> ClusterState:
        """Return the state that is expected afterwards."""
        ...


@runtime_checkable
class Watch(Step, Protocol):
    """A step that waits: execution observes until `ensures` holds."""

    calm: ClassVar[float]
    """Seconds for which it must hold before it is believed."""

    @property
    def deadline(self) -> float:
        """Seconds until waiting is given up."""
        ...

    @property
    def patience(self) -> float:
        """Seconds between two looks, at most."""
        ...

    def progress(self, state: ClusterState) -> tuple[float | None, str]:
        """Return how far it is, from 0 to 1 where known, and a line for people."""
        ...

    def hopeless(self, state: ClusterState) -> str:
        """Return why waiting longer is in vain; empty while there is hope."""
        ...


@runtime_checkable
class Guarded(Step, Protocol):
    """A step that the host refuses as stale where the world moved since it was rendered."""

    def disturbed(self, before: ClusterState, after: ClusterState) -> str:
        """Return what of the things it changes somebody else changed in between; empty where nothing."""
        ...


@value
class HostStep:
    """The usual answers of a step on one object of one host."""

    subsystem: ClassVar[Subsystem]
    observable: ClassVar[bool] = True
    fresh: ClassVar[bool] = False
    always: ClassVar[bool] = False
    calm: ClassVar[float] = 0.0
    verb: ClassVar[str]
    base_layer: ClassVar[int]
    """Where its kind stands in `Layer`."""
    host: str

    @property
    def layer(self) -> int:
        """Stand where its kind stands."""
        return self.base_layer

    @property
    def subject(self) -> str:
        """Reference of the object it is about, without the host: `drbd:vg1`."""
        raise NotImplementedError

    @property
    def key(self) -> str:
        """Make the name from verb, object and host."""
        return f"{self.verb} {self.subject}@{self.host}"

    @property
    def touches(self) -> frozenset[str]:
        """Touch the object on this host alone."""
        return frozenset({f"{self.subject}@{self.host}"})

    @property
    def needs(self) -> frozenset[str]:
        """Need what earlier steps did to the object on this host."""
        return self.touches

    def requires(self, state: ClusterState) -> str:
        """Ask only that the host is known."""
        return "" if self.host in state.hosts else f"{self.host} was not looked at"


class Layer:
    """The order of things, from the disk up and down again: one visible table."""

    # before anything shows LVM a disk: below DRBD it must never see one
    LVM_CONFIG = 5
    DRBD_CONFIG = 10
    DRBD_METADATA = 20
    DRBD_UP = 30
    DRBD_CONNECT = 35
    DRBD_FIRST_PRIMARY = 40
    DRBD_PRIMARY = 45
    DRBD_SYNC = 50
    LVM_PV = 60
    LVM_VG = 65
    LVM_LV = 70
    LVM_ACTIVATE = 75
    # taken down again before Pacemaker gets it
    LVM_DEACTIVATE = 80
    DRBD_SECONDARY = 85
    DRBD_DOWN = 90
    # directly managed SCST: access control stands before a target is enabled (SCST:scst/README, IMPORTANT)
    SCST_REMOVE = 95
    SCST_DEVICE = 100
    SCST_ATTRIBUTE = 105
    SCST_TARGET = 110
    SCST_GROUP = 115
    SCST_LUN = 120
    SCST_INITIATOR = 125
    SCST_PARAMETER = 130
    SCST_ENABLE = 135
    SCST_DRIVER = 140
    CIB = 150
    CLUSTER = 160
    CLIENT_DISCOVER = 200
    CLIENT_CONFIGURE = 205
    CLIENT_LOGIN = 210
