"""Fixes that need what only a person knows: who fences whom, which secret, which identity, what size."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from hastore.model.errors import SpecError
from hastore.model.lvm import LogicalVolume
from hastore.model.names import parse_size
from hastore.model.pacemaker import Location, Op, PacemakerResource
from hastore.model.scsi import Lun
from hastore.model.secrets import Secret
from hastore.model.stack import StorageStack
from hastore.model.state import ClusterState, ScstState, TargetState
from hastore.planning.fixes.base import Fix, Risk, with_resources
from hastore.planning.rules.reading import exports, node_names
from hastore.planning.rules.scst import lun_identity_unpinned


def fencing_device(
    stack: StorageStack,
    *,
    agent: str,
    per_node_params: Mapping[str, Mapping[str, str]],
    shared_params: Mapping[str, str] | None = None,
    delay_on: str = "",
    delay: str = "15s",
) -> Fix:
    """Return a fix that adds one fencing device a node and switches fencing on.

    `per_node_params` maps each node that can be shot to its device's parameters (`ip` ...), `shared_params`
    hold for all. `delay_on` names the node that should survive when two shoot at each other. A device
    never runs on the node it shoots. Raises SpecError for nodes the stack does not have and for passwords,
    which stand in clear in the CIB: give `password_script` instead.

    >>> fix = hastore.fencing_device(stack, agent="fence_virsh", per_node_params={"centos01": {"plug": "c1"}})
    >>> fix.changes[0]
    'primitive fence_centos01 ...'
    """
    known = node_names(stack)
    strangers = [node for node in (*per_node_params, *filter(None, [delay_on])) if known and node not in known]
    if strangers:
        msg = f"fencing device for {', '.join(strangers)}: the stack's nodes are {', '.join(known)}"
        raise SpecError(msg)
    everything = [shared_params or {}, *per_node_params.values()]
    if any(name in params for params in everything for name in ("passwd", "password")):
        msg = "a fencing password would stand in clear in the CIB: give password_script, a program that prints it"
        raise SpecError(msg)
    devices = tuple(
        PacemakerResource(
            f"fence_{node}",
            agent if agent.startswith("stonith:") else f"stonith:{agent}",
            params={
                **(shared_params or {}),
                **own,
                "pcmk_host_list": node,
                **({"pcmk_delay_base": delay} if node == delay_on else {}),
            },
            ops=(Op("monitor", interval="60s"),),
        )
        for node, own in per_node_params.items()
    )
    places = tuple(
        Location(f"l_fence_{node}_elsewhere", f"fence_{node}", node=node, score="-INFINITY") for node in per_node_params
    )

    def add(stack: StorageStack) -> StorageStack:
        cib = stack.pacemaker
        if cib is None:
            return stack
        ids = {device.id for device in devices} | {place.id for place in places}
        return attrs.evolve(
            stack,
            pacemaker=attrs.evolve(
                cib,
                resources=(*(r for r in cib.resources if r.id not in ids), *devices),
                constraints=(*(c for c in cib.constraints if c.id not in ids), *places),
                properties=cib.properties.with_({"stonith-enabled": "true"}),
            ),
        )

    return Fix(
        "fencing-device",
        f"Fence {', '.join(per_node_params)} by {agent}",
        "A lost node must be known to be off before the other one may write: without that DRBD and Pacemaker only hope",
        Risk.HARMLESS_IN_FILE,
        ("fencing-disabled", "fencing-node-uncovered", *(("fencing-not-delayed",) if delay_on else ())),
        add,
        changes=(
            *(f"primitive {device.id} {device.agent} for {device.params['pcmk_host_list']}" for device in devices),
            "property stonith-enabled=true",
        ),
    )


def replication_secret(resource: str, secret: Secret) -> Fix:
    """Return a fix that gives a DRBD resource a secret of its own.

    >>> fix = hastore.replication_secret("vg1", hastore.Secret.environment("DRBD_SECRET"))
    >>> fix.apply(stack).drbd[0].secret
    Secret.environment('DRBD_SECRET')
    """

    def put(stack: StorageStack) -> StorageStack:
        drbd = (attrs.evolve(r, secret=secret) if r.name == resource else r for r in stack.drbd)
        return attrs.evolve(stack, drbd=tuple(drbd))

    return Fix(
        "replication-secret",
        f"Give DRBD's {resource} a secret of its own",
        "A secret from a published example authenticates everybody",
        Risk.HARMLESS_IN_FILE,
        ("drbd-secret-published",),
        put,
        changes=(f"drbd {resource}: shared-secret from {secret!r}",),
    )


def pin_identity(device: str, *, usn: str, t10_dev_id: str) -> Fix:
    """Return a fix that pins what a LUN answers now, so that both nodes answer it for ever.

    SCSTLun takes the identity as `scsi_sn` and `scsi_id` and joins them to `<scsi_sn>-<scsi_id>` (scst-ocf
    1.3), the form SCST's own default has. Applying raises SpecError where such an agent exports the device
    and `t10_dev_id` is not of that form.
    """

    def put(stack: StorageStack) -> StorageStack:
        agents = {e.resource.id for e in exports(stack) if e.device == device and e.resource.agent_type == "SCSTLun"}
        if not agents:
            given = {"usn": usn, "t10_dev_id": t10_dev_id}
            devices = (
                attrs.evolve(d, attributes=d.attributes.with_(given)) if d.name == device else d for d in stack.devices
            )
            return attrs.evolve(stack, devices=tuple(devices))
        if not t10_dev_id.startswith(f"{usn}-"):
            msg = f"{device}: SCSTLun makes the id of serial and name; {t10_dev_id!r} does not start with {usn + '-'!r}"
            raise SpecError(msg)
        told = {"scsi_sn": usn, "scsi_id": t10_dev_id.removeprefix(f"{usn}-")}
        return with_resources(stack, lambda r: attrs.evolve(r, params=r.params.with_(told)) if r.id in agents else r)

    return Fix(
        "pin-identity",
        f"Pin the identity of {device}",
        "Clients know a LUN by its identity alone; it must be what they know, on both nodes",
        Risk.CHANGES_WHAT_CLIENTS_SEE,
        ("lun-identity-unpinned",),
        put,
        changes=(f"device {device}: usn={usn} t10_dev_id={t10_dev_id}",),
    )


def pin_identities_seen(stack: StorageStack, state: ClusterState) -> tuple[Fix, ...]:
    """Return fixes that pin what the exported LUNs answer now, as the hosts that export them were observed.

    A device that is pinned already, that no host exports, or that two hosts answer for differently gets no
    fix: it stays a finding.
    """
    open_devices = {name for f in lun_identity_unpinned(stack) for name in f.objects if name.startswith("device:")}
    fixes = []
    for name in sorted(name.removeprefix("device:") for name in open_devices):
        answers = {
            (device.attributes.get("usn", ""), device.attributes.get("t10_dev_id", ""))
            for host in state.hosts.values()
            if isinstance(host.scst, ScstState) and exported(host.scst, name)
            for device in (host.scst.devices[name],)
        }
        if len(answers) == 1 and all(min(answers)):
            usn, t10_dev_id = min(answers)
            fixes.append(pin_identity(name, usn=usn, t10_dev_id=t10_dev_id))
    return tuple(fixes)


def exported(scst: ScstState, device: str) -> bool:
    """Return whether a host shows the device to initiators right now."""
    shown = (lun.device for t in scst.targets.values() if t.enabled for lun in all_luns(t))
    return device in scst.devices and device in shown


def all_luns(target: TargetState) -> tuple[Lun, ...]:
    """Return every LUN of an observed target, its groups' too."""
    return target.luns + tuple(lun for group in target.groups for lun in group.luns)


def volume_size(group: str, volume: str, size: str) -> Fix:
    """Return a fix that says how large a logical volume should be; SpecError where the size is none.

    >>> hastore.volume_size("vg1", "lun1", "10G").apply(stack).volume_groups[0].logical_volumes[0].size
    '10G'
    """
    if "%" not in size:
        parse_size(size)

    def put(stack: StorageStack) -> StorageStack:
        groups = []
        for vg in stack.volume_groups:
            if vg.name == group:
                others = tuple(lv for lv in vg.logical_volumes if lv.name != volume)
                vg = attrs.evolve(vg, logical_volumes=(*others, LogicalVolume(volume, size)))  # noqa: PLW2901  # the group as it becomes
            groups.append(vg)
        return attrs.evolve(stack, volume_groups=tuple(groups))

    return Fix(
        "volume-size",
        f"Make {group}/{volume} {size}",
        "A volume without a size can be used where it exists, and not be created",
        Risk.HARMLESS_IN_FILE,
        ("volume-size-unknown",),
        put,
        changes=(f"volume {group}/{volume}: {size}",),
    )
