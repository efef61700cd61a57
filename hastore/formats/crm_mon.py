"""Status of a cluster, as `crm_mon --output-as=xml` tells it (and `crm_mon --as-xml` before Pacemaker 2).

Sources: /usr/share/pacemaker/api/crm_mon-*.rng, recordings stack/*.crm_mon.xml, pacemaker/live, pacemaker/fence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from lxml import etree

from hastore.formats.cib_words import ROLES
from hastore.formats.xml_text import elements, read_xml, wrong
from hastore.model.pacemaker import Cib
from hastore.model.state import Failure, NodeStatus, PacemakerState, ResourceStatus
from hastore.model.values import Params, field, value

_SOURCE: Final = "crm_mon"
_ROOTS: Final = ("pacemaker-result", "crm_mon")
_INSTANCE: Final = re.compile(r":\d+$")
_LEAVING: Final = {
    "Starting": "Stopped",
    "Stopping": "Started",
    "Promoting": "Unpromoted",
    "Demoting": "Promoted",
    "Migrating": "Started",
}
"""Roles of instances whose operation is under way, in place of `role` (recording stack/01)."""
_INFINITE_FAILURES: Final = 1_000_000
"""What Pacemaker counts INFINITY as."""


@value
class ClusterStatus:
    """What crm_mon tells of a cluster; the configuration comes from elsewhere."""

    version: str = ""
    quorum: bool = False
    dc: str = ""
    """The designated controller's name; empty where there is none."""
    nodes: Mapping[str, NodeStatus] = field(factory=dict[str, NodeStatus])
    resources: tuple[ResourceStatus, ...] = ()
    failures: tuple[Failure, ...] = ()
    idle: bool = True
    """No operation of a resource, no node and no fencing is pending."""
    node_attributes: Mapping[str, Params] = field(factory=dict[str, Params])
    fencing_history: tuple[str, ...] = ()
    stonith_enabled: bool | None = None
    maintenance: bool = False
    """The whole cluster is in maintenance mode."""
    exit_code: int = 0
    """As crm_mon reports it of itself: 102 where no cluster runs."""
    error: str = ""
    """Why there is no status; empty where there is one."""

    def state(self, cib: Cib, cib_xml: str = "") -> PacemakerState:
        """Return the state of the cluster, with the configuration that was read beside it."""
        return PacemakerState(
            cib=cib,
            version=self.version,
            quorum=self.quorum,
            dc=self.dc,
            nodes=self.nodes,
            resources=self.resources,
            failures=self.failures,
            idle=self.idle,
            node_attributes=self.node_attributes,
            fencing_history=self.fencing_history,
            cib_xml=cib_xml,
        )


def parse(text: str | bytes) -> ClusterStatus:
    """Read crm_mon's XML; where it says that no cluster runs, `error` and `exit_code` tell.

    Raises ParseError with line and column where the text is no such XML.
    """
    root = read_xml(text, _SOURCE)
    if root.tag not in _ROOTS:
        raise wrong(root, "<pacemaker-result> or <crm_mon>", _SOURCE)
    code, error = _outcome(root)
    controller = root.find("summary/current_dc")
    has_controller = controller is not None and _is_true(controller, "present")
    options = root.find("summary/cluster_options")
    return ClusterStatus(
        version=_text(controller, "version") or root.get("version", ""),
        quorum=has_controller and _is_true(controller, "with_quorum"),
        dc=_text(controller, "name") if has_controller else "",
        nodes={node.name: node for node in map(_node, root.findall("nodes/node"))},
        resources=_resources(root),
        failures=_failures(root),
        idle=not _pending(root),
        node_attributes=_node_attributes(root),
        fencing_history=tuple(map(_fencing, root.iter("fence_event"))),
        stonith_enabled=_is_true(options, "stonith-enabled") if _text(options, "stonith-enabled") else None,
        maintenance=_is_true(options, "maintenance-mode"),
        exit_code=code,
        error=error,
    )


def _text(element: etree._Element | None, name: str) -> str:
    return "" if element is None else element.get(name, "")


def _is_true(element: etree._Element | None, name: str) -> bool:
    return _text(element, name) == "true"


def _outcome(root: etree._Element) -> tuple[int, str]:
    status = root.find("status")
    code = _number(status, "code", 0)
    if status is None or code == 0:
        return code, ""
    reasons = [error.text or "" for error in status.iter("error")]
    return code, "; ".join([status.get("message", ""), *reasons])


def _number(element: etree._Element | None, name: str, otherwise: int) -> int:
    text = _text(element, name)
    if element is None or not text:
        return otherwise
    if text == "INFINITY":
        return _INFINITE_FAILURES
    if not text.removeprefix("-").isdecimal():
        raise wrong(element, f"a number as {name}", _SOURCE, text)
    return int(text)


def _node(element: etree._Element) -> NodeStatus:
    return NodeStatus(
        element.get("name", ""),
        online=_is_true(element, "online"),
        standby=_is_true(element, "standby") or _is_true(element, "standby_onfail"),
        maintenance=_is_true(element, "maintenance"),
        pending=_is_true(element, "pending"),
        unclean=_is_true(element, "unclean"),
        dc=_is_true(element, "is_dc"),
    )


def _resources(root: etree._Element) -> tuple[ResourceStatus, ...]:
    return tuple(
        ResourceStatus(
            _without_instance(resource.get("id", "")),
            node,
            role=_role(resource.get("role", "")),
            failed=_is_true(resource, "failed"),
            managed=resource.get("managed", "true") == "true",
            blocked=_is_true(resource, "blocked"),
            orphaned=_is_true(resource, "orphaned"),
        )
        for resource in _resource_elements(root)
        for node in ([node.get("name", "") for node in resource.findall("node")] or [""])
    )


def _resource_elements(root: etree._Element) -> list[etree._Element]:
    """Return every <resource>, which stands below its node where crm_mon was told --group-by-node."""
    return [r for name in ("nodes", "resources") for section in root.findall(name) for r in section.iter("resource")]


def _role(word: str) -> str:
    """Return the role an instance has; one on its way to another has the one it leaves."""
    return ROLES.get(_LEAVING.get(word, word), word)


def _without_instance(id: str) -> str:
    """Return the primitive's id of a clone's instance: `p_drbd` of `p_drbd:1`."""
    return _INSTANCE.sub("", id)


def _failures(root: etree._Element) -> tuple[Failure, ...]:
    counts = {
        (node.get("name", ""), _without_instance(history.get("id", ""))): _number(history, "fail-count", 0)
        for node in root.findall("node_history/node")
        for history in node.findall("resource_history")
    }
    failures = []
    for element in root.findall("failures/failure"):
        task, node = element.get("task", ""), element.get("node", "")
        # The key is <resource>_<task>_<interval in ms>; a resource's id may hold underscores itself.
        key = element.get("op_key", "")
        resource = _without_instance(key.removesuffix(f"_{task}_{element.get('interval', '0')}"))
        status = element.get("status", "complete")
        reasons = (element.get("exitreason"), status if status != "complete" else "", element.get("exitstatus"))
        failures.append(
            Failure(
                resource,
                node,
                task,
                exit_code=_number(element, "exitcode", 1),
                reason=next(filter(None, reasons), ""),
                failcount=counts.get((node, resource), 0),
            )
        )
    return tuple(failures)


def _pending(root: etree._Element) -> bool:
    """Tell whether anything is under way: crm_mon marks what a resource is about with `pending`."""
    return (
        any(r.get("pending") or r.get("role") in _LEAVING for r in _resource_elements(root))
        or any(_is_true(node, "pending") for node in root.findall("nodes/node"))
        or any(event.get("status") == "pending" for event in root.iter("fence_event"))
    )


def _node_attributes(root: etree._Element) -> dict[str, Params]:
    return {
        node.get("name", ""): Params((a.get("name", ""), a.get("value", "")) for a in elements(node))
        for node in root.findall("node_attributes/node")
    }


def _fencing(event: etree._Element) -> str:
    """Return a fencing as a sentence: `reboot of node2 by node1: success at 2026-11-22 15:36:37Z`."""
    by = f" by {event.get('delegate')}" if event.get("delegate") else ""
    at = f" at {event.get('completed')}" if event.get("completed") else ""
    why = f" ({event.get('exit-reason')})" if event.get("exit-reason") else ""
    return f"{event.get('action', 'fencing')} of {event.get('target', '')}{by}: {event.get('status', '')}{at}{why}"
