"""Old forms in a CIB: they still work somewhere, and not for long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hastore.model.findings import Severity
from hastore.model.pacemaker import Colocation, Location, Order
from hastore.model.stack import StorageStack
from hastore.planning.rules.base import Sighting, rule
from hastore.planning.rules.reading import cib_of

STALE_PROPERTIES: Final = frozenset(
    {"dc-version", "cluster-infrastructure", "expected-quorum-votes", "last-lrm-refresh", "have-watchdog"}
)
"""What the cluster, or its tools, write by themselves."""
PLAIN_SCORES: Final = frozenset({"INFINITY", "-INFINITY", "+INFINITY"})
OLD_META: Final = {"master-max": "promoted-max", "master-node-max": "promoted-node-max"}


def is_score(text: str) -> bool:
    """Return whether the CIB's schema takes the text as a score (xml/score.rng)."""
    return text in PLAIN_SCORES or text.removeprefix("-").removeprefix("+").isdigit()


@rule(
    "master-element",
    Severity.WARNING,
    trap="versions 1",
    summary="The clone is written as <master>, which Pacemaker 3 no longer reads",
    source="Pacemaker ChangeLog 3.0.0, upgrade-3.10-2.xsl:153; cibadmin --upgrade of 2.1.5 leaves it as it is (run)",
    mend="Write a promotable clone with promoted-max and promoted-node-max",
)
def master_element(stack: StorageStack) -> Iterator[Sighting]:
    """Find clones in the form of old, or with its words."""
    for clone in cib_of(stack).clones:
        old = [f"{key}={clone.meta[key]}" for key in OLD_META if key in clone.meta]
        if clone.form == "master" or old:
            yield Sighting((f"clone:{clone.id}",), " ".join([f"<{clone.form}>", *old]))


@rule(
    "score-form",
    Severity.ADVICE,
    trap="versions 1",
    summary="The score is written in a way that the CIB's schema refuses or deprecates",
    source="Pacemaker xml/score.rng: INFINITY, +INFINITY, -INFINITY or an integer; pcs CHANGELOG 0.12: order scores are "
    "deprecated for kind",
    mend="Write INFINITY for colocations and kind=Mandatory for orders",
)
def score_form(stack: StorageStack) -> Iterator[Sighting]:
    """Find order constraints with a score, and scores in crmsh's own words."""
    for constraint in cib_of(stack).constraints:
        match constraint:
            case Order(score=score) if score:
                yield Sighting((f"constraint:{constraint.id}",), f"order with score {score}")
            case Colocation(score=score) | Location(score=score) if score and not is_score(score):
                yield Sighting((f"constraint:{constraint.id}",), f"score {score}")
            case _:
                pass


@rule(
    "op-depth",
    Severity.ADVICE,
    trap="versions 1",
    summary="An operation has no depth; crmsh keeps it as an instance attribute, and pcs loses it silently",
    source="crmsh and pcs 0.11.5 on the article's CIB (run); the agent's check level is OCF_CHECK_LEVEL",
    mend="Drop depth=0, the default; say OCF_CHECK_LEVEL where a deeper check is meant",
)
def op_depth(stack: StorageStack) -> Iterator[Sighting]:
    """Find operations with a depth."""
    for resource in cib_of(stack).resources:
        for op in resource.ops:
            depth = op.attributes.get("depth", op.options.get("depth"))
            if depth is not None:
                yield Sighting((f"primitive:{resource.id}",), f"op {op.name} interval={op.interval} depth={depth}")


@rule(
    "properties-of-the-cluster",
    Severity.ADVICE,
    trap="versions 1",
    summary="The configuration carries properties that the cluster writes by itself; newer schemas forbid some of them",
    source="Pacemaker xml/options-3.10.rng forbids expected-quorum-votes and the plug-in's cluster-infrastructure (run)",
    mend="Leave them out",
)
def properties_of_the_cluster(stack: StorageStack) -> Iterator[Sighting]:
    """Find properties that are not for people to write."""
    for name, text in cib_of(stack).properties.items():
        if name in STALE_PROPERTIES:
            yield Sighting((f"property:{name}",), f"{name}={text}")
