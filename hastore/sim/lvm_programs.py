"""LVM2's commands: changes and reports, in the forms recorded (lvm: pvs-json-loop, lvextend and others)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from hastore.sim.block import parse_size
from hastore.sim.lvm import Lvm, extents_for
from hastore.sim.lvm_report import report
from hastore.sim.lvm_volumes import LvmRefusal
from hastore.sim.world import Call, Node, Reply, reply

VERSION = (
    "  LVM version:     2.03.16(2) (2022-05-18)\n  Library version: 1.02.185 (2022-05-18)\n  Driver version:  4.47.0\n"
)
_VALUED = {
    "-L": "size", "--size": "size", "-l": "extents", "--extents": "extents", "-n": "name", "--name": "name",
    "-s": "extent_size", "--physicalextentsize": "extent_size", "--config": "config", "-a": "activate",
    "--activate": "activate", "--systemid": "systemid", "--addtag": "addtag", "--deltag": "deltag",
    "-W": "wipe", "--wipesignatures": "wipe", "-Z": "zero", "--zero": "zero", "-o": "fields", "--options": "fields",
    "--reportformat": "format", "--units": "units",
}  # fmt: skip
_BARE = {
    "-y": "yes", "--yes": "yes", "-ff": "force", "-f": "force", "--force": "force", "--nosuffix": "nosuffix",
    "--readonly": "readonly", "-q": "quiet", "--quiet": "quiet", "--noheadings": "noheadings", "--all": "all",
    "--foreign": "foreign",
}  # fmt: skip
_GLUED = {"-ay": "y", "-an": "n", "-aay": "ay", "-aey": "ey", "-Wy": "y", "-Wn": "n", "-Zy": "y", "-Zn": "n"}
_REPORTS = {"pvs": "pv", "vgs": "vg", "lvs": "lv"}


@dataclass
class _Arguments:
    """A parsed command line of LVM."""

    call: Call
    options: dict[str, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    """Lines for standard error where the command goes through."""

    def one_name(self) -> str:
        """Return the only positional argument."""
        if len(self.names) != 1:
            self.call.give_up("exactly one name is")
        return self.names[0]


def _parse(call: Call) -> _Arguments:
    parsed = _Arguments(call)
    reporting = call.argv[0] in _REPORTS
    rest = iter(call.argv[1:])
    for word in rest:
        name, equals, value = word.partition("=")
        if word in _GLUED:
            parsed.options[{"a": "activate", "W": "wipe", "Z": "zero"}[word[1]]] = _GLUED[word]
        elif reporting and word == "-a":
            parsed.options["all"] = "y"
        elif word.startswith("--") and equals and name in _VALUED:
            parsed.options[_VALUED[name]] = value
        elif reporting and word.startswith("-o") and len(word) > len("-o"):
            parsed.options["fields"] = word.removeprefix("-o")
        elif word in _VALUED:
            parsed.options[_VALUED[word]] = next(rest)
        elif word in _BARE:
            parsed.options[_BARE[word]] = "y"
        elif word.startswith("-") and word != "--":
            call.give_up(word)
        elif word != "--":
            parsed.names.append(word)
    return parsed


def install(node: Node) -> None:
    """Put the programs on a node."""
    node.programs |= dict.fromkeys(COMMANDS, run)
    node.programs |= dict.fromkeys(_REPORTS, run)
    node.programs["lvm"] = lvm


def lvm(call: Call) -> Reply:
    """`lvm version`, `lvm systemid`, `lvm COMMAND ...`."""
    if call.argv[1:] in {("version",), ("--version",)}:
        return reply(out=VERSION)
    if call.argv[1:] == ("systemid",):
        return reply(out=f"  system ID: {call.node.subsystem(Lvm).config.system_id}\n")
    if len(call.argv) > 1 and (call.argv[1] in COMMANDS or call.argv[1] in _REPORTS):
        return run(Call(call.node, call.argv[1:], call.stdin, call.env, call.deadline))
    return call.give_up()


def run(call: Call) -> Reply:
    """Run one of LVM's commands; a refusal is exit code 5 and text on standard error (recorded)."""
    if call.argv[1:] == ("--version",):
        return reply(out=VERSION)
    arguments = _parse(call)
    kind = _REPORTS.get(call.argv[0])
    tool = call.node.subsystem(Lvm)
    if kind:
        return report(call, tool, kind, arguments.options, arguments.names)
    try:
        out = COMMANDS[call.argv[0]](tool, arguments)
        return reply(out=out, err="".join(f"  {line}\n" for line in arguments.warnings))
    except LvmRefusal as refusal:
        return reply(refusal.exit_code, err=f"  {refusal.text}\n")


def _pvcreate(tool: Lvm, arguments: _Arguments) -> str:
    out = ""
    for path in arguments.names:
        tool.create_physical(path)
        out += f'  Physical volume "{path}" successfully created.\n'
    return out


def _pvresize(tool: Lvm, arguments: _Arguments) -> str:
    tool.resize_physical(arguments.one_name())
    return (
        f'  Physical volume "{arguments.names[0]}" changed\n  1 physical volume(s) resized or updated / '
        "0 physical volume(s) not resized\n"
    )


def _pvremove(tool: Lvm, arguments: _Arguments) -> str:
    tool.remove_physical(arguments.one_name())
    return f'  Labels on physical volume "{arguments.names[0]}" successfully wiped.\n'


def _vgcreate(tool: Lvm, arguments: _Arguments) -> str:
    name, *paths = arguments.names
    size = parse_size(arguments.options.get("extent_size", "4M").upper())
    before = tool.labels()
    fresh = [path for path in paths if tool.block.aliases.get(path, path) not in before]
    group = tool.create_group(name, paths, size, arguments.options.get("systemid"))
    if "addtag" in arguments.options:
        _change(tool, name, _Arguments(arguments.call, {"addtag": arguments.options["addtag"]}))
    made = "".join(f'  Physical volume "{path}" successfully created.\n' for path in fresh)
    owner = f" with system ID {group.system_id}" if group.system_id else ""
    return made + f'  Volume group "{name}" successfully created{owner}\n'


def _vgextend(tool: Lvm, arguments: _Arguments) -> str:
    name, *paths = arguments.names
    tool.extend_group(tool.group(name), paths)
    return f'  Volume group "{name}" successfully extended\n'


def _vgremove(tool: Lvm, arguments: _Arguments) -> str:
    tool.remove_group(arguments.one_name())
    return f'  Volume group "{arguments.names[0]}" successfully removed\n'


def _vgchange(tool: Lvm, arguments: _Arguments) -> str:
    out = ""
    for name in arguments.names or list(tool.groups()):
        if "activate" not in arguments.options:
            _change(tool, name, arguments)
            out += f'  Volume group "{name}" successfully changed\n'
            continue
        on = arguments.options["activate"] != "n"
        count = tool.activate(name) if on else _deactivate(tool, name)
        out += f'  {count} logical volume(s) in volume group "{name}" now active\n'
    return out


def _deactivate(tool: Lvm, name: str) -> int:
    tool.group(name)
    return tool.deactivate(name)


def _change(tool: Lvm, name: str, arguments: _Arguments) -> None:
    if "config" in arguments.options:
        arguments.call.give_up(f"--config {arguments.options['config']}")
    tags = set(tool.group(name).tags)
    _confirm(tool, name, arguments)
    if "addtag" in arguments.options:
        tags.add(arguments.options["addtag"].removeprefix("@"))
    if "deltag" in arguments.options:
        tags.discard(arguments.options["deltag"].removeprefix("@"))
    tool.change_group(name, system_id=arguments.options.get("systemid"), tags=tuple(sorted(tags)))


def _confirm(tool: Lvm, name: str, arguments: _Arguments) -> None:
    """Refuse a system ID that would lock this host out, or let all in: without -y LVM asks, and nobody answers (run)."""
    wanted, own = arguments.options.get("systemid"), tool.config.system_id
    current = tool.group(name).system_id
    if wanted in {None, own or None, current}:
        return
    if wanted:
        mismatch = f"Requested system ID {wanted} does not match local system ID {own}."
        risks = (
            f"WARNING: {mismatch if own else 'No local system ID is set.'}",
            f"WARNING: Volume group {name} might become inaccessible from this machine.",
        )
        question = f"Set foreign system ID {wanted} on volume group {name}? [y/n]: [n]\n  Volume group {name} system ID not changed."
    else:
        risks = (
            "WARNING: Empty system ID supplied.",
            "WARNING: Removing the system ID allows unsafe access from other hosts.",
        )
        question = f"Remove system ID {current} from volume group {name}? [y/n]: [n]\n  System ID of volume group {name} not changed."
    if "yes" not in arguments.options:
        raise LvmRefusal("\n".join((risks[0], f"  {risks[1]}", question)))
    arguments.warnings += risks


def _lvcreate(tool: Lvm, arguments: _Arguments) -> str:
    group = tool.group(arguments.one_name())
    count, note = _wanted(arguments, group.extents, group.free, group.extent_size, 0)
    if "%" in arguments.options.get("extents", ""):
        count = min(count, group.free)
    if count <= 0:
        msg = f'Volume group "{group.name}" has insufficient free space ({group.free} extents): 1 required.'
        raise LvmRefusal(msg)
    active = arguments.options.get("activate") != "n"
    tool.create_volume(group.name, arguments.options["name"], count, active=active)
    if not active:
        arguments.warnings.append(f"WARNING: Logical volume {group.name}/{arguments.options['name']} not zeroed.")
    return note + f'  Logical volume "{arguments.options["name"]}" created.\n'


def _lvextend(tool: Lvm, arguments: _Arguments) -> str:
    group_name, name = _volume_name(arguments.one_name())
    group = tool.group(group_name)
    volume = group.volume(name)
    current = volume.extents if volume else 0
    count, note = _wanted(arguments, group.extents, group.free, group.extent_size, current)
    if "%" in arguments.options.get("extents", ""):
        count = min(count, current + group.free)
    old, new = tool.extend_volume(group_name, name, count)
    change = f"{_human(old * group.extent_size)} ({old} extents) to {_human(new * group.extent_size)} ({new} extents)"
    return (
        f"{note}  Size of logical volume {group_name}/{name} changed from {change}.\n"
        f"  Logical volume {group_name}/{name} successfully resized.\n"
    )


def _lvremove(tool: Lvm, arguments: _Arguments) -> str:
    group, name = _volume_name(arguments.one_name())
    tool.remove_volume(group, name)
    return f'  Logical volume "{name}" successfully removed.\n'


def _wanted(arguments: _Arguments, total: int, free: int, extent_size: int, current: int) -> tuple[int, str]:
    """Return how many extents `-L` or `-l` ask for in all, and what lvm says about rounding."""
    if "size" in arguments.options:
        text = arguments.options["size"]
        size = _size(arguments.call, text.lstrip("+"))
        count = extents_for(size, extent_size)
        note = (
            ""
            if size % extent_size == 0
            else f"  Rounding up size to full physical extent {_human(count * extent_size)}\n"
        )
        return count + (current if text.startswith("+") else 0), note
    found = re.fullmatch(r"(\+?)(\d+)(?:%(VG|FREE|PVS))?", arguments.options.get("extents", ""))
    if not found:
        arguments.call.give_up("-L SIZE, -l EXTENTS, -l N%VG and -l N%FREE are")
    base = {"VG": total, "PVS": total, "FREE": free}.get(found[3] or "")
    count = int(found[2]) if base is None else base * int(found[2]) // 100
    relative = found[1] or (found[3] == "FREE" and current)
    return count + (current if relative else 0), ""


def _size(call: Call, text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([bBkKmMgGtT]?)[iI]?[bB]?", text)
    if not found:
        call.give_up(f"size {text}")
    unit = {"": 2**20, "B": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}[found[2].upper()]
    return int(float(found[1]) * unit)


def _volume_name(text: str) -> tuple[str, str]:
    group, _, name = text.removeprefix("/dev/").partition("/")
    return group, name


def _human(size: int) -> str:
    for unit, name in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB")):
        if size >= unit:
            return f"{size / unit:.2f} {name}"
    return f"{size / 2**10:.2f} KiB"


COMMANDS: dict[str, Callable[[Lvm, _Arguments], str]] = {
    "pvcreate": _pvcreate,
    "pvresize": _pvresize,
    "pvremove": _pvremove,
    "vgcreate": _vgcreate,
    "vgextend": _vgextend,
    "vgremove": _vgremove,
    "vgchange": _vgchange,
    "lvcreate": _lvcreate,
    "lvextend": _lvextend,
    "lvremove": _lvremove,
}
