"""What DRBD 8.4 says of itself: /proc/drbd, `drbdsetup events2`, `drbdadm status`, `drbdadm get-gi`.

/proc/drbd numbers devices by minor and alone tells speed and time left of a resync; events2 and status name
resources. Sources: recordings drbd84; drbdsetup(8) of DRBD 8.4.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, Literal, cast

import attrs

from hastore.formats.parsing import natural, wrong
from hastore.model.state import DrbdResourceState, DrbdVolumeState
from hastore.model.values import NO_PARAMS, Params, as_params, field, value

_PROC: Final = "/proc/drbd"
_EVENTS: Final = "drbdsetup events2"
_STATUS: Final = "drbdadm status"
_GENERATION: Final = "drbdadm get-gi"


# -- /proc/drbd ---------------------------------------------------------------------------------------


@value
class ProcDevice:
    """One device of /proc/drbd, in its own words (`cs`, `ro`, `ds`)."""

    minor: int
    connection: str
    """`Connected`, `WFConnection`, `StandAlone`, `SyncSource` ...; `Unconfigured` where nothing is set up."""
    role: str = "Unknown"
    peer_role: str = "Unknown"
    disk: str = ""
    peer_disk: str = "DUnknown"
    protocol: str = ""
    flags: str = ""
    """Such as `r-----`; its first letter is `s` while I/O is suspended."""
    counters: Params = field(default=NO_PARAMS, converter=as_params)
    """`ns`, `nr`, `dw` ... as written."""
    out_of_sync: int = 0
    """KiB."""
    done: float | None = None
    """Of a resync or a verify, from 0 to 1."""
    seconds_left: int | None = None
    speed: int | None = None
    """KiB/s."""

    @property
    def suspended(self) -> bool:
        """True while I/O is suspended."""
        return self.flags.startswith("s")


@value
class ProcDrbd:
    """/proc/drbd as a whole. DRBD 9 lists no devices there."""

    version: str
    devices: tuple[ProcDevice, ...] = ()

    def device(self, minor: int) -> ProcDevice | None:
        """Return the device of this minor number, or None."""
        return next((device for device in self.devices if device.minor == minor), None)


_VERSION: Final = re.compile(r"^version: (\d[\w.-]*)")
_DEVICE: Final = re.compile(
    r"^ *(?P<minor>[0-9]{1,7}): cs:(?P<cs>\w+)"
    r"(?: ro:(?P<role>\w+)/(?P<peer_role>\w+) ds:(?P<disk>\w+)/(?P<peer_disk>\w+) (?P<protocol>[ABC ]) (?P<flags>\S+))?\s*$"
)
_COUNTER: Final = re.compile(r"\b([a-z]+):(\w+)")
_DONE: Final = re.compile(r"\b(?:sync'ed|verified): *(\d{1,3}(?:\.\d+)?)%", re.ASCII)
_FINISH: Final = re.compile(r"finish: (\d{1,9}):(\d\d):(\d\d) speed: ([\d,]{1,20})", re.ASCII)


def parse_proc(text: str) -> ProcDrbd:
    """Read /proc/drbd, progress of a resync included.

    Raises ParseError where the first line is no version, or a line is none of those that DRBD 8.4 prints.
    """
    lines = text.splitlines()
    version = _VERSION.match(lines[0]) if lines else None
    if version is None:
        raise wrong(1, "'version: 8.4...'", _PROC, lines[0] if lines else "")
    devices: list[ProcDevice] = []
    for number, line in enumerate(lines[1:], 2):
        found = _DEVICE.match(line)
        if found is not None:
            devices.append(_proc_device(found))
        elif devices and line[:1].isspace():
            devices[-1] = _with_detail(devices[-1], line)
        elif line.strip() and not re.match(r"^[\w -]+: ", line):
            raise wrong(number, "a device (' 0: cs:...') or its details", _PROC, line)
    return ProcDrbd(version[1], tuple(devices))


def _proc_device(found: re.Match[str]) -> ProcDevice:
    return ProcDevice(
        int(found["minor"]),
        found["cs"],
        found["role"] or "Unknown",
        found["peer_role"] or "Unknown",
        found["disk"] or "",
        found["peer_disk"] or "DUnknown",
        (found["protocol"] or "").strip(),
        found["flags"] or "",
    )


def _with_detail(device: ProcDevice, line: str) -> ProcDevice:
    """Add what an indented line below a device says; lines of later versions are read over."""
    done, finish = _DONE.search(line), _FINISH.search(line)
    if done:
        return attrs.evolve(device, done=float(done[1]) / 100)
    if finish:
        hours, minutes, seconds = (int(part) for part in finish.groups()[:3])
        left = hours * 3600 + minutes * 60 + seconds
        return attrs.evolve(device, seconds_left=left, speed=int(finish[4].replace(",", "")))
    counters = Params(_COUNTER.findall(line))
    out_of_sync = natural(counters.get("oos", ""))
    return device if out_of_sync is None else attrs.evolve(device, counters=counters, out_of_sync=out_of_sync)


# -- drbdsetup events2 --------------------------------------------------------------------------------


@value
class DrbdEvent:
    """One line of events2: what happened to which object; the answer of `--now` ends with subject `-`."""

    action: str
    """`exists`, `create`, `change`, `destroy`, `call`, `response`."""
    subject: str
    """`resource`, `connection`, `device`, `peer-device`, `helper`, `-`."""
    keys: Params = field(default=NO_PARAMS, converter=as_params)
    time: str = ""
    """Where `--timestamps` was given."""


_ACTIONS: Final = frozenset({"exists", "create", "change", "destroy", "call", "response"})
_EVENT: Final = re.compile(r"^(?:(\d{4}-\S+) )?([a-z]+) (\S+)(.*)$")


def parse_event(line: str, number: int = 1) -> DrbdEvent:
    """Read one line of events2; ParseError where it is none."""
    found = _EVENT.match(line)
    if found is None or found[2] not in _ACTIONS:
        raise wrong(number, "an event ('exists resource name:...')", _EVENTS, line)
    return DrbdEvent(found[2], found[3], _pairs(found[4].split(), number, _EVENTS), found[1] or "")


def parse_events2(text: str) -> tuple[DrbdEvent, ...]:
    """Read the output of `drbdsetup events2`, with statistics and timestamps where they were asked for.

    Raises ParseError with the line that is no event.
    """
    return tuple(parse_event(line, number) for number, line in enumerate(text.splitlines(), 1) if line.strip())


def resources_from(events: Iterable[DrbdEvent]) -> dict[str, DrbdResourceState]:
    """Fold events into the resources that are up, by name; `change` and `destroy` are followed, too.

    Raises ParseError where an event lacks the name, volume or minor that its kind always has.
    """
    resources: dict[str, DrbdResourceState] = {}
    for number, event in enumerate(events, 1):
        name = event.keys.get("name", "")
        if event.subject not in {"resource", "connection", "device", "peer-device"}:
            continue
        if not name:
            raise wrong(number, "a resource's name in the event", _EVENTS, event.subject)
        if event.action == "destroy" and event.subject == "resource":
            resources.pop(name, None)
            continue
        known = resources.get(name) or DrbdResourceState(name, up=True)
        resources[name] = _applied(known, event, number)
    return resources


def _applied(known: DrbdResourceState, event: DrbdEvent, number: int) -> DrbdResourceState:
    keys = event.keys
    if event.subject == "resource":
        return attrs.evolve(
            known,
            role=_role(keys.get("role", known.role)),
            suspended=keys.get("suspended", "yes" if known.suspended else "no") != "no",
        )
    if event.subject == "connection":
        if event.action == "destroy":
            return attrs.evolve(known, connection="", peer_role="Unknown")
        return attrs.evolve(
            known,
            connection=keys.get("connection", known.connection),
            peer_role=keys.get("role", known.peer_role),
        )
    volume = _number(keys, "volume", number, _EVENTS)
    if event.subject == "device" and event.action == "destroy":
        return attrs.evolve(known, volumes=tuple(v for v in known.volumes if v.number != volume))
    return _with_volume(known, volume, keys, own=event.subject == "device", line=number)


def _with_volume(
    known: DrbdResourceState, volume: int, keys: Mapping[str, str], *, own: bool, line: int
) -> DrbdResourceState:
    old = known.volume(volume) or DrbdVolumeState(volume, -1, "DUnknown")
    if own:
        size = natural(keys.get("size", ""))
        new = attrs.evolve(
            old,
            minor=_number(keys, "minor", line, _EVENTS) if "minor" in keys else old.minor,
            disk=keys.get("disk", old.disk),
            size=old.size if size is None else size * 1024,
        )
    else:
        replication = keys.get("replication", old.replication or "Off")
        out_of_sync = natural(keys.get("out-of-sync", ""))
        new = attrs.evolve(
            old,
            peer_disk=keys.get("peer-disk", old.peer_disk),
            replication="" if replication == "Off" else replication,
            out_of_sync=old.out_of_sync if out_of_sync is None else out_of_sync,
            done=_percentage(keys.get("done")) if "done" in keys else old.done,
        )
    others = tuple(v for v in known.volumes if v.number != volume)
    return attrs.evolve(known, volumes=tuple(sorted((*others, new), key=lambda v: v.number)))


def with_progress(resource: DrbdResourceState, proc: ProcDrbd) -> DrbdResourceState:
    """Return the resource with what /proc/drbd alone tells of its volumes: progress, speed, time left."""
    return attrs.evolve(resource, volumes=tuple(_progressing(v, proc.device(v.minor)) for v in resource.volumes))


def _progressing(volume: DrbdVolumeState, device: ProcDevice | None) -> DrbdVolumeState:
    if device is None:
        return volume
    resyncing = "Sync" in device.connection  # a verify shows its progress in the same lines
    return attrs.evolve(
        volume,
        done=device.done if resyncing else None,
        speed=device.speed if resyncing else None,
        seconds_left=device.seconds_left if resyncing else None,
        out_of_sync=device.out_of_sync,
    )


# -- drbdadm status -----------------------------------------------------------------------------------


def parse_status(text: str) -> dict[str, DrbdResourceState]:
    """Read `drbdadm status` or `drbdsetup status`, with or without `--verbose --statistics`.

    Minor numbers are -1 where the short form does not name them. On StandAlone 8.4 shows no peer, and the
    connection stays empty (recording drbd84/37-split-brain). Raises ParseError where a line has no place.
    """
    resources: dict[str, DrbdResourceState] = {}
    name, volume, peer = "", 0, False
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words:
            continue
        if not line[0].isspace():
            name, volume, peer = words[0], 0, False
            role, suspended = (_pairs(words[1:], number, _STATUS).get(key, "") for key in ("role", "suspended"))
            resources[name] = DrbdResourceState(name, up=True, role=_role(role), suspended=suspended not in {"", "no"})
            continue
        if not name:
            raise wrong(number, "a resource's name at the line's start", _STATUS, line)
        plain = [word for word in words if ":" not in word]
        keys = _pairs([word for word in words if ":" in word], number, _STATUS)
        if plain:
            peer, volume = True, 0
        volume = _number(keys, "volume", number, _STATUS) if "volume" in keys else volume
        resources[name] = _with_status_line(resources[name], keys, volume, peer=peer, opens=bool(plain), line=number)
    return resources


def _with_status_line(
    known: DrbdResourceState, keys: Params, volume: int, *, peer: bool, opens: bool, line: int
) -> DrbdResourceState:
    if opens:
        connection = keys.get("connection", "Connected")
        return attrs.evolve(known, connection=connection, peer_role=keys.get("role", "Unknown"))
    if peer and keys.keys() & {"replication", "peer-disk", "out-of-sync", "done"}:
        return _with_volume(known, volume, keys, own=False, line=line)
    if not peer and keys.keys() & {"disk", "size"}:
        return _with_volume(known, volume, keys, own=True, line=line)
    return known


# -- drbdadm get-gi -----------------------------------------------------------------------------------

_GI: Final = re.compile(r"^[0-9A-F]{16}(:[0-9A-F]{16}){3}(:[01]){7}$")


def parse_generation(text: str) -> str:
    """Return the line of `drbdadm get-gi <resource>/<volume>`: four generation UUIDs and seven flags.

    Raises ParseError where there is none. (Without metadata get-gi prints nothing and exits with 1;
    recording drbd84/01-unconfigured.)
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or not _GI.match(lines[-1]):
        found = lines[-1] if lines else ""
        raise wrong(max(1, len(lines)), "UUIDs and flags as drbdmeta prints them", _GENERATION, found)
    return lines[-1]


# -- what the parsers share ---------------------------------------------------------------------------


def _pairs(words: list[str], line: int, source: str) -> Params:
    for word in words:
        if ":" not in word:
            raise wrong(line, "key:value", source, word)
    return Params([(key, text) for key, _, text in (word.partition(":") for word in words)])


def _number(keys: Mapping[str, str], key: str, line: int, source: str) -> int:
    found = natural(keys.get(key, ""))
    if found is None:
        raise wrong(line, f"{key} with a number", source, keys.get(key, ""))
    return found


def _percentage(text: str | None) -> float | None:
    try:
        return float(text or "") / 100
    except ValueError:
        return None


def _role(text: str) -> Literal["Primary", "Secondary", "Unknown"]:
    return cast("Literal['Primary', 'Secondary']", text) if text in {"Primary", "Secondary"} else "Unknown"
