"""What open-iscsi's `iscsiadm` prints: sessions, node records, discoveries (iscsiadm(8); recording scst/cmds-sessions)."""

from __future__ import annotations

import re
from typing import Final

import attrs

from hastore.formats.parsing import wrong
from hastore.model.state import ClientSession

_SESSION: Final = re.compile(r"^\w+: \[\d+\] (?P<portal>\S+),-?\d+ (?P<target>\S+)( \(.*\))?$")
_RECORD: Final = re.compile(r"^(?P<portal>\S+),-?\d+ (?P<target>\S+)$")
_TARGET: Final = re.compile(r"^Target: (?P<target>\S+)")


def parse_sessions(text: str) -> tuple[ClientSession, ...]:
    """Read `iscsiadm -m session`, or `-P 1` and `-P 3` of it, which alone tell state and devices.

    An empty text has no sessions (iscsiadm then exits with 21). Raises ParseError where a line of the
    short form is no session, or a portal of the long form has no target.
    """
    if "\nTarget: " in "\n" + text:
        return _long(text)
    sessions = []
    for number, line in enumerate(text.splitlines(), 1):
        found = _SESSION.match(line)
        if found is not None:
            sessions.append(ClientSession(found["target"], found["portal"]))
        elif line.strip() and not line.startswith("iSCSI Transport Class") and not line.startswith("version "):
            raise wrong(number, "a session ('tcp: [1] ip:port,1 iqn...')", "iscsiadm", line)
    return tuple(sessions)


def _long(text: str) -> tuple[ClientSession, ...]:
    sessions: list[ClientSession] = []
    target = ""
    for number, line in enumerate(text.splitlines(), 1):
        head = _TARGET.match(line)
        key, _, rest = line.strip().partition(": ")
        if head:
            target = head["target"]
        elif key == "Current Portal":
            if not target:
                raise wrong(number, "a target before its portal", "iscsiadm", line)
            sessions.append(ClientSession(target, rest.rpartition(",")[0], state=""))
        elif key == "iSCSI Session State" and sessions:
            sessions[-1] = attrs.evolve(sessions[-1], state=rest.strip())
        elif line.strip().startswith("Attached scsi disk ") and sessions:
            disk = line.split()[3]
            sessions[-1] = attrs.evolve(sessions[-1], devices=(*sessions[-1].devices, disk))
    return tuple(sessions)


def parse_nodes(text: str) -> tuple[tuple[str, str], ...]:
    """Read `iscsiadm -m node`: node records as (target, portal); ParseError where a line is none."""
    return _records(text, "iscsiadm -m node")


def parse_discovery(text: str) -> tuple[tuple[str, str], ...]:
    """Read `iscsiadm -m discovery -t st -p ...`: what a portal offers as (target, portal); ParseError where a line is none."""
    return _records(text, "iscsiadm -m discovery")


def _records(text: str, source: str) -> tuple[tuple[str, str], ...]:
    records = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        found = _RECORD.match(line)
        if found is None:
            raise wrong(number, "'ip:port,group target'", source, line)
        records.append((found["target"], found["portal"]))
    return tuple(records)


def parse_initiator_name(text: str) -> str:
    """Return the name that /etc/iscsi/initiatorname.iscsi gives the machine; empty where it gives none."""
    for line in text.splitlines():
        key, _, name = line.partition("=")
        if key.strip() == "InitiatorName":
            return name.strip()
    return ""
