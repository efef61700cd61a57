"""What the laws were tried on: counted as it is drawn, told at the end of the run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from hastore.model.stack import StorageStack

_counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
_facts: dict[str, str] = {}


def count(law: str, stack: StorageStack, *more: str) -> None:
    """Count one example of a law: what its stack looks like, and whatever else was drawn for it."""
    counts = _counts[law]
    counts["examples"] += 1
    for trait in (*_traits(stack), *more):
        counts[trait] += 1


def tell(title: str, fact: str) -> None:
    """Tell one line at the end of the run."""
    _facts[title] = fact


def report() -> Iterator[tuple[str, list[str]]]:
    """Yield sections with their lines."""
    if _facts:
        yield "laws, counted", [f"{title}: {fact}" for title, fact in _facts.items()]
    for law, counts in _counts.items():
        examples = counts["examples"]
        shares = [f"{trait} {n * 100 // examples}%" for trait, n in sorted(counts.items()) if trait != "examples"]
        yield f"drawn for {law}: {examples} examples", ["; ".join(shares)]


def _traits(stack: StorageStack) -> Iterator[str]:
    yield "under Pacemaker" if stack.pacemaker is not None else "direct"
    yield f"{len(stack.targets)} targets" if len(stack.targets) > 1 else "1 target"
    yield f"{sum(len(target.all_luns()) for target in stack.targets)} LUNs"
    if any(len(resource.volumes) > 1 for resource in stack.drbd):
        yield "DRBD with 2 volumes"
    if any(target.groups for target in stack.targets):
        yield "initiator groups"
    if any(target.incoming_users for target in stack.targets):
        yield "CHAP"
    if any(resource.secret for resource in stack.drbd):
        yield "DRBD secret"
    if any(client.logins for client in stack.clients):
        yield "clients"
    if stack.lvm is not None:
        yield "LVM settings"
