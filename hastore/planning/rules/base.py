"""What a rule is: a pure look at a stack that yields what it saw, beside what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from hastore.model.findings import Finding, Severity
from hastore.model.stack import StorageStack
from hastore.model.state import ClusterState
from hastore.model.values import value


@value
class Sighting:
    """One place where a rule found its trap."""

    objects: tuple[str, ...]
    """As `kind:name`: `primitive:p_lvm_vg1`, `drbd:vg1`, `property:stonith-enabled`."""
    seen: str
    """The value that was seen, as it stands there."""
    severity: Severity | None = None
    """Where this place weighs otherwise than the rule's usual."""
    summary: str = ""
    """Where this place is better said otherwise."""


Find = Callable[[StorageStack, ClusterState], Iterable[Sighting]]


@value
class Rule:
    """One trap: its stable code, its weight, the evidence that it is one, how to mend it."""

    code: str
    severity: Severity
    trap: str
    """Which known trap or fact it is: `trap 7`, `practice 14`; docs/traps.md lists them."""
    summary: str
    source: str
    """Who says so: a program's file and line, a man page, a recording."""
    mend: str
    find: Find
    override: str = ""
    observes: bool = False
    """True where it needs what was observed; it finds nothing in a stack alone."""

    def __call__(self, stack: StorageStack, state: ClusterState | None = None) -> Iterator[Finding]:
        """Yield a finding for each place where the trap is; none without a state where the rule needs one."""
        if self.observes and state is None:
            return
        for sighting in self.find(stack, state or ClusterState()):
            yield Finding(
                code=self.code,
                severity=sighting.severity or self.severity,
                summary=sighting.summary or self.summary,
                objects=sighting.objects,
                evidence=f"seen: {sighting.seen}; source: {self.source}",
                mend=self.mend,
                override=self.override,
            )


def rule(
    code: str, severity: Severity, *, trap: str, summary: str, source: str, mend: str, override: str = ""
) -> Callable[[Callable[[StorageStack], Iterable[Sighting]]], Rule]:
    """Make a rule of a function that looks at a stack alone."""

    def wrap(look: Callable[[StorageStack], Iterable[Sighting]]) -> Rule:
        return Rule(code, severity, trap, summary, source, mend, lambda stack, _state: look(stack), override)

    return wrap


def observed_rule(
    code: str, severity: Severity, *, trap: str, summary: str, source: str, mend: str, override: str = ""
) -> Callable[[Find], Rule]:
    """Make a rule of a function that looks at a stack and at what was observed."""

    def wrap(look: Find) -> Rule:
        return Rule(code, severity, trap, summary, source, mend, look, override, observes=True)

    return wrap
