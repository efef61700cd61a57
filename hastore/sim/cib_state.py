"""What a CIB says: resources, constraints, nodes, and from the status section who runs what.

The reading of history follows Pacemaker 2.1.5 (`crm_simulate` is the judge in tests/sim/test_pacemaker_scheduler.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from hastore.model.errors import NotSimulated
from hastore.sim.cib_history import Current, call_order, read_history
from hastore.sim.cib_words import (
    INFINITY,
    ROLES,
    Clone,
    Colocation,
    Operation,
    Order,
    Primitive,
    add_scores,
    nvpairs,
    score,
    seconds,
    truth,
)
from hastore.sim.cluster_xml import Element


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
            name: {id: self._current(node, primitive) for id, primitive in self.primitives.items()}
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
        meta: dict[str, str] = {}
        params: dict[str, str] = {}
        operations: list[Operation] = []
        for layer in reversed(layers):
            meta |= nvpairs(layer, "meta_attributes")
            params |= nvpairs(layer, "instance_attributes")
        for layer in layers:
            operations += [self._operation(op) for op in layer.findall("operations/op")]
        inherits = {**self.resource_defaults, **(inherited or {}), **meta}
        if seconds(inherits.get("failure-timeout"), 0.0):
            msg = f"failure-timeout of {id}"
            raise NotSimulated(msg)
        source = layers[-1]
        self.primitives[id] = Primitive(
            id,
            source.get("class", ""),
            source.get("provider", ""),
            source.get("type", ""),
            params,
            inherits,
            operations,
            group,
            clone,
            seconds(self.operation_defaults.get("timeout"), seconds(self.options.get("default-action-timeout"), 20.0)),
        )
        return id

    def _operation(self, element: Element) -> Operation:
        options = {
            **self.operation_defaults,
            **nvpairs(element, "meta_attributes"),
            **{str(k): str(v) for k, v in element.items()},
        }
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
        for members in self.groups.values():
            for before, after in pairwise(members):
                if not self.primitives[before].clone:
                    self.colocations.append(Colocation(after, before, INFINITY))
                    self.orders.append(Order(before, after))
        for element in self.configuration.iterfind("constraints/*"):
            if element.find("resource_set") is not None:
                msg = f"the resource sets of {element.get('id')}"
                raise NotSimulated(msg)
            if element.tag == "rsc_colocation":
                self._read_colocation(element)
            elif element.tag == "rsc_order":
                self._read_order(element)
            elif element.tag != "rsc_location":
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

    def _current(self, node: NodeState, primitive: Primitive) -> Current:
        promotable = bool(primitive.clone) and self.clones[primitive.clone].promotable
        started = "Unpromoted" if promotable else "Started"
        return read_history(self._history(node, primitive.id), primitive.on_fail, started, fencing=self.fencing_enabled)

    def _history(self, node: NodeState, id: str) -> list[Element]:
        state = self._node_state(node.name)
        if state is None or not (node.online or node.unclean):
            return []
        for resource in state.iterfind("lrm/lrm_resources/lrm_resource"):
            if resource.get("id", "").partition(":")[0] == id:
                return sorted(resource.findall("lrm_rsc_op"), key=call_order)
        return []

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
