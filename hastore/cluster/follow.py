"""Follow a failover: hastore watches and explains, Pacemaker acts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hastore.execution.apply import OnEvent
from hastore.model.events import Event
from hastore.model.state import ClusterState
from hastore.model.values import field, value
from hastore.planning.failover import Explanation, explain_failover
from hastore.planning.serving import serves

if TYPE_CHECKING:
    from hastore.cluster.cluster import Cluster

PAUSE = 1.0
"""Seconds between two looks; the stall is measured to this."""
CALM = 5.0
"""Seconds for which all must look settled, or stuck, before it is believed.

A lost node is noticed only after a token's time, and a fencing that failed long ago looks like one that failed now,
until the new one is under way.
"""


@value
class Failover:
    """What was seen of a failover."""

    explanation: Explanation
    """How it stands in the end."""
    lines: tuple[str, ...]
    """What happened, in order, with seconds."""
    stall: float
    """Seconds for which the storage was seen not to be served."""
    state: ClusterState = field(factory=ClusterState, repr=False)

    def __str__(self) -> str:
        missing = [f"  missing: {line}" for line in self.explanation.missing]
        return "\n".join([*self.lines, f"storage stood still for {self.stall:.0f} s", *missing])


def follow(cluster: Cluster, *, deadline: float = 300.0, on_event: OnEvent | None = None) -> Failover:
    """Watch until the storage is served again, it is clear that only a person can help, or the deadline is over."""
    began = last = cluster.clock.now
    stall = 0.0
    lines: list[str] = []
    said = ""
    since = began
    stood = (False, False)
    while True:
        state = cluster.observe()
        explanation = explain_failover(state)
        now = cluster.clock.now
        if not serves(state):
            stall += now - last
        last = now
        if explanation.summary != said:
            said = explanation.summary
            lines.append(f"{now - began:6.0f} s  {said}")
            if on_event:
                on_event(Event("waiting", said, seconds=now - began))
        standing = (explanation.settled, explanation.stuck)
        since = since if standing == stood else now
        stood = standing
        if (any(standing) and now - since >= CALM) or now - began > deadline:
            return Failover(explanation, tuple(lines), stall, state)
        cluster.clock.sleep(PAUSE)
