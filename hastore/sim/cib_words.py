"""The words of a CIB: scores, times, name-value pairs, and resources with what they inherit."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from hastore.model.errors import NotSimulated
from hastore.sim.cluster_xml import Element

INFINITY = 1_000_000
ROLES = {"Master": "Promoted", "Slave": "Unpromoted"}


def add_scores(a: int, b: int) -> int:
    """Add two scores as Pacemaker does: minus infinity beats plus infinity, both beat everything else."""
    if -INFINITY in (a, b):
        return -INFINITY
    if INFINITY in (a, b):
        return INFINITY
    return max(-INFINITY, min(INFINITY, a + b))


def score(text: str | None, default: int = 0) -> int:
    """Read a score: an integer, INFINITY, -INFINITY."""
    if text is None or not text:
        return default
    bare = text.lstrip("+-")
    if bare == "INFINITY":
        return -INFINITY if text.startswith("-") else INFINITY
    return max(-INFINITY, min(INFINITY, int(text)))


def seconds(text: str | None, default: float) -> float:
    """Read a time as Pacemaker writes it: `10s`, `20`, `2min`, `500ms`; what is no time gives the default."""
    if not text:
        return default
    digits = text.strip()
    for unit, factor in (("ms", 0.001), ("min", 60.0), ("sec", 1.0), ("s", 1.0), ("m", 60.0), ("h", 3600.0)):
        if digits.endswith(unit) and digits[: -len(unit)].strip().isdigit():
            return int(digits[: -len(unit)]) * factor
    return float(digits) if digits.isdigit() else default


def truth(text: str | None, *, default: bool = False) -> bool:
    """Read a boolean as Pacemaker does."""
    if text is None:
        return default
    return text.lower() in {"true", "on", "yes", "y", "1"}


def nvpairs(parent: Element, *blocks: str) -> dict[str, str]:
    """Return the name-value pairs of an element's blocks (`meta_attributes` ...); the first value of a name stands."""
    found: dict[str, str] = {}
    for block in blocks:
        for element in parent.findall(block):
            if element.find("rule") is not None:
                msg = f"a rule in {block} {element.get('id')}"
                raise NotSimulated(msg)
            for pair in element.findall("nvpair"):
                found.setdefault(pair.get("name", ""), pair.get("value", ""))
    return found


def digest(parameters: dict[str, str]) -> str:
    """Return Pacemaker's digest of parameters (recorded: pacemaker/offline/crm_resource-digest)."""
    text = "".join(f' {name}="{parameters[name]}"' for name in sorted(parameters))
    return hashlib.md5(f" <parameters{text}/>\n".encode()).hexdigest()  # noqa: S324 -- Pacemaker's own choice


@dataclass
class Operation:
    """A configured operation of a primitive."""

    name: str
    interval: float
    timeout: float
    role: str = ""
    on_fail: str = ""
    enabled: bool = True


@dataclass
class Primitive:
    """A primitive with what it inherits from group, clone and defaults."""

    id: str
    cls: str
    provider: str
    type: str
    params: dict[str, str]
    meta: dict[str, str]
    operations: list[Operation]
    group: str = ""
    clone: str = ""
    default_timeout: float = 20.0
    orphan: bool = False
    """It is not in the configuration any more, but a node has a history of it."""

    @property
    def agent(self) -> str:
        """The agent's name as crm_mon shows it."""
        return ":".join(part for part in (self.cls, self.provider, self.type) if part)

    @property
    def fencing(self) -> bool:
        """True for a fencing device."""
        return self.cls == "stonith"

    def timeout(self, name: str, interval: float = 0.0) -> float:
        """Return the seconds an action may take; 20 where nobody says (crm/common/actions.h)."""
        exact = [o for o in self.operations if o.name == name and o.interval == interval]
        probes = [o for o in self.operations if o.name == "monitor"] if (name, interval) == ("monitor", 0.0) else []
        chosen = exact or sorted(probes, key=lambda o: o.interval)
        return chosen[0].timeout if chosen else self.default_timeout

    def on_fail(self, name: str, interval: float) -> str:
        """Return the configured on-fail of an action; empty for the default."""
        return next((o.on_fail for o in self.operations if o.name == name and o.interval == interval), "")

    def monitors(self, role: str) -> list[Operation]:
        """Return the recurring monitors for a role (`Started`, `Unpromoted`, `Promoted`)."""
        wanted = {"Started"} if role == "Unpromoted" else set()
        return [
            o
            for o in self.operations
            if o.name == "monitor"
            and o.interval > 0
            and o.enabled
            and (
                (o.role or "Started") == role
                or (o.role in {"", "Unpromoted"} and role == "Unpromoted")
                or o.role in wanted
            )
        ]


@dataclass
class Clone:
    """A clone of a primitive or group."""

    id: str
    members: list[str]
    meta: dict[str, str]
    promotable: bool

    def number(self, new: str, old: str, default: int) -> int:
        """Return a counting option under its new or old name."""
        return int(self.meta.get(new, self.meta.get(old, str(default))))


@dataclass
class Colocation:
    """Dependent with primary."""

    dependent: str
    primary: str
    score: int
    role: str = ""
    primary_role: str = ""


@dataclass
class Order:
    """First, then."""

    first: str
    then: str
    first_action: str = "start"
    then_action: str = "start"
    symmetrical: bool = True
