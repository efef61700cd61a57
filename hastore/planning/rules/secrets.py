"""Secrets: copied ones, and those that lie where everybody can read them. Findings never show one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hastore.model.findings import Severity
from hastore.model.stack import StorageStack
from hastore.planning.rules.base import Sighting, rule
from hastore.planning.rules.reading import cib_of, of_type

PUBLISHED: Final = frozenset({"secret", "password", "changeme", "shared-secret", "some-secret", "drbd"})
"""Literals that published examples use."""
CHAP_PARAMETERS: Final = ("incoming_password", "outgoing_password", "chap_password", "password")


@rule(
    "drbd-secret-published",
    Severity.WARNING,
    trap="trap 19",
    summary="DRBD's shared secret is the literal of a published example",
    source="drbd.conf(5): shared-secret authenticates the peer; anyone who read the example can be it",
    mend="Make a secret of your own and refer to it: Secret.file, Secret.environment or Secret.command",
    override="published-secret",
)
def drbd_secret_published(stack: StorageStack) -> Iterator[Sighting]:
    """Find secrets that everybody knows."""
    for resource in stack.drbd:
        secret = resource.secret
        if secret is not None and secret.source == "literal" and secret.reference[0].lower() in PUBLISHED:
            yield Sighting((f"drbd:{resource.name}",), f"shared-secret of {resource.name} is a well-known word")


@rule(
    "drbd-unauthenticated",
    Severity.ADVICE,
    trap="trap 19",
    summary="DRBD asks its peer for no secret",
    source="drbd.conf(5): cram-hmac-alg and shared-secret",
    mend="Set cram-hmac-alg and a secret, unless the replication link is a cable of its own",
    override="drbd-unauthenticated",
)
def drbd_unauthenticated(stack: StorageStack) -> Iterator[Sighting]:
    """Find resources whose authentication lacks its half."""
    for resource in stack.drbd:
        if resource.secret is None or "cram-hmac-alg" not in resource.net:
            missing = "shared-secret" if resource.secret is None else "cram-hmac-alg"
            yield Sighting((f"drbd:{resource.name}",), f"{missing} unset")


@rule(
    "chap-secret-in-cib",
    Severity.DANGER,
    trap="trap 19",
    summary="The CHAP secret stands in clear in the CIB, on every node and in every backup of it",
    source="scst-ocf SCSTTarget:148; resource-agents heartbeat/iSCSITarget.in:426",
    mend="Let hastore write the user to SCST by itself, from a Secret, and take it out of the primitive",
    override="chap-in-cib",
)
def chap_secret_in_cib(stack: StorageStack) -> Iterator[Sighting]:
    """Find primitives of targets that carry a password."""
    for resource in of_type(stack, "SCSTTarget", "iSCSITarget"):
        names = [name for name in CHAP_PARAMETERS if resource.params.get(name)]
        if names:
            yield Sighting((f"primitive:{resource.id}",), f"{', '.join(names)} given")


@rule(
    "fencing-secret-in-cib",
    Severity.WARNING,
    trap="trap 19",
    summary="A fencing device's password stands in clear in the CIB",
    source="fence agents take passwd_script or password_script instead of passwd",
    mend="Give password_script, a program on each node that prints the password",
    override="fencing-secret-in-cib",
)
def fencing_secret_in_cib(stack: StorageStack) -> Iterator[Sighting]:
    """Find fencing devices that carry a password."""
    for device in cib_of(stack).fencing_devices():
        names = [name for name in ("passwd", "password") if device.params.get(name)]
        if names:
            yield Sighting((f"primitive:{device.id}",), f"{', '.join(names)} given")
