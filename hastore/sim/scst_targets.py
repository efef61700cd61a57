"""SCST's targets: LUN sets, initiator groups, iSCSI parameters, users, sessions."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial

from hastore.sim import scst_tree as tree
from hastore.sim.filesystem import refuse
from hastore.sim.scst_devices import Device, parse_parameters
from hastore.sim.scst_tree import Attribute, Check, Directory, Link, Verbatim

MAX_LUN = 16383
CHAP_SECRET = 12
"""Shortest CHAP secret that iscsi-scst takes (recorded: w-targets.json "short pw")."""
LUN_HELP = "The following parameters available: read_only\n"

ISCSI_PARAMETERS: dict[str, tuple[str, Check]] = {
    "DataDigest": ("None", tree.digest),
    "FirstBurstLength": ("65536", tree.burst),
    "HeaderDigest": ("None", tree.digest),
    "ImmediateData": ("Yes", tree.yes_no),
    "InitialR2T": ("No", tree.yes_no),
    "MaxBurstLength": ("1048576", tree.burst),
    "MaxOutstandingR2T": ("32", tree.positive),
    "MaxRecvDataSegmentLength": ("1048576", tree.burst),
    "MaxSessions": ("0", tree.careless),
    "MaxXmitDataSegmentLength": ("1048576", tree.burst),
    "NopInInterval": ("30", tree.careless),
    "NopInTimeout": ("30", tree.positive),
    "QueuedCommands": ("32", tree.queue_depth),
    "RDMAExtensions": ("No", tree.yes_no),
    "RspTimeout": ("90", tree.positive),
    "alias": ("", tree.anything),
    "redirect": ("", tree.redirect),
}
COUNTERS = (
    "bidi_cmd_count", "bidi_io_count_kb", "bidi_unaligned_cmd_count", "none_cmd_count", "read_cmd_count",
    "read_io_count_kb", "read_unaligned_cmd_count", "unknown_cmd_count", "write_cmd_count", "write_io_count_kb",
    "write_unaligned_cmd_count",
)  # fmt: skip


@dataclass
class Lun:
    """One LUN of a set."""

    device: Device
    read_only: bool
    link: str
    """Name of the device's export link to it."""


@dataclass
class LunSet:
    """The LUNs that a target or one of its groups shows."""

    path: str
    """Below scst_tgt."""
    up: str
    """From a LUN's directory to scst_tgt."""
    directory: Directory = field(default_factory=Directory)
    luns: dict[int, Lun] = field(default_factory=dict)

    def add(self, number: int, device: Device, *, read_only: bool = False) -> None:
        """Map a device; OSError EEXIST where the number is taken."""
        if number in self.luns:
            raise refuse(errno.EEXIST)
        link = f"export{device.exports}"
        device.exports += 1
        shown_read_only = read_only or device.read_only
        self.luns[number] = Lun(device, shown_read_only, link)
        self.directory.add(
            str(number),
            Directory(
                {
                    "device": Link(f"{self.up}devices/{device.name.replace('/', '!')}"),
                    "read_only": Attribute("1" if shown_read_only else "0", "0", 0o444),
                }
            ),
        )
        exported = device.directory.entries["exported"]
        if isinstance(exported, Directory):
            exported.add(link, Link(f"../../../{self.path}/{number}"))

    def remove(self, number: int) -> None:
        """Unmap a LUN; OSError EINVAL where there is none."""
        lun = self.luns.pop(number, None)
        if lun is None:
            raise refuse(errno.EINVAL)
        self.directory.remove(str(number))
        exported = lun.device.directory.entries["exported"]
        if isinstance(exported, Directory):
            exported.remove(lun.link)

    def clear(self) -> None:
        """Unmap everything."""
        for number in list(self.luns):
            self.remove(number)

    def forget(self, device: Device) -> None:
        """Unmap every LUN of a device."""
        for number in [number for number, lun in self.luns.items() if lun.device is device]:
            self.remove(number)


@dataclass
class Group:
    """An initiator group with LUNs of its own."""

    name: str
    luns: LunSet
    directory: Directory = field(default_factory=Directory)
    initiators: list[str] = field(default_factory=list)

    def matches(self, initiator: str, portal: str) -> bool:
        """Tell whether an initiator's name (or name#portal) matches a pattern; a `!` pattern that matches excludes."""
        names = (initiator, f"{initiator}#{portal}")
        taken = False
        for pattern in self.initiators:
            hit = any(fnmatchcase(name, pattern.removeprefix("!")) for name in names)
            if hit and pattern.startswith("!"):
                return False
            taken = taken or hit
        return taken


@dataclass
class Session:
    """A live session of an initiator with a target."""

    initiator: str
    client_ip: str
    portal: str
    target: str
    name: str
    """Its directory's name: the initiator's, with `_1` where that is taken (recorded)."""
    luns: LunSet
    alive: bool = True

    def lun_numbers(self) -> list[int]:
        """Return the LUNs that the initiator sees."""
        return sorted(self.luns.luns) if self.alive else []

    def device(self, lun: int) -> Device:
        """Return the device behind a LUN; OSError ENODEV where session or LUN are gone."""
        if not self.alive or lun not in self.luns.luns:
            raise refuse(errno.ENODEV)
        return self.luns.luns[lun].device

    def write(self, lun: int, extent: int, write_id: str, *, sync: bool = True) -> None:
        """Write as the initiator does; `sync` where it waits for the medium. OSError for any failure."""
        device = self.device(lun)
        if self.luns.luns[lun].read_only:
            raise refuse(errno.EROFS)
        device.write(extent, write_id, sync=sync)

    def read(self, lun: int, extent: int) -> str | None:
        """Read as the initiator does."""
        return self.device(lun).read(extent)


def parse_lun(text: str) -> int:
    """Parse a LUN number, decimal, octal or hexadecimal; OSError EINVAL."""
    number = int(tree.integer(text))
    if not 0 <= number <= MAX_LUN:
        raise refuse(errno.EINVAL)
    return number


class Target:
    """One iSCSI target."""

    def __init__(self, name: str, tid: int, base: str = "targets/iscsi") -> None:
        self.name = name
        self.path = f"{base}/{name.replace('/', '!')}"
        self.directory = Directory()
        self.luns = LunSet(f"{self.path}/luns", "../../../../../")
        self.groups: dict[str, Group] = {}
        self.sessions: list[Session] = []
        self.users: dict[str, dict[str, str]] = {"IncomingUser": {}, "OutgoingUser": {}}
        self.portals: list[str] = []
        self.rel_tgt_id = 0
        self.enabled = False
        self.made_under = 0
        """Which of the node's locks it was made under."""
        self._fill(tid)

    def _fill(self, tid: int) -> None:
        add = self.directory.add
        for name, (default, check) in ISCSI_PARAMETERS.items():
            add(name, Attribute(default, check=check, mark="iscsi"))
        for name in COUNTERS:
            add(name, Attribute("0", mode=0o444))
        for name in ("aen_disabled", "black_hole", "forward_dst", "forward_src", "forwarding"):
            add(name, Attribute("0", check=tree.boolean))
        add("addr_method", Attribute("PERIPHERAL", check=tree.addressing))
        add("comment", Verbatim(check=tree.anything))
        add("cpu_mask", Attribute("1", check=tree.hexadecimal))
        add("io_grouping_type", Attribute("auto", check=tree.grouping))
        add("per_portal_acl", Attribute("0", check=tree.boolean, mark="iscsi", extra="\n"))
        add("sg_tablesize", Attribute("65535", mode=0o444))
        add("tid", Attribute(str(tid), mode=0o444))
        add("sessions", Directory())
        add("luns", self.luns.directory)
        add("ini_groups", Directory())
        self.luns.directory.add("mgmt", Verbatim(LUN_HELP))

    @property
    def group_directory(self) -> Directory:
        """The directory `ini_groups`."""
        found = self.directory.entries["ini_groups"]
        assert isinstance(found, Directory)  # noqa: S101 -- made so in _fill
        return found

    @property
    def lun_sets(self) -> list[LunSet]:
        """The default set and those of all groups."""
        return [self.luns, *(group.luns for group in self.groups.values())]

    # Groups

    def create_group(self, name: str) -> Group:
        """Create an initiator group; OSError EEXIST."""
        if name in self.groups:
            raise refuse(errno.EEXIST)
        shown = name.replace("/", "!")
        luns = LunSet(f"{self.path}/ini_groups/{shown}/luns", "../../../../../../../")
        luns.directory.add("mgmt", Verbatim(LUN_HELP))
        group = Group(name, luns)
        add = group.directory.add
        add("addr_method", Attribute("PERIPHERAL", check=tree.addressing))
        add("black_hole", Attribute("0", check=tree.boolean))
        add("cpu_mask", Attribute("1", check=tree.hexadecimal))
        add("io_grouping_type", Attribute("auto", check=tree.grouping))
        add("per_sess_dedicated_tgt_threads", Attribute("0", check=tree.boolean))
        add("luns", luns.directory)
        add("initiators", Directory())
        self.groups[name] = group
        self.group_directory.add(name, group.directory)
        return group

    def delete_group(self, name: str) -> None:
        """Delete a group with all it holds; OSError EINVAL, EBUSY with a live session in it."""
        group = self.groups.get(name)
        if group is None:
            raise refuse(errno.EINVAL)
        if any(session.luns is group.luns for session in self.sessions):
            raise refuse(errno.EBUSY)
        group.luns.clear()
        del self.groups[name]
        self.group_directory.remove(name)

    def add_initiator(self, group: Group, pattern: str) -> None:
        """Add a pattern to a group; a live session that now matches moves at once (recorded: 22-session-in-group)."""
        if pattern in group.initiators:
            raise refuse(errno.EEXIST)
        group.initiators.append(pattern)
        self._initiators(group).add(pattern, Attribute(pattern, mode=0o444))
        self._reassign()

    def remove_initiator(self, group: Group, pattern: str) -> None:
        """Remove a pattern from a group; OSError EINVAL."""
        if pattern not in group.initiators:
            raise refuse(errno.EINVAL)
        group.initiators.remove(pattern)
        self._initiators(group).remove(pattern)
        self._reassign()

    def luns_for(self, initiator: str, portal: str) -> LunSet:
        """Return the set of LUNs that an initiator is given."""
        for group in self.groups.values():
            if group.matches(initiator, portal):
                return group.luns
        return self.luns

    def _reassign(self) -> None:
        for session in self.sessions:
            session.luns = self.luns_for(session.initiator, session.portal)
            self.show_session(session)

    @staticmethod
    def _initiators(group: Group) -> Directory:
        found = group.directory.entries["initiators"]
        assert isinstance(found, Directory)  # noqa: S101 -- made so in create_group
        return found

    # Users and portals

    def add_attribute(self, name: str, value: str) -> None:
        """Add a user or an allowed portal; errnos as recorded (w-targets.json 171 to 186)."""
        if name in self.users:
            add_user(self.directory, self.users, name, value)
            if name == "OutgoingUser":
                self.directory.attribute(name).unreadable = "EINVAL"  # as recorded (08): a target's can't be read
        elif name == "allowed_portal":
            if value in self.portals:
                raise refuse(errno.EINVAL)
            self.portals.append(value)
            self._show_portals()
        else:
            raise refuse(errno.EINVAL)

    def del_attribute(self, name: str, value: str) -> None:
        """Remove a user or an allowed portal."""
        if name in self.users:
            del_user(self.directory, self.users, name, value)
        elif name == "allowed_portal" and value in self.portals:
            self.portals.remove(value)
            self._show_portals()
        else:
            raise refuse(errno.EINVAL)

    def _show_portals(self) -> None:
        for name in [name for name in self.directory.entries if name.startswith("allowed_portal")]:
            self.directory.remove(name)
        for place, portal in enumerate(self.portals):
            self.directory.add(
                f"allowed_portal{place or ''}", Attribute(portal, default="", check=tree.anything, mark="iscsi")
            )

    def portal_allowed(self, portal: str) -> bool:
        """Tell whether a login through this address is taken."""
        return not self.portals or any(fnmatchcase(portal, pattern) for pattern in self.portals)

    # Sessions

    def show_session(self, session: Session) -> None:
        """Make the session's directory (recorded: 20-session-live-idle.json, without latency and threads)."""
        parent = self.directory.entries["sessions"]
        assert isinstance(parent, Directory)  # noqa: S101 -- made so in _fill
        mine = Directory()
        mine.add("initiator_name", Attribute(session.initiator, mode=0o444))
        mine.add("active_commands", Attribute("0", mode=0o444))
        mine.add("commands", Attribute("0", mode=0o444))
        mine.add("reinstating", Attribute("0", mode=0o444))
        mine.add("sid", Attribute(f"{len(parent.entries) + 1:x}00003d0200", mode=0o444))
        mine.add("force_close", Verbatim(mode=0o200, on_write=partial(_force_close, self, session)))
        for name in ("DataDigest", "FirstBurstLength", "HeaderDigest", "ImmediateData", "InitialR2T", "MaxBurstLength",
                     "MaxOutstandingR2T", "MaxRecvDataSegmentLength", "MaxXmitDataSegmentLength"):  # fmt: skip
            mine.add(name, Attribute(self.directory.attribute(name).value, mode=0o444))
        for name in COUNTERS:
            mine.add(name, Attribute("0", check=tree.reset_counter))
        inside = session.luns.path.removeprefix(f"{self.path}/")
        mine.add("luns", Link(f"../../{inside}"))
        for number in session.luns.luns:
            mine.add(f"lun{number}", Directory({"active_commands": Attribute("0", mode=0o444)}))
        mine.add(session.client_ip, _connection(session))
        parent.add(session.name, mine)

    def end_session(self, session: Session) -> None:
        """Close a session and take its directory away."""
        session.alive = False
        if session in self.sessions:
            self.sessions.remove(session)
        parent = self.directory.entries["sessions"]
        if isinstance(parent, Directory):
            parent.remove(session.name)


def _force_close(target: Target, session: Session, _text: str) -> None:
    target.end_session(session)


def _connection(session: Session) -> Directory:
    return Directory(
        {
            "cid": Verbatim("0", mode=0o444),
            "ip": Verbatim(session.client_ip, mode=0o444),
            "state": Verbatim("established idle ", mode=0o444),
            "target_ip": Verbatim(session.portal, mode=0o444),
            "transport": Attribute("iSCSI-TCP", mode=0o444),
        }
    )


def add_user(directory: Directory, users: dict[str, dict[str, str]], kind: str, value: str) -> None:
    """Add a CHAP user to a target or to discovery; errnos as recorded."""
    name, _, password = value.partition(" ")
    if len(password) < CHAP_SECRET or name in users[kind]:
        raise refuse(errno.EINVAL)
    if kind == "OutgoingUser" and users[kind]:
        raise refuse(errno.EEXIST)
    users[kind][name] = password
    _show_users(directory, users, kind)


def del_user(directory: Directory, users: dict[str, dict[str, str]], kind: str, value: str) -> None:
    """Remove a CHAP user; OSError ENOENT."""
    name = value.split(" ", maxsplit=1)[0]
    if name not in users[kind]:
        raise refuse(errno.ENOENT)
    del users[kind][name]
    _show_users(directory, users, kind)


def _show_users(directory: Directory, users: dict[str, dict[str, str]], kind: str) -> None:
    for name in [name for name in directory.entries if re.fullmatch(rf"{kind}\d*", name)]:
        directory.remove(name)
    for place, (name, password) in enumerate(users[kind].items()):
        file = Attribute(f"{name} {password}", "", 0o600, mark="iscsi")
        file.on_write = partial(_change_user, directory, users, kind, name)
        directory.add(f"{kind}{place or ''}", file)


def _change_user(directory: Directory, users: dict[str, dict[str, str]], kind: str, old: str, value: str) -> None:
    """Take a write to a user's own file: its content replaces the user (recorded: `joe changedpasswd1`)."""
    name, _, password = value.partition(" ")
    if len(password) < CHAP_SECRET:
        raise refuse(errno.EINVAL)
    changed = {name if key == old else key: password if key == old else kept for key, kept in users[kind].items()}
    users[kind] = changed
    _show_users(directory, users, kind)


def lun_action(luns: LunSet, words: list[str], device_of: dict[str, Device]) -> None:
    """Do what a write to `luns/mgmt` says; errnos as recorded (w-targets.json 17 to 49)."""
    match words:
        case ["add" | "replace" | "replace_no_ua" as action, name, number, *parameters]:
            device = device_of.get(name)
            if device is None:
                raise refuse(errno.EINVAL)
            values = parse_parameters(" ".join(parameters))
            if not set(values) <= {"read_only"}:
                raise refuse(errno.EINVAL)
            place = parse_lun(number)
            if action != "add" and place in luns.luns:
                luns.remove(place)
            luns.add(place, device, read_only=values.get("read_only", "0") != "0")
        case ["del", number]:
            luns.remove(parse_lun(number))
        case ["clear"]:
            luns.clear()
        case _:
            raise refuse(errno.EINVAL)
