"""Clients: what a failover looks like from where the data is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hastore.model.findings import Severity
from hastore.model.stack import StorageStack
from hastore.planning.rules.agents_order import vips_before_targets
from hastore.planning.rules.base import Sighting, rule
from hastore.planning.rules.reading import address_of, scst_agents, seconds

RECORDED_STALL: Final = 63.5
"""Seconds without I/O while the article's agents switched over, the longest recorded (standby)."""
O2CB_DEFAULT: Final = 60
"""Seconds until O2CB fences its own node: (O2CB_HEARTBEAT_THRESHOLD - 1) * 2 with the default 31."""
REPLACEMENT_TIMEOUT: Final = "node.session.timeo.replacement_timeout"


@rule(
    "all-paths-down",
    Severity.NOTE,
    trap="practice 3",
    summary="All addresses of the group are on one node: every failover is all-paths-down for its clients",
    source="practice: multipath covers links here, not nodes",
    mend="Let clients queue: polling_interval * no_path_retry above twice the time without service",
)
def all_paths_down(stack: StorageStack) -> Iterator[Sighting]:
    """Find groups that hold several addresses of their targets."""
    by_group: dict[str, list[str]] = {}
    for group, vip in vips_before_targets(stack):
        by_group.setdefault(group.id, []).append(address_of(vip))
    for name, addresses in by_group.items():
        if len(addresses) > 1:
            yield Sighting((f"group:{name}", *(f"vip:{ip}" for ip in addresses)), f"{', '.join(addresses)} in {name}")


@rule(
    "stall-outlasts-o2cb",
    Severity.WARNING,
    trap="practice 16",
    summary="These agents stall I/O for about as long as O2CB waits before it fences its own node",
    source=f"recorded: 56.4 to {RECORDED_STALL} s of standstill; O2CB: (threshold - 1) * 2 s, {O2CB_DEFAULT} s by default",
    mend="Where clients use OCFS2, set O2CB_HEARTBEAT_THRESHOLD=61 or more on all of them",
    override="clients-without-o2cb",
)
def stall_outlasts_o2cb(stack: StorageStack) -> Iterator[Sighting]:
    """Find the agents whose switchover was recorded to take that long."""
    slow = [r for r in scst_agents(stack) if r.agent_type == "SCSTLun"]
    if slow:
        waits = ", ".join(f"{r.id} wait_timeout={r.params.get('wait_timeout', 'default')}" for r in slow)
        yield Sighting(tuple(f"primitive:{r.id}" for r in slow), waits)


@rule(
    "client-timeout-short",
    Severity.WARNING,
    trap="practice 15",
    summary="A client with one path gives I/O up before a failover is over",
    source="open-iscsi iscsid.conf: replacement_timeout; recorded: up to 63.5 s without service",
    mend=f"Set {REPLACEMENT_TIMEOUT} above 120, or give the client several paths and multipath",
    override="client-timeouts",
)
def client_timeout_short(stack: StorageStack) -> Iterator[Sighting]:
    """Find clients with one portal and less patience than a failover takes."""
    for client in stack.clients:
        timeout = client.settings.get(REPLACEMENT_TIMEOUT, "120")
        single = any(len(login.portals) == 1 for login in client.logins)
        if single and 0 <= seconds(timeout) < RECORDED_STALL:
            yield Sighting((f"client:{client.host}",), f"{REPLACEMENT_TIMEOUT} = {timeout}")
