"""Hypothesis strategies for Pacemaker configurations and edits of them.

Configurations are such as the schemas that Pacemaker ships accept (/usr/share/pacemaker/pacemaker-*.rng):
references name what is there, ids are unique, groups have members. Values hold anything XML can carry.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import attrs
from hypothesis import strategies as st

from hastore.model.cib_edits import Edit, Put, Remove, SetNodeAttribute, SetProperty, SetResourceDefault
from hastore.model.pacemaker import (
    Action,
    Cib,
    Clone,
    ClusterNode,
    Colocation,
    Constraint,
    FencingLevel,
    Foreign,
    Group,
    Location,
    Op,
    Order,
    PacemakerResource,
    Role,
    Tag,
)
from hastore.model.values import Params

T = TypeVar("T")

SCHEMAS = ("", "pacemaker-2.10", "pacemaker-3.0", "pacemaker-3.6", "pacemaker-3.7", "pacemaker-3.9")
_ROLES: tuple[Role, ...] = ("", "Started", "Stopped", "Promoted", "Unpromoted")
_ACTIONS: tuple[Action, ...] = ("", "start", "stop", "promote", "demote")

names = st.from_regex(r"[a-z][a-z0-9_-]{0,9}", fullmatch=True)
"""Names of parameters and properties."""
ids = st.from_regex(r"[a-z][a-z0-9_]{0,7}", fullmatch=True)
"""Ids of elements; without hyphens, so that no id looks like one made from another."""
plain_values = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="\\"), max_size=12)
"""Texts of one line of ASCII, without backslashes."""
values = st.one_of(
    plain_values,
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), max_size=8),
    st.sampled_from(["a\nb", "a\tb", "a\\b", "'", '"', "", "a=b c=d", "$x", "#x", "x:", "\\"]),
)
"""Whatever text XML can carry."""
scores = st.one_of(st.sampled_from(["INFINITY", "-INFINITY", "0"]), st.integers(-1000, 1000).map(str))


def params(texts: st.SearchStrategy[str] = values, *, most: int = 3) -> st.SearchStrategy[Params]:
    """Generate a few names with values."""
    return st.dictionaries(names, texts, max_size=most).map(Params)


@st.composite
def operations(draw: st.DrawFn, texts: st.SearchStrategy[str] = values) -> tuple[Op, ...]:
    """Generate operations of one resource, each interval of an action once."""
    kinds = draw(
        st.lists(
            st.tuples(st.sampled_from(["monitor", "start", "stop"]), st.sampled_from(["0", "10s", "20", "1min"])),
            unique=True,
            max_size=3,
        )
    )
    options = st.sampled_from([{}, {"on-fail": "restart"}, {"enabled": "false", "on-fail": "ignore"}])
    return tuple(
        Op(
            name,
            interval=interval,
            timeout=draw(st.sampled_from(["", "20", "90s"])),
            role=draw(st.sampled_from(_ROLES)) if name == "monitor" else "",
            options=draw(options),
            attributes=draw(params(texts, most=1)),
        )
        for name, interval in kinds
    )


@st.composite
def resources(draw: st.DrawFn, id: str | None = None, texts: st.SearchStrategy[str] = values) -> PacemakerResource:
    """Generate a primitive."""
    agents = ["ocf:heartbeat:Dummy", "ocf:pacemaker:Dummy", "systemd:chronyd", "stonith:fence_dummy"]
    return PacemakerResource(
        draw(ids) if id is None else id,
        draw(st.sampled_from(agents)),
        params=draw(params(texts)),
        ops=draw(operations(texts)),
        meta=draw(params(texts, most=2)),
        utilization=draw(params(st.integers(0, 9).map(str), most=1)),
        description=draw(texts),
    )


@st.composite
def cibs(
    draw: st.DrawFn,
    *,
    texts: st.SearchStrategy[str] = values,
    schemas: Sequence[str] = SCHEMAS,
    with_foreign: bool = True,
) -> Cib:
    """Generate a whole configuration."""
    fresh = iter(draw(st.lists(ids, min_size=24, max_size=24, unique=True)))
    primitives = [draw(resources(next(fresh), texts)) for _ in range(draw(st.integers(0, 5)))]
    free = [r.id for r in primitives]
    groups: list[Group] = []
    while free and _coin(draw):
        size = draw(st.integers(1, len(free)))
        groups.append(Group(next(fresh), tuple(free[:size]), draw(params(texts, most=1)), draw(texts)))
        free = free[size:]
    holdable = [*free, *(g.id for g in groups)]
    cloned = draw(_some(holdable)) if holdable and _coin(draw) else []
    clones = [draw(_clones(next(fresh), held, texts)) for held in cloned]
    nodes = [
        ClusterNode(next(fresh), draw(st.sampled_from(["", str(n)])), draw(params(texts, most=1)))
        for n in range(1, 1 + draw(st.integers(0, 3)))
    ]
    known = [r.id for r in primitives] + [g.id for g in groups] + [c.id for c in clones]
    count = draw(st.integers(0, 4)) if known and nodes else 0
    constraints = [draw(_constraints(next(fresh), known, [n.name for n in nodes])) for _ in range(count)]
    tags = [Tag(next(fresh), tuple(draw(_some(known))))] if known and _coin(draw) else []
    cib = Cib(
        nodes=tuple(nodes),
        resources=tuple(primitives),
        groups=tuple(groups),
        clones=tuple(clones),
        constraints=tuple(constraints),
        properties=draw(params(texts)),
        resource_defaults=draw(params(texts, most=1)),
        operation_defaults=draw(params(texts, most=1)),
        tags=tuple(tags),
        levels=draw(_levels(nodes, primitives)),
        schema=draw(st.sampled_from(schemas)),
        version=draw(st.tuples(st.integers(0, 2), st.integers(1, 99), st.integers(0, 99))),
        header={"crm_feature_set": "3.0.7"},
    )
    return attrs.evolve(cib, foreign=tuple(draw(_foreign(cib)))) if with_foreign else cib


def _coin(draw: st.DrawFn) -> bool:
    return draw(st.booleans())


def _some(items: Sequence[T]) -> st.SearchStrategy[list[T]]:
    """Generate one or more of the items, each once."""
    return st.permutations(items).flatmap(lambda all_: st.integers(1, len(all_)).map(lambda n: list(all_[:n])))


@st.composite
def _clones(draw: st.DrawFn, id: str, held: str, texts: st.SearchStrategy[str]) -> Clone:
    promotable = draw(st.booleans())
    form = draw(st.sampled_from(["clone", "master"])) if promotable else "clone"
    return Clone(
        id,
        held,
        promotable=promotable,
        meta=draw(params(texts, most=2)),
        form="master" if form == "master" else "clone",
        description=draw(texts),
    )


@st.composite
def _constraints(draw: st.DrawFn, id: str, known: Sequence[str], nodes: Sequence[str]) -> Constraint:
    one, other = draw(st.sampled_from(known)), draw(st.sampled_from(known))
    role, other_role = draw(st.sampled_from(_ROLES)), draw(st.sampled_from(_ROLES))
    match draw(st.integers(0, 2)):
        case 0:
            options = draw(st.sampled_from([{}, {"resource-discovery": "never"}]))
            return Location(id, one, draw(st.sampled_from(nodes)), draw(scores), role, options)
        case 1:
            options = draw(st.sampled_from([{}, {"node-attribute": "rack"}]))
            return Colocation(id, one, other, draw(scores), role, other_role, options)
        case _:
            kind = draw(st.sampled_from(["", "Mandatory", "Optional", "Serialize"]))
            return Order(
                id,
                one,
                other,
                draw(st.sampled_from(_ACTIONS)),
                draw(st.sampled_from(_ACTIONS)),
                kind=kind,
                score="" if kind else draw(st.one_of(st.just(""), scores)),
                options=draw(st.sampled_from([{}, {"symmetrical": "false"}])),
            )


@st.composite
def _levels(
    draw: st.DrawFn, nodes: Sequence[ClusterNode], primitives: Sequence[PacemakerResource]
) -> tuple[FencingLevel, ...]:
    if not nodes or not primitives:
        return ()
    keys = st.lists(st.tuples(st.sampled_from([n.name for n in nodes]), st.integers(1, 3)), unique=True, max_size=3)
    return tuple(
        FencingLevel(target, index, tuple(draw(_some([r.id for r in primitives])))) for target, index in draw(keys)
    )


@st.composite
def _foreign(draw: st.DrawFn, cib: Cib) -> list[Foreign]:
    """Generate things that hastore has no words for, in canonical XML."""
    found: list[Foreign] = []
    if cib.resources and _coin(draw):
        owner = draw(st.sampled_from(cib.resources)).id
        found += [
            Foreign(
                f'<rsc_location id="{owner}-by-rule" rsc="{owner}"><rule id="{owner}-by-rule-1" score="-INFINITY">'
                f'<expression attribute="#uname" id="{owner}-by-rule-2" operation="eq" value="x"></expression></rule>'
                "</rsc_location>",
                parent="constraints",
                tag="rsc_location",
                id=f"{owner}-by-rule",
            ),
            Foreign(
                f'<instance_attributes id="{owner}-more"><rule id="{owner}-more-1" score="INFINITY">'
                f'<expression attribute="#uname" id="{owner}-more-2" operation="eq" value="x"></expression></rule>'
                f'<nvpair id="{owner}-more-3" name="delay" value="3"></nvpair></instance_attributes>',
                parent=owner,
                tag="instance_attributes",
                id=f"{owner}-more",
            ),
        ]
    if _coin(draw):
        found.append(
            Foreign(
                '<cluster_property_set id="later-options"><nvpair id="later-options-x" name="x" value="y"></nvpair>'
                "</cluster_property_set>",
                parent="crm_config",
                tag="cluster_property_set",
                id="later-options",
            )
        )
    # Where no plain set stands before it, a further one would be read as the first.
    return found if cib.properties else [f for f in found if f.parent != "crm_config"]


@st.composite
def edits(draw: st.DrawFn, cib: Cib, *, most: int = 4, texts: st.SearchStrategy[str] = values) -> list[Edit]:
    """Generate edits of a configuration; some may be refused by `apply_edits`."""
    taken = [r.id for r in cib.resources]
    known = [thing.id for thing in (*cib.elements(), *cib.tags, *cib.foreign)]
    choices: list[st.SearchStrategy[Edit]] = [
        st.builds(SetProperty, names, st.none() | texts),
        st.builds(SetResourceDefault, names, st.none() | texts),
        resources(texts=texts).map(Put),
    ]
    if known:
        choices.append(st.sampled_from(known).map(Remove))
    if cib.nodes:
        choices.append(
            st.builds(SetNodeAttribute, st.sampled_from([n.name for n in cib.nodes]), names, st.none() | texts)
        )
    if taken:
        groups = st.one_of(ids, st.sampled_from([g.id for g in cib.groups] or ["new"]))
        choices += [
            st.sampled_from(taken).flatmap(lambda taken_id: resources(taken_id, texts)).map(Put),
            st.tuples(groups, _some(taken)).map(lambda pair: Put(Group(pair[0], tuple(pair[1])))),
            st.tuples(ids, st.sampled_from(taken)).map(lambda pair: Put(Clone(*pair, promotable=True))),
            st.tuples(ids, _some(taken)).map(lambda pair: Put(Tag(pair[0], tuple(pair[1])))),
            st.tuples(ids, st.sampled_from(taken)).flatmap(lambda p: _constraints(p[0], [p[1]], ["n"])).map(Put),
        ]
    return draw(st.lists(st.one_of(choices), max_size=most))
