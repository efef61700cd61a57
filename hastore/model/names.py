"""Names and sizes as the field writes them, checked once where they enter."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from hastore.model.errors import SpecError

ISCSI_PORT: Final = 3260
MAX_LUN: Final = 16383
"""The largest LUN SCST takes (recording scst/w-targets: "Too big LUN 16384 (max 16383)")."""

_IQN = re.compile(r"^iqn\.\d{4}-(0[1-9]|1[0-2])\.[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[a-z0-9:.,_-]+)?\Z")
_EUI = re.compile(r"^(eui\.[0-9A-F]{16}|naa\.[0-9A-F]{16}([0-9A-F]{16})?)\Z", re.IGNORECASE)
_UNITS: Final = {"": 1, "B": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}
_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([BKMGTP]?)(?:I?B)?\s*\Z", re.IGNORECASE)


def check_iqn(name: str) -> str:
    """Return the iSCSI name unchanged; raise SpecError where RFC 3720 (3.2.6) does not allow it.

    SCST itself takes any text (recording scst/w-targets), so the check is ours.
    """
    if len(name.encode()) > 223:
        msg = f"iSCSI name {name[:40]!r}... has {len(name.encode())} bytes; at most 223 are allowed (RFC 3720)"
        raise SpecError(msg)
    if not (_IQN.match(name) or _EUI.match(name)):
        msg = f"{name!r} is no iSCSI name: write iqn.YYYY-MM.reversed.domain:name in lower case (RFC 3720 3.2.6)"
        raise SpecError(msg)
    return name


def check_ip(address: str) -> str:
    """Return the address unchanged; raise SpecError unless it is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(address)
    except ValueError as error:
        msg = f"{address!r} is no IP address: {error}"
        raise SpecError(msg) from error
    return address


def check_lun(number: int) -> int:
    """Return the LUN unchanged; raise SpecError outside 0 to 16383."""
    if not 0 <= number <= MAX_LUN:
        msg = f"LUN {number} is outside 0 to {MAX_LUN}"
        raise SpecError(msg)
    return number


def parse_size(text: str | int) -> int:
    """Return bytes for `"300G"`, `"20GiB"`, `"512"`; units are powers of 1024, as LVM's.

    >>> parse_size("20G")
    21474836480
    """
    if isinstance(text, int):
        return text
    found = _SIZE.match(text)
    if not found:
        msg = f"{text!r} is no size: write a number and a unit of B, K, M, G, T or P, such as 300G"
        raise SpecError(msg)
    return int(float(found[1]) * _UNITS[found[2].upper()])


def show_size(size: int) -> str:
    """Return a size for people, exact where it can be: `21474836480` -> `20 GiB`."""
    for unit, factor in (("PiB", 2**50), ("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= factor:
            amount = size / factor
            return f"{amount:.0f} {unit}" if size % factor == 0 else f"{amount:.1f} {unit}"
    return f"{size} B"
