"""Writing the status section: node states, what actions came to, attributes that end with a boot.

Element names and attributes are those of the recorded CIBs (stack/*.cib.xml, Pacemaker 2.1.5).
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from lxml import etree

from hastore.sim.cib import FEATURE_SET, Cib
from hastore.sim.cib_history import PENDING
from hastore.sim.cib_words import Primitive, digest
from hastore.sim.cluster_xml import Element, detach

EPOCH = 1_767_225_600
"""The moment a simulated world begins, in Unix time: 2026-01-01 UTC."""
UUID = "5a1e0000-0000-4000-8000-000000000000"
TIMED_OUT = 2
COMPLETE = 0
IS_PENDING = -1


def unix(now: float) -> int:
    """Return Unix seconds of a moment of the world."""
    return EPOCH + int(now)


def shown(now: float) -> str:
    """Return a moment as Pacemaker prints it (ctime, UTC)."""
    return shown_unix(unix(now))


def shown_unix(moment: int) -> str:
    """Return Unix seconds as Pacemaker prints them."""
    return time.strftime("%a %b %e %H:%M:%S %Y", time.gmtime(moment))


@dataclass
class Done:
    """What an action came to."""

    resource: str
    kind: str
    """The operation's name: `monitor`, `start`, `stop`, `promote`, `demote`."""
    interval: float
    code: int
    expected: int
    status: int = COMPLETE
    reason: str = ""
    started: float = 0.0
    took: float = 0.0
    call_id: int = 0
    transition: str = "0:0"

    @property
    def failed(self) -> bool:
        """True where it was not what was expected."""
        return self.code != self.expected or self.status == TIMED_OUT


class StatusWriter:
    """Writes one CIB's status section, counting num_updates."""

    def __init__(self, cib: Cib) -> None:
        self.cib = cib

    def node_state(self, id: str, name: str) -> Element:
        """Return a node's state, made where it is missing."""
        for state in self.cib.status.findall("node_state"):
            if state.get("uname") == name:
                return state
        return etree.SubElement(self.cib.status, "node_state", id=id, uname=name)

    def set_member(self, id: str, name: str, *, online: bool, expected: str = "member") -> None:
        """Note that a node is in or out of the membership."""
        state = self.node_state(id, name)
        state.set("in_ccm", "true" if online else "false")
        state.set("crmd", "online" if online else "offline")
        state.set("crm-debug-origin", "do_state_transition")
        state.set("join", "member" if online else "down")
        state.set("expected", expected)
        if online and state.find("lrm") is None:
            etree.SubElement(etree.SubElement(state, "lrm", id=id), "lrm_resources")
        if online:
            self.set_attribute(id, name, "#feature-set", FEATURE_SET)
        self.cib.touch()

    def forget(self, id: str, name: str) -> None:
        """Drop what was known of a node's resources and attributes, as after its fencing or boot."""
        state = self.node_state(id, name)
        for child in list(state):
            state.remove(child)
        self.cib.touch()

    def adopt(self, foreign: Element) -> None:
        """Take over a node's state as another partition knew it."""
        mine = self.node_state(foreign.get("id", ""), foreign.get("uname", ""))
        for child in list(mine):
            mine.remove(child)
        for child in list(foreign):
            mine.append(child)
        self.cib.touch()

    def set_attribute(self, id: str, name: str, attribute: str, text: str | None) -> bool:
        """Set or remove a transient attribute; True where that changed something."""
        state = self.node_state(id, name)
        holder = state.find("transient_attributes")
        if holder is None:
            holder = etree.Element("transient_attributes", id=id)
            state.insert(0, holder)
        block = holder.find("instance_attributes")
        if block is None:
            block = etree.SubElement(holder, "instance_attributes", id=f"status-{id}")
        pair = next((p for p in block if p.get("name") == attribute), None)
        if text is None:
            if pair is None:
                return False
            block.remove(pair)
        elif pair is None:
            safe = re.sub(r"[^\w.\-]", ".", attribute)
            etree.SubElement(block, "nvpair", id=f"status-{id}-{safe}", name=attribute, value=text)
        elif pair.get("value") == text:
            return False
        else:
            pair.set("value", text)
        self.cib.touch()
        return True

    def attribute(self, id: str, name: str, attribute: str) -> str | None:
        """Return a transient attribute, None where it is not set."""
        for pair in self.node_state(id, name).iterfind("transient_attributes/instance_attributes/nvpair"):
            if pair.get("name") == attribute:
                return pair.get("value")
        return None

    def _resource(self, node_id: str, node: str, primitive: Primitive) -> Element:
        state = self.node_state(node_id, node)
        lrm = state.find("lrm")
        if lrm is None:
            lrm = etree.SubElement(state, "lrm", id=node_id)
        resources = lrm.find("lrm_resources")
        if resources is None:
            resources = etree.SubElement(lrm, "lrm_resources")
        for resource in resources:
            if resource.get("id") == primitive.id:
                return resource
        kind = {"id": primitive.id, "type": primitive.type, "class": primitive.cls}
        if primitive.provider:
            kind["provider"] = primitive.provider
        return etree.SubElement(resources, "lrm_resource", kind)

    def clear_history(self, node_id: str, node: str, resource: str) -> None:
        """Forget a resource's history on a node (`crm_resource --cleanup`)."""
        for found in self.node_state(node_id, node).iterfind("lrm/lrm_resources/lrm_resource"):
            if found.get("id") == resource:
                detach(found)
        self.cib.touch()

    def record(self, node_id: str, node: str, primitive: Primitive, done: Done) -> None:
        """Note what an action came to."""
        resource = self._resource(node_id, node, primitive)
        key = f"{primitive.id}_{done.kind}_{round(done.interval * 1000)}"
        self._put(resource, key if done.interval else f"{primitive.id}_last_0", key, node, primitive, done)
        if done.failed and done.status != IS_PENDING:
            self._put(resource, f"{primitive.id}_last_failure_0", key, node, primitive, done)
        elif done.kind == "stop" and done.status == COMPLETE:
            for op in list(resource):
                if int(op.get("interval", "0")):
                    resource.remove(op)
        self.cib.touch()

    def forget_monitor(self, node_id: str, node: str, primitive: Primitive, interval: float) -> None:
        """Remove the record of a recurring monitor that was cancelled."""
        resource = self._resource(node_id, node, primitive)
        for op in resource.findall("lrm_rsc_op"):
            if op.get("id") == f"{primitive.id}_monitor_{round(interval * 1000)}":
                resource.remove(op)
        self.cib.touch()

    def _put(self, resource: Element, id: str, key: str, node: str, primitive: Primitive, done: Done) -> None:
        op = next((o for o in resource if o.get("id") == id), None)
        if op is None:
            op = etree.SubElement(resource, "lrm_rsc_op", id=id)
        pending = done.status == IS_PENDING
        number, _, run = done.transition.partition(":")
        keyed = f"{number}:{run}:{done.expected}:{UUID}"
        parameters = dict(primitive.params)
        if done.interval:
            parameters["CRM_meta_timeout"] = str(round(primitive.timeout(done.kind, done.interval) * 1000))
        code = PENDING if pending else done.code
        fresh = {
            "operation_key": key,
            "operation": done.kind,
            "crm-debug-origin": "do_update_resource",
            "crm_feature_set": FEATURE_SET,
            "transition-key": keyed,
            "transition-magic": f"{done.status}:{code};{keyed}",
            "exit-reason": done.reason,
            "on_node": node,
            "call-id": "-1" if pending else str(done.call_id),
            "rc-code": str(code),
            "op-status": str(done.status),
            "interval": str(round(done.interval * 1000)),
            "last-rc-change": str(unix(done.started)),
            "exec-time": str(round(done.took * 1000)),
            "queue-time": "0",
            "op-digest": digest(parameters),
        }
        for name in list(map(str, op.attrib)):
            if name != "id":
                del op.attrib[name]
        for name, text in fresh.items():
            op.set(name, text)
