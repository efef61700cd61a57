"""Worlds for generated stacks: machines that fit a stack, and the states from which a plan may have to start."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator

import attrs
from hypothesis import Phase
from hypothesis import strategies as st

import hastore
from hastore.model.lvm import LogicalVolume, VolumeGroup
from hastore.model.secrets import Secret
from hastore.model.stack import StorageStack
from hastore.sim.block import Block
from hastore.sim.lab import Lab
from hastore.sim.lvm import Lvm
from hastore.sim.lvm_volumes import mapper_path
from hastore.sim.open_iscsi import NAME_FILE, OpenIscsi
from hastore.testing.strategies_stack import CLIENTS, NETWORKS, NODES, stacks

CANARY = "canary-that-must-never-sing"
"""The content of every secret: long enough for CHAP, found nowhere by chance."""
DISK = "512M"
SYSTEM_DISK = "/dev/sda"
SYSTEM_GROUP = "vg_system"
FAST_RESYNC = 100.0
"""Worlds of laws synchronise this much faster than the recorded 40 MiB/s: nobody waits for what is not asked."""
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, *((Phase.shrink,) if "HASTORE_SHRINK" in os.environ else ()))
"""Shrinking a whole cluster takes minutes: set HASTORE_SHRINK=1 to wait for it."""
_SIZES = {"512M": "16M", "1G": "32M", "2G": "64M"}


def lab_for(stack: StorageStack) -> Lab:
    """Return machines as they come out of the box: the system on a disk of its own, the stack's disks blank."""
    networks = {
        nic: {
            **{name: f"{start}.{181 + place}/24" for place, name in enumerate(NODES)},
            **{name: f"{start}.{178 + place}/24" for place, name in enumerate(CLIENTS)},
        }
        for nic, start in NETWORKS.items()
    }
    disks = {name: {SYSTEM_DISK: "256M", **dict.fromkeys(disks_of(stack, name), DISK)} for name in stack.node_names}
    lab = Lab(stack.node_names, disks, [client.host for client in stack.clients], networks)
    for name in stack.node_names:
        _install_system(lab, name)
    for client in stack.clients:
        if client.iqn:
            lab.world.nodes[client.host].files.add(NAME_FILE, f"InitiatorName={client.iqn}\n")
    lab.world.faults.slow_resync(FAST_RESYNC)
    return lab


def disks_of(stack: StorageStack, node: str) -> tuple[str, ...]:
    """Return the disks that the stack uses on a node."""
    replicated = [v.disk_on(node) for r in stack.drbd if node in r.nodes for v in r.volumes]
    plain = [path for g in stack.volume_groups if stack.drbd_under(g) is None for path in g.physical_volumes]
    return tuple(dict.fromkeys((*replicated, *plain)))


def _install_system(lab: Lab, name: str) -> None:
    node = lab.world.nodes[name]
    node.files.add("/etc/lvm/lvm.conf", "devices {\n}\n")
    lvm, block = node.subsystem(Lvm), node.subsystem(Block)
    lvm.create_group(SYSTEM_GROUP, [SYSTEM_DISK])
    lvm.create_volume(SYSTEM_GROUP, "root", 16)
    root = mapper_path(SYSTEM_GROUP, "root")
    block.mounts_at_boot[root] = block.mounts[root] = "/"


def connect(lab: Lab) -> hastore.Cluster:
    """Return a new cluster object, as a new process would have it: it knows nothing but what it sees."""
    return hastore.connect(*lab.hosts.values())


def fork(lab: Lab) -> Lab:
    """Return a copy of the whole world that goes its own way."""
    return copy.deepcopy(lab)


def provision(lab: Lab, stack: StorageStack) -> hastore.Cluster:
    """Apply the plan of a stack to a lab and return the cluster it was done with."""
    cluster = connect(lab)
    cluster.plan(stack).apply()
    return cluster


def rescan(lab: Lab) -> None:
    """Let every client look for new LUNs, as its administrator does: sessions do not do so by themselves."""
    for name in lab.clients:
        initiator = lab.world.nodes[name].subsystem(OpenIscsi)
        for session in initiator.sessions.values():
            initiator.rescan(session)


# -- stacks that a lab can hold -----------------------------------------------------------------------


@st.composite
def sound_stacks(draw: st.DrawFn, *, pacemaker: bool | None = None, max_resources: int = 2) -> StorageStack:
    """Generated stacks that their agents can serve, small, with canaries for secrets; fixes are applied or not."""
    stack = servable(small(draw(stacks(pacemaker=pacemaker, max_resources=max_resources))))
    stack = with_canaries(stack, draw(st.sampled_from(["literal", "environment"])))
    if draw(st.booleans()):
        stack = hastore.apply_fixes(stack, hastore.suggest_fixes(stack, platform="debian-12"))
    return sighted(stack)


def sighted(stack: StorageStack) -> StorageStack:
    """Return the stack with a filter that lets LVM see the system's disk, where nobody said which disk that is.

    The fix `lvm-filter` rejects what no pattern accepted before, the system's disk too; a person would name it.
    """
    patterns = stack.lvm.filter if stack.lvm is not None else None
    if stack.lvm is None or not patterns or "r|.*|" not in patterns or any(SYSTEM_DISK in p for p in patterns):
        return stack
    return attrs.evolve(stack, lvm=attrs.evolve(stack.lvm, filter=(f"a|^{SYSTEM_DISK}[0-9]*$|", *patterns)))


def small(stack: StorageStack) -> StorageStack:
    """Return the stack with volumes that fit small disks, and LVM settings that let its own groups be seen."""
    lvm = stack.lvm
    if lvm is not None and stack.drbd and lvm.volume_list is not None:
        lvm = attrs.evolve(lvm, volume_list=(SYSTEM_GROUP, *(g.name for g in stack.volume_groups)))
    groups = tuple(map(_small_group, stack.volume_groups))
    return attrs.evolve(stack, volume_groups=groups, lvm=lvm if stack.drbd else None)


def servable(stack: StorageStack) -> StorageStack:
    """Return the stack without what scst-ocf's agent can't start or stop (docs/traps.md): threads_num, blockio."""
    if stack.pacemaker is None:
        return stack
    devices = tuple(
        attrs.evolve(d, handler="vdisk_fileio", attributes=d.attributes.with_({"threads_num": None}))
        for d in stack.devices
    )
    return attrs.evolve(stack, devices=devices)


def _small_group(group: VolumeGroup) -> VolumeGroup:
    volumes = tuple(LogicalVolume(v.name, _SIZES.get(v.size, v.size)) for v in group.logical_volumes)
    return attrs.evolve(group, logical_volumes=volumes)


def with_canaries(stack: StorageStack, source: str) -> StorageStack:
    """Return the stack with the canary as the content of every secret; `environment` needs the variable CANARY."""
    secret = Secret.literal(CANARY) if source == "literal" else Secret.environment("CANARY")
    drbd = tuple(attrs.evolve(r, secret=r.secret and secret) for r in stack.drbd)
    targets = tuple(
        attrs.evolve(t, incoming_users=tuple(attrs.evolve(u, secret=secret) for u in t.incoming_users))
        for t in stack.targets
    )
    return attrs.evolve(stack, drbd=drbd, targets=targets)


def secrets_of(stack: StorageStack) -> Iterator[Secret]:
    """Yield every secret of a stack."""
    yield from (r.secret for r in stack.drbd if r.secret)
    yield from (user.secret for t in stack.targets for user in t.incoming_users)
    yield from (c.chap_secret for c in stack.clients if c.chap_secret)
