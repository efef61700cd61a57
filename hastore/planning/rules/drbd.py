"""DRBD: what happens when the replicas part, and who is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hastore.model.findings import Severity
from hastore.model.stack import StorageStack
from hastore.planning.rules.base import Sighting, rule
from hastore.planning.rules.reading import (
    fencing_policy,
    fencing_works,
    has_quorum_of_its_own,
    is_true,
    pacemaker_runs_drbd,
)

DISCARDING: Final = {
    "after-sb-0pri": frozenset(
        {"discard-younger-primary", "discard-older-primary", "discard-least-changes", "discard-local", "discard-remote"}
    ),
    "after-sb-1pri": frozenset({"discard-secondary", "call-pri-lost-after-sb", "violently-as0p"}),
    "after-sb-2pri": frozenset({"call-pri-lost-after-sb", "violently-as0p"}),
}
"""Policies after a split brain that throw writes away without asking (drbd.conf(5))."""


@rule(
    "drbd-dead-fence-handler",
    Severity.WARNING,
    trap="trap 10",
    summary="outdate-peer is the old name of fence-peer; the first of the two wins, the other is dead",
    source="drbd-utils user/shared/drbdadm_parser.c:583 and find_opt; drbdadm dump shows both",
    mend="Keep fence-peer, drop outdate-peer",
)
def drbd_dead_fence_handler(stack: StorageStack) -> Iterator[Sighting]:
    """Find handlers of heartbeat's time."""
    for resource in stack.drbd:
        if "outdate-peer" in resource.handlers:
            shown = "; ".join(f"{k} {v}" for k, v in resource.handlers.items() if k in ("fence-peer", "outdate-peer"))
            yield Sighting((f"drbd:{resource.name}",), f"handlers {{ {shown} }}")


@rule(
    "drbd-fencing-off",
    Severity.DANGER,
    trap="trap 1",
    summary="DRBD fences nothing: a cut-off node can be promoted on old data",
    source="drbd.ocf longdesc: fence in DRBD and in Pacemaker, or use quorum; drbd.conf(5): fencing dont-care is the default",
    mend="Set fencing resource-and-stonith and the handlers crm-fence-peer and crm-unfence-peer",
    override="drbd-without-fencing",
)
def drbd_fencing_off(stack: StorageStack) -> Iterator[Sighting]:
    """Find resources under Pacemaker whose DRBD has no fencing policy."""
    if not pacemaker_runs_drbd(stack):
        return
    for resource in stack.drbd:
        if fencing_policy(resource) == "dont-care" and not has_quorum_of_its_own(resource):
            yield Sighting((f"drbd:{resource.name}",), f"fencing {fencing_policy(resource)}")


@rule(
    "drbd-fence-handler-missing",
    Severity.DANGER,
    trap="trap 1",
    summary="A fencing policy without its handlers: DRBD freezes, and nobody answers or lifts the ban again",
    source="drbd.conf(5): fencing resource-and-stonith calls fence-peer; crm-unfence-peer removes its constraint",
    mend="Set fence-peer and after-resync-target (DRBD 9: unfence-peer) to the crm scripts of drbd-utils",
)
def drbd_fence_handler_missing(stack: StorageStack) -> Iterator[Sighting]:
    """Find fencing policies that lack the handler that fences, or the one that unfences."""
    for resource in stack.drbd:
        if fencing_policy(resource) == "dont-care":
            continue
        fences = {"fence-peer", "outdate-peer"} & set(resource.handlers)
        unfences = {"after-resync-target", "unfence-peer"} & set(resource.handlers)
        if not fences or not unfences:
            names = ", ".join(resource.handlers) or "none"
            yield Sighting((f"drbd:{resource.name}",), f"fencing {fencing_policy(resource)}, handlers: {names}")


@rule(
    "drbd-split-brain-discards",
    Severity.WARNING,
    trap="trap 11",
    summary="After a split brain one side's writes are thrown away without asking",
    source="drbd.conf(5), after-sb-1pri: acceptable only with working fencing",
    mend="Set after-sb-1pri disconnect, so that a person decides which side's writes survive",
    override="discard-after-split-brain",
)
def drbd_split_brain_discards(stack: StorageStack) -> Iterator[Sighting]:
    """Find policies that discard; a danger where nothing keeps a split brain from happening."""
    for resource in stack.drbd:
        shown = [f"{k} {resource.net[k]}" for k, bad in DISCARDING.items() if resource.net.get(k, "disconnect") in bad]
        if shown:
            severity = None if fencing_works(stack) else Severity.DANGER
            yield Sighting((f"drbd:{resource.name}",), f"net {{ {'; '.join(shown)} }}", severity)


@rule(
    "drbd-outage-becomes-io-error",
    Severity.WARNING,
    trap="trap 11",
    summary="Losing the last good replica turns into I/O errors for the clients instead of a pause",
    source="drbd.conf(5): on-no-data-accessible io-error (also the default) or suspend-io",
    mend="Set options { on-no-data-accessible suspend-io; }",
    override="io-error-on-no-data",
)
def drbd_outage_becomes_io_error(stack: StorageStack) -> Iterator[Sighting]:
    """Find resources that answer an outage with errors; only advice where nobody chose it."""
    for resource in stack.drbd:
        choice = resource.options.get("on-no-data-accessible")
        if choice == "io-error":
            yield Sighting((f"drbd:{resource.name}",), "on-no-data-accessible io-error")
        elif choice is None:
            yield Sighting((f"drbd:{resource.name}",), "on-no-data-accessible unset: io-error", Severity.ADVICE)


@rule(
    "drbd-syncer-section",
    Severity.ADVICE,
    trap="trap 16",
    summary="The syncer section is of DRBD before 8.4; utilities of 9 refuse it",
    source="drbd-utils user/v84/drbdadm_parser.c:597 rewrites it to disk { resync-rate }; drbdadm 9.22: parse error",
    mend="Write disk { resync-rate ...; } instead",
)
def drbd_syncer_section(stack: StorageStack) -> Iterator[Sighting]:
    """Find syncer sections."""
    for resource in stack.drbd:
        if resource.syncer:
            shown = " ".join(f"{key} {text};" for key, text in resource.syncer.items())
            yield Sighting((f"drbd:{resource.name}",), f"syncer {{ {shown} }}")


@rule(
    "drbd-max-buffers-typo",
    Severity.ADVICE,
    trap="trap 16",
    summary="max-buffers 8912 is 8192 with two digits exchanged",
    source="drbd.conf(5): max-buffers and max-epoch-size are powers of two by custom; max-epoch-size beside it is 8192",
    mend="Set max-buffers 8192",
)
def drbd_max_buffers_typo(stack: StorageStack) -> Iterator[Sighting]:
    """Find the well-copied typing error."""
    for resource in stack.drbd:
        if resource.net.get("max-buffers") == "8912":
            yield Sighting((f"drbd:{resource.name}",), "max-buffers 8912")


@rule(
    "drbd-asynchronous",
    Severity.DANGER,
    trap="practice 12",
    summary="Acknowledged writes may not have reached the peer: a failover loses them",
    source="drbd.conf(5): protocol A and B acknowledge before the peer's disk has the data",
    mend="Set protocol C (the default) for storage that fails over by itself",
    override="asynchronous-replication",
)
def drbd_asynchronous(stack: StorageStack) -> Iterator[Sighting]:
    """Find replication that Pacemaker fails over although it lags."""
    for resource in stack.drbd:
        if pacemaker_runs_drbd(stack) and resource.net.get("protocol", "C").upper() in ("A", "B"):
            yield Sighting((f"drbd:{resource.name}",), f"protocol {resource.net['protocol']}")


@rule(
    "drbd-two-primaries",
    Severity.DANGER,
    trap="trap 2",
    summary="Both nodes may be primary at once: LVM and SCST here know nothing of each other's caches",
    source="SCST scst/README.drbd: dual primary must be nv_cache=0 with write_through=1; drbd.conf(5): allow-two-primaries",
    mend="Drop allow-two-primaries, or say by the override that a cluster file system or DLM guards it",
    override="two-primaries",
)
def drbd_two_primaries(stack: StorageStack) -> Iterator[Sighting]:
    """Find resources that allow two primaries."""
    for resource in stack.drbd:
        if is_true(resource.net.get("allow-two-primaries", "no")):
            yield Sighting((f"drbd:{resource.name}",), f"allow-two-primaries {resource.net['allow-two-primaries']}")
