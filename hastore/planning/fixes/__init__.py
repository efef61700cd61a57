"""Mends for what `judge` finds, to be looked at and applied to the stack one by one or by class of risk."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

import attrs

from hastore.model.errors import SpecError
from hastore.model.stack import StorageStack
from hastore.planning.fixes import membership, pacemaker, storage
from hastore.planning.fixes.base import Fix, Risk
from hastore.planning.fixes.person import (
    fencing_device,
    pin_identities_seen,
    pin_identity,
    replication_secret,
    volume_size,
)
from hastore.planning.fixes.show import differences
from hastore.planning.rules import judge

__all__ = [
    "PLATFORMS",
    "Fix",
    "Risk",
    "apply_fixes",
    "fencing_device",
    "pin_identities_seen",
    "pin_identity",
    "replication_secret",
    "suggest_fixes",
    "volume_size",
]

_ANYWHERE: Final = (*pacemaker.FIXES, *storage.FIXES, membership.AUTHENTICATE)

PLATFORMS: Final[dict[str, tuple[Fix, ...]]] = {
    # Pacemaker 2.1.5, corosync 3.1.7, resource-agents 4.12, LVM 2.03.16; drbdadm-84 reads the files of 8.4.
    "debian-12": (*_ANYWHERE, pacemaker.QUORUM_POLICY, membership.COROSYNC_3),
    # The article's own: corosync 1 as a plug-in has no two_node, so quorum has to stay ignored there.
    "centos-6": (*_ANYWHERE, membership.RING_PORTS, membership.RRP_PASSIVE),
}
"""The fixes that suit a platform, all of them; `suggest_fixes` picks those that a stack needs."""


def suggest_fixes(stack: StorageStack, *, platform: str = "debian-12") -> tuple[Fix, ...]:
    """Return the fixes that mend findings of this stack, each with its risk, with what it mends and changes here.

    What needs a person (fencing devices, secrets, identities of LUNs in use, sizes) stays a finding; see
    `fencing_device`, `replication_secret`, `pin_identity`, `pin_identities_seen`, `volume_size`. Raises SpecError for a platform
    that is not in `PLATFORMS`.

    >>> from hastore.demo import article_adopted
    >>> fixes = hastore.suggest_fixes(article_adopted().stack)
    >>> "promotable-clone" in {fix.code for fix in fixes} or len(fixes) > 5
    True
    """
    if platform not in PLATFORMS:
        close = difflib.get_close_matches(platform, PLATFORMS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        msg = f"no fixes for the platform {platform!r}: known are {', '.join(PLATFORMS)}{hint}"
        raise SpecError(msg)
    found = _codes(stack)
    suggested = []
    for fix in PLATFORMS[platform]:
        fixed = fix.apply(stack)
        gone = found & set(fix.mends) - _codes(fixed)
        if gone:
            mends = tuple(code for code in fix.mends if code in gone)
            suggested.append(attrs.evolve(fix, mends=mends, changes=differences(stack, fixed)))
    return tuple(suggested)


def _codes(stack: StorageStack) -> set[str]:
    return {finding.code for finding in judge(stack)}


def apply_fixes(stack: StorageStack, fixes: Iterable[Fix], *, risks: Iterable[Risk] = tuple(Risk)) -> StorageStack:
    """Return the stack with these fixes, those of other classes of risk left out; the order does not matter.

    >>> from hastore.demo import article_adopted
    >>> raw = article_adopted().stack
    >>> mended = hastore.apply_fixes(raw, hastore.suggest_fixes(raw), risks=[hastore.Risk.HARMLESS_IN_FILE])
    >>> len(hastore.judge(mended)) < len(hastore.judge(raw))
    True
    """
    allowed = frozenset(risks)
    for fix in fixes:
        if fix.risk in allowed:
            stack = fix.apply(stack)
    return stack
