"""What may be written to SCST: it checks little itself, and two of its attributes crash the kernel.

Seen to crash until reboot: `threads_num=99999`, `numa_node_id=7` on a machine without such a node (recordings
scst/oops-*). Seen to be taken without a word: `blocksize=1000`, `MaxSessions=garbage`, `NopInInterval=garbage`,
initiators with `/`, which make their directory unreadable (recordings scst/w-devices, w-targets).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from hastore.formats.parsing import natural
from hastore.hosts.operations import Condition, Expect, ReadFile

MAX_THREADS: Final = 128
"""Far above what helps (SCST:scst/README, threads_num), far below what crashes."""
MAX_DEVICE_NAME: Final = 64
"""SCST refuses longer names (recording scst/w-devices)."""

_FLAGS: Final = frozenset({
    "active", "async", "bind_alua_state", "cluster_mode", "dummy", "nv_cache", "o_direct", "read_only",
    "removable", "rotational", "thin_provisioned", "write_through", "expl_alua",
})  # fmt: skip
_BLOCK_SIZES: Final = frozenset({"512", "1024", "2048", "4096"})
_NUMBERS: Final = frozenset({
    "MaxSessions", "NopInInterval", "NopInTimeout", "RspTimeout", "QueuedCommands", "MaxBurstLength",
    "FirstBurstLength", "MaxRecvDataSegmentLength", "MaxXmitDataSegmentLength", "MaxOutstandingR2T",
    "rel_tgt_id",
})  # fmt: skip
_LENGTHS: Final[Mapping[str, int]] = {"usn": 20, "t10_dev_id": 25, "prod_id": 16, "t10_vend_id": 8}
"""Longest texts that SCST takes (recording scst/w-devices)."""
_NAA: Final = re.compile(r"^(0x)?([0-9a-fA-F]{16}|[0-9a-fA-F]{32})$")

_BY_TABLE: Final = frozenset({
    "active", "async", "bind_alua_state", "blocksize", "cluster_mode", "dif_filename", "dif_mode",
    "dif_static_app_tag", "dif_type", "filename", "numa_node_id", "nv_cache", "o_direct", "read_only",
    "removable", "rotational", "thin_provisioned", "tst", "write_through", "size", "size_mb", "dummy",
})  # fmt: skip


def creation_parameters(version: str, shown: frozenset[str]) -> frozenset[str]:
    """Return what `add_device` takes: what the handler's own help shows, else what is known of the version.

    `t10_dev_id` may be given at creation from 3.8 on, `threads_num` never (facts: versions 7).
    """
    if shown:
        return shown - {"threads_num"}
    return _BY_TABLE | ({"t10_dev_id"} if _numbers(version) >= (3, 8) else frozenset())


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d{1,6}", version)[:2])


def fault(name: str, text: str) -> str:
    """Return why an attribute must not be written; empty where it may."""
    if "\n" in text or "\0" in text:
        return f"{name} has a line break"
    if name in _FLAGS:
        return "" if text in {"0", "1"} else f"{name}={text}: write 0 or 1"
    if name in _NUMBERS:
        return "" if natural(text) is not None else f"{name}={text} is no number; SCST would take it without a word"
    if name in _LENGTHS and len(text.encode()) > _LENGTHS[name]:
        return f"{name}={text} has more than {_LENGTHS[name]} bytes"
    check = _CHECKS.get(name)
    return check(text) if check else ""


def _threads(text: str) -> str:
    number = natural(text)
    fits = number is not None and number <= MAX_THREADS
    return "" if fits else f"threads_num={text}: write 0 to {MAX_THREADS}; very large numbers crash the kernel"


def _numa_node(text: str) -> str:
    fits = text == "-1" or natural(text) is not None
    return "" if fits else f"numa_node_id={text}: write -1, or the number of a node that exists"


def _block_size(text: str) -> str:
    return "" if text in _BLOCK_SIZES else f"blocksize={text}: write 512, 1024, 2048 or 4096"


def _naa(text: str) -> str:
    return "" if not text or _NAA.match(text) else f"naa_id={text}: write 16 or 32 hexadecimal digits"


_CHECKS: Final[Mapping[str, Callable[[str], str]]] = {
    "threads_num": _threads,
    "numa_node_id": _numa_node,
    "blocksize": _block_size,
    "naa_id": _naa,
}


def word_fault(what: str, text: str, *, barred: str = "/;=") -> str:
    """Return why a text can't be a word of a management command; empty where it can."""
    if not text or text.split() != [text]:
        return f"{what} {text!r} is empty or has white space in it"
    found = next((character for character in barred if character in text), "")
    return f"{what} {text!r} has {found!r} in it" if found else ""


def expect_numa_node(name: str, text: str) -> tuple[Expect, ...]:
    """Guard a NUMA node's number: a node that is not there crashes the kernel (recording scst/oops-numa_node_id-7)."""
    if name != "numa_node_id" or text == "-1":
        return ()
    probe = ReadFile(f"/sys/devices/system/node/node{text}/cpulist")
    return (
        Expect(probe, Condition(), because=f"the machine has NUMA node {text}; SCST crashes on one that is not there"),
    )
