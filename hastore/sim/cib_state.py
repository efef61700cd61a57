"""What a CIB says: resources, constraints, nodes, and from the status section who runs what.

The reading of history follows Pacemaker 2.1.5 (`crm_simulate` is the judge in tests/sim/test_pacemaker_scheduler.py).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from hastore.model.errors import NotSimulated
from hastore.sim.cib import Element

INFINITY = 1_000_000
ACTIVE = {"Started", "Unpromoted", "Promoted"}
OK, NOT_RUNNING, RUNNING_PROMOTED, FAILED_PROMOTED = 0, 7, 8, 9
PENDING = 193
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


@dataclass
class Current:
    """What a resource is on one node, as far as its history tells."""

    role: str = "Stopped"
    failed: bool = False
    blocked: bool = False
    fence: bool = False
    known: bool = False
    """Somebody looked: there is a history."""
    digest: str = ""
    pending: str = ""
    last_failed: Element | None = None
    monitors: set[float] = field(default_factory=set)


@dataclass
class NodeState:
    """A node as the scheduler sees it."""

    name: str
    id: str
    online: bool = False
    unclean: bool = False
    standby: bool = False
    maintenance: bool = False
    attributes: dict[str, str] = field(default_factory=dict)
    transient: dict[str, str] = field(default_factory=dict)

    @property
    def usable(self) -> bool:
        """Resources may be placed here."""
        return self.reachable and not self.standby and not self.maintenance

    @property
    def reachable(self) -> bool:
        """Actions can be run here."""
        return self.online and not self.unclean


class ClusterState:
    """Everything a scheduler reads of one CIB."""

    def __init__(self, root: Element) -> None:
        configuration = root.find("configuration")
        if configuration is None:
            msg = "a CIB without <configuration>"
            raise NotSimulated(msg)
        self.configuration: Element = configuration
        self.root = root
        self.options = self._defaults("crm_config", "cluster_property_set")
        self.resource_defaults = self._defaults("rsc_defaults", "meta_attributes")
        self.operation_defaults = self._defaults("op_defaults", "meta_attributes")
        self.primitives: dict[str, Primitive] = {}
        self.groups: dict[str, list[str]] = {}
        self.group_meta: dict[str, dict[str, str]] = {}
        self.clones: dict[str, Clone] = {}
        self.top: list[str] = []
        self._read_resources()
        self._find_orphans()
        self.colocations: list[Colocation] = []
        self.orders: list[Order] = []
        self._read_constraints()
        self.nodes = self._read_nodes()
        self.current = {
            name: {id: self._current(self._history(node, id), primitive) for id, primitive in self.primitives.items()}
            for name, node in self.nodes.items()
        }
        self._note_broken_nodes()

    # Options

    @property
    def fencing_enabled(self) -> bool:
        """`stonith-enabled`, true where nobody says otherwise."""
        return truth(self.options.get("stonith-enabled"), default=True)

    @property
    def quorum_policy(self) -> str:
        """`no-quorum-policy`, stop where nobody says otherwise."""
        return self.options.get("no-quorum-policy", "stop")

    @property
    def maintenance(self) -> bool:
        """`maintenance-mode`."""
        return truth(self.options.get("maintenance-mode"))

    def managed(self, id: str) -> bool:
        """Tell whether the cluster may act on a primitive."""
        meta = self.primitives[id].meta
        return (
            truth(meta.get("is-managed"), default=True) and not truth(meta.get("maintenance")) and not self.maintenance
        )

    def _defaults(self, section: str, block: str) -> dict[str, str]:
        found = self.configuration.find(section)
        return nvpairs(found, block) if found is not None else {}

    # Resources

    def _read_resources(self) -> None:
        resources = self.configuration.find("resources")
        for element in resources if resources is not None else ():
            tag, id = str(element.tag), element.get("id", "")
            if tag == "template":
                continue
            self.top.append(id)
            if tag == "primitive":
                self._read_primitive(element)
            elif tag == "group":
                self._read_group(element, {})
            elif tag in {"clone", "master"}:
                self._read_clone(element)
            else:
                msg = f"resources of kind <{tag}>"
                raise NotSimulated(msg)

    def _find_orphans(self) -> None:
        for found in self.root.iterfind("status/node_state/lrm/lrm_resources/lrm_resource"):
            id = found.get("id", "").partition(":")[0]
            if id not in self.primitives:
                meta = {"target-role": "Stopped"}
                self.primitives[id] = Primitive(
                    id,
                    found.get("class", ""),
                    found.get("provider", ""),
                    found.get("type", ""),
                    {},
                    meta,
                    [],
                    orphan=True,
                )
                self.top.append(id)

    def _read_clone(self, element: Element) -> None:
        id = element.get("id", "")
        own = nvpairs(element, "meta_attributes")
        promotable = element.tag == "master" or truth(own.get("promotable"))
        inner = element.find("primitive")
        inherited = {**own} | (
            {} if "resource-stickiness" in {**self.resource_defaults, **own} else {"resource-stickiness": "1"}
        )
        if inner is not None:
            members = [self._read_primitive(inner, inherited, clone=id)]
        else:
            inner = element.find("group")
            if inner is None:
                msg = f"the clone {id} without a primitive or group"
                raise NotSimulated(msg)
            members = self._read_group(inner, inherited, clone=id)
        self.clones[id] = Clone(id, members, {**self.resource_defaults, **own}, promotable)
        if self.clones[id].number("clone-node-max", "clone-node-max", 1) != 1:
            msg = f"clone-node-max of {id}"
            raise NotSimulated(msg)

    def _read_group(self, element: Element, inherited: dict[str, str], clone: str = "") -> list[str]:
        id = element.get("id", "")
        own = nvpairs(element, "meta_attributes")
        self.group_meta[id] = {**inherited, **own}
        self.groups[id] = [
            self._read_primitive(e, {**inherited, **own}, group=id, clone=clone) for e in element.findall("primitive")
        ]
        return self.groups[id]

    def _read_primitive(
        self, element: Element, inherited: dict[str, str] | None = None, *, group: str = "", clone: str = ""
    ) -> str:
        id = element.get("id", "")
        template = next(
            (t for t in self.configuration.iterfind("resources/template") if t.get("id") == element.get("template")),
            None,
        )
        layers = [element] if template is None else [element, template]
        meta, params, operations = {}, {}, []
        for layer in reversed(layers):
            meta |= nvpairs(layer, "meta_attributes")
            params |= nvpairs(layer, "instance_attributes")
        for layer in layers:
            operations += [self._operation(op) for op in layer.findall("operations/op")]
        source = layers[-1]
        self.primitives[id] = Primitive(
            id,
            source.get("class", ""),
            source.get("provider", ""),
            source.get("type", ""),
            params,
            {**self.resource_defaults, **(inherited or {}), **meta},
            operations,
            group,
            clone,
            seconds(self.operation_defaults.get("timeout"), seconds(self.options.get("default-action-timeout"), 20.0)),
        )
        return id

    def _operation(self, element: Element) -> Operation:
        options = {**self.operation_defaults, **nvpairs(element, "meta_attributes"), **dict(element.attrib)}
        role = options.get("role", "")
        return Operation(
            options["name"],
            seconds(options.get("interval"), 0.0),
            seconds(options.get("timeout"), 20.0),
            ROLES.get(role, role),
            options.get("on-fail", ""),
            truth(options.get("enabled"), default=True),
        )

    def members(self, id: str) -> list[str]:
        """Return the primitives of a resource of any kind, in order."""
        if id in self.clones:
            return self.clones[id].members
        if id in self.groups:
            return self.groups[id]
        return [id] if id in self.primitives else []

    # Constraints

    def _read_constraints(self) -> None:
        for id, members in self.groups.items():
            for before, after in zip(members, members[1:], strict=False):
                if not self.primitives[before].clone:
                    self.colocations.append(Colocation(after, before, INFINITY))
                    self.orders.append(Order(before, after))
            del id
        for element in self.configuration.iterfind("constraints/*"):
            if element.find("resource_set") is not None:
                msg = f"the resource sets of {element.get('id')}"
                raise NotSimulated(msg)
            if element.tag == "rsc_colocation":
                self._read_colocation(element)
            elif element.tag == "rsc_order":
                self._read_order(element)
            elif element.tag not in {"rsc_location"}:
                msg = f"constraints of kind <{element.tag}>"
                raise NotSimulated(msg)

    def _read_colocation(self, element: Element) -> None:
        dependent, primary = element.get("rsc", ""), element.get("with-rsc", "")
        role, primary_role = element.get("rsc-role", ""), element.get("with-rsc-role", "")
        self.colocations.append(
            Colocation(
                self._handle(dependent, last=False),
                self._handle(primary, last=True),
                score(element.get("score"), INFINITY),
                ROLES.get(role, role),
                ROLES.get(primary_role, primary_role),
            )
        )

    def _read_order(self, element: Element) -> None:
        kind = element.get("kind") or ("Mandatory" if score(element.get("score"), INFINITY) > 0 else "Optional")
        if kind == "Serialize":
            msg = f"the order {element.get('id')} of kind Serialize"
            raise NotSimulated(msg)
        if kind == "Optional":
            return
        first_action = element.get("first-action", "start")
        self.orders.append(
            Order(
                element.get("first", ""),
                element.get("then", ""),
                first_action,
                element.get(
                    "then-action",
                    first_action
                    if first_action in {"start", "promote"} and element.get("then", "") in self.clones
                    else "start",
                ),
                truth(element.get("symmetrical"), default=True),
            )
        )

    def _handle(self, id: str, *, last: bool) -> str:
        """Return what stands for a resource in colocations: a clone itself, a group's first or last member."""
        if id in self.groups:
            return self.groups[id][-1 if last else 0]
        return self.primitives[id].clone or id if id in self.primitives else id

    # Nodes

    def _read_nodes(self) -> dict[str, NodeState]:
        found = {}
        for element in self.configuration.iterfind("nodes/node"):
            name = element.get("uname", "")
            node = NodeState(name, element.get("id", ""), attributes=nvpairs(element, "instance_attributes"))
            state = self._node_state(name)
            if state is not None:
                self._judge_node(node, state)
            elif self.fencing_enabled and truth(self.options.get("startup-fencing"), default=True):
                node.unclean = True
            standby = {**node.attributes, **node.transient}.get("standby")
            node.standby = truth(standby)
            node.maintenance = truth(node.attributes.get("maintenance")) or self.maintenance
            if self.maintenance:
                node.maintenance = False
            found[name] = node
        return found

    def _judge_node(self, node: NodeState, state: Element) -> None:
        for element in state.findall("transient_attributes"):
            node.transient |= nvpairs(element, "instance_attributes")
        member = state.get("in_ccm") not in {None, "false", "0"}
        controller = state.get("crmd") not in {None, "offline", "0"}
        node.online = member and controller and state.get("join") == "member"
        expected = state.get("expected") == "member"
        node.unclean = self.fencing_enabled and expected and not node.online and state.get("join") != "pending"

    def _node_state(self, name: str) -> Element | None:
        return next((s for s in self.root.iterfind("status/node_state") if s.get("uname") == name), None)

    # History

    def _history(self, node: NodeState, id: str) -> list[Element]:
        state = self._node_state(node.name)
        if state is None or not (node.online or node.unclean):
            return []
        for resource in state.iterfind("lrm/lrm_resources/lrm_resource"):
            if resource.get("id", "").partition(":")[0] == id:
                return sorted(resource.findall("lrm_rsc_op"), key=_call_id)
        return []

    def _current(self, history: list[Element], primitive: Primitive) -> Current:
        now = Current(known=bool(history))
        promotable = bool(primitive.clone) and self.clones[primitive.clone].promotable
        started = "Unpromoted" if promotable else "Started"
        for op in history:
            code, name = int(op.get("rc-code", "0")), op.get("operation", "")
            interval = int(op.get("interval", "0")) / 1000
            if int(op.get("op-status", "0")) == -1 or code == PENDING:
                now.pending = name
                if name in {"stop", "start", "demote", "promote"} and now.role == "Stopped":
                    now.role = started
                if (name, interval) == ("monitor", 0.0) and len(history) == 1:
                    now.known = False
                continue
            if name in {"notify", "meta-data"}:
                continue
            if succeeded(name, interval, code):
                self._note_success(now, op, name, code, started)
            else:
                self._note_failure(now, op, primitive, started)
        if now.role == "Stopped":
            now.monitors.clear()
        return now

    def _note_success(self, now: Current, op: Element, name: str, code: int, started: str) -> None:
        interval = int(op.get("interval", "0")) / 1000
        if name == "monitor" and interval:
            now.monitors.add(interval)
        if name == "stop" or (name == "monitor" and code == NOT_RUNNING):
            now.role, now.failed, now.blocked, now.fence, now.last_failed = "Stopped", False, False, False, None
        elif name == "promote" or (name == "monitor" and code == RUNNING_PROMOTED):
            now.role, now.failed = "Promoted", False
        elif name in {"start", "demote"} or (name == "monitor" and now.role == "Stopped"):
            now.role, now.failed = started, False
        if name in {"start", "promote"} and op.get("op-digest"):
            now.digest = op.get("op-digest", "")

    def _note_failure(self, now: Current, op: Element, primitive: Primitive, started: str) -> None:
        name, code, interval = op.get("operation", ""), int(op.get("rc-code", "0")), int(op.get("interval", "0")) / 1000
        reaction = primitive.on_fail(name, interval) or ("stop-failed" if name == "stop" else "restart")
        if reaction == "ignore":
            return
        now.failed, now.last_failed = True, op
        if (
            name == "monitor" and interval == 0 and code in {2, 3, 5, 6}
        ):  # what is not installed or not configured does not run
            now.role, now.failed = "Stopped", False
            return
        if code in {RUNNING_PROMOTED, FAILED_PROMOTED} and started == "Unpromoted":
            now.role = "Promoted"
        elif name in {"start", "demote"} or now.role == "Stopped":
            now.role = started
        if reaction == "stop-failed":
            now.fence, now.blocked = self.fencing_enabled, not self.fencing_enabled
        elif reaction == "fence":
            now.fence = True
        elif reaction == "block":
            now.blocked = True
        elif reaction not in {"restart", "stop"}:
            msg = f"on-fail={reaction} of {primitive.id}"
            raise NotSimulated(msg)

    def _note_broken_nodes(self) -> None:
        for name, resources in self.current.items():
            if any(now.fence and self.managed(id) for id, now in resources.items()):
                self.nodes[name].unclean = True

    def fail_count(self, node: str, id: str) -> int:
        """Return how often a resource failed on a node, INFINITY where it may not come back."""
        total = 0
        for name, text in self.nodes[node].transient.items():
            if name == f"fail-count-{id}" or name.startswith(f"fail-count-{id}#"):
                total = add_scores(total, score(text))
        return total

    def promotion_score(self, node: str, id: str) -> int:
        """Return the score an agent gave itself on a node (`master-<rsc>`); -1 where it gave none."""
        transient = self.nodes[node].transient
        return score(transient.get(f"master-{id}", transient.get(f"promoted-{id}")), -1)


def _call_id(op: Element) -> tuple[int, int]:
    call = int(op.get("call-id", "0"))
    return (call if call >= 0 else 1 << 30, 0)


def succeeded(name: str, interval: float, code: int) -> bool:
    if name == "monitor":
        return code in {OK, RUNNING_PROMOTED} or (code == NOT_RUNNING and interval == 0)
    if name == "stop":
        return code in {OK, NOT_RUNNING}
    return code == OK
