"""`lsblk -J -b`: block devices as a tree, read into values (lsblk(8) of util-linux 2.27 and later)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from hastore.formats.json_text import number_of, read_object, rows, text_of
from hastore.formats.parsing import wrong
from hastore.model.state import BlockDevice

COLUMNS: Final = ("NAME", "SIZE", "TYPE", "FSTYPE", "PTTYPE", "MOUNTPOINT")
"""The columns that `parse` reads; NAME with full paths (`-p`)."""

_SOURCE: Final = "lsblk"


def parse(text: str) -> dict[str, BlockDevice]:
    """Read the output of `lsblk -J -b -p -o NAME,SIZE,TYPE,FSTYPE,PTTYPE,MOUNTPOINT`: path -> device.

    A device that stands on several others is listed once. Raises ParseError where a device has no name or
    size.
    """
    return dict(_devices(read_object(text, _SOURCE), "blockdevices"))


def _devices(parent: Mapping[str, Any], key: str) -> Iterator[tuple[str, BlockDevice]]:
    for row in rows(parent, key, _SOURCE):
        path = text_of(row, "name")
        if not path:
            raise wrong(1, "a device's name", _SOURCE, repr(dict(row)))
        yield (
            path,
            BlockDevice(
                path,
                number_of(row, "size", _SOURCE),
                text_of(row, "fstype") or text_of(row, "pttype"),
                text_of(row, "type") or "disk",
                text_of(row, "mountpoint"),
                tuple(text_of(child, "name") for child in rows(row, "children", _SOURCE)),
            ),
        )
        yield from _devices(row, "children")
