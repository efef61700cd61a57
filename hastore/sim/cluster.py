"""The cluster: who sees whom (corosync), partitions with one CIB each, and Pacemaker on every node.

Figures: the token times out after `token` and consensus after 1.2 times that (corosync.conf(5)); recorded with
token 5000: a node lost at 0 is out of the membership after 9.5 to 11 s (stack/journal-crash.node2.txt).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from lxml import etree

from hastore.model.errors import NotSimulated
from hastore.sim.agents import Agent, make_agent
from hastore.sim.cib import Cib
from hastore.sim.cib_words import Primitive
from hastore.sim.cluster_xml import Element
from hastore.sim.drbd import Drbd
from hastore.sim.executor import Executor
from hastore.sim.fence_peer import FencePeer
from hastore.sim.history import Done, StatusWriter, shown
from hastore.sim.network import Network
from hastore.sim.transition import Controller, Fencing
from hastore.sim.world import Node, World

DEFAULT_TOKEN = 3.0
JOIN_SECONDS = 1.0
"""From the first packet to the new membership (assumed)."""
ELECTION_SECONDS = 1.0
"""From a membership to a DC that schedules (recorded: 0.5 to 3 s)."""
BOOT_SECONDS = 30.0
"""From power to a node that joins (assumed)."""
CONFIGURATION_FILE = "/etc/corosync/corosync.conf"
CIB_FILE = "/var/lib/pacemaker/cib/cib.xml"
VERSION = "2.1.5-a3f44794f94"


@dataclass
class Partition:
    """Nodes that see each other, with one CIB and a DC."""

    members: set[str]
    cib: Cib
    dc: str
    controller: Controller
    formed_at: float


@dataclass
class Cluster:
    """All nodes of one cluster."""

    world: World
    members: dict[str, Pacemaker] = field(default_factory=dict)
    partitions: list[Partition] = field(default_factory=list)
    boots: dict[str, float] = field(default_factory=dict)
    fencings: list[Fencing] = field(default_factory=list)
    ring: int = 1
    transitions: int = 0
    _ticked: float = -1.0
    _unsettled_since: float | None = None
    losing: bool = False
    """A node does not answer and the membership without it is not formed yet: no message of the cluster is delivered."""

    def join(self, pacemaker: Pacemaker) -> None:
        """Add a node that is part of the cluster from the beginning."""
        self.members[pacemaker.node.name] = pacemaker
        self._form([set(self._running())])

    # Membership

    def tick(self) -> None:
        """Once a tick of the world: membership, then what the DCs do."""
        now = self.world.clock.now
        if now == self._ticked:
            return
        self._ticked = now
        for name, due in list(self.boots.items()):
            if now >= due:
                del self.boots[name]
                self.world.nodes[name].boot()
        wanted = self._components()
        if {frozenset(p.members) for p in self.partitions} == wanted:
            self._unsettled_since, self.losing = None, False
        else:
            self._settle(wanted, now)
        for partition in list(self.partitions):
            if not self.members[partition.dc].silent and not self.losing:
                partition.controller.tick(now)

    def _settle(self, wanted: set[frozenset[str]], now: float) -> None:
        if self._unsettled_since is None:
            self._unsettled_since = now
        self.losing = any(not any(p.members <= component for component in wanted) for p in self.partitions)
        delay = self._token() * 2.2 if self.losing else JOIN_SECONDS
        if now - self._unsettled_since >= delay:
            self._unsettled_since, self.losing = None, False
            self._form([set(component) for component in wanted])

    def leave(self, name: str) -> None:
        """Take a node out at once, as one that says goodbye."""
        for partition in self.partitions:
            if name in partition.members:
                partition.members.discard(name)
                if partition.members:
                    node_id = self.members[name].id
                    StatusWriter(partition.cib).set_member(node_id, name, online=False, expected="down")
                    partition.controller.abort("a node left")
        self.partitions = [p for p in self.partitions if p.members]
        self._elect()

    def _running(self) -> list[str]:
        return [name for name, member in self.members.items() if member.running and not member.silent]

    def _components(self) -> set[frozenset[str]]:
        waiting, found = set(self._running()), set()
        while waiting:
            reached, fresh = set(), {min(waiting)}
            while fresh:
                reached |= fresh
                fresh = {b for a in fresh for b in waiting - reached if self._hears(a, b)}
            found.add(frozenset(reached))
            waiting -= reached
        return found

    def _hears(self, a: str, b: str) -> bool:
        return any(self.world.connected(a, b, ring) for ring in self._rings(a, b))

    def _rings(self, a: str, b: str) -> Iterable[str | None]:
        node, other = self.world.nodes[a], self.world.nodes[b]
        text = self.conf(node)
        mine = {address.nic for address in node.subsystem(Network).addresses.values() if not text or address.ip in text}
        theirs = {address.nic for address in other.subsystem(Network).addresses.values()}
        return sorted(mine & theirs) or [None]

    def conf(self, node: Node) -> str:
        """Return a node's corosync.conf; empty where there is none."""
        return node.files.read(CONFIGURATION_FILE).decode() if node.files.exists(CONFIGURATION_FILE) else ""

    def _any_conf(self) -> str:
        return next((text for m in self.members.values() if (text := self.conf(m.node))), "")

    def _token(self) -> float:
        found = re.search(r"^\s*token:\s*(\d+)", self._any_conf(), re.MULTILINE)
        return int(found[1]) / 1000 if found else DEFAULT_TOKEN

    # Quorum

    @property
    def two_node(self) -> bool:
        """Two nodes of which one has quorum: as corosync.conf says, and for two nodes without that file."""
        text = self._any_conf()
        return len(self.members) == 2 and (not text or bool(re.search(r"^\s*two_node:\s*1", text, re.MULTILINE)))

    @property
    def wait_for_all(self) -> bool:
        """Quorum only after all nodes were seen once; `two_node` brings it along where corosync.conf is there."""
        text = self._any_conf()
        said = re.search(r"^\s*wait_for_all:\s*(\d)", text, re.MULTILINE)
        return said[1] == "1" if said else bool(text) and self.two_node

    @property
    def needed(self) -> int:
        """Votes for quorum."""
        return 1 if self.two_node else len(self.members) // 2 + 1

    def quorate(self, partition: Partition) -> bool:
        """Tell whether a partition has quorum."""
        seen_all = not self.wait_for_all or any(self.members[m].saw_all for m in partition.members)
        return len(partition.members) >= self.needed and seen_all

    # Forming partitions

    def _form(self, components: list[set[str]]) -> None:
        before = self.partitions
        self.partitions = []
        for component in sorted(components, key=min):
            if not component:
                continue
            sources = [p for p in before if p.members & component]
            kept = next((p for p in sources if p.members == component), None)
            self.partitions.append(kept if kept is not None and len(sources) == 1 else self._merge(component, sources))
        self._elect()

    def _merge(self, component: set[str], sources: list[Partition]) -> Partition:
        self.ring += 4
        known = [p.cib for p in sources] + [
            Cib(self.members[n].disk) for n in sorted(component) if self.members[n].fresh
        ]
        newest = max(known, key=lambda cib: cib.version) if known else Cib()
        base = next((p for p in sources if p.cib is newest), None)
        cib = Cib(str(newest))
        writer = StatusWriter(cib)
        for name in self.members if base else component:
            member = self.members[name]
            if name not in component:
                if base is not None and name in base.members:
                    writer.set_member(member.id, name, online=False)
                continue
            home = next((p for p in sources if name in p.members), None)
            if home is None or member.fresh:
                writer.forget(member.id, name)
            elif home is not base:
                writer.adopt(copy.deepcopy(StatusWriter(home.cib).node_state(member.id, name)))
            writer.set_member(member.id, name, online=True)
            member.fresh = False
        self._introduce(cib, component)
        dc = (
            base.dc
            if base is not None and base.dc in component
            else min(component, key=lambda n: int(self.members[n].id))
        )
        partition = Partition(component, cib, dc, Controller(self, component), self.world.clock.now)
        partition.controller.wake_at = self.world.clock.now + ELECTION_SECONDS
        if component == set(self.members):
            for name in component:
                self.members[name].saw_all = True
        self.world.log(dc, f"membership {' '.join(sorted(component))}")
        return partition

    def _introduce(self, cib: Cib, component: set[str]) -> None:
        """Write what the cluster itself writes: its nodes and its own properties."""
        nodes = cib.configuration.find("nodes")
        options = cib.configuration.find("crm_config")
        if nodes is None or options is None:
            msg = "a CIB without nodes or crm_config"
            raise NotSimulated(msg)
        added = False
        for name in sorted(component, key=lambda n: int(self.members[n].id)):
            if not any(n.get("uname") == name for n in nodes):
                etree.SubElement(nodes, "node", id=self.members[name].id, uname=name)
                added = True
        block = options.find("cluster_property_set")
        if block is None:
            block = etree.SubElement(options, "cluster_property_set", id="cib-bootstrap-options")
        own = {"have-watchdog": "false", "dc-version": VERSION, "cluster-infrastructure": "corosync"}
        own |= {"cluster-name": name} if (name := self.cluster_name) else {}
        for key, text in own.items():
            pair = next((p for p in block if p.get("name") == key), None)
            if pair is None:
                etree.SubElement(block, "nvpair", id=f"{block.get('id')}-{key}", name=key, value=text)
                added = True
        if added:
            cib.root.set("epoch", str(cib.version[1] + 1))
            cib.root.set("num_updates", "0")

    @property
    def cluster_name(self) -> str:
        """The name in corosync.conf; empty where there is none."""
        found = re.search(r"^\s*cluster_name:\s*(\S+)", self._any_conf(), re.MULTILINE)
        return found[1] if found else ""

    def _elect(self) -> None:
        for partition in self.partitions:
            if partition.dc not in partition.members:
                partition.dc = min(partition.members, key=lambda n: int(self.members[n].id))
                partition.controller.wake_at = self.world.clock.now + ELECTION_SECONDS
            partition.cib.root.set("have-quorum", "1" if self.quorate(partition) else "0")
            partition.cib.root.set("dc-uuid", self.members[partition.dc].id)
            self.save(partition)

    def save(self, partition: Partition) -> None:
        """Let each member keep the configuration on its disk."""
        text = str(partition.cib)
        for name in partition.members:
            self.members[name].disk = text

    def partition_of(self, name: str) -> Partition | None:
        """Return the partition of a node, None where it is in none."""
        return next((p for p in self.partitions if name in p.members), None)

    # Power

    def fence(self, target: str, *, boot: bool) -> None:
        """Cut a node's power by its switch, and give it back where it is to boot."""
        self.world.nodes[target].power_off()
        if boot:
            self.boots[target] = self.world.clock.now + BOOT_SECONDS


class Pacemaker:
    """Corosync and Pacemaker of one node."""

    def __init__(self, node: Node, cluster: Cluster, *, start_at_boot: bool = True) -> None:
        self.node = node
        self.cluster = cluster
        self.start_at_boot = start_at_boot
        self.id = str(len(cluster.members) + 1)
        self.running = True
        self.fresh = True
        """Started and not yet part of a membership."""
        self.saw_all = False
        self.disk = str(Cib())
        """The CIB as this node last knew it; it survives a loss of power."""
        self.pseudo: set[str] = set()
        """State files of agents in /run; gone after a boot."""
        self.executor = Executor(self.report, self.make_agent)
        self.handlers = FencePeer(self, node.subsystem(Drbd)) if node.has(Drbd) else None
        cluster.join(self)

    @property
    def silent(self) -> bool:
        """True where this node's daemons can't act: no power, hung, or not running."""
        return not self.running or not self.node.powered or self.node.hung

    @property
    def partition(self) -> Partition | None:
        """The partition this node is in; None while it has no cluster."""
        return self.cluster.partition_of(self.node.name) if self.running else None

    def make_agent(self, primitive: Primitive, kind: str, notice: str) -> Agent:
        """Return the agent of a primitive, ready to act here."""
        return make_agent(self, primitive, kind, notice)

    def report(self, done: Done, ticket: int) -> None:
        """Hand on what an action came to."""
        partition = self.partition
        if partition is not None:
            partition.controller.finished(self.node.name, done, ticket)

    def set_attribute(self, name: str, text: str | None) -> None:
        """Set or remove a transient attribute of this node (attrd)."""
        partition = self.partition
        if partition is None:
            return
        if StatusWriter(partition.cib).set_attribute(self.id, self.node.name, name, text):
            self.cluster.world.log(self.node.name, f"attribute {name}={text if text is not None else '(unset)'}")
            partition.controller.abort(f"attribute {name} changed")

    def attribute(self, name: str) -> str | None:
        """Return a transient attribute of this node."""
        partition = self.partition
        return StatusWriter(partition.cib).attribute(self.id, self.node.name, name) if partition else None

    def changed(self, client: str, *, user: str = "root") -> None:
        """Note who changed the configuration, keep it on the disks, and let the DC look at it."""
        partition = self.partition
        if partition is None:
            return
        root: Element = partition.cib.root
        root.set("cib-last-written", shown(self.cluster.world.clock.now))
        root.set("update-origin", self.node.name)
        root.set("update-client", client)
        root.set("update-user", user)
        root.set("have-quorum", "1" if self.cluster.quorate(partition) else "0")
        root.set("dc-uuid", self.cluster.members[partition.dc].id)
        self.cluster.save(partition)
        partition.controller.abort("configuration change")

    # Subsystem

    def tick(self, _dt: float) -> None:
        """Let time pass for this node's actions, and once a tick for the cluster."""
        self.cluster.tick()
        if not self.silent:
            self.executor.tick(self.cluster.world.clock.now)
            if self.handlers is not None:
                self.handlers.tick(self.cluster.world.clock.now)

    def power_off(self) -> None:
        """The daemons are gone; what they knew is on the disk."""
        self.running = False
        self.executor.clear()
        self.pseudo.clear()

    def boot(self) -> None:
        """Join the cluster again, with nothing running."""
        if self.start_at_boot:
            self.start()

    def start(self) -> None:
        """Start corosync and Pacemaker."""
        if not self.running:
            self.running = True
            self.fresh = True
            self.saw_all = False
