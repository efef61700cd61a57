"""Guards that several drivers put before a change: the host itself goes on only if they still hold."""

from __future__ import annotations

from typing import Final

from hastore.hosts.operations import Condition, Expect, Run

_BLKID_FOUND_NOTHING: Final = 2
"""blkid(8): also where the device can't be opened, so wipefs is asked, too."""


def expect_blank(device: str) -> tuple[Expect, ...]:
    """Go on only if the device can be read and no signature of a file system, RAID, LVM, DRBD or partition table is on it.

    blkid probes for the one thing a device is; wipefs lists every signature there is, and alone tells a blank
    device from one that can't be opened.
    """
    because = f"{device} is blank; if what is on it may go, wipe it by hand: wipefs -a {device}"
    return (
        Expect(
            Run(("wipefs", "-J", device), reads=True), Condition(exit_codes=(0,), lacks=('"offset"',)), because=because
        ),
        Expect(
            Run(("blkid", "-p", "-o", "export", device), reads=True, ok=(_BLKID_FOUND_NOTHING,)),
            Condition(exit_codes=(_BLKID_FOUND_NOTHING,)),
            because=because,
        ),
    )
