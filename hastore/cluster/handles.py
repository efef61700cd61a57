"""Handles: the objects of a cluster by name, with the verbs people reach for; each verb returns a plan."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import attrs

from hastore.model.cib_edits import Put
from hastore.model.client import Initiator, Login
from hastore.model.drbd import DrbdResource
from hastore.model.errors import SpecError
from hastore.model.names import parse_size, show_size
from hastore.model.pacemaker import Clone, Colocation, Group, Op, Order, PacemakerResource
from hastore.model.scsi import InitiatorGroup, Lun, ScstDevice, Target
from hastore.model.stack import StorageStack
from hastore.model.state import ClusterState, PacemakerState, ScstState
from hastore.planning.compare import OWNED
from hastore.planning.evolve import drbd_on, scst_on, speaker, vg_on
from hastore.planning.planner import Schedule, arrange, plan
from hastore.planning.steps import Step
from hastore.planning.steps_client import Logout, with_port
from hastore.planning.steps_cluster import AwaitCluster, PatchCib
from hastore.planning.steps_drbd import DrbdPrimary, DrbdSecondary
from hastore.planning.steps_lvm import ExtendLv
from hastore.planning.steps_scst import SetDeviceAttribute
from hastore.planning.switchover import switchover

if TYPE_CHECKING:
    from hastore.cluster.cluster import Cluster
    from hastore.cluster.plan import Plan


class _Handle:
    """A named object of a cluster."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster = cluster
        self.name = name

    def __repr__(self) -> str:
        return f"<{type(self).__name__.removesuffix('Handle')} {self.name}>"

    def _steps(self, *steps: Step) -> Plan:
        return self._cluster.plan_by(partial(arrange, steps))


class TargetHandle(_Handle):
    """A target of the stack."""

    @property
    def desired(self) -> Target:
        """What the stack says of it."""
        found = self._cluster.stack.target(self.name)
        if found is None:
            msg = f"no target {self.name} in the stack"
            raise SpecError(msg)
        return found

    def add_lun(self, number: int, device: ScstDevice, *, group: str = "") -> Plan:
        """Return the plan that shows one more device under a number; nothing that runs is restarted.

        Under Pacemaker the LUN becomes a primitive of its own beside the group: colocated with it and started
        after the target, because a new member before a service address would restart that address
        (seen with crm_simulate). Raises SpecError where the number is taken.

        >>> target = cluster.targets["iqn.2016-02.local.virtual:virtual.vg1"]
        >>> plan = target.add_lun(1, hastore.ScstDevice("LUN02", "/dev/vg1/lun2"))
        >>> plan.empty
        False
        """
        target = self.desired
        if any(lun.number == number for name, lun in target.all_luns() if name == group):
            msg = f"LUN {number} of {self.name} is taken"
            raise SpecError(msg)
        stack = self._cluster.stack
        grown = attrs.evolve(
            stack,
            devices=(*stack.devices, device),
            targets=tuple(_with_lun(t, Lun(number, device.name), group) if t == target else t for t in stack.targets),
        )
        if stack.served_by_pacemaker(f"target:{self.name}"):
            grown = _with_lun_resource(grown, self.name, number)
        return self._cluster.plan(grown)


class LunHandle(_Handle):
    """A device that is exported, by its SCST name."""

    @property
    def serving_hosts(self) -> tuple[str, ...]:
        """Hosts whose SCST has the device now.

        >>> cluster.luns["lun1"].serving_hosts
        ('centos01',)
        """
        hosts = self._cluster.state.hosts.values()
        return tuple(h.name for h in hosts if isinstance(h.scst, ScstState) and self.name in h.scst.devices)

    def set(self, **attributes: str | int) -> Plan:
        """Return the plan that sets run-time attributes where the device is served now: `.set(threads_num=4)`.

        Under Pacemaker this lasts until the next start of the LUN's agent. Raises SpecError where no host
        serves the device.

        >>> report = cluster.luns["lun1"].set(threads_num=8).apply()
        >>> cluster.luns["lun1"].attributes["threads_num"]
        '8'
        """
        hosts = self.serving_hosts
        if not hosts:
            msg = f"no connected host serves {self.name} now"
            raise SpecError(msg)
        return self._steps(
            *(SetDeviceAttribute(h, self.name, name, str(text)) for h in hosts for name, text in attributes.items())
        )

    @property
    def attributes(self) -> dict[str, str]:
        """What the device answers now, on the first host that serves it; empty where none does."""
        hosts = self.serving_hosts
        return dict(scst_on(self._cluster.state, hosts[0]).devices[self.name].attributes) if hosts else {}


class DrbdHandle(_Handle):
    """A DRBD resource of the stack."""

    @property
    def desired(self) -> DrbdResource:
        """What the stack says of it."""
        found = self._cluster.stack.drbd_resource(self.name)
        if found is None:
            msg = f"no DRBD resource {self.name} in the stack"
            raise SpecError(msg)
        return found

    @property
    def roles(self) -> dict[str, str]:
        """Node -> Primary, Secondary or Unknown, as seen last.

        >>> cluster.drbd["vg1"].roles
        {'centos01': 'Primary', 'centos02': 'Secondary'}
        """
        return {node: drbd_on(self._cluster.state, node, self.name).role for node in self.desired.nodes}

    def promote(self, *, on: str) -> Plan:
        """Return the plan that makes a node primary; under Pacemaker, that moves the storage there.

        Raises SpecError for a node that holds no replica.

        >>> cluster.drbd["vg1"].promote(on="centos02")
        <Plan: 4 steps in 4 waves>
        """
        self._check_node(on)
        if self._cluster.stack.served_by_pacemaker(f"drbd:{self.name}"):
            return self._cluster.switchover(to=on)
        return self._steps(DrbdPrimary(on, self.desired))

    def demote(self, *, on: str) -> Plan:
        """Return the plan that makes a node secondary; refused under Pacemaker, which would promote again.

        >>> cluster.drbd["vg1"].demote(on="centos01")
        Traceback (most recent call last):
        hastore.model.errors.SpecError: Pacemaker promotes vg1: ...
        """
        self._check_node(on)
        if self._cluster.stack.served_by_pacemaker(f"drbd:{self.name}"):
            msg = f"Pacemaker promotes {self.name}: move it (cluster.switchover(to=...)) or stop its group instead"
            raise SpecError(msg)
        return self._steps(DrbdSecondary(on, self.desired))

    def _check_node(self, node: str) -> None:
        if node not in self.desired.nodes:
            msg = f"{self.name} is not replicated on {node}, but on {', '.join(self.desired.nodes)}"
            raise SpecError(msg)


class VolumeGroupHandle(_Handle):
    """A volume group of the stack."""

    def extend(self, volume: str, *, to: str | int) -> Plan:
        """Return the plan that grows a logical volume to a size (`"300G"` or bytes) from the group's free extents.

        Grows the volume alone: SCST and the clients learn of it by their own steps. Raises SpecError where no
        connected host sees the volume, or it would shrink.

        >>> cluster.volume_groups["vg1"].extend("lun1", to="300G").blocking[0].summary
        "can't grow logical volume vg1/lun1 ...
        """
        for host in self._cluster.state.hosts:
            group = vg_on(self._cluster.state, host, self.name)
            if group is not None and volume in group.logical_volumes:
                size = -(-parse_size(to) // group.extent_size) * group.extent_size
                now = group.logical_volumes[volume].size
                if size < now:
                    msg = f"{self.name}/{volume} has {show_size(now)}; it can't shrink to {show_size(size)}"
                    raise SpecError(msg)
                return self._steps(ExtendLv(host, self.name, volume, size))
        msg = f"no connected host sees {self.name}/{volume} now"
        raise SpecError(msg)


class ResourceHandle(_Handle):
    """A group, clone or primitive of the live configuration."""

    def move(self, to: str) -> Plan:
        """Return the plan that moves it, or the group it is in, to a node, and leaves no constraint behind.

        >>> cluster.resources["p_lu_vg1_lun1"].move("centos02")
        <Plan: 4 steps in 4 waves>
        """
        unit = self._unit()
        return self._cluster.plan_by(lambda state: switchover(self._cluster.stack, state, to, (unit,)))

    def start(self) -> Plan:
        """Return the plan that lets the cluster run it (`target-role=Started`).

        >>> len(cluster.resources["g_vg1"].start().steps) <= 2
        True
        """
        return self._set_role("Started")

    def stop(self) -> Plan:
        """Return the plan that lets the cluster stop it (`target-role=Stopped`), with who loses I/O.

        >>> print(cluster.resources["g_vg1"].stop())
          1. centos01     set target-role=Stopped on g_vg1
        ...
        """
        return self._set_role("Stopped")

    def _unit(self) -> str:
        pacemaker = self._cluster.state.pacemaker()
        if isinstance(pacemaker, PacemakerState):
            group = pacemaker.cib.group_of(self.name)
            return group.id if group else self.name
        return self.name

    def _set_role(self, role: str) -> Plan:
        def make(state: ClusterState) -> Schedule:
            pacemaker = state.pacemaker()
            if not isinstance(pacemaker, PacemakerState):
                return plan(self._cluster.stack, state)
            element = next(e for e in pacemaker.cib.elements() if e.id == self.name)
            if not isinstance(element, PacemakerResource | Group | Clone):
                msg = f"{self.name} is no resource"
                raise SpecError(msg)
            changed = attrs.evolve(element, meta=element.meta.with_({"target-role": role}))
            host = speaker(state)
            why = f"set target-role={role} on {self.name}"
            stack = self._cluster.stack
            return arrange((PatchCib(host, edits=(Put(changed),), why=why), AwaitCluster(host, stack=stack)), state)

        return self._cluster.plan_by(make)


class ClientHandle(_Handle):
    """A client of the storage."""

    def login(self, target: str, *portals: str) -> Plan:
        """Return the plan that logs in to a target; through its portals in the stack where none are named.

        >>> plan = cluster.clients["drbd02"].login("iqn.2016-02.local.virtual:virtual.vg1")
        >>> {step.host for step in plan.steps}
        {'drbd02'}

        Raises SpecError where no portal is known.
        """
        stack = self._cluster.stack
        known = stack.target(target)
        through = portals or (known.portals if known else ()) or tuple(vip.ip for vip in stack.vips)
        if not through:
            msg = f"no portals known for {target}: name them, as .login(target, '192.168.100.180')"
            raise SpecError(msg)
        others = tuple(c for c in stack.clients if c.host != self.name)
        mine = next((c for c in stack.clients if c.host == self.name), Initiator(self.name))
        logins = (*(entry for entry in mine.logins if entry.target != target), Login(target, tuple(through)))
        return self._cluster.plan(attrs.evolve(stack, clients=(*others, attrs.evolve(mine, logins=logins))))

    def logout(self, target: str) -> Plan:
        """Return the plan that ends every session of this client with a target.

        >>> plan = cluster.clients["drbd01"].logout("iqn.2016-02.local.virtual:virtual.vg1")
        >>> len(plan.steps)
        2
        """
        client = self._cluster.state.hosts[self.name].client
        sessions = getattr(client, "sessions", ())
        return self._steps(*(Logout(self.name, target, with_port(s.portal)) for s in sessions if s.target == target))


def _with_lun(target: Target, lun: Lun, group: str) -> Target:
    if not group:
        return attrs.evolve(target, luns=(*target.luns, lun))
    found = next((g for g in target.groups if g.name == group), InitiatorGroup(group))
    others = tuple(g for g in target.groups if g.name != group)
    return attrs.evolve(target, groups=(*others, attrs.evolve(found, luns=(*found.luns, lun))))


def _with_lun_resource(stack: StorageStack, iqn: str, number: int) -> StorageStack:
    """Return the stack with an agent for a new LUN, made like the target's first one, beside the group."""
    cib = stack.pacemaker
    served = {r.serves: r for r in cib.resources} if cib else {}
    target = served.get(f"target:{iqn}")
    model = next((r for ref, r in served.items() if ref.startswith(f"lun:{iqn}/")), None)
    if cib is None or target is None or model is None:
        msg = f"no LUN of {iqn} is served by Pacemaker yet: there is no agent to take as a model"
        raise SpecError(msg)
    id = f"{model.id.rstrip('0123456789')}{number + 1}"
    if any(element.id == id for element in cib.elements()):
        id = f"p_lu_{number}_of_{target.id}"
    lun = attrs.evolve(model, id=id, serves=f"lun:{iqn}/{number}", ops=tuple(_own_op(op) for op in model.ops))
    group = cib.group_of(target.id)
    beside = group.id if group else target.id
    constraints = (
        Colocation(f"c_{id}_with_{beside}", id, beside),
        Order(f"o_{target.id}_before_{id}", target.id, id, kind="Mandatory"),
    )
    tags = tuple(tag for tag in cib.tags if tag.id != OWNED)
    grown = attrs.evolve(cib, resources=(*cib.resources, lun), constraints=(*cib.constraints, *constraints), tags=tags)
    return attrs.evolve(stack, pacemaker=grown)


def _own_op(op: Op) -> Op:
    return attrs.evolve(op, id="")
