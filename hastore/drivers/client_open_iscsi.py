"""client+open-iscsi: the initiator's side by iscsiadm.

Exit codes are iscsiadm's own (iscsiadm(8), EXIT STATUS; recording scst/cmds-sessions): 21 means that there is
nothing to list, 15 that the session is there already.

A CHAP secret must be in no argv, so it is written into the record's file, which iscsid reads at the next login
(open-iscsi usr/idbm.c:1572-1660, commit bc23614), and never read back: iscsiadm shows asterisks instead of it.
The file goes between two accesses of iscsiadm, without its lock; the guard before it makes the time between short.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import ClassVar, Final

import attrs

from hastore.drivers.base import DONE, HostFacts, Match, Verdict, explain, judge_by_outcomes
from hastore.drivers.reading import missing, understood, unsupported
from hastore.formats import iscsiadm
from hastore.hosts.exchange import Exchange
from hastore.hosts.operations import Condition, Expect, Operation, Outcome, ReadFile, Run, Status, WriteFile
from hastore.model.errors import ParseError
from hastore.model.state import ClientState, ClusterState, NodeRecord, Observed, Unknown
from hastore.planning.evolve import client_on
from hastore.planning.steps import Step, Subsystem
from hastore.planning.steps_client import ConfigureSession, DiscoverTarget, Login, Logout

_NOTHING: Final = 21
_PRESENT: Final = 15
_VERSION: Final = Run(("iscsiadm", "--version"), reads=True)
_SESSIONS: Final = Run(("iscsiadm", "-m", "session", "-P", "3"), reads=True, ok=(0, _NOTHING))
_NODES: Final = Run(("iscsiadm", "-m", "node", "-o", "show"), reads=True, ok=(0, _NOTHING))
_FILES: Final = Run(("find", "/etc/iscsi/nodes", "/var/lib/iscsi/nodes", "-type", "f"), reads=True, ok=(0, 1))
"""Where records may lie: Debian's place and Red Hat's (open-iscsi usr/idbm.h:33, ISCSI_DB_ROOT); one is missing."""
_NAME: Final = ReadFile("/etc/iscsi/initiatorname.iscsi")
_PATIENCE: Final = 180.0
"""Seconds for a login: iscsid itself tries for up to 120 (node.session.initial_login_retry_max)."""


class OpenIscsiDriver:
    """Drives open-iscsi's records and sessions."""

    name: ClassVar[str] = "client+open-iscsi"
    subsystem: ClassVar[Subsystem] = "client"
    probes: ClassVar[tuple[Operation, ...]] = (_VERSION,)

    def __init__(self, facts: HostFacts, /) -> None:
        self.facts = facts

    @classmethod
    def match(cls, facts: HostFacts, /) -> Match:
        """Suit a host with iscsiadm."""
        answer = facts.of(_VERSION)
        if missing(answer):
            return Match(0, "open-iscsi is not installed (no iscsiadm)")
        return Match(10, f"open-iscsi {_version(answer)}") if answer.done else Match(0, explain(answer))

    # -- looking --------------------------------------------------------------------------------------

    def observe(self) -> Exchange[Observed[ClientState]]:
        """Return name, sessions and node records, in one round trip."""
        named, listed, recorded, filed = yield (_NAME, _SESSIONS, _NODES, _FILES)
        name = "" if missing(named) else understood(named, iscsiadm.parse_initiator_name)
        sessions = understood(listed, iscsiadm.parse_sessions)
        nodes = understood(recorded, iscsiadm.parse_nodes)
        if isinstance(name, Unknown):
            return name
        if isinstance(sessions, Unknown):
            return sessions
        if isinstance(nodes, Unknown):
            return nodes
        files = tuple(filed.text.splitlines())
        placed = tuple(attrs.evolve(node, path=iscsiadm.file_of(node, files)) for node in nodes)
        return ClientState(name, sessions, placed, _version(self.facts.of(_VERSION)))

    # -- doing ----------------------------------------------------------------------------------------

    def render(self, step: Step, state: ClusterState, /) -> tuple[Operation, ...]:
        """Return the operations of a step; a login is written into the record, so that it is made at boot, too."""
        match step:
            case DiscoverTarget(portal=portal):
                # without `new` iscsiadm makes every record anew that the portal offers: CHAP users and settings of
                # other logins would be lost (open-iscsi usr/iscsiadm.c:1215, usr/idbm.c:2566)
                sought = ("iscsiadm", "-m", "discovery", "-t", "sendtargets", "-p", portal, "-o", "new")
                return (Run(sought, timeout=_PATIENCE),)
            case ConfigureSession(target=target, portal=portal):
                nodes = client_on(state, step.host).nodes_of(target, portal)
                if not all(node.shown and node.path for node in nodes):
                    raise unsupported(self.name, step, "its record was not read, or its file not found")
                return tuple(operation for node in nodes for operation in _configure(step, node))
            case Login(target=target, portal=portal):
                record = ("iscsiadm", "-m", "node", "-T", target, "-p", portal)
                return (
                    Run((*record, "-o", "update", "-n", "node.startup", "-v", "automatic")),
                    Run((*record, "--login"), ok=(0, _PRESENT), timeout=_PATIENCE),
                )
            case Logout(target=target, portal=portal):
                record = ("iscsiadm", "-m", "node", "-T", target, "-p", portal)
                return (
                    Run((*record, "-o", "update", "-n", "node.startup", "-v", "manual")),
                    Run((*record, "--logout"), ok=(0, _NOTHING), timeout=_PATIENCE),
                )
            case _:
                raise unsupported(self.name, step)

    def judge(self, step: Step, outcomes: tuple[Outcome, ...], /) -> Verdict:
        """Judge by exit codes; a discovery that does not offer the target is refused, though it exits with 0."""
        verdict = judge_by_outcomes(outcomes)
        if verdict.result == "done" and isinstance(step, DiscoverTarget):
            return _judge_discovery(step, outcomes)
        moved = any(isinstance(o.operation, Expect) and o.status is Status.FAILED for o in outcomes)
        if isinstance(step, ConfigureSession) and moved:
            return Verdict("stale", f"the record of {step.subject} is not as it was read: somebody else changed it")
        if verdict.result != "refused":
            return verdict
        failed = next(outcome for outcome in outcomes if not outcome.done)
        meaning = _MEANINGS.get(failed.exit_code or 0)
        return Verdict("refused", f"{meaning} ({verdict.reason})") if meaning else verdict


_MEANINGS: Final[Mapping[int, str]] = {
    4: "the portal can't be reached",
    7: "open-iscsi knows no such setting, or no such value of it",
    8: "the portal did not answer in time: is the address up, the port open, the target's driver enabled?",
    19: "the target refuses the login for good: is this portal among those it answers on?",
    20: "iscsid does not run on this client: systemctl start iscsid",
    _NOTHING: "there is no such record: discover the target first",
    24: "the target refuses the login: CHAP name or secret are missing or wrong, or the initiator is not allowed; "
    "to have a wrong secret written anew, delete the record first: iscsiadm -m node -T TARGET -p PORTAL -o delete",
}
"""iscsiadm's exit codes (iscsiadm(8); 8, 19, 21, 24 seen in recording scst/cmds-sessions, 7 with 2.1.8)."""


def _version(answer: Outcome) -> str:
    found = re.search(r"version ([\w.-]+)", answer.text) if answer.done else None
    return found[1] if found else ""


def _configure(step: ConfigureSession, node: NodeRecord) -> Iterator[Operation]:
    """Write the credentials if the record still is as it was read; iscsiadm, which checks them, sets all else."""
    record = ("iscsiadm", "-m", "node", "-T", node.target, "-p", node.portal, "-I", node.interface)
    if step.secret is not None and step.credentials_missing(node):
        yield Expect(
            Run((*record, "-o", "show"), reads=True),
            Condition((0,), equals=node.shown),
            because=f"the record of {node.target} through {node.portal} is as it was read",
        )
        yield WriteFile(node.path, iscsiadm.with_credentials(node, step.user, step.secret), mode=0o600)
    for name, text in step.unmet(node).items():
        yield Run((*record, "-o", "update", "-n", name, "-v", text))


def _judge_discovery(step: DiscoverTarget, outcomes: tuple[Outcome, ...]) -> Verdict:
    try:
        offered = [record for outcome in outcomes for record in iscsiadm.parse_discovery(outcome.text)]
    except ParseError as error:
        return Verdict("unknown", str(error))
    if (step.target, step.portal) in offered:
        return DONE
    known = ", ".join(sorted({target for target, _ in offered})) or "no target at all"
    return Verdict(
        "refused",
        f"{step.portal} does not offer {step.target} to this initiator; it offers {known}: is the target enabled, "
        "does it answer on this portal, and may this initiator see it?",
    )
