"""LVM's reports as JSON: `lvs`, `vgs`, `pvs` or `lvm fullreport`, read into values (lvmreport(7))."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from hastore.formats.json_text import number_of, read_object, rows, text_of
from hastore.model.lvm import LvmSettings
from hastore.model.state import LvmState, LvState, VgState
from hastore.model.values import field, value

VG_FIELDS: Final = ("vg_name", "vg_size", "vg_free", "vg_extent_size", "vg_systemid", "vg_tags")
LV_FIELDS: Final = ("lv_name", "vg_name", "lv_size", "lv_attr")
PV_FIELDS: Final = ("pv_name", "vg_name", "pv_size")

_SOURCE: Final = "LVM report"
_DEFAULT_EXTENT: Final = 4 * 2**20


@value
class LvmReport:
    """What reports say, merged: several of them may be asked for, one kind each."""

    groups: Mapping[str, VgState] = field(factory=dict[str, VgState])
    physical_volumes: Mapping[str, str] = field(factory=dict[str, str])
    """Path -> name of its group, or empty."""

    def state(self, version: str = "", settings: LvmSettings | None = None) -> LvmState:
        """Return LVM's state as this report shows it."""
        return LvmState(version, self.groups, self.physical_volumes, settings or LvmSettings())


def parse(*texts: str) -> LvmReport:
    """Read one or several reports made with `--reportformat json --units b`; the order does not matter.

    Fields that were not asked for keep their defaults. Hidden volumes (`[name]`) are left out. Raises
    ParseError where a text is no report, or a size is no number of bytes.
    """
    sections = [section for text in texts for section in rows(read_object(text, _SOURCE), "report", _SOURCE)]
    groups: dict[str, VgState] = {}
    owners: dict[str, str] = {}
    for section in sections:
        for row in rows(section, "vg", _SOURCE):
            groups[text_of(row, "vg_name")] = _group(row)
    for section in sections:
        names = [text_of(row, "vg_name") for row in rows(section, "vg", _SOURCE)]
        around = names[0] if len(names) == 1 else ""  # fullreport: a section a group, inner rows need not name it
        for row in rows(section, "pv", _SOURCE):
            owners[text_of(row, "pv_name")] = text_of(row, "vg_name") or around
        for row in rows(section, "lv", _SOURCE):
            owner = text_of(row, "vg_name") or around
            volume = _volume(row)
            if owner in groups and volume is not None:
                known = groups[owner]
                groups[owner] = attrs.evolve(known, logical_volumes={**known.logical_volumes, volume.name: volume})
    for path, owner in owners.items():
        if owner in groups:
            known = groups[owner]
            groups[owner] = attrs.evolve(known, physical_volumes=(*known.physical_volumes, path))
    return LvmReport(groups, owners)


def _group(row: Mapping[str, Any]) -> VgState:
    return VgState(
        text_of(row, "vg_name"),
        number_of(row, "vg_size", _SOURCE) if "vg_size" in row else 0,
        number_of(row, "vg_free", _SOURCE) if "vg_free" in row else 0,
        number_of(row, "vg_extent_size", _SOURCE) if "vg_extent_size" in row else _DEFAULT_EXTENT,
        system_id=text_of(row, "vg_systemid"),
        tags=tuple(tag for tag in text_of(row, "vg_tags").split(",") if tag),
    )


def _volume(row: Mapping[str, Any]) -> LvState | None:
    name = text_of(row, "lv_name")
    if not name or name.startswith("["):
        return None
    # lvs(8) "lv_attr bits": the fifth is the state (a: active), the sixth o: open
    bits = text_of(row, "lv_attr").ljust(6, "-")
    return LvState(name, number_of(row, "lv_size", _SOURCE), active=bits[4] == "a", open=bits[5] == "o")
