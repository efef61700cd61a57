"""SCST's virtual disks: creation parameters, attributes, and the cache between them and what they stand on."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from hastore.sim import scst_tree as tree
from hastore.sim.block import Block
from hastore.sim.filesystem import refuse
from hastore.sim.scst_tree import Attribute, Directory, Link, Mark, Verbatim

if TYPE_CHECKING:
    from hastore.sim.world import Node

Handler = Literal["vdisk_fileio", "vdisk_blockio", "vdisk_nullio"]

_FLAGS = ("active", "async", "bind_alua_state", "cluster_mode", "dummy", "lb_per_pb_exp", "nv_cache", "o_direct",
          "read_only", "removable", "rotational", "thin_provisioned", "write_through")  # fmt: skip
_NUMBERS = ("blocksize", "numa_node_id", "size", "size_mb", "tst", "dif_type", "dif_static_app_tag", "usn")
_TEXTS = ("filename", "t10_dev_id", "dif_mode", "dif_filename")
_NULLIO = ("blocksize", "cluster_mode", "dif_mode", "dif_static_app_tag", "dif_type", "dummy", "numa_node_id",
           "read_only", "removable", "rotational", "size", "size_mb", "tst", "t10_dev_id", "usn")  # fmt: skip
_NAME_LIMIT = 63


def crc32c(data: bytes) -> int:
    """Return the CRC32C of data with initial value 0 and no inversion, as SCST computes it.

    Verified: the names disk1, disk2, lv1, null1 with their terminating NUL give the `usn` recorded in 03-devices.json.
    """
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0x82F63B78 if crc & 1 else crc >> 1
    return crc


def parse_parameters(text: str) -> dict[str, str]:
    """Parse `name=value; ...`; OSError EINVAL for what SCST's parser refuses (recorded: w-devices.json 10 to 27)."""
    found: dict[str, str] = {}
    for piece in text.split(";"):
        if not piece.strip():
            continue
        name, equals, value = piece.strip().partition("=")
        if not equals or not name or " " in name or len(value.split()) != 1 or name in found:
            raise refuse(errno.EINVAL)
        found[name] = value.strip()
    return found


@dataclass
class Device:
    """One vdisk."""

    node: Node
    handler: Handler
    name: str
    directory: Directory
    filename: str = ""
    opened: bool = False
    cache: dict[int, str] = field(default_factory=dict)
    """Writes that the client was told are done and that are in this node's memory alone."""
    exports: int = 0
    """Export links ever made; their numbers never come back."""
    thin_by_hand: bool = False
    """`thin_provisioned` was given at creation, which no device below overrules."""

    def value(self, name: str) -> str:
        """Return an attribute's value; empty where this handler has none of that name."""
        entry = self.directory.entries.get(name)
        return entry.value if isinstance(entry, Attribute) else ""

    @property
    def holder(self) -> str:
        """How the block layer knows who holds the device below."""
        return f"scst:{self.name}"

    @property
    def on_block_device(self) -> bool:
        """True where the device stands on a block device."""
        return self.filename.startswith("/dev/")

    @property
    def read_only(self) -> bool:
        """True for a device that takes no writes."""
        return self.value("read_only") == "1"

    def open(self) -> int:
        """Open what the device stands on and return its size in bytes."""
        if self.handler == "vdisk_nullio":
            return 0
        block = self.node.subsystem(Block)
        if self.on_block_device:
            if self.filename == "/dev/null":
                raise refuse(errno.EINVAL)
            block.open(self.filename, self.holder, exclusive=self.handler == "vdisk_blockio")
            self.opened = True
            return block.size(self.filename)
        content = self.node.files.read(self.filename) if self._is_file() else None
        if content is None:
            raise refuse(errno.EINVAL if self.node.files.exists(self.filename) else errno.ENOENT)
        if self.handler == "vdisk_blockio":
            raise refuse(errno.ENOTBLK)
        return len(content)

    def close(self) -> None:
        """Write the cache back and let go of what lies below."""
        self.flush()
        if self.opened:
            self.node.subsystem(Block).close(self.filename, self.holder)
            self.opened = False

    def write(self, extent: int, write_id: str, *, sync: bool) -> None:
        """Take a client's write; `sync` where the client waits for it to be on the medium (a flush, or FUA).

        fileio writes to the page cache. SYNCHRONIZE CACHE flushes it, unless nv_cache=1 has SCST ignore it
        (documented: scst/README "nv_cache"). OSError EROFS or what the device below says.
        """
        if self.read_only:
            raise refuse(errno.EROFS)
        if self.handler == "vdisk_blockio":
            self._write_below(extent, write_id)
            return
        self.cache[extent] = write_id
        if self.value("write_through") == "1" or (sync and self.value("nv_cache") != "1"):
            self.flush()

    def read(self, extent: int) -> str | None:
        """Return the identity of the last write to an extent."""
        if extent in self.cache:
            return self.cache[extent]
        if not self.on_block_device:
            return None
        return self.node.subsystem(Block).read(self.filename, extent)

    def flush(self) -> None:
        """Write the cache to the device below."""
        cached, self.cache = self.cache, {}
        for extent, write_id in cached.items():
            self._write_below(extent, write_id)

    def resync_size(self) -> None:
        """Take over the size of what lies below."""
        if self.on_block_device and self.opened:
            self.set_size(self.node.subsystem(Block).size(self.filename))

    def set_size(self, size: int) -> None:
        """Show a size."""
        self.directory.attribute("size").value = str(size)
        self.directory.attribute("size_mb").value = str(size // 2**20)

    def _write_below(self, extent: int, write_id: str) -> None:
        if self.on_block_device:
            self.node.subsystem(Block).write(self.filename, extent, write_id)

    def _is_file(self) -> bool:
        return self.filename in self.node.files.files


def build(node: Node, handler: Handler, name: str, parameters: dict[str, str], setup_id: int) -> Device:
    """Create a device with its directory, opened if active; OSError as recorded in w-devices.json."""
    if len(name) > _NAME_LIMIT or "/" in name:
        raise refuse(errno.EINVAL)
    values = _checked(handler, parameters)
    if handler != "vdisk_nullio":
        _check_filename(values)
    by_hand = "thin_provisioned" in values
    device = Device(node, handler, name, Directory(), values.get("filename", ""), thin_by_hand=by_hand)
    active = values.get("active", "1") == "1"
    size = device.open() if active and values.get("dummy") != "1" else 0
    if values.get("o_direct") == "1" and not device.on_block_device:
        device.close()
        raise refuse(errno.EINVAL)
    if handler == "vdisk_nullio":
        size = int(values.get("size") or int(values.get("size_mb", "0")) * 2**20)
    _fill(device, values, setup_id, size)
    return device


def _checked(handler: Handler, parameters: dict[str, str]) -> dict[str, str]:
    known = _NULLIO if handler == "vdisk_nullio" else (*_FLAGS, *_NUMBERS, *_TEXTS)
    values: dict[str, str] = {}
    for name, text in parameters.items():
        if name not in known or (handler == "vdisk_blockio" and name in {"async", "o_direct", "dummy"}):
            raise refuse(errno.EINVAL)
        if name in _TEXTS:
            values[name] = text
            continue
        number = int(tree.integer(text)) if name != "size" else int(text)
        values[name] = str(int(bool(number))) if name in _FLAGS else str(number)
    if "usn" in values or values.get("dif_mode", "") not in {"", "tgt", "scst", "dev", "dev_check"}:
        raise refuse(errno.EINVAL)
    if not 0 <= int(values.get("tst", "1")) <= 1:
        raise refuse(errno.EINVAL)
    return values


def _check_filename(values: dict[str, str]) -> None:
    if not values.get("filename", "").startswith("/"):
        raise refuse(errno.EINVAL)


def _fill(device: Device, values: dict[str, str], setup_id: int, size: int) -> None:
    handler, name = device.handler, device.name
    serial = format((setup_id << 32) | crc32c(name.encode() + b"\0"), "x")
    blockio, nullio = handler == "vdisk_blockio", handler == "vdisk_nullio"
    threads = "8" if handler == "vdisk_fileio" else "1"

    def put(
        key: str, default: str, check: tree.Check | None = None, *, mode: int = 0o644, mark: Mark = "differs"
    ) -> None:
        device.directory.add(key, Attribute(values.get(key, default), default, mode, check, mark))

    for key in ("removable", "read_only"):
        put(key, "0", mode=0o444)
    for key, default in (("blocksize", "512"), ("rotational", "1"), ("tst", "1")):
        put(key, default, mode=0o444)
    put("block", "0 0", tree.always_invalid)
    put("cluster_mode", "0", tree.boolean)
    put("eui64_id", "", tree.identifier)
    put("naa_id", "", tree.identifier)
    put("inq_vend_specific", "", tree.anything, mark="set")
    put("max_tgt_dev_commands", "64", tree.natural)
    put("numa_node_id", "-1", tree.integer)
    put("opt_trans_len", "524288", tree.natural, mark="set")
    put("pr_file_name", f"/var/lib/scst/pr/{name}", tree.always_busy)
    put("pr_state", "version 1\ngeneration 0", tree.always_busy)
    put("prod_id", name, tree.upto_16, mark="set")
    put("prod_rev_lvl", "3110", tree.upto_4, mark="set")
    put("scsi_device_name", "", tree.anything, mark="set")
    put("t10_vend_id", "SCST_BIO" if blockio else "SCST_FIO", tree.upto_8, mark="set")
    put("t10_dev_id", f"{serial}-{name}", tree.upto_32, mark="set")
    device.directory.attribute("t10_dev_id").touched = "t10_dev_id" in values
    put("usn", serial, tree.upto_20, mark="set")
    put("vend_specific_id", f"{serial}-{name}", tree.upto_32, mark="set")
    put("threads_num", threads, tree.natural)
    put("threads_pool_type", "per_initiator", tree.pool_type)
    put("type", "0 - Direct-access device (e.g., magnetic disk)", mode=0o444)
    device.directory.add("size", Attribute(str(size), mode=0o644 if blockio or nullio else 0o444, mark="sized"))
    device.directory.add(
        "size_mb", Attribute(str(size // 2**20), mode=0o644 if blockio or nullio else 0o444, mark="none")
    )
    device.directory.add("dump_prs", Verbatim(mode=0o200))
    device.directory.add("handler", Link(f"../../handlers/{handler}"))
    device.directory.add("exported", Directory())
    if nullio:
        put("dummy", "0", mode=0o444)
        put("read_zero", "0", tree.boolean)
        return
    put("active", "1", tree.boolean)
    put("bind_alua_state", "1" if blockio else "0", tree.boolean)
    put("expl_alua", "0", tree.boolean)
    put("lb_per_pb_exp", "1", tree.boolean)
    for key in ("nv_cache", "thin_provisioned", "write_through"):
        put(key, "0", mode=0o444)
    device.directory.add("filename", Attribute(device.filename, check=tree.always_invalid, mark="file"))
    device.directory.add("resync_size", Verbatim(mode=0o200))
    device.directory.add("sync", Verbatim(mode=0o200))
    if not blockio:
        put("async", "0", tree.boolean)
        put("o_direct", "0", mode=0o444)
    elif device.opened:
        adapt_to_device_below(device)


def adapt_to_device_below(device: Device) -> None:
    """Do what blockio does by itself once its device is open.

    Thin provisioning is turned on where the device can discard (recorded: lv1 in 03-devices.json) and nobody said
    otherwise (documented: scst_vdisk.c, thin_provisioned_manually_set); nv_cache where it has no flush (documented:
    scst_vdisk.c, "traps" 15).
    """
    block = device.node.subsystem(Block)
    if block.discards(device.filename) and not device.thin_by_hand:
        thin = device.directory.attribute("thin_provisioned")
        thin.value = "1"
        thin.default = "1"
        device.directory.add("gen_tp_soft_threshold_reached_UA", Verbatim(mode=0o200))
    if not block.flushes(device.filename):
        device.directory.attribute("nv_cache").value = "1"
