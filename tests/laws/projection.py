"""What effects speak of, taken out of a state, so that a foretold state can be held against an observed one.

Left out is what goes on by itself while one looks (DRBD finding its peer, a resync), what only the host knows (sizes),
what a discovery finds besides, and what LVM sees past DRBD on its disks, which is a trap and no effect.
"""

from __future__ import annotations

from typing import Any

from hastore.model.drbd import DrbdResource
from hastore.model.state import (
    ClientState,
    ClusterState,
    DrbdState,
    HostState,
    LvmState,
    PacemakerState,
    ScstState,
    TargetState,
)

Facts = dict[str, Any]


def project(state: ClusterState) -> Facts:
    """Return path -> value of all that effects speak of."""
    facts: Facts = {}
    for name, host in state.hosts.items():
        for path, said in _host(host).items():
            facts[f"{name} {path}"] = said
    return facts


_BY_THE_WAY = ("record ", "running", "drbd-peer ")
"""Facts that are compared only where they are foretold."""


def differences(foretold: ClusterState, observed: ClusterState, *, anywhere: tuple[str, ...] = ()) -> list[str]:
    """Return where the two states do not say the same; between the nodes `anywhere` things may be the other way round."""
    left, right = project(foretold), project(observed)
    right = {
        path: text for path, text in right.items() if path in left or not path.partition(" ")[2].startswith(_BY_THE_WAY)
    }
    if anywhere:
        left, right = _anonymous(left, anywhere), _anonymous(right, anywhere)
    return [
        f"{path}: foretold {left.get(path)!r}, observed {right.get(path)!r}"
        for path in sorted(left.keys() | right.keys())
        if left.get(path) != right.get(path)
    ]


def _anonymous(facts: Facts, nodes: tuple[str, ...]) -> Facts:
    """Take the nodes' names away, and keep what each node says as one of several answers."""
    found: dict[str, list[str]] = {}
    for path, text in facts.items():
        node, _, rest = path.partition(" ")
        shown = repr(text)
        for name in nodes:
            shown = shown.replace(name, "NODE")
        found.setdefault(rest if node in nodes else path, []).append(shown)
    return {path: sorted(answers) for path, answers in found.items()}


def _host(host: HostState) -> Facts:
    facts: Facts = {}
    if isinstance(host.drbd, DrbdState):
        facts |= _drbd(host.drbd)
    if isinstance(host.lvm, LvmState):
        facts |= _lvm(host.lvm, _replicated_disks(host))
    if isinstance(host.scst, ScstState):
        facts |= _scst(host.scst)
    if isinstance(host.pacemaker, PacemakerState):
        facts |= _pacemaker(host.pacemaker)
    if isinstance(host.client, ClientState):
        facts["sessions"] = sorted({(s.target, s.portal) for s in host.client.sessions})
        facts |= {f"record {target} {portal}": True for target, portal in host.client.records}
    return facts


def _drbd(drbd: DrbdState) -> Facts:
    facts: Facts = {}
    for name, resource in drbd.resources.items():
        facts[f"drbd {name} configured"] = isinstance(resource.config, DrbdResource)
        facts[f"drbd {name} up"] = resource.up
        facts[f"drbd {name} primary"] = resource.role == "Primary"
        facts |= {f"drbd {name} metadata {number}": True for number, has in resource.metadata.items() if has}
        if resource.connection == "Connected":
            facts[f"drbd-peer {name} primary"] = resource.peer_role == "Primary"
    return facts


def _replicated_disks(host: HostState) -> set[str]:
    configs = [r.config for r in host.drbd.resources.values()] if isinstance(host.drbd, DrbdState) else []
    return {v.disk_on(host.name) for c in configs if isinstance(c, DrbdResource) for v in c.volumes}


def _lvm(lvm: LvmState, past_drbd: set[str]) -> Facts:
    facts: Facts = {f"pv {path}": group for path, group in lvm.physical_volumes.items() if path not in past_drbd}
    for name, group in lvm.groups.items():
        if past_drbd & set(group.physical_volumes):
            continue
        facts[f"vg {name}"] = sorted(group.physical_volumes)
        facts |= {f"lv {name}/{v.name} active": v.active for v in group.logical_volumes.values()}
    return facts


def _scst(scst: ScstState) -> Facts:
    facts: Facts = {f"device {d.name}": (d.handler, d.path) for d in scst.devices.values()}
    for target in scst.targets.values():
        facts |= _target(target)
    return facts


def _target(target: TargetState) -> Facts:
    facts: Facts = {
        f"target {target.iqn} enabled": target.enabled,
        f"target {target.iqn} users": sorted(target.incoming_users),
        f"target {target.iqn} luns": sorted((lun.number, lun.device) for lun in target.luns),
    }
    for group in target.groups:
        facts[f"group {target.iqn} {group.name} initiators"] = sorted(group.initiators)
        facts[f"group {target.iqn} {group.name} luns"] = sorted((lun.number, lun.device) for lun in group.luns)
    return facts


def _pacemaker(pacemaker: PacemakerState) -> Facts:
    facts: Facts = {f"cib {element.id}": element for element in pacemaker.cib.elements()}
    facts |= {f"cib property {name}": text for name, text in pacemaker.cib.properties.items()}
    if pacemaker.idle:
        facts["running"] = sorted((r.id, r.role) for r in pacemaker.resources if r.node and r.role != "Stopped")
    return facts
