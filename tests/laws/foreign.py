"""What is somebody else's, put into a world beside the stack, and photographed to the byte."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from xml.etree import ElementTree as ET

from hastore.hosts.operations import Run
from hastore.model.stack import StorageStack
from hastore.sim.block import Block
from hastore.sim.cluster import Pacemaker
from hastore.sim.drbd import Drbd
from hastore.sim.lab import Lab
from hastore.sim.lvm import Lvm
from hastore.sim.scst import Scst

IQN = "iqn.1999-12.org.example:somebody.else"
RESOURCE = "theirs"
GROUP = "vg_theirs"
_CONFIG = """\
resource theirs {{
    device /dev/drbd90;
    disk /dev/sdy;
    meta-disk internal;
    {hosts}
}}
"""
_PRIMITIVE = (
    '<primitive id="theirs" class="ocf" provider="pacemaker" type="Dummy">'
    '<meta_attributes id="theirs-meta"><nvpair id="theirs-odd" name="odd" value="kept as it is"/></meta_attributes>'
    '<operations><op id="theirs-monitor" name="monitor" interval="33s"/></operations></primitive>'
)
_PROPERTY = '<crm_config><cluster_property_set id="their-properties"><nvpair id="their-word" name="their-word" value="7"/></cluster_property_set></crm_config>'


def add_volume_group(lab: Lab, stack: StorageStack) -> None:
    """Put a volume group with data onto a disk of its own, on every node."""
    for name in stack.node_names:
        node = lab.world.nodes[name]
        node.subsystem(Block).add_disk("/dev/sdz", "128M")
        lvm = node.subsystem(Lvm)
        lvm.create_group(GROUP, ["/dev/sdz"])
        lvm.create_volume(GROUP, "data", 4)
        node.subsystem(Block).write(f"/dev/mapper/{GROUP}-data", 3, "theirs")


def add_drbd(lab: Lab, stack: StorageStack) -> None:
    """Run a DRBD resource of somebody else, where there are two nodes."""
    if len(stack.node_names) < 2:
        return
    hosts = "\n    ".join(f"on {node.name} {{ address {node.addresses['eth1']}:7999; }}" for node in stack.nodes)
    for name in stack.node_names:
        node = lab.world.nodes[name]
        node.subsystem(Block).add_disk("/dev/sdy", "64M")
        node.files.add(f"/etc/drbd.d/{RESOURCE}.res", _CONFIG.format(hosts=hosts))
        drbd = node.subsystem(Drbd)
        drbd.create_metadata(RESOURCE)
        drbd.up(RESOURCE)
    lab.clock.sleep(5)
    first = lab.world.nodes[stack.node_names[0]]
    first.subsystem(Drbd).promote(RESOURCE, force=True)
    first.subsystem(Block).write("/dev/drbd90", 5, "theirs")
    lab.clock.sleep(20)


def add_scst(lab: Lab, stack: StorageStack) -> None:
    """Export a disk without content on every node, with a group and a parameter of its own."""
    for name in stack.node_names:
        scst = lab.world.nodes[name].subsystem(Scst)
        if not scst.loaded:
            scst.load()
        scst.start_daemon()
        device = f"theirs-{name}"
        scst.add_device("vdisk_nullio", device, size_mb="16")
        scst.add_target(IQN)
        scst.add_lun(IQN, 0, device)
        scst.set_attribute(f"targets/iscsi/{IQN}/NopInInterval", "17")
        scst.enable(IQN)


def add_to_cib(lab: Lab, stack: StorageStack) -> None:
    """Let the cluster run a resource of somebody else, with a property that nobody knows."""
    if stack.pacemaker is None:
        return
    host = lab.hosts[stack.node_names[0]]
    for section, text in (("resources", _PRIMITIVE), ("crm_config", _PROPERTY)):
        create = Run(("cibadmin", "--modify", "--allow-create", "--scope", section, "--xml-text", text))
        outcome = host.perform([create])[0]
        assert outcome.done, outcome
    lab.clock.sleep(5)


KINDS: Mapping[str, Callable[[Lab, StorageStack], None]] = {
    "a volume group": add_volume_group,
    "a DRBD resource": add_drbd,
    "an SCST target": add_scst,
    "resources in the CIB": add_to_cib,
}


def photograph(lab: Lab, stack: StorageStack) -> dict[str, object]:
    """Return everything in the world that the stack does not name, for comparing before and after."""
    shown: dict[str, object] = {}
    for name in stack.node_names:
        node = lab.world.nodes[name]
        ours = {f"/etc/drbd.d/{r.name}.res{end}" for r in stack.drbd for end in ("", ".before-hastore")}
        ours |= {"/etc/lvm/lvm.conf", "/etc/lvm/lvm.conf.before-hastore"}
        shown |= {f"{name}:{path}": content for path, content in node.files.files.items() if path not in ours}
        block = node.subsystem(Block)
        for path in ("/dev/sda", "/dev/sdy", "/dev/sdz"):
            if path in block.devices:
                shown[f"{name}:{path}"] = repr(sorted(block.disk_below(path).contents.items(), key=repr))
        theirs = node.subsystem(Drbd).resources.get(RESOURCE)
        shown[f"{name}:drbd"] = theirs and (theirs.role, theirs.connection, [v.disk for v in theirs.volumes.values()])
        shown |= _exports(name, node.subsystem(Scst))
        shown |= _configuration(name, node.subsystem(Pacemaker))
    return shown


def _exports(name: str, scst: Scst) -> dict[str, object]:
    if not scst.loaded or IQN not in scst.targets:
        return {f"{name}:scst": None}
    return {
        f"{name}:target": sorted(scst.tree(f"targets/iscsi/{IQN}").items(), key=repr),
        f"{name}:device": sorted(scst.tree(f"devices/theirs-{name}").items(), key=repr),
    }


def _configuration(name: str, pacemaker: Pacemaker) -> dict[str, object]:
    if pacemaker.partition is None:
        return {f"{name}:cib": None}
    root = ET.fromstring(str(pacemaker.partition.cib))  # noqa: S314  # the simulator's own text
    found = {e.get("id", ""): ET.tostring(e) for e in root.iter() if e.get("id") in {"theirs", "their-word"}}
    return {f"{name}:cib": {id: text.strip() for id, text in found.items()}}
