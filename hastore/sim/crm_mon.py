"""`crm_mon --output-as=xml`: the cluster's state in the form of Pacemaker 2.1.5.

Element and attribute names are those recorded in pacemaker/live and stack; tests hold them side by side.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from lxml import etree

from hastore.sim.cib import FEATURE_SET
from hastore.sim.cib_history import ACTIVE, PENDING, Current, succeeded
from hastore.sim.cib_state import ClusterState
from hastore.sim.cib_words import INFINITY, ROLES, score
from hastore.sim.cluster import VERSION, Pacemaker, Partition
from hastore.sim.cluster_xml import Element
from hastore.sim.history import TIMED_OUT, shown, shown_unix, unix
from hastore.sim.placement import Location
from hastore.sim.world import Call, Reply, reply

RC_TEXT = {
    0: "ok",
    1: "error",
    5: "not installed",
    6: "not configured",
    7: "not running",
    8: "promoted",
    PENDING: "unknown",
}
BUSY = {"start": "Starting", "stop": "Stopping", "promote": "Promoting", "demote": "Demoting", "monitor": "Monitoring"}
_TOLERATED = {
    "-1", "--one-shot", "-r", "--inactive", "-f", "--failcounts", "-A", "--show-node-attributes", "-n", "--group-by-node",
    "-t", "--timing-details", "-o", "--operations", "-R", "--show-detail", "-L", "--neg-locations", "-m", "--fence-history",
    "-m1", "-m2", "-m3", "--include=all",
}  # fmt: skip


def crm_mon(call: Call) -> Reply:
    """`crm_mon --output-as=xml [-1rfAntoRLm]`; other forms are not simulated."""
    options = call.argv[1:]
    if "--output-as=xml" not in options or not set(options) - {"--output-as=xml"} <= _TOLERATED:
        raise call.unknown()
    result = etree.Element("pacemaker-result", {"api-version": "2.25", "request": " ".join(call.argv)})
    pacemaker = call.node.subsystem(Pacemaker)
    partition = pacemaker.partition
    if partition is None:
        status = etree.SubElement(result, "status", code="102", message="Not connected")
        errors = etree.SubElement(status, "errors")
        etree.SubElement(errors, "error").text = "error: Could not connect to launcher: Connection refused"
        etree.SubElement(errors, "error").text = "crm_mon: Connection to cluster failed: Connection refused"
        return reply(102, out=_text(result))
    Monitor(pacemaker, partition, result).fill()
    etree.SubElement(result, "status", code="0", message="OK")
    return reply(out=_text(result))


def _text(result: Element) -> str:
    return str(etree.tostring(result, pretty_print=True, encoding="unicode"))


def _yes(flag: object) -> str:
    return "true" if flag else "false"


def iso(now: float) -> str:
    """Return a moment of the world as `2026-11-22 15:36:37Z`."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(unix(now)))


class Monitor:
    """Fills a result element with what a partition knows."""

    def __init__(self, pacemaker: Pacemaker, partition: Partition, result: Element) -> None:
        self.pacemaker = pacemaker
        self.partition = partition
        self.cluster = pacemaker.cluster
        self.now = self.cluster.world.clock.now
        self.state = ClusterState(partition.cib.root)
        self.result = result

    def fill(self) -> None:
        """Add all sections."""
        etree.SubElement(self.result, "pacemakerd", sys_from="pacemakerd", state="running", last_updated=iso(self.now))
        self._summary()
        self._nodes()
        self._resources()
        self._attributes()
        self._history()
        self._failures()
        self._fencing()
        self._bans()

    def _summary(self) -> None:
        state, options = self.state, self.state.options
        summary = etree.SubElement(self.result, "summary")
        etree.SubElement(summary, "stack", type=options.get("cluster-infrastructure", "unknown"))
        dc = self.cluster.members[self.partition.dc]
        etree.SubElement(
            summary, "current_dc", present="true", version=options.get("dc-version", VERSION), name=self.partition.dc,
            id=dc.id, with_quorum=_yes(self.cluster.quorate(self.partition)), mixed_version="false",
        )  # fmt: skip
        etree.SubElement(summary, "last_update", time=shown(self.now))
        root = self.partition.cib.root
        etree.SubElement(
            summary, "last_change", time=root.get("cib-last-written", ""), user=root.get("update-user", ""),
            client=root.get("update-client", ""), origin=root.get("update-origin", ""),
        )  # fmt: skip
        etree.SubElement(summary, "nodes_configured", number=str(len(state.nodes)))
        instances = [id for id, p in state.primitives.items() for _ in range(self._instances(p.clone)) if not p.orphan]
        disabled = sum(1 for id in instances if self._disabled(id))
        blocked = sum(1 for resources in state.current.values() for now in resources.values() if now.blocked)
        etree.SubElement(
            summary, "resources_configured", number=str(len(instances)), disabled=str(disabled), blocked=str(blocked)
        )
        etree.SubElement(
            summary, "cluster_options",
            {
                "stonith-enabled": _yes(state.fencing_enabled),
                "symmetric-cluster": _yes(options.get("symmetric-cluster", "true") != "false"),
                "no-quorum-policy": state.quorum_policy,
                "maintenance-mode": _yes(state.maintenance),
                "stop-all-resources": "false",
                "stonith-timeout-ms": "60000",
                "priority-fencing-delay-ms": "0",
            },
        )  # fmt: skip

    def _instances(self, clone: str) -> int:
        return self.state.clones[clone].number("clone-max", "clone-max", len(self.state.nodes)) if clone else 1

    def _disabled(self, id: str) -> bool:
        return self.state.primitives[id].meta.get("target-role", "").lower() == "stopped"

    def _nodes(self) -> None:
        nodes = etree.SubElement(self.result, "nodes")
        for name, node in self.state.nodes.items():
            running = sum(1 for now in self.state.current[name].values() if now.role in ACTIVE and node.online)
            known = [s for s in self.partition.cib.status if s.get("uname") == name]
            attributes = {
                "name": name, "id": node.id, "online": _yes(node.online), "standby": _yes(node.standby),
                "standby_onfail": "false", "maintenance": _yes(node.maintenance), "pending": "false",
                "unclean": _yes(node.unclean), "health": "green",
            }  # fmt: skip
            if node.online:
                attributes["feature_set"] = FEATURE_SET
            expected = bool(known) and known[0].get("expected") == "member"
            attributes |= {
                "shutdown": "false", "expected_up": _yes(expected), "is_dc": _yes(name == self.partition.dc),
                "resources_running": str(running), "type": "member",
            }  # fmt: skip
            etree.SubElement(nodes, "node", attributes)

    # Resources

    def _resources(self) -> None:
        resources = etree.SubElement(self.result, "resources")
        for id in self.state.top:
            if id in self.state.clones:
                self._clone(resources, id)
            elif id in self.state.groups:
                self._group(resources, id, self.state.groups[id], id)
            else:
                self._primitive(resources, id, self._active(id))

    def _active(self, id: str) -> list[str]:
        return [
            n
            for n, node in self.state.nodes.items()
            if self._now(n, id).role in ACTIVE and (node.online or node.unclean)
        ]

    def _now(self, node: str, id: str) -> Current:
        return self.state.current[node][id]

    def _group(
        self, parent: Element, id: str, members: list[str], shown_id: str, nodes: list[str] | None = None
    ) -> None:
        managed = all(self.state.managed(m) for m in members)
        disabled = self.state.group_meta[id].get("target-role", "").lower() == "stopped"
        group = etree.SubElement(
            parent,
            "group",
            id=shown_id,
            number_resources=str(len(members)),
            managed=_yes(managed),
            disabled=_yes(disabled),
        )
        for member in members:
            self._primitive(group, member, self._active(member) if nodes is None else nodes)

    def _clone(self, parent: Element, id: str) -> None:
        clone = self.state.clones[id]
        leader = clone.members[0]
        role = clone.meta.get("target-role", "")
        attributes = {
            "id": id, "multi_state": _yes(clone.promotable), "unique": "false",
            "managed": _yes(self.state.managed(leader)), "disabled": _yes(role.lower() == "stopped"),
            "failed": "false", "failure_ignored": "false",
        }  # fmt: skip
        element = etree.SubElement(
            parent, "clone", attributes | ({"target_role": ROLES.get(role, role)} if role else {})
        )
        active = sorted(self._active(leader), key=lambda n: self._now(n, leader).role != "Promoted")
        places: list[list[str]] = [[node] for node in active]
        places += [[]] * max(0, self._instances(id) - len(places))
        for number, nodes in enumerate(places):
            group = self.state.primitives[leader].group
            if group:
                self._group(element, group, clone.members, f"{group}:{number}", nodes)
            else:
                self._primitive(element, leader, nodes)

    def _primitive(self, parent: Element, id: str, nodes: list[str]) -> None:
        primitive = self.state.primitives[id]
        here = [self._now(n, id) for n in nodes]
        main = here[0] if here else Current()
        pending = next((now.pending for now in here if now.pending), "")
        if not here:
            pending = next(
                (r[id].pending for r in self.state.current.values() if r[id].role == "Stopped" and r[id].pending), ""
            )
        role = BUSY[pending] if pending in {"start", "stop", "promote", "demote"} else main.role
        blocked = any(now.blocked for now in here)
        attributes = {"id": id, "resource_agent": primitive.agent, "role": role}
        if primitive.meta.get("target-role"):
            wanted = primitive.meta["target-role"]
            attributes["target_role"] = ROLES.get(wanted, wanted)
        attributes |= {
            "active": _yes(here), "orphaned": _yes(primitive.orphan), "blocked": _yes(blocked),
            "managed": _yes(self.state.managed(id) and not blocked), "failed": _yes(any(now.failed for now in here)),
            "failure_ignored": "false", "nodes_running_on": str(len(nodes)),
        }  # fmt: skip
        if pending and here:
            attributes["pending"] = BUSY.get(pending, pending)
        element = etree.SubElement(parent, "resource", attributes)
        for name in nodes:
            node = self.state.nodes[name]
            etree.SubElement(element, "node", name=name, id=node.id, cached="true" if node.online else "false")

    # Attributes, history, failures

    def _attributes(self) -> None:
        section = etree.Element("node_attributes")
        for name, node in self.state.nodes.items():
            found = {k: v for k, v in {**node.attributes, **node.transient}.items() if _is_shown(k)}
            if found and node.online:
                element = etree.SubElement(section, "node", name=name)
                for key in sorted(found):
                    etree.SubElement(element, "attribute", name=key, value=found[key])
        if len(section):
            self.result.append(section)

    def _node_states(self) -> Iterable[Element]:
        for state in self.partition.cib.root.iterfind("status/node_state"):
            node = self.state.nodes.get(state.get("uname", ""))
            if node is not None and node.online:
                yield state

    def _history(self) -> None:
        section = etree.Element("node_history")
        for state in self._node_states():
            name = state.get("uname", "")
            element = etree.SubElement(section, "node", name=name)
            for resource in state.iterfind("lrm/lrm_resources/lrm_resource"):
                self._resource_history(element, name, resource)
            if not len(element):
                section.remove(element)
        if len(section):
            self.result.append(section)

    def _resource_history(self, parent: Element, node: str, resource: Element) -> None:
        id = resource.get("id", "")
        primitive = self.state.primitives[id]
        ops = sorted(resource, key=lambda op: (int(op.get("call-id", "0")) < 0, int(op.get("call-id", "0"))))
        if all(
            op.get("operation") == "monitor" and op.get("interval") == "0" and op.get("rc-code") == "7" for op in ops
        ):
            return
        threshold = score(primitive.meta.get("migration-threshold"), INFINITY)
        attributes = {"id": id, "orphan": _yes(primitive.orphan), "migration-threshold": str(threshold)}
        count = self.state.fail_count(node, id)
        if count:
            attributes["fail-count"] = str(count)
            moments = [
                int(v) for k, v in self.state.nodes[node].transient.items() if k.startswith(f"last-failure-{id}#")
            ]
            if moments:
                attributes["last-failure"] = shown_unix(max(moments))
        history = etree.SubElement(parent, "resource_history", attributes)
        for op in ops:
            self._operation(history, op)

    def _operation(self, parent: Element, op: Element) -> None:
        code, interval = int(op.get("rc-code", "0")), int(op.get("interval", "0"))
        task = "probe" if op.get("operation") == "monitor" and not interval else op.get("operation", "")
        attributes = {
            "call": op.get("call-id", ""),
            "task": task,
            "rc": str(code),
            "rc_text": RC_TEXT.get(code, "error"),
        }
        if interval:
            attributes["interval"] = f"{interval}ms"
        attributes |= {
            "last-rc-change": shown_unix(int(op.get("last-rc-change", "0"))),
            "exec-time": f"{op.get('exec-time')}ms", "queue-time": f"{op.get('queue-time')}ms",
        }  # fmt: skip
        etree.SubElement(parent, "operation_history", attributes)

    def _failures(self) -> None:
        section = etree.Element("failures")
        for state in self._node_states():
            for op in state.iterfind("lrm/lrm_resources/lrm_resource/lrm_rsc_op"):
                code, interval = int(op.get("rc-code", "0")), int(op.get("interval", "0"))
                if op.get("id", "").endswith("_last_failure_0") and not succeeded(
                    op.get("operation", ""), interval / 1000, code
                ):
                    self._failure(section, state.get("uname", ""), op, code)
        if len(section):
            self.result.append(section)

    def _failure(self, section: Element, node: str, op: Element, code: int) -> None:
        moment = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(int(op.get("last-rc-change", "0"))))
        timed_out = int(op.get("op-status", "0")) == TIMED_OUT
        etree.SubElement(
            section, "failure",
            {
                "op_key": op.get("operation_key", ""), "node": node, "exitstatus": RC_TEXT.get(code, "error"),
                "exitreason": op.get("exit-reason", ""), "exitcode": str(code), "call": op.get("call-id", ""),
                "status": "Timed Out" if timed_out else "complete", "last-rc-change": moment,
                "queued": op.get("queue-time", "0"), "exec": op.get("exec-time", "0"),
                "interval": op.get("interval", "0"), "task": op.get("operation", ""),
            },
        )  # fmt: skip

    def _fencing(self) -> None:
        if not self.cluster.fencings:
            return
        history = etree.SubElement(self.result, "fence_history", status="0")
        for fencing in self.cluster.fencings:
            history.append(
                fence_event(fencing.target, fencing.action, fencing.origin, fencing.state, fencing.at, fencing.client)
            )

    def _bans(self) -> None:
        section = etree.Element("bans")
        for element in self.state.configuration.iterfind("constraints/rsc_location"):
            location = Location(element, self.state)
            rule = element.find("rule")
            for node, value in location.scores.items():
                if value <= -INFINITY:
                    promoted = _yes(location.role == "Promoted")
                    ban = rule.get("id", "") if rule is not None else element.get("id", "")
                    etree.SubElement(
                        section, "ban",
                        {
                            "id": ban, "resource": element.get("rsc", ""), "node": node, "weight": str(value),
                            "promoted-only": promoted, "master_only": promoted,
                        },
                    )  # fmt: skip
        if len(section):
            self.result.append(section)


def fence_event(target: str, action: str, origin: str, state: str, at: float, client: str) -> Element:
    """Return a <fence_event> as the fencing history has it."""
    event = etree.Element("fence_event", action=action, target=target, client=client, origin=origin, status=state)
    event.set("delegate", origin)
    event.set("completed", iso(at))
    return event


def _is_shown(name: str) -> bool:
    return not name.startswith(("fail-count-", "last-failure-", "#")) and name not in {
        "standby",
        "maintenance",
        "shutdown",
    }
