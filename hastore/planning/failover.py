"""Understand a failover, which is Pacemaker's to do: what it waits for, what is missing, what evidence would help."""

from __future__ import annotations

import re
from itertools import takewhile

from hastore.model.state import ClusterState, PacemakerState
from hastore.model.values import value
from hastore.planning.serving import serves, serving_node, silent

EVIDENCE = (
    "evidence that a node is really down: its power state as the BMC or the power strip tells it, or a person "
    "who stands before it; a ping that is not answered is no evidence. Whoever has seen it may say so with "
    "stonith_admin --confirm NODE, and takes the blame if it still writes"
)


@value
class Explanation:
    """What is going on, in one sentence, and whether waiting will end it."""

    summary: str
    settled: bool
    """True where the storage is served and nothing is under way."""
    stuck: bool = False
    """True where no waiting will help: somebody must act."""
    missing: tuple[str, ...] = ()
    """What somebody would have to do or find out."""


def explain_failover(state: ClusterState) -> Explanation:
    """Say what a cluster is doing about a lost node, from its status alone; pure."""
    pacemaker = state.pacemaker()
    if not isinstance(pacemaker, PacemakerState):
        return Explanation("no node that knows the cluster answers", settled=False, missing=("reach one of the nodes",))
    if not pacemaker.quorum and pacemaker.cib.properties.get("no-quorum-policy", "stop") != "ignore":
        summary = "the surviving nodes have no quorum, so they stop everything and wait"
        return Explanation(
            summary, settled=False, stuck=True, missing=("bring a missing node or the quorum device back",)
        )
    unclean = [n.name for n in pacemaker.nodes.values() if n.unclean]
    if unclean:
        return _about_unclean(pacemaker, unclean[0])
    offline = [n.name for n in pacemaker.nodes.values() if not n.online]
    lost = f"{', '.join(offline)} is offline; " if offline else ""
    blocked = [r.id for r in pacemaker.resources if r.blocked]
    if blocked:
        summary = f"{lost}{blocked[0]} is blocked: a stop failed and nothing can fence"
        return Explanation(summary, settled=False, stuck=True, missing=("find out why it can't stop", EVIDENCE))
    quiet = [n.name for n in pacemaker.nodes.values() if n.online and silent(state, n.name)]
    if quiet:
        return Explanation(f"{quiet[0]} does not answer; the cluster has not noticed yet", settled=False)
    if serves(state):
        return Explanation(
            f"{lost}the storage is served by {serving_node(state) or 'several nodes'}", settled=pacemaker.idle
        )
    return Explanation(f"{lost}the cluster is starting what it lost", settled=False)


def _about_unclean(pacemaker: PacemakerState, node: str) -> Explanation:
    fencing = pacemaker.cib.properties.get("stonith-enabled", "true").lower() not in {"false", "no", "off", "0"}
    if not fencing:
        summary = f"{node} is lost and fencing is off: nobody knows whether it still writes"
        return Explanation(summary, settled=False, missing=("configure fencing", EVIDENCE))
    if not pacemaker.cib.fencing_devices():
        summary = f"{node} is lost and there is no fencing device: the cluster waits for ever"
        return Explanation(summary, settled=False, stuck=True, missing=("configure a fencing device", EVIDENCE))
    failed = _failed_fencing(pacemaker, node)
    if failed:
        summary = f"{node} is lost and fencing it failed: the cluster waits, because {node} may still write"
        return Explanation(
            summary, settled=False, stuck=True, missing=(f"mend the fencing device ({failed[0]})", EVIDENCE)
        )
    return Explanation(
        f"{node} is lost; the cluster fences it before anything of it is started elsewhere", settled=False
    )


def _failed_fencing(pacemaker: PacemakerState, node: str) -> tuple[str, ...]:
    """Return the fencings of a node that failed since the last one that worked, newest first.

    Pacemaker goes on trying, so that a failure and an attempt under way stand side by side; one failure alone
    while an attempt is under way may be of an older loss, and proves nothing.
    """
    told = [(match[1], line) for line in pacemaker.fencing_history if (match := _fencing_of(node).match(line))]
    recent = list(takewhile(lambda event: event[0] != "success", told))
    failed = tuple(line for status, line in recent if status == "failed")
    pending = any(status == "pending" for status, _ in recent)
    return failed if len(failed) > pending else ()


def _fencing_of(node: str) -> re.Pattern[str]:
    return re.compile(rf"\S+ of {re.escape(node)}(?: by [^:]+)?: (\w+)")
