"""Connected hosts: the facts of each, the drivers chosen for it, and looking at all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, wait
from typing import Any, TypeVar

from hastore.drivers import registry
from hastore.drivers.base import Driver, HostFacts
from hastore.hosts.exchange import gather
from hastore.hosts.host import Host
from hastore.model.errors import ConnectError, UnsupportedStep
from hastore.model.state import ClusterState, HostState, Unknown
from hastore.model.values import field, value
from hastore.planning.steps import Subsystem

T = TypeVar("T")
R = TypeVar("R")

_FIELDS: Mapping[str, str] = {
    "block": "blocks",
    "drbd": "drbd",
    "lvm": "lvm",
    "scst": "scst",
    "pacemaker": "pacemaker",
    "client": "client",
}
"""Subsystem -> field of HostState."""


@value(eq=False)
class HostSession:
    """A host with its facts and its drivers; where it could not be reached, with the reason."""

    host: Host
    facts: HostFacts
    choices: Mapping[Subsystem, registry.Choice] = field(factory=dict["Subsystem", registry.Choice])
    unreachable: str = ""

    @property
    def name(self) -> str:
        """The host's name, also while it can't be asked."""
        return self.facts.host

    def driver(self, subsystem: Subsystem) -> Driver:
        """Return the driver chosen for a subsystem; raise UnsupportedStep where there is none."""
        choice = self.choices.get(subsystem)
        if choice is None or choice.driver is None:
            msg = f"{self.name}: no driver for {subsystem}"
            raise UnsupportedStep(msg)
        return choice.driver

    def observe(self) -> HostState:
        """Look at every subsystem that has a driver, in as few round trips as they need together."""
        if self.unreachable:
            return _unknown(self.name, self.unreachable)
        exchanges = {name: c.driver.observe() for name, c in self.choices.items() if c.driver is not None}
        try:
            seen = gather(exchanges, self.host)
        except ConnectError as error:
            return _unknown(self.name, str(error))
        fields: dict[str, Any] = {_FIELDS[name]: found for name, found in seen.items()}
        return HostState(self.name, **fields)


def _unknown(name: str, reason: str) -> HostState:
    why = Unknown(reason)
    return HostState(name, blocks=why, drbd=why, lvm=why, scst=why, pacemaker=why, client=why)


def open_session(host: Host, wanted: Mapping[Subsystem, str]) -> HostSession:
    """Gather a host's facts in one round trip and choose its drivers; raise DriverMismatch for an impossible wish."""
    probes = registry.probes()
    try:
        outcomes = host.perform(probes)
        name = host.name
    except ConnectError as error:
        return HostSession(host, HostFacts(_called(host)), {}, str(error))
    facts = HostFacts(name, dict(zip(probes, outcomes, strict=True)))
    return HostSession(host, facts, registry.choose(facts, wanted))


def _called(host: Host) -> str:
    """Return the name of a host that can't be reached; where only the host itself knows it, what it is reached by."""
    try:
        return host.name
    except ConnectError as error:
        return error.host.rpartition("@")[2]


def observe_all(sessions: Sequence[HostSession], executor: Executor | None = None) -> ClusterState:
    """Look at every host, side by side where an executor is given."""
    states = side_by_side(HostSession.observe, sessions, executor)
    return ClusterState({state.name: state for state in states})


def side_by_side(work: Callable[[T], R], items: Iterable[T], executor: Executor | None) -> list[R]:
    """Do the work for each item, in threads or one after the other; results in the items' order.

    Where one fails, or somebody interrupts, the others are waited for all the same: nobody may let go of a lock, or
    look, while another host is still at work.
    """
    if executor is None:
        return [work(item) for item in items]
    begun = [executor.submit(work, item) for item in items]
    try:
        wait(begun)
    finally:
        wait(begun)
    return [future.result() for future in begun]
