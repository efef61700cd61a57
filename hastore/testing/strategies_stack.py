"""Hypothesis strategies for plausible storage stacks, as somebody would really run them.

`stacks()` draws whole stacks that hang together: every DRBD resource has its own disks and ports, every
volume group lies on a resource, every LUN on a volume, every VIP has a portal, and the Pacemaker
configuration serves them all in an order that protects clients. They shrink to the article's shape with
one of everything: one resource, one volume, one target, one LUN, one address.
"""

from __future__ import annotations

from typing import Final

import attrs
from hypothesis import strategies as st

from hastore.model.client import Initiator, Login
from hastore.model.corosync import Corosync, CorosyncNode, CorosyncRing
from hastore.model.drbd import DrbdHost, DrbdResource, DrbdVolume
from hastore.model.lvm import LogicalVolume, LvmSettings, VolumeGroup
from hastore.model.pacemaker import (
    Cib,
    Clone,
    ClusterNode,
    Colocation,
    Constraint,
    Group,
    Op,
    Order,
    PacemakerResource,
)
from hastore.model.scsi import ChapUser, InitiatorGroup, Lun, ScstDevice, Target, Vip
from hastore.model.secrets import Secret
from hastore.model.stack import StorageNode, StorageStack
from hastore.model.values import Params

NODES: Final = ("centos01", "centos02")
CLIENTS: Final = ("drbd01", "drbd02")
NETWORKS: Final = {"eth1": "192.168.100", "eth2": "192.168.200"}
"""Interface and first three octets of each network; nodes are .181 and .182 there, VIPs .80 and up."""
IQN: Final = "iqn.2016-02.local.virtual"

_STORAGE_TIMEOUT: Final = "180"
"""Longer than the wait_timeout of the SCST agents, in seconds."""


def secrets() -> st.SearchStrategy[Secret]:
    """References to secrets, none of them literal."""
    return st.one_of(
        st.sampled_from(["CHAP_PASSWORD", "DRBD_SECRET"]).map(Secret.environment),
        st.sampled_from(["/etc/hastore/chap", "/run/secrets/drbd"]).map(Secret.file),
        st.just(Secret.command("pass", "show", "chap/db7")),
    )


@st.composite
def drbd_resources(draw: st.DrawFn, number: int = 1) -> DrbdResource:
    """The resource `vg<number>` on both nodes, its disks, minors and port its own."""
    volumes = draw(st.integers(1, 2))
    first_minor = 2 * (number - 1)
    return DrbdResource(
        f"vg{number}",
        volumes=tuple(
            DrbdVolume(v, f"/dev/drbd{first_minor + v}", f"/dev/sd{'bcdefghijklmnop'[first_minor + v]}")
            for v in range(volumes)
        ),
        hosts=tuple(
            DrbdHost(node, f"{NETWORKS['eth1']}.{181 + place}:{7787 + number}") for place, node in enumerate(NODES)
        ),
        net=Params(
            draw(
                _some(
                    {
                        "protocol": ["C"],
                        "cram-hmac-alg": ["sha1"],
                        "after-sb-0pri": ["discard-zero-changes", "disconnect"],
                        "after-sb-1pri": ["discard-secondary", "disconnect"],
                        "max-buffers": ["8000"],
                    }
                )
            )
        ),
        disk=Params(draw(_some({"resync-rate": ["40M", "10M"], "on-io-error": ["detach"], "al-extents": ["127"]}))),
        options=Params(draw(_some({"on-no-data-accessible": ["io-error", "suspend-io"]}))),
        handlers=Params(draw(_some({"fence-peer": ["/usr/lib/drbd/crm-fence-peer.sh"]}))),
        startup=Params(draw(_some({"wfc-timeout": ["30"], "degr-wfc-timeout": ["20"]}))),
        secret=draw(st.none() | secrets()),
    )


@st.composite
def volume_groups(draw: st.DrawFn, drbd: DrbdResource) -> VolumeGroup:
    """A volume group on all volumes of a DRBD resource, with one to three logical volumes."""
    count = draw(st.integers(1, 3))
    sizes = st.sampled_from(["1G", "2G", "512M"])
    return VolumeGroup(
        drbd.name,
        physical_volumes=tuple(volume.device for volume in drbd.volumes),
        logical_volumes=tuple(LogicalVolume(f"lun{v}", draw(sizes)) for v in range(1, count + 1)),
    )


@st.composite
def devices(draw: st.DrawFn, group: VolumeGroup) -> tuple[ScstDevice, ...]:
    """An SCST device on each logical volume of a group."""
    attributes = _some(
        {
            "write_through": ["0", "1"],
            "thin_provisioned": ["0", "1"],
            "blocksize": ["512", "4096"],
            "threads_num": ["4", "8"],
        }
    )
    handler = draw(st.sampled_from(["vdisk_fileio", "vdisk_blockio"]))
    return tuple(
        ScstDevice(
            f"{group.name}-{volume.name}",
            f"/dev/{group.name}/{volume.name}",
            handler=handler,
            attributes=Params(draw(attributes)),
        )
        for volume in group.logical_volumes
    )


@st.composite
def targets(
    draw: st.DrawFn, name: str, shown: tuple[ScstDevice, ...], portals: tuple[str, ...] = (), *, groups: bool = True
) -> Target:
    """A target that shows devices from LUN 0 on, to everybody or (where `groups` may be) to a group."""
    luns = tuple(Lun(number, device.name) for number, device in enumerate(shown))
    grouped = groups and draw(st.booleans())
    initiators = st.lists(st.sampled_from([f"{IQN}:{client}" for client in CLIENTS]), min_size=1, unique=True)
    return Target(
        f"{IQN}:{name}",
        luns=() if grouped else luns,
        portals=portals,
        groups=(InitiatorGroup("clients", tuple(draw(initiators)), luns),) if grouped else (),
        parameters=Params(draw(_some({"NopInInterval": ["30"], "RspTimeout": ["90"]}))),
        incoming_users=(ChapUser("storage", draw(secrets())),) if draw(st.booleans()) and groups else (),
    )


@st.composite
def stacks(
    draw: st.DrawFn, *, max_resources: int = 2, pacemaker: bool | None = None, fenced: bool = True
) -> StorageStack:
    """A whole stack, with or without Pacemaker (`None`: either).

    Without Pacemaker there is one node, no DRBD, and targets may have groups and CHAP users, which
    scst-ocf's agents cannot serve.
    """
    served = draw(st.booleans()) if pacemaker is None else pacemaker
    stack = draw(_served_stacks(max_resources)) if served else draw(_single_host_stacks(max_resources))
    if served:
        stack = attrs.evolve(stack, pacemaker=draw(cibs(stack, fenced=fenced)))
    return attrs.evolve(
        stack,
        clients=draw(_initiators(stack)),
        corosync=draw(st.none() | corosync_configurations()) if served else None,
        lvm=draw(st.none() | lvm_settings()),
    )


@st.composite
def cibs(draw: st.DrawFn, stack: StorageStack, *, fenced: bool = True) -> Cib:
    """A Pacemaker configuration that serves every resource, group, address, target and LUN of a stack."""
    shape = _Shape()
    old = draw(st.booleans())
    for drbd, target, vips in zip(stack.drbd, stack.targets, _vips_of(stack), strict=True):
        shape.add(drbd, target, vips, old=old)
    fencing = tuple(_fencing(node) for node in stack.node_names) if fenced else ()
    return Cib(
        nodes=tuple(ClusterNode(node) for node in stack.node_names),
        resources=(*shape.resources, *fencing),
        groups=tuple(shape.groups),
        clones=tuple(shape.clones),
        constraints=tuple(shape.constraints),
        properties=Params(
            {"stonith-enabled": str(fenced).lower(), **draw(_some({"no-quorum-policy": ["ignore", "stop"]}))}
        ),
        resource_defaults=Params(draw(_some({"resource-stickiness": ["100"]}))),
    )


@st.composite
def corosync_configurations(draw: st.DrawFn) -> Corosync:
    """corosync.conf of generation 1 (rings with members) or of 2 and 3 (nodelist, quorum)."""
    rings = draw(st.integers(1, len(NETWORKS)))
    networks = list(NETWORKS.values())[:rings]
    totem = draw(_some({"token": ["3000", "10000"], "secauth": ["off", "on"]}))
    logging = Params(draw(_some({"to_syslog": ["yes"], "debug": ["off"]})))
    if draw(st.booleans()):
        return Corosync(
            totem=Params({"version": "2", "transport": "knet", **totem}),
            nodes=tuple(
                CorosyncNode(name, place + 1, tuple(f"{network}.{181 + place}" for network in networks))
                for place, name in enumerate(NODES)
            ),
            quorum=Params({"provider": "corosync_votequorum", "two_node": "1"}),
            logging=logging,
        )
    return Corosync(
        totem=Params({"version": "2", "transport": "udpu", **totem}),
        rings=tuple(
            CorosyncRing(number, f"{network}.0", 5405 + 2 * number, (f"{network}.181", f"{network}.182"))
            for number, network in enumerate(networks)
        ),
        logging=logging,
        service=Params(ver="1", name="pacemaker"),
    )


@st.composite
def lvm_settings(draw: st.DrawFn) -> LvmSettings:
    """Settings that keep LVM's eyes on DRBD devices, each said or not."""
    filters = st.sampled_from([("a|^/dev/sda[0-9]*$|", "a|^/dev/drbd[0-9]+$|", "r|.*|"), ("r|^/dev/sdb$|",), ()])
    switches = st.none() | st.booleans()
    return LvmSettings(
        filter=draw(st.none() | filters),
        global_filter=draw(st.none() | filters),
        write_cache_state=draw(switches),
        use_devicesfile=draw(switches),
        volume_list=draw(st.none() | st.just(("vg_centos", "vg1"))),
        # with a source, groups belong to one host, which the agents of these stacks can't take over
        system_id_source=draw(st.none() | st.just("none")),
    )


# -- parts of whole stacks ----------------------------------------------------------------------------


@st.composite
def _served_stacks(draw: st.DrawFn, max_resources: int) -> StorageStack:
    count = draw(st.integers(1, max_resources))
    networks = draw(st.integers(1, len(NETWORKS)))
    drbd = tuple(draw(drbd_resources(number)) for number in range(1, count + 1))
    groups = tuple(draw(volume_groups(resource)) for resource in drbd)
    shown = [draw(devices(group)) for group in groups]
    vips = [
        tuple(Vip(f"{start}.{79 + number}", nic=nic) for nic, start in list(NETWORKS.items())[:networks])
        for number in range(1, count + 1)
    ]
    return StorageStack(
        nodes=tuple(_node(name) for name in NODES),
        drbd=drbd,
        volume_groups=groups,
        devices=tuple(device for one in shown for device in one),
        targets=tuple(
            draw(targets(f"virtual.{group.name}", one, tuple(vip.ip for vip in own), groups=False))
            for group, one, own in zip(groups, shown, vips, strict=True)
        ),
        vips=tuple(vip for own in vips for vip in own),
    )


@st.composite
def _single_host_stacks(draw: st.DrawFn, max_targets: int) -> StorageStack:
    count = draw(st.integers(1, max_targets))
    group = VolumeGroup(
        "vg1",
        physical_volumes=("/dev/sdb",),
        logical_volumes=tuple(LogicalVolume(f"lun{v}", "1G") for v in range(1, count + 2)),
    )
    shown = draw(devices(group))
    parts = [shown[place::count] for place in range(count)]
    return StorageStack(
        nodes=(_node(NODES[0]),),
        volume_groups=(group,),
        devices=shown,
        targets=tuple(
            attrs.evolve(draw(targets(f"virtual.t{place + 1}", part)), node=NODES[0])
            for place, part in enumerate(parts)
        ),
    )


@st.composite
def _initiators(draw: st.DrawFn, stack: StorageStack) -> tuple[Initiator, ...]:
    names = draw(st.lists(st.sampled_from(CLIENTS), unique=True, max_size=2))
    node = stack.nodes[0].addresses["eth1"]
    return tuple(
        Initiator(
            name,
            iqn=f"{IQN}:{name}",
            # a client has one CHAP user, and nobody draws a secret that its target has, too
            logins=tuple(
                Login(target.iqn, target.portals or (node,)) for target in stack.targets if not target.incoming_users
            ),
            settings=Params(draw(_some({"node.session.timeo.replacement_timeout": ["120"]}))),
        )
        for name in names
    )


def _node(name: str) -> StorageNode:
    place = NODES.index(name)
    return StorageNode(name, Params({nic: f"{start}.{181 + place}" for nic, start in NETWORKS.items()}))


def _vips_of(stack: StorageStack) -> list[tuple[Vip, ...]]:
    return [tuple(vip for vip in stack.vips if vip.ip in target.portals) for target in stack.targets]


def _some(choices: dict[str, list[str]]) -> st.SearchStrategy[dict[str, str]]:
    """Any of the keys, each with one of its values."""
    return st.fixed_dictionaries({}, optional={key: st.sampled_from(texts) for key, texts in choices.items()})


def _fencing(node: str) -> PacemakerResource:
    return PacemakerResource(
        f"fence_{node}",
        "stonith:fence_virsh",
        Params({"ip": "192.168.0.1", "username": "fence", "pcmk_host_list": node}),
        ops=(Op("monitor", "60s"),),
    )


class _Shape:
    """The usual shape of one storage service in Pacemaker: a promotable clone, and a group that follows it."""

    def __init__(self) -> None:
        self.resources: list[PacemakerResource] = []
        self.groups: list[Group] = []
        self.clones: list[Clone] = []
        self.constraints: list[Constraint] = []

    def add(self, drbd: DrbdResource, target: Target, vips: tuple[Vip, ...], *, old: bool) -> None:
        """Add the service of one DRBD resource: volume group, port blocked, address, target, LUNs, port open."""
        name = drbd.name
        replicated = PacemakerResource(
            f"p_drbd_{name}",
            "ocf:linbit:drbd",
            ops=(Op("monitor", "30s", role="Unpromoted"), Op("monitor", "10s", role="Promoted")),
            serves=f"drbd:{name}",
        )
        members = [
            PacemakerResource(f"p_lvm_{name}", "ocf:heartbeat:LVM", ops=_ops("30"), serves=f"vg:{name}"),
            *(self._block(vip, name, "block") for vip in vips),
            *(
                PacemakerResource(f"p_ip_{name}_{vip.nic}", "ocf:heartbeat:IPaddr2", serves=f"vip:{vip.ip}")
                for vip in vips
            ),
            PacemakerResource(
                f"p_target_{name}",
                "ocf:scst:SCSTTarget",
                Params(wait_timeout="60"),
                ops=_ops(_STORAGE_TIMEOUT),
                serves=f"target:{target.iqn}",
            ),
            *(
                PacemakerResource(
                    f"p_lu_{name}_{lun.number}",
                    "ocf:scst:SCSTLun",
                    Params(wait_timeout="60"),
                    ops=_ops(_STORAGE_TIMEOUT),
                    serves=f"lun:{target.iqn}/{lun.number}",
                )
                for lun in target.luns
            ),
            *(self._block(vip, name, "unblock") for vip in vips),
        ]
        self.resources += [replicated, *members]
        self.groups.append(Group(f"g_{name}", tuple(member.id for member in members)))
        self.clones.append(_clone(name, old=old))
        self.constraints += [
            Colocation(f"c_{name}_on_drbd", f"g_{name}", f"ms_drbd_{name}", with_role="Promoted"),
            Order(f"o_drbd_before_{name}", f"ms_drbd_{name}", f"g_{name}", "promote", "start", kind="Mandatory"),
        ]

    def _block(self, vip: Vip, name: str, action: str) -> PacemakerResource:
        return PacemakerResource(
            f"p_port{action}_{name}_{vip.nic}",
            "ocf:heartbeat:portblock",
            Params(action=action),
            ops=(Op("monitor", "10s", timeout="10s"),),
            serves=f"vip:{vip.ip}",
        )


def _ops(timeout: str) -> tuple[Op, ...]:
    return Op("start", timeout=timeout), Op("stop", timeout=timeout), Op("monitor", "10s", timeout="120s")


def _clone(name: str, *, old: bool) -> Clone:
    if old:
        meta = Params({"master-max": "1", "clone-max": "2", "notify": "true"})
        return Clone(f"ms_drbd_{name}", f"p_drbd_{name}", promotable=True, meta=meta, form="master")
    meta = Params({"promoted-max": "1", "clone-max": "2", "notify": "true"})
    return Clone(f"ms_drbd_{name}", f"p_drbd_{name}", promotable=True, meta=meta)
