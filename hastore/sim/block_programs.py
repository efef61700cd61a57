"""`lsblk`, `blkid` and `wipefs` of util-linux, for the options that are asked here."""

from __future__ import annotations

import json
from collections.abc import Callable

from hastore.sim.block import Block, BlockDevice, Disk, Label, Signature
from hastore.sim.world import Call, Node, Reply, reply

_NOTHING_FOUND = 2
"""blkid's exit code where it finds nothing or cannot open the device (blkid(8))."""


def install(node: Node) -> None:
    """Put the programs on a node."""
    node.programs |= {"lsblk": lsblk, "blkid": blkid, "wipefs": wipefs}


def lsblk(call: Call) -> Reply:
    """`lsblk -J -b -o FIELDS [-p] [-d] [DEVICE...]`."""
    block = call.node.subsystem(Block)
    wanted: list[str] = []
    flags: set[str] = set()
    devices: list[str] = []
    arguments = iter(call.argv[1:])
    for argument in arguments:
        if argument in {"-o", "--output"}:
            wanted = next(arguments).split(",")
        elif argument.startswith("--output="):
            wanted = argument.partition("=")[2].split(",")
        elif argument in _LSBLK_FLAGS:
            flags |= set(_LSBLK_FLAGS[argument])
        elif argument.startswith("-"):
            call.give_up(argument)
        else:
            devices.append(argument)
    if not {"J", "b"} <= flags or not wanted:
        call.give_up("only -J -b -o FIELDS is")
    for path in devices:
        if path not in block.devices and path not in block.aliases:
            return reply(32, err=f"lsblk: {path}: not a block device\n")
    tops = [block.device(path).path for path in devices] or sorted(
        path for path, device in block.devices.items() if not device.below()
    )
    tree = [_describe(call, block, path, wanted, flags, "") for path in tops]
    return reply(out=json.dumps({"blockdevices": tree}, indent=3) + "\n")


_LSBLK_FLAGS = {
    "-J": "J", "--json": "J", "-b": "b", "--bytes": "b", "-p": "p", "--paths": "p", "-d": "d", "--nodeps": "d",
    "-Jb": "Jb", "-bJ": "Jb", "-Jbp": "Jbp", "-bJp": "Jbp", "-a": "a", "--all": "a",
}  # fmt: skip


def _describe(
    call: Call, block: Block, path: str, wanted: list[str], flags: set[str], parent: str
) -> dict[str, object]:
    device = block.devices[path]
    found: dict[str, object] = {}
    for name in wanted:
        if name.upper() not in _FIELDS:
            call.give_up(f"lsblk field {name}")
        found[name.lower()] = _FIELDS[name.upper()](block, device, parent, "p" in flags)
    children = [] if "d" in flags else block.children(path)
    if children:
        found["children"] = [_describe(call, block, child, wanted, flags, path) for child in children]
    return found


def _name(device: BlockDevice, *, full: bool) -> str:
    return device.path if full else device.path.removeprefix("/dev/").removeprefix("mapper/")


def _signature(block: Block, device: BlockDevice) -> Signature | None:
    """Return what udev knows; a device that can't be read shows nothing (a DRBD secondary)."""
    try:
        return block.signature(device.path)
    except OSError:
        return None


def _mount(block: Block, device: BlockDevice) -> str | None:
    return block.mounts.get(device.path)


def _serial(device: BlockDevice) -> str | None:
    if not isinstance(device, Disk):
        return None
    return f"SIM-{device.node.name}-{device.path.rpartition('/')[2]}"


_FIELDS: dict[str, Callable[[Block, BlockDevice, str, bool], object]] = {
    "NAME": lambda _b, d, _p, full: _name(d, full=full),
    "KNAME": lambda _b, d, _p, full: _name(d, full=full),
    "PATH": lambda _b, d, _p, _f: d.path,
    "SIZE": lambda _b, d, _p, _f: d.size(),
    "TYPE": lambda _b, d, _p, _f: d.kind,
    "FSTYPE": lambda b, d, _p, _f: found.type if (found := _signature(b, d)) else None,
    "UUID": lambda b, d, _p, _f: (found.uuid or None) if (found := _signature(b, d)) else None,
    "MOUNTPOINT": lambda b, d, _p, _f: _mount(b, d),
    "MOUNTPOINTS": lambda b, d, _p, _f: [_mount(b, d)],
    "PKNAME": lambda _b, _d, parent, full: (parent if full else parent.rpartition("/")[2]) or None,
    "RO": lambda _b, _d, _p, _f: False,
    "SERIAL": lambda _b, d, _p, _f: _serial(d),
    "WWN": lambda _b, _d, _p, _f: None,
    "MODEL": lambda _b, _d, _p, _f: None,
    "LABEL": lambda _b, _d, _p, _f: None,
    "PARTTYPE": lambda _b, _d, _p, _f: None,
    "PTTYPE": lambda _b, _d, _p, _f: None,
}


def blkid(call: Call) -> Reply:
    """`blkid -p [-o export] DEVICE`: what lies at the start (and the end) of a device."""
    options, devices = call.argv[1:-1], call.argv[-1]
    if options not in {("-p", "-o", "export"), ("-p", "-o", "export", "--"), ("-o", "export", "-p")}:
        call.give_up("only -p -o export DEVICE is")
    block = call.node.subsystem(Block)
    try:
        found = block.signature(devices)
    except OSError as error:
        return reply(_NOTHING_FOUND, err=f"blkid: error: {devices}: {error.strerror}\n")
    if found is None:
        return reply(_NOTHING_FOUND)
    uuid = f"UUID={found.uuid}\n" if found.uuid else ""
    return reply(out=f"DEVNAME={devices}\n{uuid}TYPE={found.type}\nUSAGE={found.usage}\n")


def wipefs(call: Call) -> Reply:
    """`wipefs -J DEVICE` lists signatures, `wipefs -a DEVICE` removes them."""
    block = call.node.subsystem(Block)
    path = call.argv[-1]
    options = set(call.argv[1:-1])
    try:
        device = block.device(path)
        found = [content for content in (device.read(0),) if isinstance(content, Signature)]
    except OSError as error:
        return reply(1, err=f"wipefs: error: {path}: probing initialization failed: {error.strerror}\n")
    if isinstance(device, Disk) and device.tail is not None:
        found.append(Signature("drbd", usage="raid"))
    if options and options <= {"-J", "--json", "-n", "--no-act"}:
        rows = [
            {"device": path.rpartition("/")[2], "offset": "0x0", "type": s.type, "uuid": s.uuid or None, "label": None}
            for s in found
        ]
        return reply(out=json.dumps({"signatures": rows}, indent=3) + "\n" if rows else "")
    if options and options <= {"-a", "--all", "-f", "--force"}:
        if block.holders_of(path) and not options & {"-f", "--force"}:
            return reply(1, err=f"wipefs: error: {path}: probing initialization failed: Device or resource busy\n")
        device.write(0, None)
        if isinstance(device, Disk):
            device.tail = None
        erased = "".join(
            f"{path}: bytes were erased at offset 0x{512 if isinstance(s, Label) else 0:08x} ({s.type})\n"
            for s in found
        )
        return reply(out=erased)
    return call.give_up("only -J or -a is")
