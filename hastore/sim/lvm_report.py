"""`pvs`, `vgs`, `lvs --reportformat json`: the fields that are asked for, in LVM's own layout (recorded: pvs-json-loop)."""

from __future__ import annotations

from collections.abc import Callable

from hastore.sim.block import Label
from hastore.sim.lvm import Lvm
from hastore.sim.lvm_volumes import DATA_START, Group, Volume, mapper_path
from hastore.sim.world import Call, Reply, reply

_DEFAULT = {
    "pv": "pv_name,vg_name,pv_fmt,pv_attr,pv_size,pv_free",
    "vg": "vg_name,pv_count,lv_count,snap_count,vg_attr,vg_size,vg_free",
    "lv": "lv_name,vg_name,lv_attr,lv_size,pool_lv,origin,data_percent,metadata_percent,move_pv,mirror_log,copy_percent,"
    "convert_lv",
}
_LV_EMPTY = ("pool_lv", "origin", "data_percent", "metadata_percent", "move_pv", "mirror_log", "copy_percent",
             "convert_lv", "lv_tags")  # fmt: skip


def report(call: Call, tool: Lvm, kind: str, options: dict[str, str], names: list[str]) -> Reply:
    """Answer one report; names that are not seen give exit code 5 and an error beside the rows that are."""
    if options.get("format") != "json" or options.get("units", "b") != "b":
        call.give_up("only --reportformat json --units b is")
    asked = options.get("fields", _DEFAULT[kind])
    fields = (f"{_DEFAULT[kind]},{asked[1:]}" if asked.startswith("+") else asked).split(",")
    if "units" not in options and any(
        name.endswith(("_size", "_free", "_used")) or name == "pe_start" for name in fields
    ):
        call.give_up("sizes are shown with --units b only")
    suffix = "" if "nosuffix" in options else "B"
    groups = tool.all_groups() if "foreign" in options else tool.groups()
    rows, missing = _ROWS[kind](tool, groups, names, suffix)
    # run: a host without a system ID complains of others' groups unasked, and twice where one is named
    unasked = [] if tool.config.system_id or "foreign" in options else _foreign(tool, names)
    lines = []
    for row in rows:
        unknown = [name for name in fields if name not in row]
        if unknown:
            call.give_up(f"field {unknown[0]}")
        lines.append("{" + ", ".join(f'"{name}":"{row[name]}"' for name in fields) + "}")
    body = "".join(
        f"                  {line}{',' if place + 1 < len(lines) else ''}\n" for place, line in enumerate(lines)
    )
    out = f'  {{\n      "report": [\n          {{\n              "{kind}": [\n{body}              ]\n          }}\n      ]\n  }}\n'
    return reply(5 if missing else 0, out, "".join(f"  {text}\n" for text in (*unasked, *missing)))


Row = dict[str, str]


def _foreign(tool: Lvm, names: list[str]) -> list[str]:
    heads = {name.removeprefix("/dev/").partition("/")[0] for name in names}
    others = [group for group in tool.all_groups().values() if not tool.owns(group)]
    return [tool.foreign(group) for group in others if not names or group.name in heads]


def _physicals(tool: Lvm, groups: dict[str, Group], names: list[str], suffix: str) -> tuple[list[Row], list[str]]:
    labels = tool.labels()
    hidden = {
        path: f"Cannot use PV {path} in foreign VG {label.group.name}."
        for path, label in labels.items()
        if isinstance(label.group, Group) and label.group.name not in groups
    }
    wanted = {tool.block.aliases.get(name, name): name for name in names}
    rows = [
        _physical(tool, path, label, groups, suffix)
        for path, label in labels.items()
        if path not in hidden and (not names or path in wanted)
    ]
    missing = [f'Failed to find physical volume "{name}".' for real, name in wanted.items() if real not in labels]
    return rows, [*missing, *(why for path, why in hidden.items() if path in wanted)]


def _physical(tool: Lvm, path: str, label: Label, groups: dict[str, Group], suffix: str) -> Row:
    size = tool.block.size(path)
    group = label.group if isinstance(label.group, Group) else None
    row = {"pv_name": path, "pv_uuid": label.uuid, "pv_fmt": "lvm2", "dev_size": f"{size}{suffix}",
           "pe_start": f"{DATA_START}{suffix}", "pv_missing": "", "pv_tags": "", "pv_duplicate": ""}  # fmt: skip
    if group is None:
        free = f"{size}{suffix}"
        return row | {"vg_name": "", "vg_uuid": "", "pv_attr": "---", "pv_size": free, "pv_free": free,
                      "pv_used": f"0{suffix}", "pv_pe_count": "0", "pv_pe_alloc_count": "0"}  # fmt: skip
    newest = groups.get(group.name, group)
    total = next((p.extents for p in newest.physicals if p.uuid == label.uuid), 0)
    used = sum(s.count for v in newest.volumes for s in v.segments if s.pv == label.uuid)
    unit = newest.extent_size
    return row | {
        "vg_name": group.name,
        "vg_uuid": group.uuid,
        "pv_attr": "a--",
        "pv_size": f"{total * unit}{suffix}",
        "pv_free": f"{(total - used) * unit}{suffix}",
        "pv_used": f"{used * unit}{suffix}",
        "pv_pe_count": str(total),
        "pv_pe_alloc_count": str(used),
    }


def _groups(tool: Lvm, groups: dict[str, Group], names: list[str], suffix: str) -> tuple[list[Row], list[str]]:
    rows = [_group(group, suffix) for name, group in sorted(groups.items()) if not names or name in names]
    return rows, _not_found(tool, groups, names)


def _group(group: Group, suffix: str) -> Row:
    unit = group.extent_size
    return {
        "vg_name": group.name, "vg_uuid": group.uuid, "vg_fmt": "lvm2", "pv_count": str(len(group.physicals)),
        "lv_count": str(len(group.volumes)), "snap_count": "0", "vg_attr": "wz--n-",
        "vg_size": f"{group.extents * unit}{suffix}", "vg_free": f"{group.free * unit}{suffix}",
        "vg_extent_size": f"{unit}{suffix}", "vg_extent_count": str(group.extents), "vg_free_count": str(group.free),
        "vg_systemid": group.system_id, "vg_tags": ",".join(group.tags), "vg_seqno": str(group.seqno),
        "vg_missing_pv_count": "0", "vg_partial": "", "vg_exported": "", "vg_lock_type": "",
    }  # fmt: skip


def _volumes(tool: Lvm, groups: dict[str, Group], names: list[str], suffix: str) -> tuple[list[Row], list[str]]:
    heads = {name.removeprefix("/dev/").partition("/")[0] for name in names}
    exact = {name.removeprefix("/dev/") for name in names if "/" in name.removeprefix("/dev/")}
    places = {label.uuid: path for path, label in tool.labels().items()}
    rows = [
        _volume(tool, group, volume, places, suffix)
        for name, group in sorted(groups.items())
        for volume in group.volumes
        if not names or name in names or f"{name}/{volume.name}" in exact
    ]
    known = {f"{group.name}/{volume.name}" for group in groups.values() for volume in group.volumes}
    lost = [f'Failed to find logical volume "{name}"' for name in sorted(exact) if name not in known]
    return rows, [*_not_found(tool, groups, sorted(heads)), *lost]


def _volume(tool: Lvm, group: Group, volume: Volume, places: dict[str, str], suffix: str) -> Row:
    path = mapper_path(group.name, volume.name)
    active = path in tool.block.devices
    held = active and bool(tool.block.holders_of(path))
    devices = ",".join(f"{places.get(s.pv, '[unknown]')}({s.start})" for s in volume.segments)
    return dict.fromkeys(_LV_EMPTY, "") | {
        "lv_name": volume.name, "vg_name": group.name, "lv_uuid": volume.uuid, "vg_uuid": group.uuid,
        "lv_full_name": f"{group.name}/{volume.name}", "lv_path": f"/dev/{group.name}/{volume.name}",
        "lv_dm_path": path, "lv_attr": f"-wi-{'a' if active else '-'}{'o' if held else '-'}----",
        "lv_size": f"{volume.extents * group.extent_size}{suffix}", "lv_active": "active" if active else "",
        "lv_device_open": "open" if held else "", "segtype": "linear", "seg_count": str(len(volume.segments)),
        "devices": devices, "lv_permissions": "writeable", "lv_layout": "linear", "lv_role": "public",
    }  # fmt: skip


def _not_found(tool: Lvm, groups: dict[str, Group], names: list[str]) -> list[str]:
    others = tool.all_groups()
    return [
        tool.foreign(others[name])
        if name in others
        else f'Volume group "{name}" not found\n  Cannot process volume group {name}'
        for name in names
        if name not in groups
    ]


_ROWS: dict[str, Callable[[Lvm, dict[str, Group], list[str], str], tuple[list[Row], list[str]]]] = {
    "pv": _physicals,
    "vg": _groups,
    "lv": _volumes,
}
