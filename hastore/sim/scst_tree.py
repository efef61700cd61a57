"""The pieces of SCST's sysfs tree: directories, links and attributes that check what is written to them."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from hastore.hosts.operations import Entry
from hastore.sim.filesystem import refuse

Check: TypeAlias = Callable[[str], str]
"""Takes what was written, returns the value that is kept; OSError refuses it."""
Mark: TypeAlias = Literal["differs", "set", "iscsi", "file", "sized", "none"]
"""When and how `[key]` stands after the value: `differs` from the default, once `set`, in iSCSI's manner with an
empty line, in `filename`'s, always (`sized`), or never (recorded: 03-devices.json, 08-target-attrs-driver-enabled.json)."""


@dataclass
class Attribute:
    """One file of the tree."""

    value: str = ""
    default: str | None = None
    mode: int = 0o644
    check: Check | None = None
    mark: Mark = "differs"
    on_write: Callable[[str], None] | None = None
    """Called with the checked value instead of keeping it; a bound method, so that a world can be copied."""
    result: bool = False
    """Whether a write leaves its errno in last_sysfs_mgmt_res."""
    touched: bool = False
    unreadable: str = ""
    """Name of the errno that reading gives, though the mode allows it."""
    extra: str = ""
    """What follows the value when it is the default (`per_portal_acl` has an empty line there)."""

    def __post_init__(self) -> None:
        if self.default is None:
            self.default = self.value

    def text(self) -> str:
        """Return what a read shows."""
        if self.mark == "file":
            return f"{self.value}\n[key]\n\n"
        if self.mark == "sized":
            return f"{self.value}\n[key]\n"
        if self.mark == "none":
            return f"{self.value}\n{self.extra}"
        keyed = self.touched if self.mark == "set" else self.value != self.default
        if not keyed:
            return f"{self.value}\n{self.extra}"
        return f"{self.value}\n[key]\n" + ("\n" if self.mark == "iscsi" else "")

    def store(self, text: str) -> None:
        """Take a write; an empty one does nothing (recorded: w-devices.json "empty write")."""
        if not self.mode & 0o222:
            raise refuse(errno.EACCES)
        if not text:
            return
        value = text.rstrip("\n")
        if self.check is not None:
            value = self.check(value)
        if self.on_write is not None:
            self.on_write(value)
        else:
            self.value = value
        self.touched = True


@dataclass
class Verbatim(Attribute):
    """A file whose text is not a value: help texts, `comment`."""

    def text(self) -> str:
        """Return the text as it stands; a changed comment is marked."""
        if self.touched and self.value and self.on_write is None:
            return f"{self.value}\n[key]\n"
        return self.value


@dataclass
class Link:
    """A symbolic link."""

    target: str


@dataclass
class Directory:
    """One directory; `/` in a name is shown as `!`, as sysfs does."""

    entries: dict[str, Attribute | Link | Directory] = field(default_factory=dict)

    def add(self, name: str, entry: Attribute | Link | Directory) -> None:
        """Put an entry there."""
        self.entries[name.replace("/", "!")] = entry

    def remove(self, name: str) -> None:
        """Take an entry away, if it is there."""
        self.entries.pop(name.replace("/", "!"), None)

    def attribute(self, name: str) -> Attribute:
        """Return an attribute; KeyError where there is none."""
        entry = self.entries[name]
        if not isinstance(entry, Attribute):
            raise KeyError(name)
        return entry

    def find(self, path: str) -> Attribute | Link | Directory:
        """Return what lies at a path below here, following links never; OSError ENOENT."""
        found: Attribute | Link | Directory = self
        for part in path.split("/") if path else ():
            if not isinstance(found, Directory) or part not in found.entries:
                raise refuse(errno.ENOENT, path)
            found = found.entries[part]
        return found

    def listing(self, prefix: str = "") -> dict[str, Entry]:
        """Return everything below, parents before children, in the order of names."""
        found: dict[str, Entry] = {}
        for name in sorted(self.entries):
            entry, path = self.entries[name], prefix + name
            if isinstance(entry, Directory):
                found[path] = Entry("dir", mode=0o755)
                found |= entry.listing(path + "/")
            elif isinstance(entry, Link):
                found[path] = Entry("link", target=entry.target, mode=0o777)
            elif entry.unreadable:
                found[path] = Entry("file", mode=entry.mode, error=entry.unreadable)
            elif entry.mode & 0o444:
                found[path] = Entry("file", entry.text().encode(), mode=entry.mode)
            else:
                found[path] = Entry("file", mode=entry.mode, error="EACCES")
        return found


# What values are taken


def boolean(text: str) -> str:
    """0 or 1."""
    if text not in {"0", "1"}:
        raise refuse(errno.EINVAL)
    return text


def natural(text: str) -> str:
    """A number from 0."""
    return str(_number(text, 0, 2**31 - 1))


def positive(text: str) -> str:
    """A number from 1."""
    return str(_number(text, 1, 2**31 - 1))


def integer(text: str) -> str:
    """Any number."""
    return str(_number(text, -(2**31), 2**31 - 1))


def burst(text: str) -> str:
    """A length that RFC 7143 allows: 512 to 2^24-1 (recorded: 100 is refused, 262144 taken)."""
    return str(_number(text, 512, 2**24 - 1))


def queue_depth(text: str) -> str:
    """QueuedCommands: 1 to 256 (recorded: 0 and 9999 are refused; the upper end from iscsi-scst's README)."""
    return str(_number(text, 1, 256))


def careless(text: str) -> str:
    """What takes anything and makes 0 of garbage (recorded: MaxSessions, NopInInterval)."""
    found = re.match(r"\d+", text)
    return str(int(found[0])) if found else "0"


def hexadecimal(text: str) -> str:
    """A mask or identifier in hexadecimal digits."""
    if not re.fullmatch(r"(0x)?[0-9a-fA-F]+", text):
        raise refuse(errno.EINVAL)
    return text


def identifier(text: str) -> str:
    """An EUI-64 or NAA identifier: 16 or 32 hexadecimal digits."""
    if not re.fullmatch(r"(0x)?([0-9a-fA-F]{16}|[0-9a-fA-F]{24}|[0-9a-fA-F]{32})", text):
        raise refuse(errno.EINVAL)
    return text.removeprefix("0x")


def reset_counter(_text: str) -> str:
    """Whatever is written to a session's counter sets it to 0 (recorded: w-sessions.json "session attr")."""
    return "0"


def anything(text: str) -> str:
    """Any text."""
    return text


def _at_most(text: str, limit: int) -> str:
    if len(text) > limit:
        raise refuse(errno.EINVAL)
    return text


def upto_4(text: str) -> str:
    """prod_rev_lvl (SPC: 4 characters)."""
    return _at_most(text, 4)


def upto_8(text: str) -> str:
    """t10_vend_id (SPC: 8 characters)."""
    return _at_most(text, 8)


def upto_16(text: str) -> str:
    """prod_id (SPC: 16 characters)."""
    return _at_most(text, 16)


def upto_20(text: str) -> str:
    """Unit serial number."""
    return _at_most(text, 20)


def upto_32(text: str) -> str:
    """t10_dev_id, vend_specific_id."""
    return _at_most(text, 32)


def always_busy(_text: str) -> str:
    """Persistent reservations' files of a device that is in use (recorded: EBUSY)."""
    raise refuse(errno.EBUSY)


def always_invalid(_text: str) -> str:
    """What was refused with EINVAL whatever was tried."""
    raise refuse(errno.EINVAL)


def one_of(text: str, allowed: tuple[str, ...]) -> str:
    """One of these words."""
    if text not in allowed:
        raise refuse(errno.EINVAL)
    return text


def yes_no(text: str) -> str:
    """Yes or No."""
    return one_of(text, ("Yes", "No"))


def digest(text: str) -> str:
    """A list of digests, shown in SCST's own order."""
    wanted = text.split(",")
    if not set(wanted) <= {"None", "CRC32C"}:
        raise refuse(errno.EINVAL)
    return ",".join(name for name in ("None", "CRC32C") if name in wanted)


def addressing(text: str) -> str:
    """addr_method."""
    return one_of(text, ("PERIPHERAL", "FLAT", "LUN"))


def grouping(text: str) -> str:
    """io_grouping_type: a word or a group's number."""
    if text.isdigit() and int(text) > 0:
        return text
    return one_of(text, ("auto", "this_group_only", "never"))


def pool_type(text: str) -> str:
    """threads_pool_type."""
    return one_of(text, ("per_initiator", "shared"))


def redirect(text: str) -> str:
    """`<ip>[:port] temp|perm`, shown without the standard port (recorded)."""
    found = re.fullmatch(r"(\S+?)(?::(\d+))? (temp|perm)", text)
    if not found:
        raise refuse(errno.EINVAL)
    port = f":{found[2]}" if found[2] and found[2] != "3260" else ""
    return f"{found[1]}{port} {found[3]}"


def trace(text: str) -> str:
    """trace_level takes actions, not values (recorded)."""
    if text in {"all", "none", "default"} or re.fullmatch(r"(add|del|value) \S+", text):
        return text
    raise refuse(errno.EINVAL)


def _number(text: str, low: int, high: int) -> int:
    try:
        number = int(text, 0)
    except ValueError as error:
        raise refuse(errno.EINVAL) from error
    if not low <= number <= high:
        raise refuse(errno.EINVAL)
    return number
