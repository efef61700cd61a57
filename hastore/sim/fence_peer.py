"""DRBD's handlers for Pacemaker: crm-fence-peer.sh and crm-unfence-peer.sh.

Recorded (stack/journal-*): the constraint's form; "peer is reachable" gives 4; unreachable without fencing in
Pacemaker gives 5 after some seconds. With fencing the script waits until the peer is down (7): documented in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxml import etree

from hastore.sim.cib_state import ClusterState
from hastore.sim.cluster_xml import detach
from hastore.sim.drbd import Drbd, Resource

if TYPE_CHECKING:
    from hastore.sim.cluster import Pacemaker

REACHABLE, UNREACHABLE, SHOT, REFUSED = 4, 5, 7, 1
RETRY = 1.0
"""Seconds between two looks of a script that waits."""


class FencePeer:
    """The handlers of one node's DRBD."""

    def __init__(self, pacemaker: Pacemaker, drbd: Drbd) -> None:
        self.pacemaker = pacemaker
        self.drbd = drbd
        self.next_look = 0.0
        drbd.fence_peer = self.fence

    def fence(self, resource: Resource) -> int:
        """Forbid promotion anywhere else, and tell what is known of the peer (handler `fence-peer`)."""
        partition = self.pacemaker.partition
        if "crm-fence-peer" not in resource.config.option("handlers", "fence-peer") or partition is None:
            return REFUSED
        if self.pacemaker.cluster.losing:
            return REFUSED
        state = ClusterState(partition.cib.root)
        clone = self._clone(state, resource.name)
        if not clone or any(volume.disk not in {"UpToDate", "Consistent"} for volume in resource.volumes.values()):
            return REFUSED
        self._forbid_others(resource.name, clone)
        other = resource.config.peer_of(self.pacemaker.node.name)
        peer = state.nodes.get(other.name) if other is not None else None
        if peer is None or (peer.online and not peer.unclean):
            return REACHABLE
        if not state.fencing_enabled:
            return UNREACHABLE
        return REFUSED if peer.unclean else SHOT

    def tick(self, now: float) -> None:
        """Ask again where a script still waits for the peer's end; release what is resynchronised."""
        if now < self.next_look:
            return
        self.next_look = now + RETRY
        for resource in self.drbd.resources.values():
            if resource.suspended_by_fencing:
                self.drbd.ask_handler_again(resource.name)
            released = "crm-unfence-peer" in resource.config.option("handlers", "after-resync-target")
            good = all(v.disk == "UpToDate" and v.peer_disk == "UpToDate" for v in resource.volumes.values())
            if released and resource.connected and good:
                self._release(resource.name)

    def _clone(self, state: ClusterState, resource: str) -> str:
        for primitive in state.primitives.values():
            if primitive.agent == "ocf:linbit:drbd" and primitive.params.get("drbd_resource") == resource:
                return primitive.clone
        return ""

    def _forbid_others(self, resource: str, clone: str) -> None:
        partition = self.pacemaker.partition
        constraints = partition.cib.configuration.find("constraints") if partition else None
        id = f"drbd-fence-by-handler-{resource}-{clone}"
        if partition is None or constraints is None or partition.cib.find(id) is not None:
            return
        location = etree.SubElement(constraints, "rsc_location", rsc=clone, id=id)
        prefix = f"drbd-fence-by-handler-{resource}"
        rule = etree.SubElement(location, "rule", role="Master", score="-INFINITY", id=f"{prefix}-rule-{clone}")
        name = self.pacemaker.node.name
        etree.SubElement(
            rule, "expression", attribute="#uname", operation="ne", value=name, id=f"{prefix}-expr-{clone}"
        )
        self._written(f"placed constraint {id}")

    def _release(self, resource: str) -> None:
        partition = self.pacemaker.partition
        if partition is None:
            return
        for location in partition.cib.configuration.iterfind("constraints/rsc_location"):
            if location.get("id", "").startswith(f"drbd-fence-by-handler-{resource}-"):
                detach(location)
                self._written(f"removed constraint {location.get('id')}")

    def _written(self, what: str) -> None:
        partition = self.pacemaker.partition
        if partition is not None:
            partition.cib.root.set("epoch", str(partition.cib.version[1] + 1))
            partition.cib.root.set("num_updates", "0")
            self.pacemaker.changed("cibadmin")
            self.drbd.node.world.log(self.drbd.node.name, what)
