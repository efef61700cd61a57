"""Is the storage really there? Asked of the simulated world itself, with nothing of hastore's reading in between.

Neither planning nor drivers nor formats are imported here: a misreading of theirs must not hide itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.etree import ElementTree as ET  # the simulator's own text, which nobody else writes

from hastore.model.client import Initiator
from hastore.model.drbd import DrbdResource
from hastore.model.lvm import VolumeGroup
from hastore.model.names import parse_size
from hastore.model.pacemaker import Cib, PacemakerResource
from hastore.model.scsi import Lun, Target, Vip
from hastore.model.stack import StorageStack
from hastore.sim.block import Block
from hastore.sim.cluster import Pacemaker
from hastore.sim.drbd import Drbd
from hastore.sim.drbd_state import Metadata
from hastore.sim.lab import Lab
from hastore.sim.lvm import Lvm
from hastore.sim.network import Network
from hastore.sim.open_iscsi import OpenIscsi
from hastore.sim.scst import Scst
from hastore.sim.scst_targets import LunSet
from hastore.sim.scst_targets import Target as SimTarget

PORT = 3260


def faults(lab: Lab, stack: StorageStack) -> list[str]:
    """Return what of the stack is not there, in words; empty where all of it is."""
    return [*_Check(lab, stack).all()]


def violations(lab: Lab) -> list[str]:
    """Return the invariants that were ever broken in this world."""
    return [f"{violation.code}: {violation.text}" for violation in lab.world.violations]


class _Check:
    def __init__(self, lab: Lab, stack: StorageStack) -> None:
        self.lab = lab
        self.stack = stack

    def all(self) -> Iterator[str]:
        for resource in self.stack.drbd:
            yield from self.replication(resource)
        for group in self.stack.volume_groups:
            yield from self.volumes(group)
        for target in self.stack.targets:
            yield from self.target(target)
        for vip in self.stack.vips:
            yield from self.address(vip)
        for client in self.stack.clients:
            yield from self.client(client)
        if self.stack.pacemaker is not None:
            yield from self.cluster(self.stack.pacemaker)

    def scst(self, node: str) -> Scst:
        return self.lab.world.nodes[node].subsystem(Scst)

    def lvm(self, node: str) -> Lvm:
        return self.lab.world.nodes[node].subsystem(Lvm)

    def drbd(self, node: str) -> Drbd:
        return self.lab.world.nodes[node].subsystem(Drbd)

    def network(self, node: str) -> Network:
        return self.lab.world.nodes[node].subsystem(Network)

    # -- DRBD -----------------------------------------------------------------------------------------

    def primaries(self, resource: DrbdResource) -> list[str]:
        up = {node: self.drbd(node).resources.get(resource.name) for node in resource.nodes}
        return [node for node, found in up.items() if found is not None and found.role == "Primary"]

    def replication(self, resource: DrbdResource) -> Iterator[str]:
        primaries = self.primaries(resource)
        if len(primaries) != 1:
            yield f"{resource.name} is Primary on {primaries or 'no node'}"
        for node in resource.nodes:
            found = self.drbd(node).resources.get(resource.name)
            if found is None:
                yield f"{resource.name} is down on {node}"
                continue
            if found.connection != "Connected":
                yield f"{resource.name} on {node} is {found.connection}"
            for volume in resource.volumes:
                yield from self.replica(resource, node, volume.number)
            yield from self.configuration(resource, node)

    def replica(self, resource: DrbdResource, node: str, number: int) -> Iterator[str]:
        where = f"{resource.name}/{number} on {node}"
        wanted = resource.volume(number)
        found = self.drbd(node).resources[resource.name].volumes.get(number)
        if found is None or wanted is None:
            yield f"{where} is not there"
            return
        if (found.disk, found.peer_disk) != ("UpToDate", "UpToDate"):
            yield f"{where} is {found.disk}/{found.peer_disk}"
        if (found.config.device, found.config.disk) != (wanted.device, wanted.disk_on(node)):
            yield f"{where} is {found.config.device} on {found.config.disk}"
        disk = self.lab.world.nodes[node].subsystem(Block).disk_below(wanted.disk_on(node))
        if not isinstance(disk.tail, Metadata):
            yield f"{where}: no metadata on {wanted.disk_on(node)}"

    def configuration(self, resource: DrbdResource, node: str) -> Iterator[str]:
        text = self.lab.world.nodes[node].files.read(f"/etc/drbd.d/{resource.name}.res").decode()
        if ("shared-secret" in text) != (resource.secret is not None):
            yield f"{resource.name} on {node}: the shared secret is {'there' if 'shared-secret' in text else 'missing'}"
        for host in resource.hosts:
            if host.address not in text:
                yield f"{resource.name} on {node}: the address {host.address} is not in its file"

    # -- LVM ------------------------------------------------------------------------------------------

    def holder_of(self, group: VolumeGroup) -> list[str]:
        return [node for node in self.stack.node_names if self.lvm(node).active(group.name)]

    def volumes(self, group: VolumeGroup) -> Iterator[str]:
        holders = self.holder_of(group)
        if len(holders) != 1:
            yield f"{group.name} is active on {holders or 'no node'}"
            return
        lvm = self.lvm(holders[0])
        found = lvm.group(group.name)
        paths = {path for path, label in lvm.labels().items() if getattr(label.group, "name", "") == group.name}
        if paths != set(group.physical_volumes):
            yield f"{group.name} lies on {sorted(paths)}"
        if {v.name for v in found.volumes} != {v.name for v in group.logical_volumes}:
            yield f"{group.name} holds {[v.name for v in found.volumes]}"
        active = {device.volume.name for device in lvm.active_volumes() if device.group == group.name}
        for volume in group.logical_volumes:
            there = found.volume(volume.name)
            if there is None:
                continue
            if "%" not in volume.size and there.extents != -(-parse_size(volume.size) // found.extent_size):
                yield f"{group.name}/{volume.name} has {there.extents * found.extent_size} bytes, not {volume.size}"
            if volume.name not in active:
                yield f"{group.name}/{volume.name} is not active on {holders[0]}"

    # -- SCST -----------------------------------------------------------------------------------------

    def target(self, target: Target) -> Iterator[str]:
        holders = [node for node in self.stack.node_names if target.iqn in self.scst(node).targets]
        if len(holders) != 1 or (target.node and holders != [target.node]):
            yield f"{target.iqn} is on {holders or 'no node'}"
            return
        scst = self.scst(holders[0])
        found = scst.targets[target.iqn]
        where = f"{target.iqn} on {holders[0]}"
        if not (found.enabled and scst.driver_enabled() and scst.daemon_runs):
            yield f"{where} is not enabled"
        if sorted(found.portals) != sorted(target.portals):
            yield f"{where} answers on {found.portals}"
        for name, text in target.parameters.items():
            if found.directory.attribute(name).value != text:
                yield f"{where}: {name} is {found.directory.attribute(name).value}"
        users = sorted(found.users["IncomingUser"])
        if users != sorted(user.name for user in target.incoming_users):
            yield f"{where} has users {users}"
        yield from self.luns(where, found.luns, target.luns)
        yield from self.groups(where, found, target)

    def groups(self, where: str, found: SimTarget, target: Target) -> Iterator[str]:
        if set(found.groups) != {group.name for group in target.groups}:
            yield f"{where} has groups {sorted(found.groups)}"
            return
        for group in target.groups:
            there = found.groups[group.name]
            if sorted(there.initiators) != sorted(group.initiators):
                yield f"{where}: {group.name} lets in {there.initiators}"
            yield from self.luns(f"{where}, {group.name}", there.luns, group.luns)

    def luns(self, where: str, found: LunSet, wanted: Iterable[Lun]) -> Iterator[str]:
        names = {number: lun.device.name for number, lun in found.luns.items()}
        if names != {lun.number: lun.device for lun in wanted}:
            yield f"{where} shows {names}"
        for lun in found.luns.values():
            device = self.stack.device(lun.device.name)
            if device is None:
                continue
            if (lun.device.filename, lun.device.handler) != (device.path, device.handler):
                yield f"{device.name} is {lun.device.handler} on {lun.device.filename}"
            if self.stack.pacemaker is not None and len(device.attributes) > 1:
                continue  # scst-ocf's agent passes one attribute on and drops more (docs/traps.md)
            for name, text in device.attributes.items():
                if lun.device.value(name) != text:
                    yield f"{device.name}: {name} is {lun.device.value(name)}, not {text}"

    # -- addresses, clients, cluster ------------------------------------------------------------------

    def address(self, vip: Vip) -> Iterator[str]:
        holders = [node for node in self.stack.node_names if self.network(node).has_address(vip.ip)]
        if len(holders) != 1:
            yield f"{vip.ip} is up on {holders or 'no node'}"
            return
        if self.network(holders[0]).blocked(vip.ip, PORT):
            yield f"{vip.ip}: port {PORT} is blocked on {holders[0]}"
        served = [t for t in self.stack.targets if vip.ip in t.portals]
        if any(target.iqn not in self.scst(holders[0]).targets for target in served):
            yield f"{vip.ip} is on {holders[0]}, its target is not"

    def client(self, client: Initiator) -> Iterator[str]:
        initiator = self.lab.world.nodes[client.host].subsystem(OpenIscsi)
        for login in client.logins:
            for portal in login.portals:
                where = f"{client.host}: {login.target} through {portal}"
                session = initiator.find(login.target, portal)
                if session is None or not session.logged_in:
                    yield f"{where}: no session"
                    continue
                record = initiator.records.get((login.target, f"{portal}:{PORT}"), {})
                if record.get("node.startup") != "automatic":
                    yield f"{where}: not logged in at boot"
                if sorted(session.disks) != self.seen_by(login.target, initiator.name):
                    yield f"{where}: sees LUNs {sorted(session.disks)}"

    def seen_by(self, iqn: str, initiator: str) -> list[int]:
        """Return the LUNs that an initiator should see; the generated groups name initiators in full."""
        target = self.stack.target(iqn)
        if target is None:
            return []
        own = [group.luns for group in target.groups if initiator in group.initiators]
        return sorted(lun.number for lun in (own[0] if own else target.luns))

    def cluster(self, wanted: Cib) -> Iterator[str]:
        member = self.lab.world.nodes[self.stack.node_names[0]].subsystem(Pacemaker)
        partition = member.partition
        if partition is None or partition.members != set(self.stack.node_names):
            yield "the nodes do not form one cluster"
            return
        root = ET.fromstring(str(partition.cib))  # noqa: S314  # the simulator's own text
        configuration = root.find("configuration")
        elements = configuration.iter() if configuration is not None else ()
        ids = {e.get("id"): e for e in elements if e.get("id") and not e.tag.endswith("_ref")}
        for element in wanted.elements():
            if element.id not in ids:
                yield f"the CIB has no {element.id}"
            elif isinstance(element, PacemakerResource):
                yield from _primitive(element, ids[element.id])
        properties = {e.get("name"): e.get("value") for e in root.findall(".//crm_config//nvpair")}
        for name, text in wanted.properties.items():
            if properties.get(name) != text:
                yield f"the property {name} is {properties.get(name)}"
        yield from (f"{e.get('id')} was left behind" for e in root.iter() if (e.get("id") or "").startswith("cli-"))


def _primitive(wanted: PacemakerResource, found: ET.Element) -> Iterator[str]:
    agent = ":".join(part for part in (found.get("class"), found.get("provider"), found.get("type")) if part)
    if agent != wanted.agent:
        yield f"{wanted.id} is a {agent}"
    told = {e.get("name"): e.get("value") for e in found.findall("instance_attributes/nvpair")}
    for name, text in wanted.params.items():
        if text and told.get(name) != text:
            yield f"{wanted.id}: {name} is {told.get(name)}"
