"""`drbdadm` and `drbdsetup` of drbd-utils with the 8.4 kernel module, with exit codes and texts as recorded (drbd84)."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from hastore.hosts.operations import Entry
from hastore.sim import drbd_text as text
from hastore.sim.drbd import Drbd
from hastore.sim.drbd_config import ConfigError, ResourceConfig, VolumeConfig, dump, read_config
from hastore.sim.drbd_state import DrbdRefusal, Metadata, Resource, cstate, usable_kib
from hastore.sim.filesystem import refuse
from hastore.sim.world import STEP, Call, Node, Reply, reply

_VERSION = (
    "DRBDADM_BUILDTAG=GIT-hash:\\ 409097fe02187f83790b88ac3e0d94f3c167adab\\ reproducible\\ build\\,\\ "
    "2023-01-09\\ 14:51:18\nDRBDADM_API_VERSION=1\nDRBD_KERNEL_VERSION_CODE=0x08040b\nDRBDADM_VERSION_CODE=0x091600\n"
    "DRBDADM_VERSION=9.22.0\n"
)
_NO_MINOR = "Failure: (127) Device minor not allocated\nadditional info from kernel:\nunknown minor\n"
_NO_TERMINAL = "stdin not a TTY, not waiting for confirmation\nOperation cancelled.\n"
_WRITTEN = "initializing activity log\nWriting meta data...\nNew drbd meta data block successfully created.\n"
_FORCED = "*** confirmation forced via --force option ***\n\n"


def install(node: Node) -> None:
    """Put the programs and /proc/drbd on a node."""
    node.programs |= {"drbdadm": drbdadm, "drbdsetup": drbdsetup, "drbdsetup-84": drbdsetup}
    node.streams["drbdsetup"] = watch
    node.files.mount("/proc/drbd", ProcDrbd(node))


@dataclass
class ProcDrbd:
    """The file /proc/drbd: there while the module is loaded."""

    node: Node

    def read(self, path: str) -> bytes:
        """Return the text."""
        drbd = self.node.subsystem(Drbd)
        if path or not drbd.loaded:
            raise refuse(errno.ENOENT, "/proc/drbd")
        return text.proc_drbd(drbd).encode()

    def write(self, path: str, content: bytes) -> None:
        """Refuse."""
        raise refuse(errno.EACCES, path + str(len(content)))

    def tree(self, path: str) -> Mapping[str, Entry]:
        """Refuse: it is a file."""
        raise refuse(errno.ENOTDIR, path)


@dataclass
class _Command:
    """A parsed command line of drbdadm."""

    call: Call
    drbd: Drbd
    verb: str = ""
    flags: set[str] = field(default_factory=set)
    names: list[str] = field(default_factory=list)

    def resources(self) -> list[str]:
        """Return the names asked for, `all` spelt out; without their volumes."""
        names = [name.partition("/")[0] for name in self.names]
        if names and names != ["all"]:
            return names
        found = _config(self.drbd)
        return [name for name, config in found.items() if self.drbd.node.name in config.hosts]


def drbdadm(call: Call) -> Reply:
    """Run drbdadm."""
    drbd = call.node.subsystem(Drbd)
    if call.argv[1:] in {("--version",), ("-V",)}:
        return reply(out=_VERSION)
    command = _parse(call, drbd)
    if not command.verb:
        call.give_up("drbdadm without a command")
    odd = {flag for flag in command.flags - _FLAGS if not (command.verb in _TUNING and "=" in flag)}
    if odd or command.verb not in _VERBS:
        return _unknown(command)
    if command.flags & {"-d", "--dry-run"} and command.verb != "adjust":
        call.give_up("--dry-run of anything but adjust")
    if not drbd.loaded and command.verb not in _WITHOUT_KERNEL:
        return reply(20, err="Could not connect to 'drbd' generic netlink family\n")
    out = ""
    try:
        names = _asked(command)
    except DrbdRefusal as refusal:
        return reply(refusal.exit_code, err=refusal.text)
    for name in names:
        try:
            out += _VERBS[command.verb](command, name)
        except DrbdRefusal as refusal:
            return reply(refusal.exit_code, out, refusal.text)
        except _Answer as answer:
            return reply(answer.exit_code, out + answer.out, answer.err)
    return reply(out=out)


def _parse(call: Call, drbd: Drbd) -> _Command:
    command = _Command(call, drbd)
    for word in call.argv[1:]:
        if word.startswith("-"):
            command.flags |= {word} - {"--"}
        elif not command.verb:
            command.verb = word
        else:
            command.names.append(word)
    return command


_FLAGS = {
    "--force", "-d", "--dry-run", "--discard-my-data", "--clear-bitmap", "--assume-peer-has-space", "--verbose", "-v",
    "--yes", "--allow-two-primaries=yes", "--allow-two-primaries=no",
}  # fmt: skip


class _Answer(Exception):
    """A whole answer that is no refusal of the kernel's."""

    def __init__(self, exit_code: int, out: str = "", err: str = "") -> None:
        self.exit_code = exit_code
        self.out = out
        self.err = err
        super().__init__(err)


def _unknown(command: _Command) -> Reply:
    if command.verb in _REAL_VERBS or command.flags - _FLAGS:
        command.call.give_up()
    return reply(1, err=f"drbdadm: Unknown command '{command.verb}'\n")


def _config(drbd: Drbd) -> Mapping[str, ResourceConfig]:
    try:
        return read_config(drbd.node)
    except ConfigError as error:
        msg = f"{error}\n"
        raise DrbdRefusal(msg, 10) from error


def _asked(command: _Command) -> list[str]:
    """Return the resources asked for; an empty name where the configuration refuses already."""
    try:
        found = read_config(command.drbd.node)
    except ConfigError:
        return command.names or [""]
    if not found:
        if command.verb in {"sh-resources", "dump"} and command.names:
            msg = f"'{command.names[0]}' not defined in your config (for this host).\n"
            raise DrbdRefusal(msg, 1)
        return [""] if command.verb not in {"sh-resources", "dump"} else []
    mine = [name for name, config in found.items() if command.drbd.node.name in config.hosts]
    names = [name.partition("/")[0] for name in command.names]
    return mine if not names or names == ["all"] else names


def _volumes(command: _Command, name: str) -> tuple[VolumeConfig, ...]:
    """Return a resource's volumes here; those asked for alone, where they are (seen with drbdadm-84 -d: `get-gi r0/1`)."""
    volumes = command.drbd.config(name).hosts[command.call.node.name].volumes
    asked = {
        number for asked, slash, number in (text.partition("/") for text in command.names) if slash and asked == name
    }
    return tuple(volume for volume in volumes if not asked or str(volume.number) in asked)


def _resource(command: _Command, name: str) -> Resource:
    """Return a resource that is up; DrbdRefusal in drbdsetup's words where it is not (recorded: 01-unconfigured)."""
    minor = _volumes(command, name)[0].minor
    if name not in command.drbd.resources:
        msg = (
            f"{minor}: Failure: (127) Device minor not allocated\nadditional info from kernel:\nunknown minor\n"
            f"Command 'drbdsetup-84 {command.verb} {minor}' terminated with exit code 10\n"
        )
        raise DrbdRefusal(msg, 10)
    return command.drbd.resources[name]


def _status(command: _Command, name: str) -> str:
    command.drbd.config(name)
    if name not in command.drbd.resources:
        end = f"Command 'drbdsetup-84 status {name}' terminated with exit code 10\n"
        msg = f"{name}: No such resource\n{end}"
        raise DrbdRefusal(msg, 10)
    return text.status(command.drbd.resources[name])


def _role(command: _Command, name: str) -> str:
    resource = _resource(command, name)
    return f"{resource.role}/{resource.peer_role()}\n" * len(resource.volumes)


def _cstate(command: _Command, name: str) -> str:
    return "".join(f"{cstate(volume)}\n" for volume in _resource(command, name).volumes.values())


def _dstate(command: _Command, name: str) -> str:
    if name in command.drbd.resources:
        volumes = command.drbd.resources[name].volumes
        shown = (volumes[config.number] for config in _volumes(command, name) if config.number in volumes)
        return "".join(f"{volume.disk}/{volume.peer_disk}\n" for volume in shown)
    return "".join(f"{_stored_disk(_metadata(command, config))}\n" for config in _volumes(command, name))


def _stored_disk(metadata: Metadata) -> str:
    """Return what `dstate` shows of a resource that is down: good data is called Consistent (recorded: 46, node3)."""
    return "Consistent" if metadata.disk == "UpToDate" else metadata.disk


def _metadata(command: _Command, config: VolumeConfig, refusal: str = "No valid meta data found\n") -> Metadata:
    tail = command.drbd.block.disk_below(config.disk).tail
    if not isinstance(tail, Metadata):
        raise DrbdRefusal(refusal, 1)
    return tail


def _get_gi(command: _Command, name: str) -> str:
    up = command.drbd.resources.get(name)
    found = [_metadata(command, config, "") for config in _volumes(command, name)]
    return "".join(f"{text.generations(metadata, up)}\n" for metadata in found)


def _show_gi(command: _Command, name: str) -> str:
    up = command.drbd.resources.get(name)
    found = [_metadata(command, config, "") for config in _volumes(command, name)]
    return "".join(text.show_generations(metadata, up) for metadata in found)


def _sh(field_name: str) -> Callable[[_Command, str], str]:
    def answer(command: _Command, name: str) -> str:
        return "".join(f"{getattr(config, field_name)}\n" for config in _volumes(command, name))

    return answer


def _sh_resources(command: _Command, name: str) -> str:
    names = command.resources()
    return name + ("\n" if name == names[-1] else " ")


def _dump(command: _Command, name: str) -> str:
    return dump(command.drbd.config(name), command.call.node.name)


def _create_md(command: _Command, name: str) -> str:
    """Write metadata; asks where something is there, and takes no answer but --force without a terminal (recorded)."""
    forced = "--force" in command.flags
    out = ""
    for config in _volumes(command, name):
        try:
            disk = command.drbd.block.disk_below(config.disk)
        except OSError as error:
            err = f"open({config.disk}) failed: {error.strerror}\n"
            raise _Answer(20, err=err) from error
        if disk.tail is not None:
            out += _already_there(config.disk, disk.bytes, forced=forced)
        elif disk.contents.get(0) is not None and not forced:
            raise _Answer(40, err=_truncated(config))
    command.drbd.create_metadata(name, volumes=tuple(config.number for config in _volumes(command, name)))
    size = command.drbd.block.disk_below(_volumes(command, name)[0].disk).bytes
    bitmap = size // 1024 - 36 - usable_kib(size)
    return out + f"initializing bitmap ({bitmap} KB) to all zero\n{_WRITTEN}"


def _already_there(disk: str, size: int, *, forced: bool) -> str:
    out = (
        "You want me to create a v08 style flexible-size internal meta data block.\n"
        "There appears to be a v08 flexible-size internal meta data block\n"
        f"already in place on {disk} at byte offset {size - 4096}\n\nDo you really want to overwrite the existing "
        "meta-data?\n"
    )
    if not forced:
        raise _Answer(1, out + _NO_TERMINAL)
    return f"{out}{_FORCED}"


def _truncated(config: VolumeConfig) -> str:
    """Return what drbdmeta says of a disk that is in use by something else (assumed: no recording has it)."""
    return (
        f"\nFound some data\n\nDevice size would be truncated, which\nwould corrupt data and result in\n'access beyond "
        f"end of device' errors.\nOperation refused.\n\nCommand 'drbdmeta {config.minor} v08 {config.disk} internal "
        "create-md' terminated with exit code 40\n"
    )


def _plain(action: Callable[[Drbd, str], None]) -> Callable[[_Command, str], str]:
    def run(command: _Command, name: str) -> str:
        action(command.drbd, name)
        return ""

    return run


def _primary(command: _Command, name: str) -> str:
    command.drbd.promote(name, force="--force" in command.flags)
    return ""


def _connect(command: _Command, name: str) -> str:
    command.drbd.connect(name, discard_my_data="--discard-my-data" in command.flags)
    return ""


def _adjust(command: _Command, name: str) -> str:
    if not command.flags & {"-d", "--dry-run"}:
        command.drbd.adjust(name)
        return ""
    config = command.drbd.config(name)
    resource = command.drbd.resources.get(name)
    same = resource is not None and resource.config.options == config.options and resource.connection != "StandAlone"
    if not same or any(volume.disk == "Diskless" for volume in resource.volumes.values()) if resource else True:
        command.call.give_up("adjust --dry-run where there is something to adjust")
    return ""


def _new_uuid(command: _Command, name: str) -> str:
    if "--clear-bitmap" not in command.flags:
        command.call.give_up("only new-current-uuid --clear-bitmap is")
    command.drbd.skip_initial_sync(name)
    return ""


def _net_options(command: _Command, name: str) -> str:
    for flag in command.flags:
        if flag.startswith("--allow-two-primaries"):
            _resource(command, name).two_primaries = flag.endswith("=yes")
    return ""


def _disk_options(command: _Command, name: str) -> str:
    options = _resource(command, name).config.options.setdefault("disk", {})
    for flag in sorted(command.flags):
        key, _, value = flag.removeprefix("--").partition("=")
        options[key] = value
    return ""


def _wait_connect(command: _Command, name: str) -> str:
    resource = _resource(command, name)
    command.call.wait_until(lambda: resource.connected)
    return ""


def _wait_sync(command: _Command, name: str) -> str:
    resource = _resource(command, name)
    syncing = {"SyncSource", "SyncTarget"}
    command.call.wait_until(lambda: not any(v.replication in syncing for v in resource.volumes.values()))
    return ""


def _verify(command: _Command, name: str) -> str:
    minor = next(iter(_resource(command, name).volumes.values())).config.minor
    if command.drbd.config(name).option("net", "verify-alg"):
        command.call.give_up("online verify")
    msg = f"{minor}: State change failed: (-14) Need a verify algorithm to start online verify\n"
    raise DrbdRefusal(msg + f"Command 'drbdsetup-84 verify {minor}' terminated with exit code 11\n", 11)


def _pause(drbd: Drbd, name: str) -> None:
    drbd.pause(name, on=True)


def _resume(drbd: Drbd, name: str) -> None:
    drbd.pause(name, on=False)


def _suspend(drbd: Drbd, name: str) -> None:
    drbd.suspend_io(name, on=True)


def _thaw(drbd: Drbd, name: str) -> None:
    drbd.suspend_io(name, on=False)


_VERBS: dict[str, Callable[[_Command, str], str]] = {
    "status": _status,
    "role": _role,
    "cstate": _cstate,
    "dstate": _dstate,
    "get-gi": _get_gi,
    "show-gi": _show_gi,
    "sh-dev": _sh("device"),
    "sh-minor": _sh("minor"),
    "sh-ll-dev": _sh("disk"),
    "sh-md-dev": _sh("disk"),
    "sh-resources": _sh_resources,
    "dump": _dump,
    "create-md": _create_md,
    "wipe-md": _plain(Drbd.wipe_metadata),
    "up": _plain(Drbd.up),
    "down": _plain(Drbd.down),
    "attach": _plain(Drbd.attach),
    "detach": _plain(Drbd.detach),
    "connect": _connect,
    "disconnect": _plain(Drbd.disconnect),
    "primary": _primary,
    "secondary": _plain(Drbd.demote),
    "adjust": _adjust,
    "outdate": _plain(Drbd.outdate),
    "invalidate": _plain(Drbd.invalidate),
    "new-current-uuid": _new_uuid,
    "net-options": _net_options,
    "disk-options": _disk_options,
    "pause-sync": _plain(_pause),
    "resume-sync": _plain(_resume),
    "suspend-io": _plain(_suspend),
    "resume-io": _plain(_thaw),
    "resize": _plain(Drbd.resize),
    "wait-connect": _wait_connect,
    "wait-con-int": _wait_connect,
    "wait-sync": _wait_sync,
    "verify": _verify,
}
_TUNING = {"net-options", "disk-options"}
"""Commands whose options are DRBD's own, `--name=value`."""
_WITHOUT_KERNEL = {"dump", "create-md", "wipe-md", "get-gi", "show-gi", "sh-dev", "sh-minor", "sh-ll-dev", "sh-md-dev",
                   "sh-resources"}  # fmt: skip
_REAL_VERBS = {"resource-options", "invalidate-remote", "adjust-with-progress", "dump-xml", "dump-md",
               "apply-al", "hidden-commands", "sh-nop", "sh-ip", "check-resize", "proxy-up"}  # fmt: skip


def drbdsetup(call: Call) -> Reply:
    """Run drbdsetup: what only looks, and the refusals recorded for what 8.4 does not know."""
    drbd = call.node.subsystem(Drbd)
    words = list(call.argv[1:])
    if words[:1] in (["status"], ["show"]) and "--json" in words:
        usage = "\nUSAGE: drbdsetup command device arguments options\n"
        return reply(20, usage, f"{words[0]}: unrecognized option '--json'\n")
    match words:
        case ["status", *rest]:
            return _setup_status(call, drbd, rest)
        case ["show", *rest] if len(rest) <= 1:
            return reply(out="".join(text.show(resource) for resource in _chosen(drbd, rest)))
        case ["events2", "--now"]:
            return reply(out=text.events_now(drbd, statistics=False))
        case ["events2", "--now", "--statistics"] | ["events2", "--statistics", "--now"]:
            return reply(out=text.events_now(drbd, statistics=True))
        case ["role", name] if not name.isdigit():
            return reply(20, err=f"Cannot determine minor device number of device '{name}'\n")
        case ["check-resize", path]:
            known = any(
                volume.path == path for resource in drbd.resources.values() for volume in resource.volumes.values()
            )
            return reply() if known else reply(10, err=f"{path}: {_NO_MINOR}")
    raise call.unknown()


def _chosen(drbd: Drbd, names: list[str]) -> list[Resource]:
    return [resource for name, resource in drbd.resources.items() if not names or name in names]


def _setup_status(call: Call, drbd: Drbd, words: list[str]) -> Reply:
    flags = {word for word in words if word.startswith("-")}
    names = [word for word in words if not word.startswith("-")]
    if flags not in (set(), {"--verbose", "--statistics"}):
        call.give_up("status with just one of --verbose and --statistics")
    missing = [name for name in names if name not in drbd.resources]
    if missing:
        return reply(10, err=f"{missing[0]}: No such resource\n")
    show = text.verbose_status if flags else text.status
    return reply(out="".join(show(resource) for resource in _chosen(drbd, names)))


def watch(call: Call) -> Iterator[bytes]:
    """`drbdsetup events2 [--statistics]`: everything that exists, then what changes as time passes (recorded: 48)."""
    if call.argv[1] != "events2" or set(call.argv[2:]) - {"--statistics"}:
        raise call.unknown()
    statistics = "--statistics" in call.argv
    drbd = call.node.subsystem(Drbd)
    known = _objects(drbd, statistics=statistics)
    for item, properties in known.items():
        yield f"exists {item} {' '.join(properties)}\n".encode()
    yield b"exists -\n"
    while call.node.powered:
        call.node.world.advance(STEP)
        now = _objects(drbd, statistics=statistics)
        for item, properties in now.items():
            if item not in known:
                yield f"create {item} {' '.join(properties)}\n".encode()
            elif changed := [word for word in properties if word not in known[item]]:
                yield f"change {item} {' '.join(changed)}\n".encode()
        for item in known:
            if item not in now:
                yield f"destroy {item}\n".encode()
        known = now


def _objects(drbd: Drbd, *, statistics: bool) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for resource in drbd.resources.values():
        found |= text.event_objects(resource, statistics=statistics)
    return found
