"""Open hosts and put them together to a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor

from hastore.cluster.cluster import Cluster
from hastore.execution.clock import Clock
from hastore.hosts.host import Host
from hastore.hosts.local import LocalHost
from hastore.hosts.ssh import SshHost
from hastore.hosts.wrappers import ObserveOnlyHost
from hastore.model.stack import StorageStack
from hastore.planning.steps import Subsystem


def local() -> Host:
    """Return this machine as a host."""
    return LocalHost()


def ssh(destination: str, *, port: int | None = None, sudo: bool = False) -> Host:
    """Return a machine behind SSH as a host: `ssh("root@centos01")`, `ssh("admin@centos01", sudo=True)`.

    Uses the system's ssh client with its configuration, keys and known hosts. Connects at the first use.
    """
    return SshHost(destination, port=port, sudo=sudo)


def observe_only(host: Host) -> Host:
    """Return the host with its door closed to changes: everything that only looks works, the rest raises ObserveOnly."""
    return ObserveOnlyHost(host)


def connect(
    *hosts: Host | str,
    stack: StorageStack | None = None,
    drivers: Mapping[Subsystem, str] | None = None,
    looking_only: bool = False,
    clock: Clock | None = None,
    executor: Executor | None = None,
) -> Cluster:
    """Open hosts (names are reached by SSH), choose their drivers, and return the cluster.

    `drivers` names drivers that must be used, by subsystem: `{"pacemaker": "pacemaker+cib"}`; one that
    cannot work raises DriverMismatch. With `looking_only` every host is opened observe-only.
    """
    opened = [ssh(host) if isinstance(host, str) else host for host in hosts]
    if looking_only:
        opened = [observe_only(host) for host in opened]
    return Cluster(tuple(opened), drivers=drivers, stack=stack, clock=clock, executor=executor)
