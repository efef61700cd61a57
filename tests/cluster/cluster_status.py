"""What a real cluster says, read for tests by code that is not hastore's: crm_mon's XML and the stub agents' log."""

from __future__ import annotations

from pathlib import Path

import attrs
from lxml import etree


class Status:
    """One answer of `crm_mon --output-as=xml`."""

    def __init__(self, root: etree._Element) -> None:
        self._root = root

    def __str__(self) -> str:
        return etree.tostring(self._root, encoding="unicode")

    @property
    def dc(self) -> str:
        """The name of the designated controller; empty where none is elected."""
        found = self._root.find("summary/current_dc")
        return "" if found is None or found.get("present") != "true" else found.get("name", "")

    @property
    def has_dc(self) -> bool:
        """True where a DC is elected."""
        return self.dc != ""

    @property
    def online(self) -> set[str]:
        """Names of the nodes that are online and have joined."""
        return {
            node.get("name", "")
            for node in self._root.iterfind("nodes/node")
            if node.get("online") == "true" and node.get("pending") == "false"
        }

    def running(self, resource: str) -> set[str]:
        """Names of the nodes where a resource runs, and nothing is being done to it."""
        return {name for role, name in self._places(resource) if role != "Stopped"}

    def promoted(self, resource: str) -> set[str]:
        """Names of the nodes where an instance is promoted."""
        return {name for role, name in self._places(resource) if role in ("Promoted", "Master")}

    @property
    def resources(self) -> set[str]:
        """Ids of all primitives, instance numbers left out."""
        return {found.get("id", "").split(":")[0] for found in self._root.iter("resource")}

    @property
    def failures(self) -> list[dict[str, str]]:
        """Attributes of the failures that the cluster remembers."""
        return [{str(k): str(v) for k, v in failure.attrib.items()} for failure in self._root.iter("failure")]

    def _places(self, resource: str) -> list[tuple[str, str]]:
        return [
            (found.get("role", ""), node.get("name", ""))
            for found in self._root.iter("resource")
            if found.get("id", "").split(":")[0] == resource and found.get("pending") is None
            for node in found.iterfind("node")
        ]


@attrs.frozen
class Call:
    """One call of a stub agent that ended."""

    begin: float
    end: float
    node: str
    action: str
    resource: str
    agent: str
    """Provider and type, such as `heartbeat:LVM-activate`."""
    exit_code: int


def read_calls(log: Path) -> list[Call]:
    """Return the logged calls in the order in which they began."""
    calls = []
    for line in log.read_text().splitlines():
        begin, end, node, action, resource, agent, code = line.split()
        calls.append(Call(float(begin), float(end), node, action, resource, agent, int(code)))
    return sorted(calls, key=lambda call: call.begin)
