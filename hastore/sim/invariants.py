"""What must never be seen in the world, whatever is done to it.

Checked after each operation and tick; a broken one is recorded once for as long as it stays broken:

- `two-primaries`: a DRBD resource Primary on two nodes without `allow-two-primaries`
- `lun-on-secondary`: a LUN whose device stands on a DRBD device that is Secondary here, or on DRBD's own disk
- `enabled-incomplete`: a target enabled before it shows any LUN, or whose access control grew after it was enabled, within
  the change (the lock) that made it
- `lun-0-missing`: an enabled target, or one of its groups that initiators are in, without LUN 0
- `vip-without-lun`: a service address up and its port open while nothing behind it has LUN 0
- `identity-shared`: two devices that are exported under one identity on one node, or under one on two nodes at once with
  different contents below
- `identity-split`: one device below (DRBD device and volume) exported under different identities on the nodes
- `device-not-blank`: a device written by create-md or pvcreate that was not blank (recorded by the block layer's users)
- `write-lost`: a write that a client was told is done, and that the exported LUN no longer holds (`world.ledger`)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TypeVar

from hastore.sim.block import Block, Disk
from hastore.sim.drbd import Drbd
from hastore.sim.drbd_state import Volume
from hastore.sim.lvm_volumes import LvDevice
from hastore.sim.network import Network
from hastore.sim.scst import Scst
from hastore.sim.scst_devices import Device
from hastore.sim.scst_targets import Target
from hastore.sim.world import Node, World

ISCSI_PORT = 3260
T = TypeVar("T")


def install(world: World) -> None:
    """Have every invariant checked after each operation and tick."""
    world.checks.extend(CHECKS)


def check_primaries(world: World) -> None:
    """At most one Primary, unless two are asked for."""
    primaries: dict[str, list[str]] = defaultdict(list)
    for node, drbd in _all(world, Drbd):
        for resource in drbd.resources.values():
            if resource.role == "Primary" and not resource.two_primaries:
                primaries[resource.name].append(node.name)
    for name, nodes in primaries.items():
        if len(nodes) > 1:
            world.broken("two-primaries", f"{name} is Primary on {' and '.join(nodes)}")


def check_devices_below(world: World) -> None:
    """No LUN on a Secondary, nor past DRBD on its disk."""
    for node, scst in _all(world, Scst):
        for target, lun, device in _exports(scst):
            for below in _stands_on(node, device):
                if isinstance(below, Volume) and below.resource.role != "Primary":
                    text = f"{node.name}: LUN {lun} of {target.name} stands on {below.path}, which is Secondary"
                    world.broken("lun-on-secondary", text)
                if isinstance(below, Disk) and below.tail is not None:
                    text = f"{node.name}: LUN {lun} of {target.name} stands on {below.path}, past DRBD"
                    world.broken("lun-on-secondary", text)


def check_targets(world: World) -> None:
    """An enabled target is complete; one that no initiator reaches may still be in the making, as agents make them."""
    for node, scst in _all(world, Scst):
        for target in scst.targets.values():
            if not target.enabled or not _reached(node, target):
                continue
            where = f"{node.name}: {target.name}"
            if not any(luns.luns for luns in target.lun_sets):
                world.broken("enabled-incomplete", f"{where} is enabled and shows no LUN at all")
            elif target.luns.luns and 0 not in target.luns.luns:
                world.broken("lun-0-missing", f"{where} is enabled without LUN 0")
            for group in target.groups.values():
                if group.initiators and 0 not in group.luns.luns:
                    world.broken("lun-0-missing", f"{where} is enabled, its group {group.name} lacks LUN 0")


def _reached(node: Node, target: Target) -> bool:
    """Tell whether the target answers on an address that is up here and whose port is open."""
    network = node.subsystem(Network)
    return any(target.portal_allowed(ip) and not network.blocked(ip, ISCSI_PORT) for ip in network.addresses)


def check_addresses(world: World) -> None:
    """Where a service address answers, there is a LUN."""
    for node, network in _all(world, Network):
        scst = node.subsystem(Scst) if node.has(Scst) else None
        if scst is None or not scst.loaded:
            continue
        ready = any(0 in luns.luns for t in scst.targets.values() if t.enabled for luns in t.lun_sets)
        for address in network.service_addresses():
            if not ready and not network.blocked(address.ip, ISCSI_PORT):
                text = f"{node.name}: {address.ip} is up, port {ISCSI_PORT} is open, and no enabled target has LUN 0"
                world.broken("vip-without-lun", text)


def check_identities(world: World) -> None:
    """One LUN has one identity, and one identity one LUN, over all nodes."""
    places: dict[str, set[str]] = defaultdict(set)
    identities: dict[str, set[str]] = defaultdict(set)
    for node, scst in _all(world, Scst):
        for _target, _lun, device in _exports(scst):
            identity = device.value("t10_dev_id")
            place = _place(node, device)
            places[identity].add(place)
            identities[place].add(f"{identity} {device.value('usn')} {device.value('naa_id')}")
    for identity, found in places.items():
        if len(found) > 1:
            world.broken("identity-shared", f"{identity} is the identity of {' and '.join(sorted(found))}")
    for place, found in identities.items():
        if len(found) > 1:
            world.broken("identity-split", f"{place} is exported as {' and '.join(sorted(found))}")


def check_writes(world: World) -> None:
    """What a client was told is written can be read from the LUN, wherever it is exported now."""
    if not world.ledger.acknowledged:
        return
    for node, scst in _all(world, Scst):
        shown = {
            (target.name, number): lun.device
            for target in scst.targets.values()
            if target.enabled
            for luns in target.lun_sets
            for number, lun in luns.luns.items()
        }
        for place, write_id in world.ledger.acknowledged.items():
            target_name, number, extent = place
            device = shown.get((target_name, number))
            if device is None or not device.opened:
                continue
            try:
                found = device.read(extent)
            except OSError:
                continue
            if not world.ledger.accepts(place, found):
                text = f"{node.name}: LUN {number} of {target_name} lost write {write_id} at extent {extent}"
                world.broken("write-lost", text)


CHECKS = (check_primaries, check_devices_below, check_targets, check_addresses, check_identities, check_writes)


def _all(world: World, kind: type[T]) -> Iterator[tuple[Node, T]]:
    for node in world.nodes.values():
        if node.powered and node.has(kind):
            yield node, node.subsystem(kind)


def _exports(scst: Scst) -> Iterator[tuple[Target, int, Device]]:
    for target in scst.targets.values():
        for luns in target.lun_sets:
            for number, lun in luns.luns.items():
                yield target, number, lun.device


def _stands_on(node: Node, device: Device) -> Iterator[object]:
    """Yield every device below, from the top."""
    if not device.on_block_device or not device.opened:
        return
    block = node.subsystem(Block)
    waiting = [device.filename]
    while waiting:
        path = waiting.pop()
        found = block.devices.get(block.aliases.get(path, path))
        if found is not None:
            if not (isinstance(found, Disk) and path != device.filename and _through_drbd(block, device.filename)):
                yield found
            waiting += found.below()


def _through_drbd(block: Block, path: str) -> bool:
    """Tell whether DRBD lies on the way down, so that its disk is in its place at the bottom."""
    found = block.devices.get(block.aliases.get(path, path))
    if found is None:
        return False
    return isinstance(found, Volume) or any(_through_drbd(block, lower) for lower in found.below())


def _place(node: Node, device: Device) -> str:
    """Name what a device stands on, the same on all nodes where it is the same data."""
    replicated = [below for below in _stands_on(node, device) if isinstance(below, Volume)]
    volume = next((below for below in _stands_on(node, device) if isinstance(below, LvDevice)), None)
    name = f"{volume.group}/{volume.volume.name}" if volume else device.filename
    if replicated:
        return f"{replicated[0].resource.name}:{name}"
    return f"{node.name}:{name or device.name}"
