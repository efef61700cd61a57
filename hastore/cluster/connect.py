"""Open hosts and put them together to a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Any

from hastore.cluster.cluster import Cluster
from hastore.execution.clock import Clock
from hastore.hosts.host import Host
from hastore.hosts.local import LocalHost
from hastore.hosts.plumbum_host import PlumbumHost
from hastore.hosts.sh_host import CommandHost
from hastore.hosts.ssh import SshHost
from hastore.hosts.wrappers import ObserveOnlyHost
from hastore.model.stack import StorageStack
from hastore.planning.steps import Subsystem


def local() -> Host:
    """Return this machine as a host.

    >>> import os
    >>> hastore.local().name == os.uname().nodename
    True
    """
    return LocalHost()


def ssh(destination: str, *, port: int | None = None, sudo: bool = False) -> Host:
    """Return a machine behind SSH as a host: `ssh("root@centos01")`, `ssh("admin@centos01", sudo=True)`.

    Uses the system's ssh client with its configuration, keys and known hosts. Connects at the first use.

    >>> hastore.ssh("admin@centos01", sudo=True)
    SshHost('admin@centos01')

    Raises ConnectError, at the first use, where it cannot be reached.
    """
    return SshHost(destination, port=port, sudo=sudo)


def over(machine: Any, *, sudo: bool = False) -> Host:
    """Return what another library holds as a host: a plumbum machine, or an sh command that runs words elsewhere.

    >>> import plumbum, hastore
    >>> hastore.over(plumbum.local).name == plumbum.local["uname"]("-n").strip()
    True

    `over(plumbum.SshMachine("centos01", user="admin"), sudo=True)` and `over(sh.docker.bake("exec", "-i", "box"))`
    are others; `sudo` is for plumbum's machines, a command brings its own. Raises TypeError for anything else.
    """
    libraries = {kind.__module__.partition(".")[0] for kind in type(machine).__mro__}
    if "plumbum" in libraries:
        return PlumbumHost(machine, sudo=sudo)
    if "sh" in libraries and not sudo:
        return CommandHost(machine)
    wanted = "bake sudo into the command" if "sh" in libraries else "a plumbum machine or a command of sh is needed"
    msg = f"{machine!r} cannot be opened as a host: {wanted}"
    raise TypeError(msg)


def observe_only(host: Host) -> Host:
    """Return the host with its door closed to changes: everything that only looks works, the rest raises ObserveOnly.

    >>> hastore.connect(hastore.observe_only(lab.hosts["centos01"])).look().reboot[0].node
    'centos01'
    """
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

    >>> from hastore import sim
    >>> hastore.connect(*sim.article().hosts.values())
    <Cluster of centos01, centos02, drbd01, drbd02>
    """
    opened = [ssh(host) if isinstance(host, str) else host for host in hosts]
    if looking_only:
        opened = [observe_only(host) for host in opened]
    return Cluster(tuple(opened), drivers=drivers, stack=stack, clock=clock, executor=executor)
