"""Findings: expected trouble, said with what, where, why and how to mend."""

from __future__ import annotations

from enum import Enum

from hastore.model.values import value


class Severity(Enum):
    """How much a finding weighs."""

    BLOCKING = "blocking"
    """A plan refuses while it stands, unless its named override is given."""
    DANGER = "danger"
    """Data or service will be lost on a bad day."""
    WARNING = "warning"
    """Something will hurt, slowly or seldom."""
    ADVICE = "advice"
    """Better is known."""
    NOTE = "note"
    """Worth knowing; nothing to mend."""

    @property
    def weight(self) -> int:
        """Rank for sorting, heaviest first: 0 is BLOCKING."""
        return list(Severity).index(self)


@value
class Finding:
    """One thing found, by its stable code."""

    code: str
    """Stable name in kebab case, such as `fencing-disabled`; tests, docs and overrides use it."""
    severity: Severity
    summary: str
    """One sentence: what is wrong."""
    objects: tuple[str, ...] = ()
    """What it concerns, as `kind:name`, such as `primitive:p_lvm_vg1`, `host:centos01`, `lun:VDISK-LUN01`."""
    evidence: str = ""
    """What was seen, and the source (man page, recording, program's file) of what is claimed."""
    mend: str = ""
    """What to do about it, in the imperative."""
    override: str = ""
    """Name of the override that lets a plan go on all the same; empty where there is none."""

    def __str__(self) -> str:
        where = f" [{', '.join(self.objects)}]" if self.objects else ""
        mend = f" -> {self.mend}" if self.mend else ""
        return f"{self.severity.value}: {self.code}: {self.summary}{where}{mend}"


def by_weight(findings: tuple[Finding, ...] | list[Finding]) -> tuple[Finding, ...]:
    """Sort findings, heaviest first, then by code and objects."""
    return tuple(sorted(findings, key=lambda f: (f.severity.weight, f.code, f.objects)))
