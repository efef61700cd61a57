"""A cluster in the hand: looked at, planned for, changed by plans alone."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial

import attrs

from hastore.cluster import handles
from hastore.cluster.follow import Failover, follow
from hastore.cluster.look import Look, look_at
from hastore.cluster.plan import Make, Plan
from hastore.display.notebook import Picture
from hastore.display.topology import topology
from hastore.execution.apply import OnEvent, Setting
from hastore.execution.clock import Clock, HasClock, SystemClock
from hastore.execution.journal import Journal, NoJournal
from hastore.execution.session import HostSession, open_session, side_by_side
from hastore.hosts.host import Host
from hastore.model.drbd import DrbdResource
from hastore.model.errors import SpecError
from hastore.model.events import Event
from hastore.model.pacemaker import Cib
from hastore.model.stack import StorageNode, StorageStack
from hastore.model.state import ClusterState, DrbdState, PacemakerState
from hastore.planning.compose import unserve
from hastore.planning.planner import plan
from hastore.planning.steps import Subsystem
from hastore.planning.switchover import switchover


class Cluster:
    """Hosts that hold and use one storage, and the way to look at and change it.

    Made by `hastore.connect`. Everything that only looks works on hosts that were opened observe-only, too.

    >>> cluster
    <Cluster of centos01, centos02, drbd01, drbd02>
    """

    def __init__(
        self,
        hosts: tuple[Host, ...],
        *,
        drivers: Mapping[Subsystem, str] | None = None,
        stack: StorageStack | None = None,
        clock: Clock | None = None,
        executor: Executor | None = None,
    ) -> None:
        own_time = next((h.clock for h in hosts if isinstance(h, HasClock)), None)
        self.clock: Clock = clock or own_time or SystemClock()
        # a simulated world has one time for all: its hosts are asked one after the other
        self._executor = executor if executor or own_time else ThreadPoolExecutor(max(1, len(hosts)))
        self._wanted = dict(drivers or {})
        opened = side_by_side(partial(_opened, self._wanted), hosts, self._executor)
        self.sessions: tuple[HostSession, ...] = tuple(opened)
        _check_names(self.sessions)
        self._stack = stack
        self._state: ClusterState | None = None

    # -- looking --------------------------------------------------------------------------------------

    def observe(self) -> ClusterState:
        """Look at every host and return what is there; at most two round trips a host.

        >>> state = cluster.observe()
        >>> state.hosts["centos01"].drbd.resources["vg1"].role
        'Primary'

        A host that does not answer is in it, every part of it `Unknown`.
        """
        self._reopen()
        return self.saw(self.setting(NoJournal(), None).observe())

    def _reopen(self) -> None:
        """Try those hosts once more that could not be reached when the cluster was connected."""
        if any(session.unreachable for session in self.sessions):
            self.sessions = tuple(side_by_side(partial(_reopened, self._wanted), self.sessions, self._executor))
            _check_names(self.sessions)

    def saw(self, state: ClusterState) -> ClusterState:
        """Remember what was seen last, and return it."""
        self._state = state
        return state

    @property
    def state(self) -> ClusterState:
        """What was seen last; looks first where nothing was."""
        return self._state or self.observe()

    def look(self) -> Look:
        """Look without a stack: what runs, what is wrong, what would hurt, and which node may go down now.

        >>> print(cluster.look())
        What runs
          centos01: DRBD vg1 Primary Connected UpToDate/UpToDate
        ...
        """
        return look_at(self.observe(), self.stack)

    def explain(self) -> str:
        """Say which driver was chosen for what on which host, and why not the others.

        >>> print(cluster.explain())
        centos01
        ...
            scst+sysfs: chosen: SCST ... is loaded
        ...
        """
        lines: list[str] = []
        for session in self.sessions:
            lines.append(session.name + (f": {session.unreachable}" if session.unreachable else ""))
            for subsystem, choice in session.choices.items():
                chosen = choice.driver.name if choice.driver is not None else "none"
                lines.append(f"  {subsystem}: {chosen}")
                lines.extend(f"    {line}" for line in choice.explanation)
        return "\n".join(lines)

    @property
    def stack(self) -> StorageStack:
        """The stack that was given, or last planned; else what the live configuration says by itself."""
        return self._stack or stack_of(self.state)

    def topology(self) -> Picture:
        """Look, and return the picture of who holds what and who uses it; a notebook shows it by itself.

        >>> cluster.topology().svg.startswith("<svg")
        True

        `cluster.topology().save("topology.svg")` writes it to a file.
        """
        return Picture(topology(self.stack, self.observe()))

    def follow(self, *, deadline: float = 300.0, on_event: OnEvent | None = None) -> Failover:
        """Watch an unplanned failover and explain it, until it is over or only a person can help.

        The failover is Pacemaker's: nothing is changed. `deadline` is in seconds.

        >>> print(cluster.follow())
             0 s  the storage is served by centos01
        storage stood still for 0 s
        """
        return follow(self, deadline=deadline, on_event=on_event)

    # -- planning -------------------------------------------------------------------------------------

    def plan(self, stack: StorageStack | None = None) -> Plan:
        """Look, and return the plan from what is there to what the stack says.

        >>> cluster.plan(stack).empty
        True

        Raises SpecError where no stack was ever given. The stack becomes `cluster.stack` when the plan is applied.
        """
        wanted = stack or self._stack
        if wanted is None:
            msg = "no stack to plan for: give one, as cluster.plan(stack)"
            raise SpecError(msg)
        return Plan(self, partial(plan, wanted), self.observe(), wanted)

    def plan_by(self, make: Make) -> Plan:
        """Look, and return the plan that a function of the state makes.

        >>> from functools import partial
        >>> from hastore.planning.planner import plan
        >>> cluster.plan_by(partial(plan, stack)).empty
        True
        """
        return Plan(self, make, self.observe())

    def switchover(self, *, to: str) -> Plan:
        """Return the plan of a planned move of all storage on DRBD to a node, readiness checked.

        >>> cluster.switchover(to="centos02")
        <Plan: 4 steps in 4 waves>
        >>> cluster.switchover(to="centos01").empty
        True
        """
        return self.plan_by(lambda state: switchover(self.stack, state, to))

    # -- in the hand ----------------------------------------------------------------------------------

    @property
    def targets(self) -> Mapping[str, handles.TargetHandle]:
        """Targets by IQN."""
        return {target.iqn: handles.TargetHandle(self, target.iqn) for target in self.stack.targets}

    @property
    def luns(self) -> Mapping[str, handles.LunHandle]:
        """LUNs by the name of their device, and by that of their logical volume."""
        found: dict[str, handles.LunHandle] = {}
        for device in self.stack.devices:
            handle = handles.LunHandle(self, device.name)
            found[device.name] = handle
            found.setdefault(device.path.rsplit("/", 1)[-1], handle)
        return found

    @property
    def drbd(self) -> Mapping[str, handles.DrbdHandle]:
        """DRBD resources by name."""
        return {resource.name: handles.DrbdHandle(self, resource.name) for resource in self.stack.drbd}

    @property
    def volume_groups(self) -> Mapping[str, handles.VolumeGroupHandle]:
        """Volume groups by name."""
        return {group.name: handles.VolumeGroupHandle(self, group.name) for group in self.stack.volume_groups}

    @property
    def resources(self) -> Mapping[str, handles.ResourceHandle]:
        """Pacemaker's groups, clones and primitives by id, as the live configuration has them."""
        pacemaker = self.state.pacemaker()
        cib = pacemaker.cib if isinstance(pacemaker, PacemakerState) else Cib()
        ids = [*(g.id for g in cib.groups), *(c.id for c in cib.clones), *(r.id for r in cib.resources)]
        return {id: handles.ResourceHandle(self, id) for id in ids}

    @property
    def clients(self) -> Mapping[str, handles.ClientHandle]:
        """Clients by host name: those of the stack, and connected hosts with open-iscsi."""
        names = [c.host for c in self.stack.clients]
        names += [s.name for s in self.sessions if s.choices.get("client") and s.choices["client"].driver is not None]
        return {name: handles.ClientHandle(self, name) for name in dict.fromkeys(names)}

    # -- for plans ------------------------------------------------------------------------------------

    def keep(self, stack: StorageStack) -> None:
        """Take a stack that is being applied for the one that this cluster should be."""
        self._stack = stack

    def session(self, host: str) -> HostSession:
        """Return the session with a host; raise ConnectError where there is none."""
        return self.setting(NoJournal(), None).session(host)

    def setting(self, journal: Journal, on_event: OnEvent | None) -> Setting:
        """Return what applying needs: hosts, time and where to tell of it."""
        return Setting(self.sessions, self.clock, journal, on_event or _ignore, self._executor)

    def __repr__(self) -> str:
        return f"<Cluster of {', '.join(session.name for session in self.sessions)}>"


def stack_of(state: ClusterState) -> StorageStack:
    """Return what the live configuration says by itself: the CIB's objects, DRBD's files, names of nodes."""
    pacemaker = state.pacemaker()
    configs = {
        name: resource.config
        for host in state.hosts.values()
        if isinstance(host.drbd, DrbdState)
        for name, resource in host.drbd.resources.items()
    }
    drbd = tuple(config for config in configs.values() if isinstance(config, DrbdResource))
    if not isinstance(pacemaker, PacemakerState):
        return StorageStack(drbd=drbd)
    unserved = unserve(pacemaker.cib, drbd=drbd).stack
    return attrs.evolve(unserved, nodes=tuple(StorageNode(name) for name in pacemaker.nodes))


def _check_names(sessions: tuple[HostSession, ...]) -> None:
    """Raise SpecError where two hosts have one name: what is planned for the one would be done on the other."""
    names = [session.name for session in sessions]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        hosts = ", ".join(repr(session.host) for session in sessions if session.name == twice)
        msg = f"two hosts are called {twice} ({hosts}): connect each once, and let `uname -n` tell them apart"
        raise SpecError(msg)


def _reopened(wanted: Mapping[Subsystem, str], session: HostSession) -> HostSession:
    return open_session(session.host, wanted) if session.unreachable else session


def _opened(wanted: Mapping[Subsystem, str], host: Host) -> HostSession:
    return open_session(host, wanted)


def _ignore(_event: Event) -> None:
    """Listen to nothing."""
