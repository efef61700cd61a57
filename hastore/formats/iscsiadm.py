"""What open-iscsi's `iscsiadm` prints and keeps: sessions, node records, discoveries.

Sources: iscsiadm(8); recordings scst/cmds-sessions and open_iscsi/node-show; for records open-iscsi usr/idbm.c
(commit bc23614): a record is lines `name = value`, read with blanks stripped, of which the last of a name counts;
`#` begins a comment, BEGIN RECORD and END RECORD among them (1218-1282). What is not set is not written, and shown
as `<empty>`; a password is shown as asterisks (906-947).
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

import attrs

from hastore.formats.parsing import wrong
from hastore.model.client import AUTHMETHOD, PASSWORD, PASSWORD_IN, USERNAME
from hastore.model.secrets import HIDDEN, Secret
from hastore.model.state import ClientSession, NodeRecord

Pieces: TypeAlias = tuple[bytes | Secret, ...]

_EMPTY: Final = "<empty>"
_BEGIN: Final = "# BEGIN RECORD"
_END: Final = "# END RECORD"

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


def parse_nodes(text: str) -> tuple[NodeRecord, ...]:
    """Read `iscsiadm -m node -o show`: every node record, without passwords even where they are shown.

    Raises ParseError where a line belongs to no record, or a record has no name, address or port.
    """
    found: list[NodeRecord] = []
    lines: list[str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(_BEGIN):
            lines = [line]
        elif lines is None:
            if line.strip():
                raise wrong(number, f"'{_BEGIN} ...'", _SHOW, line)
        elif line.startswith(_END):
            found.append(_node(lines, line, number))
            lines = None
        else:
            lines.append(_masked(line))
    if lines is not None:
        raise wrong(len(text.splitlines()), f"'{_END}'", _SHOW, "")
    return tuple(found)


_SHOW: Final = "iscsiadm -m node -o show"


def _masked(line: str) -> str:
    name, _, text = line.partition(" = ")
    secret = name in {PASSWORD, PASSWORD_IN} and text not in ("", _EMPTY)
    return f"{name} = {HIDDEN}" if secret else line


def _node(lines: list[str], end: str, number: int) -> NodeRecord:
    said = {name.strip(): text.strip() for name, mark, text in (line.partition("=") for line in lines[1:]) if mark}
    settings = {name: text for name, text in said.items() if text not in ("", _EMPTY)}
    passwords = {name for name in (PASSWORD, PASSWORD_IN) if settings.pop(name, "")}
    address, port = settings.get("node.conn[0].address", ""), settings.get("node.conn[0].port", "")
    if not (settings.get("node.name") and address and port):
        raise wrong(number, "node.name, node.conn[0].address and node.conn[0].port in the record", _SHOW, end)
    return NodeRecord(
        settings["node.name"],
        f"[{address}]:{port}" if ":" in address else f"{address}:{port}",
        settings,
        has_password=PASSWORD in passwords,
        mutual=PASSWORD_IN in passwords,
        interface=settings.get("iface.iscsi_ifacename", "default"),
        shown="\n".join([*lines, end, ""]),
    )


def file_of(record: NodeRecord, files: tuple[str, ...]) -> str:
    """Return which of these files holds a record; empty where none or several could be it.

    It is `nodes/<target>/<ip>,<port>,<group>/<interface>`, or without the last two where the group is not
    known (open-iscsi usr/idbm.c:1616-1647). The folder above is the distribution's choice.
    """
    address, port = record.settings.get("node.conn[0].address", ""), record.settings.get("node.conn[0].port", "")
    place = f"/nodes/{record.target}/{address},{port}"
    group = record.settings.get("node.tpgt", "")
    named = [path for path in files if path.endswith((place, f"{place},{group}/{record.interface}"))]
    return named[0] if len(named) == 1 else ""


def with_credentials(record: NodeRecord, user: str, secret: Secret) -> Pieces:
    """Return the text of a record's file with this CHAP user, all else as it was read."""
    settings = {**record.settings, AUTHMETHOD: "CHAP", USERNAME: user}
    lines = [_BEGIN, *(f"{name} = {text}" for name, text in settings.items()), f"{PASSWORD} = "]
    return "\n".join(lines).encode("utf-8", "surrogateescape"), secret, f"\n{_END}\n".encode()


def parse_discovery(text: str) -> tuple[tuple[str, str], ...]:
    """Read `iscsiadm -m discovery -t st -p ...`: what a portal offers as (target, portal); ParseError where a line is none."""
    records = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        found = _RECORD.match(line)
        if found is None:
            raise wrong(number, "'ip:port,group target'", "iscsiadm -m discovery", line)
        records.append((found["target"], found["portal"]))
    return tuple(records)


def parse_initiator_name(text: str) -> str:
    """Return the name that /etc/iscsi/initiatorname.iscsi gives the machine; empty where it gives none."""
    for line in text.splitlines():
        key, _, name = line.partition("=")
        if key.strip() == "InitiatorName":
            return name.strip()
    return ""
