"""What became of a plan."""

from __future__ import annotations

from hastore.model.state import ClusterState
from hastore.model.values import field, value


@value
class StepReport:
    """What became of one step."""

    key: str
    title: str
    host: str
    result: str
    """`done`, `already so`, `refused`, `unknown`."""
    seconds: float = 0.0
    reason: str = ""


@value
class ApplyReport:
    """What became of a plan: its steps in the order in which they ended, and the state afterwards."""

    steps: tuple[StepReport, ...] = ()
    seconds: float = 0.0
    """From the first look to the last, on the execution's clock."""
    stall: float | None = None
    """Seconds for which the storage was seen not to be served while the cluster acted; None where nothing moved."""
    promised_stall: tuple[float, float] | None = None
    """What the plan said before, as (least, most) seconds."""
    state: ClusterState = field(factory=ClusterState, repr=False)

    @property
    def done(self) -> tuple[StepReport, ...]:
        """The steps that changed something."""
        return tuple(step for step in self.steps if step.result == "done")

    def __str__(self) -> str:
        lines = [f"{step.result:>10}  {step.title} [{step.host}]" for step in self.steps]
        if self.stall is not None:
            low_high = "" if self.promised_stall is None else f", promised {_span(self.promised_stall)}"
            lines.append(f"storage stood still for {self.stall:.1f} s{low_high}")
        return "\n".join([*lines, f"{len(self.done)} steps done in {self.seconds:.1f} s"])


def _span(seconds: tuple[float, float]) -> str:
    low, high = seconds
    return f"{low:g} s" if low == high else f"{low:g} to {high:g} s"
