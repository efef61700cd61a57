"""SCST's sysfs tree (/sys/kernel/scst_tgt) read into what it means.

Attributes end in a line `[key]` where they differ from the default; `filename` and iSCSI's own attributes have an
empty line after it (recording scst/07-ini-groups). Whatever is not known here is kept with the other attributes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Protocol

from hastore.formats.parsing import natural, wrong
from hastore.model.errors import SpecError
from hastore.model.scsi import InitiatorGroup, Lun
from hastore.model.state import ScstDeviceState, ScstState, SessionState, TargetState
from hastore.model.values import Params

ROOT: Final = "/sys/kernel/scst_tgt"
ISCSI: Final = "targets/iscsi"
MARK: Final = "[key]"

SKIP: Final = (
    "sgv",
    "device_groups",
    "targets/copy_manager",
    "*/latency",
    "*trace_level",
    "trace_*cmds",
    "*_cmd_count",
    "*_io_count_kb",
    "*/pr_state",
    "*/pr_file_name",
    "*/dump_prs",
    "*/lun[0-9]*",
    "*/mgmt",
)
"""Names that `parse` has no use for; reading them is what takes the time (facts: 5,814 entries in 1.3 s)."""

_LOCAL_DISK: Final = re.compile(r"^\d+:\d+:\d+:\d+$")
_VERSION: Final = re.compile(r"^SCST version: (\S+)", re.MULTILINE)
_NUMBERED_SESSION: Final = re.compile(r"_\d+$")
_STATE_OF_TARGET: Final = frozenset({"enabled", "rel_tgt_id", "tid", "sessions", "luns", "ini_groups"})
_USERS: Final = re.compile(r"^(Incoming|Outgoing)User\d*$")
_PORTAL: Final = re.compile(r"^allowed_portal\d*$")
_SOURCE: Final = "SCST's sysfs"


class TreeEntry(Protocol):
    """One entry of a tree that was read; `hastore.hosts.operations.Entry` is one."""

    @property
    def kind(self) -> str:
        """`file`, `dir` or `link`."""
        ...

    @property
    def text(self) -> str:
        """A file's content."""
        ...

    @property
    def target(self) -> str:
        """Where a link points."""
        ...

    @property
    def error(self) -> str:
        """The errno that reading gave, or empty."""
        ...


def split_mark(text: str) -> tuple[str, bool]:
    r"""Return an attribute's value without its mark and trailing newlines, and whether it was marked.

    >>> split_mark("/dev/vg1/lun1\n[key]\n\n")
    ('/dev/vg1/lun1', True)
    """
    lines = text.rstrip("\n").split("\n")
    marked = lines[-1] == MARK
    return "\n".join(lines[:-1] if marked else lines).rstrip("\n"), marked


def parse_version(text: str) -> str:
    """Return the version that /sys/kernel/scst_tgt/version names, such as `3.11.0-pre`; ParseError where it names none."""
    found = _VERSION.search(text)
    if found is None:
        raise wrong(1, "'SCST version: ...'", f"{ROOT}/version", text)
    return found[1]


def parse_creation_parameters(text: str) -> frozenset[str]:
    """Return the parameters that a handler takes at `add_device`, from the help that its `mgmt` shows."""
    _, _, listed = text.partition("parameters available:")
    return frozenset(name for name in re.split(r"[,\s]+", listed.partition("\n\n")[0]) if name)


def parse(tree: Mapping[str, TreeEntry]) -> ScstState:
    """Read a tree, given as path below /sys/kernel/scst_tgt -> entry.

    Without iscsi-scstd there is neither `targets/iscsi/enabled` nor any target (recording scst/23): that tells
    whether it runs. Local SCSI disks (`1:0:0:0`) are left out. Raises ParseError where the tree has no version,
    or a LUN has no device or an impossible number.
    """
    reader = _Reader(tree)
    return ScstState(
        parse_version(reader.raw("version")),
        daemon_running=f"{ISCSI}/enabled" in tree,
        driver_enabled=reader.value(f"{ISCSI}/enabled") == "1",
        devices={name: reader.device(name) for name in reader.folders("devices") if not _LOCAL_DISK.match(name)},
        targets={name: reader.target(name) for name in reader.folders(ISCSI)},
        setup_id=reader.value("setup_id"),
    )


class _Reader:
    """Reads one tree; folders are indexed once."""

    def __init__(self, tree: Mapping[str, TreeEntry]) -> None:
        self._tree = tree
        self._names: dict[str, list[str]] = {}
        for path in tree:
            parent, _, name = path.rpartition("/")
            self._names.setdefault(parent, []).append(name)

    def raw(self, path: str) -> str:
        entry = self._tree.get(path)
        return entry.text if entry is not None and entry.kind == "file" and not entry.error else ""

    def value(self, path: str) -> str:
        return split_mark(self.raw(path))[0]

    def link(self, path: str) -> str:
        """Return the last part of where a link points, or nothing."""
        entry = self._tree.get(path)
        return entry.target.rpartition("/")[2] if entry is not None and entry.kind == "link" else ""

    def names(self, folder: str) -> Iterable[str]:
        return self._names.get(folder, ())

    def folders(self, folder: str) -> Iterator[str]:
        return (name for name in self.names(folder) if self._tree[f"{folder}/{name}"].kind == "dir")

    def attributes(self, folder: str) -> Iterator[tuple[str, str, bool]]:
        """Yield name, value and mark of every readable file."""
        for name in self.names(folder):
            entry = self._tree[f"{folder}/{name}"]
            if entry.kind == "file" and not entry.error and name != "mgmt":
                yield (name, *split_mark(entry.text))

    def device(self, name: str) -> ScstDeviceState:
        folder = f"devices/{name}"
        found = [(key, text, marked) for key, text, marked in self.attributes(folder) if not key.startswith("dump_")]
        attributes = Params([(key, text) for key, text, _ in found])
        return ScstDeviceState(
            name,
            self.link(f"{folder}/handler"),
            attributes.get("filename", ""),
            attributes.with_(filename=None, type=None),
            changed=frozenset(key for key, _, marked in found if marked),
            size=natural(attributes.get("size", "")) or 0,
        )

    def target(self, iqn: str) -> TargetState:
        folder = f"{ISCSI}/{iqn}"
        found = {key: text for key, text, _ in self.attributes(folder)}
        users = [text.split()[0] for key, text in found.items() if key.startswith("IncomingUser") and text.split()]
        return TargetState(
            iqn,
            enabled=found.get("enabled", "") == "1",
            portals=tuple(text for key, text in found.items() if _PORTAL.match(key) and text),
            parameters=Params([(key, text) for key, text in found.items() if _is_parameter(key)]),
            luns=self.luns(f"{folder}/luns"),
            groups=tuple(self.group(f"{folder}/ini_groups", name) for name in self.folders(f"{folder}/ini_groups")),
            incoming_users=tuple(users),
            sessions=tuple(self.session(f"{folder}/sessions", name) for name in self.folders(f"{folder}/sessions")),
            rel_tgt_id=natural(found.get("rel_tgt_id", "")) or 0,
        )

    def luns(self, folder: str) -> tuple[Lun, ...]:
        return tuple(sorted((self.lun(folder, name) for name in self.folders(folder)), key=lambda lun: lun.number))

    def lun(self, folder: str, name: str) -> Lun:
        number, device = natural(name), self.link(f"{folder}/{name}/device")
        if number is None or not device:
            raise wrong(1, f"a LUN with its device in {folder}", _SOURCE, name)
        try:
            return Lun(number, device, read_only=self.value(f"{folder}/{name}/read_only") == "1")
        except SpecError as error:
            raise wrong(1, f"a LUN up to 16383 in {folder}", _SOURCE, name) from error

    def group(self, folder: str, name: str) -> InitiatorGroup:
        inside = f"{folder}/{name}"
        # the file's name has `!` where the initiator's has `/`; its content is the name itself
        initiators = (text or key for key, text, _ in self.attributes(f"{inside}/initiators"))
        return InitiatorGroup(name, tuple(initiators), self.luns(f"{inside}/luns"))

    def session(self, folder: str, name: str) -> SessionState:
        inside = f"{folder}/{name}"
        addresses = (self.value(f"{inside}/{connection}/ip") for connection in self.folders(inside))
        luns = self._tree.get(f"{inside}/luns")
        pointed = luns.target.split("/") if luns is not None and luns.kind == "link" else []
        return SessionState(
            self.value(f"{inside}/initiator_name") or _NUMBERED_SESSION.sub("", name),
            name,
            tuple(address for address in addresses if address),
            pointed[-2] if len(pointed) > 1 and "ini_groups" in pointed else "",
            natural(self.value(f"{inside}/active_commands")) or 0,
        )


def _is_parameter(key: str) -> bool:
    """Tell settings of a target from its state, its users (secrets among them) and its counters."""
    return not (
        key in _STATE_OF_TARGET or _USERS.match(key) or _PORTAL.match(key) or key.endswith(("_count", "_count_kb"))
    )
