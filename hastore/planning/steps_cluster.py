"""Steps on Pacemaker: one guarded patch of the CIB, and waiting for what the cluster then does."""

from __future__ import annotations

from typing import ClassVar

from hastore.model.cib_edits import Edit, Put, Remove, SetNodeAttribute, SetProperty, SetResourceDefault, apply_edits
from hastore.model.pacemaker import Cib, FencingLevel, PacemakerResource
from hastore.model.stack import StorageStack
from hastore.model.state import ClusterState, Failure, LvmState, PacemakerState, ScstState
from hastore.model.values import NO_PARAMS, Params, as_params, field, value
from hastore.planning.evolve import drbd_on, host_of, scst_on, vg_on, with_pacemaker
from hastore.planning.settle import Place, placement, settle
from hastore.planning.steps import HostStep, Layer, Subsystem

MILLION = 1_000_000
"""Pacemaker's INFINITY as a number."""
MOVE_PREFIX = "hastore-move-"
"""Ids of the constraints that hastore puts while it moves, and takes away again."""


@value
class _ClusterStep(HostStep):
    subsystem: ClassVar[Subsystem] = "pacemaker"
    part: int = 0
    """Which part of a plan it belongs to, for plans that change the CIB more than once: 0, 1, 2 ..."""

    @property
    def layer(self) -> int:
        """Return the floor of its part: a plan may patch, wait, patch and wait again."""
        return self.base_layer + 20 * self.part

    @property
    def subject(self) -> str:
        return "cib"

    @property
    def key(self) -> str:
        return f"{self.verb} {self.subject}#{self.part}@{self.host}"

    @property
    def touches(self) -> frozenset[str]:
        return frozenset({"cib"})

    @property
    def needs(self) -> frozenset[str]:
        """All storage that was made by hand must stand, and be let go of, before."""
        return frozenset({"*"})

    def now(self, state: ClusterState) -> PacemakerState | None:
        """Return the cluster's state, or None where it is not known."""
        pacemaker = host_of(state, self.host).pacemaker
        return pacemaker if isinstance(pacemaker, PacemakerState) else None

    def requires(self, state: ClusterState) -> str:
        pacemaker = self.now(state)
        if pacemaker is None:
            return f"Pacemaker on {self.host} is not known"
        if not pacemaker.quorum:
            return f"{self.host} has no quorum: the cluster would not act"
        return super().requires(state)


@value
class PatchCib(_ClusterStep):
    """Change the CIB in one atomic commit, guarded against a change in between."""

    base_layer: ClassVar[int] = Layer.CIB
    verb: ClassVar[str] = "patch"
    fresh: ClassVar[bool] = True
    edits: tuple[Edit, ...] = ()
    why: str = ""

    @property
    def title(self) -> str:
        return self.why or f"change the cluster's configuration: {len(self.edits)} edits"

    def ensures(self, state: ClusterState) -> bool:
        pacemaker = self.now(state)
        return pacemaker is not None and apply_edits(pacemaker.cib, self.edits) == pacemaker.cib

    def effect(self, state: ClusterState) -> ClusterState:
        pacemaker = self.now(state)
        if pacemaker is None:
            return state
        return with_pacemaker(state, cib=apply_edits(pacemaker.cib, self.edits), idle=False)

    def disturbed(self, before: ClusterState, after: ClusterState) -> str:
        """Compare only what the edits are about: a fence handler's constraint elsewhere disturbs nothing."""
        then, now = self.now(before), self.now(after)
        if then is None or now is None:
            return "the cluster's configuration can't be read any more"
        changed = [edit for edit in self.edits if _about(edit, then.cib) != _about(edit, now.cib)]
        return f"somebody else changed what this would change ({show_edit(changed[0])})" if changed else ""

    def lines(self) -> tuple[str, ...]:
        """Return the edits as lines for people."""
        return tuple(show_edit(edit) for edit in self.edits)


@value
class Unbind(PatchCib):
    """Take away the constraints that bound something to a node while it moved, also where the move failed.

    One that stays is no help: it lets the group jump to its node as soon as somebody cleans the failure up.
    """

    verb: ClassVar[str] = "unbind"
    always: ClassVar[bool] = True


def bindings(cib: Cib) -> frozenset[str]:
    """Return the ids of the constraints that a move of hastore's put, this one's or one's that was stopped."""
    return frozenset(c.id for c in cib.constraints if c.id.startswith(MOVE_PREFIX))


@value
class AwaitCluster(_ClusterStep):
    """Wait until every resource is where the configuration wants it, and storage shows it.

    The cluster begins a moment after its configuration changed, and shows nothing pending until then: all must hold
    for a while.
    """

    base_layer: ClassVar[int] = Layer.CLUSTER
    verb: ClassVar[str] = "await"
    fresh: ClassVar[bool] = True
    calm: ClassVar[float] = 2.0
    stack: StorageStack = field(factory=StorageStack, repr=False)
    prefer: Params = field(default=NO_PARAMS, converter=as_params)
    """Group or clone -> the node it must be on in the end; empty for wherever the cluster puts it."""
    staying: bool = False
    """True where all is in its place when the waiting begins: what then leaves it does not come back."""
    deadline: float = 600.0
    patience: float = 1.0

    @property
    def title(self) -> str:
        where = ", ".join(f"{unit} on {node}" for unit, node in self.prefer.items())
        return f"wait until the cluster has settled{': ' + where if where else ''}"

    def ensures(self, state: ClusterState) -> bool:
        pacemaker = self.now(state)
        if pacemaker is None or not pacemaker.idle:
            return False
        return not self.missing(state) and not storage_lags(self.stack, state)

    def missing(self, state: ClusterState) -> tuple[Place, ...]:
        """Return the places that are wanted and not yet taken; where no node is preferred any will do."""
        pacemaker = self.now(state)
        if pacemaker is None:
            return ()
        return tuple(p for p in self.wanted(pacemaker) if p.node not in pacemaker.where(p.resource, _seen_role(p.role)))

    def wanted(self, pacemaker: PacemakerState) -> tuple[Place, ...]:
        """Return the places to wait for: where the stack says what is its own, what somebody else runs is not."""
        places = placement(pacemaker.cib, pacemaker, self.prefer)
        if self.stack.pacemaker is None:
            return places
        ours = {resource.id for resource in self.stack.pacemaker.resources}
        return tuple(place for place in places if place.resource in ours)

    def effect(self, state: ClusterState) -> ClusterState:
        return settle(self.stack, state, self.prefer)

    def progress(self, state: ClusterState) -> tuple[float | None, str]:
        pacemaker = self.now(state)
        if pacemaker is None:
            return None, "the cluster does not answer"
        wanted = self.wanted(pacemaker)
        missing = self.missing(state)
        if not missing:
            return 1.0, "; ".join(storage_lags(self.stack, state)) or "the transition is coming to its end"
        done = 1 - len(missing) / len(wanted) if wanted else 1.0
        return done, f"{len(wanted) - len(missing)} of {len(wanted)} resources; next: {missing[0].resource}"

    def hopeless(self, state: ClusterState) -> str:
        """A blocked resource, or one that failed to start where it must run, stays so until a person comes."""
        pacemaker = self.now(state)
        if pacemaker is None:
            return ""
        ours = {place.resource for place in self.wanted(pacemaker)}
        blocked = [r for r in pacemaker.resources if r.blocked and r.id in ours]
        if blocked:
            said = "; ".join(map(_show_failure, pacemaker.failures))
            return f"{blocked[0].id} is blocked on {blocked[0].node} ({said or 'a stop failed and nothing fences'})"
        missing = self.missing(state)
        single = [place for place in missing if place.role != "Unpromoted"]
        gone = [(p, n) for p in single for n in pacemaker.where(p.resource, _seen_role(p.role)) if n != p.node]
        if self.staying and gone and pacemaker.idle:
            place, node = gone[0]
            return (
                f"{place.resource} went from {place.node} to {node} as soon as nothing bound it: its scores are higher "
                f"there (crm_simulate -sL shows them); a resource-stickiness above their difference keeps it"
            )
        wanted = {(place.resource, place.node) for place in missing}
        fatal = [f for f in pacemaker.failures if (f.resource, f.node) in wanted and _fatal(f)]
        if fatal and pacemaker.idle:
            cleanup = f"mend it, then crm_resource --cleanup --resource {fatal[0].resource}"
            return f"{_show_failure(fatal[0])}; the cluster will not try again there: {cleanup}"
        return ""


def _fatal(failure: Failure) -> bool:
    """True where Pacemaker gives a node up for a resource: a failed start, or failures without end."""
    return failure.operation == "start" or failure.failcount >= MILLION


def _show_failure(failure: Failure) -> str:
    reason = failure.reason.strip().splitlines()[0] if failure.reason.strip() else f"exit code {failure.exit_code}"
    return f"{failure.operation} of {failure.resource} failed on {failure.node}: {reason}"


def _seen_role(role: str) -> str:
    """Return the role that status must show: a started resource may be shown with any active role."""
    return role if role in {"Promoted", "Unpromoted"} else ""


def storage_lags(stack: StorageStack, state: ClusterState) -> tuple[str, ...]:
    """Return what storage does not yet show of what the cluster says runs; nothing where it can't be seen."""
    pacemaker = state.pacemaker()
    if not isinstance(pacemaker, PacemakerState) or stack.pacemaker is None:
        return ()
    lags: list[str] = []
    for resource in stack.pacemaker.resources:
        for node in pacemaker.where(resource.id):
            lag = _lag(stack, state, resource.serves, node)
            if lag:
                lags.append(lag)
    return tuple(lags)


def _lag(stack: StorageStack, state: ClusterState, reference: str, node: str) -> str:
    kind, _, name = reference.partition(":")
    host = host_of(state, node)
    if kind == "drbd" and stack.drbd_resource(name) and node in state.hosts and not drbd_on(state, node, name).up:
        return f"{name} is not up on {node}"
    if kind == "vg" and isinstance(host.lvm, LvmState):
        group = vg_on(state, node, name)
        if group is None or not all(lv.active for lv in group.logical_volumes.values()):
            return f"volume group {name} is not active on {node}"
    if kind == "target" and isinstance(host.scst, ScstState):
        target = scst_on(state, node).targets.get(name)
        if target is None or not target.enabled:
            return f"target {name} is not enabled on {node}"
    if kind == "lun" and isinstance(host.scst, ScstState):
        iqn, _, number = name.rpartition("/")
        target = scst_on(state, node).targets.get(iqn)
        if target is None or all(str(lun.number) != number for lun in target.luns):
            return f"LUN {number} of {iqn} is not shown on {node}"
    return ""


def _about(edit: Edit, cib: Cib) -> object:
    """Return what a CIB says of the thing that an edit is about; None where it says nothing."""
    match edit:
        case Put(FencingLevel() as level):
            return next(
                (known for known in cib.levels if (known.target, known.index) == (level.target, level.index)), None
            )
        case Put(element):
            return _named(element.id, cib)
        case Remove(id):
            return _named(id, cib)
        case SetProperty(name):
            return cib.properties.get(name)
        case SetResourceDefault(name):
            return cib.resource_defaults.get(name)
        case SetNodeAttribute(node, name):
            return next((known.attributes.get(name) for known in cib.nodes if known.name == node), None)


def _named(id: str, cib: Cib) -> object:
    return next((element for element in (*cib.elements(), *cib.tags) if element.id == id), None)


def show_edit(edit: Edit) -> str:
    """Return one line for people: what an edit does."""
    match edit:
        case Put(FencingLevel() as level):
            return f"fencing level {level.index} of {level.target}: {', '.join(level.devices)}"
        case Put(PacemakerResource() as resource):
            return f"put primitive {resource.id} ({resource.agent})"
        case Put(element):
            return f"put {type(element).__name__.lower()} {element.id}"
        case Remove(id):
            return f"remove {id}"
        case SetProperty(name, text):
            return f"set property {name}={text}" if text is not None else f"unset property {name}"
        case SetResourceDefault(name, text):
            return f"set resource default {name}={text}" if text is not None else f"unset resource default {name}"
        case SetNodeAttribute(node, name, text):
            return f"set {name}={text} on node {node}" if text is not None else f"unset {name} on node {node}"


def edits_between(desired: Cib, live: Cib, owned: frozenset[str]) -> tuple[Edit, ...]:
    """Return the edits that make the live CIB hold all that is desired.

    What is not desired is removed where it is owned, and left alone where it is somebody else's.
    """
    edits: list[Edit] = []
    wanted = {element.id: element for element in desired.elements()}
    present = {element.id: element for element in live.elements()}
    edits.extend(Remove(id) for id in present if id in owned and id not in wanted)
    edits.extend(Put(element) for id, element in wanted.items() if present.get(id) != element)
    live_levels = {(level.target, level.index): level.devices for level in live.levels}
    edits.extend(
        Put(level) for level in desired.levels if live_levels.get((level.target, level.index)) != level.devices
    )
    live_tags = {tag.id: frozenset(tag.members) for tag in live.tags}
    edits.extend(Put(tag) for tag in desired.tags if live_tags.get(tag.id) != frozenset(tag.members))
    edits.extend(_settings(desired.properties, live.properties, SetProperty))
    edits.extend(_settings(desired.resource_defaults, live.resource_defaults, SetResourceDefault))
    live_nodes = {node.name: node.attributes for node in live.nodes}
    for node in desired.nodes:
        known = live_nodes.get(node.name)
        if known is not None:
            edits.extend(
                SetNodeAttribute(node.name, name, text)
                for name, text in node.attributes.items()
                if known.get(name, _ATTRIBUTE_DEFAULTS.get(name)) != text
            )
    return tuple(edits)


_ATTRIBUTE_DEFAULTS = {"standby": "off", "maintenance": "off"}


def _settings(
    desired: Params, live: Params, make: type[SetProperty | SetResourceDefault]
) -> list[SetProperty | SetResourceDefault]:
    return [make(name, text) for name, text in desired.items() if live.get(name) != text]
