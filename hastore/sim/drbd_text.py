"""What DRBD 8.4 shows: /proc/drbd, `drbdsetup status`, events, generation identifiers, as recorded (drbd84)."""

from __future__ import annotations

from hastore.sim.drbd import Drbd
from hastore.sim.drbd_state import Metadata, Resource, Volume, cstate, rate_kib

VERSION = "version: 8.4.11 (api:1/proto:86-101)\nsrcversion: F73C670A7EC572DB9CF3E5B \n"
_WIDTH = 80
_LARGE = 4 * 1024 * 1024
"""KiB of a resync from which /proc/drbd counts in MiB (documented: drbd_proc.c)."""
_GI_HEAD = """
       +--<  Current data generation UUID  >-
       |               +--<  Bitmap's base data generation UUID  >-
       |               |                 +--<  younger history UUID  >-
       |               |                 |         +-<  older history  >-
       V               V                 V         V
"""
_GI_TAIL = """
                                                                    ^ ^ ^ ^ ^ ^ ^
                                      -<  Data consistency flag  >--+ | | | | | |
                             -<  Data was/is currently up-to-date  >--+ | | | | |
                                  -<  Node was/is currently primary  >--+ | | | |
                                  -<  Node was/is currently connected  >--+ | | |
         -<  Node was in the progress of setting all bits in the bitmap  >--+ | |
                        -<  The peer's disk was out-dated or inconsistent  >--+ |
      -<  This node was a crashed primary, and has not seen its peer since   >--+

"""


def proc_drbd(drbd: Drbd) -> str:
    """Return /proc/drbd."""
    volumes = [volume for resource in drbd.resources.values() for volume in resource.volumes.values()]
    return VERSION + "".join(_proc_volume(volume) for volume in sorted(volumes, key=lambda v: v.config.minor))


def _proc_volume(volume: Volume) -> str:
    resource = volume.resource
    state = cstate(volume)
    protocol = " " if state == "StandAlone" else resource.config.option("net", "protocol", "C")
    flags = "".join(
        (
            "s" if resource.suspended or resource.suspended_by_fencing else "r",
            "-",
            "p" if volume.paused_there else "-",
            "u" if volume.paused_here else "-",
            "-",
            "s" if al_suspended(volume) else "-",
        )
    )
    counters = (
        f"ns:{volume.sent} nr:{volume.received} dw:{volume.written} dr:{volume.was_read} al:0 bm:0 lo:0 pe:0 ua:0 ap:0 "
        f"ep:1 wo:f oos:{out_of_sync(volume)}"
    )
    head = (
        f"{volume.config.minor:2d}: cs:{state} ro:{resource.role}/{resource.peer_role()} "
        f"ds:{volume.disk}/{volume.peer_disk} {protocol} {flags}\n    {counters}\n"
    )
    return head + (_progress(volume) if state in {"SyncSource", "SyncTarget"} else "")


def _progress(volume: Volume) -> str:
    left, total = int(volume.left), volume.total
    permille = per_mille(left, total)
    place = permille // 50
    bar = "=" * (place - 1) + ">" + "." * (20 - place)
    unit, scale = ("M", 1024) if total > _LARGE else ("K", 1)
    elapsed = max(volume.resource.drbd.node.world.clock.now - volume.started, 0.1)
    speed = int((total - left) / elapsed)
    seconds = int(left / (speed or 1))
    want = f" want: {int(rate_kib(volume.resource)):,}" if volume.replication == "SyncTarget" else ""
    finish = f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return (
        f"\t[{bar}] sync'ed:{permille // 10:3d}.{permille % 10}% ({left // scale}/{total // scale}){unit}\n"
        f"\tfinish: {finish} speed: {speed:,} ({speed:,}){want} K/sec\n"
    )


def per_mille(left_kib: int, total_kib: int) -> int:
    """Return the progress as /proc/drbd computes it, in units of 4 MiB (verified: 1.2 % and 18.2 % in drbd84)."""
    left, total = left_kib // 4 >> 10, (total_kib // 4 >> 10) + 1
    return 1000 - left * 1000 // total


def out_of_sync(volume: Volume) -> int:
    """Return KiB out of sync as shown."""
    if volume.replication in {"SyncSource", "SyncTarget"}:
        return int(volume.left)
    return volume.metadata.out_of_sync() if volume.disk != "Diskless" else 0


def al_suspended(volume: Volume) -> bool:
    """Tell whether the activity log rests: all is out of sync and no peer there (recorded: 02, `r----s`)."""
    return volume.disk == "Inconsistent" and not volume.resource.connected and volume.metadata.everything


def connection(resource: Resource) -> str:
    """Return the connection's state in the words of `status`."""
    return {"WFConnection": "Connecting"}.get(resource.connection, resource.connection)


def replication(volume: Volume) -> str:
    """Return the replication's state in the words of `status`."""
    state = cstate(volume)
    return "Established" if state == "Connected" else state if volume.resource.connected else "Off"


def suspended(resource: Resource) -> str:
    """Return what keeps I/O frozen: no, user, fencing."""
    return "user" if resource.suspended else "fencing" if resource.suspended_by_fencing else "no"


def resync_suspended(volume: Volume) -> str:
    """Return who paused a resync: no, user, peer."""
    found = [word for word, on in (("user", volume.paused_here), ("peer", volume.paused_there)) if on]
    return ",".join(found) or "no"


def _done(volume: Volume) -> str:
    if volume.replication not in {"SyncSource", "SyncTarget"} or not volume.total:
        return ""
    return f"done:{100 * (1 - out_of_sync(volume) / volume.size_kib):.2f}"


def _wrap(head: str, words: list[str], indent: str) -> str:
    lines = [head]
    for word in words:
        if len(lines[-1]) + 1 + len(word) > _WIDTH:
            lines.append(f"{indent}{word}")
        else:
            lines[-1] += f" {word}" if lines[-1].strip() else f"{indent}{word}"
    return "\n".join(lines) + "\n"


def status(resource: Resource) -> str:
    """Return `drbdsetup status RES`."""
    several = len(resource.volumes) > 1
    frozen = suspended(resource)
    text = f"{resource.name} role:{resource.role}" + (f" suspended:{frozen}" if frozen != "no" else "") + "\n"
    for number, volume in resource.volumes.items():
        blocked = " blocked:upper" if frozen != "no" else ""
        text += "  " + (f"volume:{number} " if several else "") + f"disk:{volume.disk}{blocked}\n"
    if resource.connection == "StandAlone":
        return text + "\n"
    if not resource.connected:
        return text + f"  peer connection:{connection(resource)}\n\n"
    text += f"  peer role:{resource.peer_role()}\n"
    for number, volume in resource.volumes.items():
        head = "    " + (f"volume:{number} " if several else "") + f"replication:{replication(volume)}"
        paused = resync_suspended(volume)
        words = [f"peer-disk:{volume.peer_disk}", _done(volume), f"resync-suspended:{paused}" if paused != "no" else ""]
        text += _wrap(head, [word for word in words if word], "        ")
    return text + "\n"


def verbose_status(resource: Resource) -> str:
    """Return `drbdsetup status --verbose --statistics RES`."""
    text = f"{resource.name} role:{resource.role} suspended:{suspended(resource)}\n    write-ordering:flush\n"
    for number, volume in resource.volumes.items():
        text += f"  volume:{number} minor:{volume.config.minor} disk:{volume.disk}\n"
        text += _wrap("", _device_statistics(volume), "      ")
    if resource.connection == "StandAlone":
        return text + "\n"
    text += f"  peer connection:{connection(resource)} role:{resource.peer_role()} congested:no\n"
    for number, volume in resource.volumes.items():
        head = f"    volume:{number} replication:{replication(volume)}"
        words = [f"peer-disk:{volume.peer_disk}", _done(volume), f"resync-suspended:{resync_suspended(volume)}"]
        text += _wrap(head, [word for word in words if word], "        ")
        text += _wrap("", _peer_statistics(volume), "        ")
    return text + "\n"


def _device_statistics(volume: Volume) -> list[str]:
    return [
        f"size:{volume.size_kib}",
        f"read:{volume.was_read}",
        f"written:{volume.written}",
        "al-writes:0",
        "bm-writes:0",
        "upper-pending:0",
        "lower-pending:0",
        f"al-suspended:{'yes' if al_suspended(volume) else 'no'}",
        f"blocked:{'upper' if suspended(volume.resource) != 'no' else 'no'}",
    ]


def _peer_statistics(volume: Volume) -> list[str]:
    return [
        f"received:{volume.received}",
        f"sent:{volume.sent}",
        f"out-of-sync:{out_of_sync(volume)}",
        "pending:0",
        "unacked:0",
    ]


def event_objects(resource: Resource, *, statistics: bool) -> dict[str, list[str]]:
    """Return what `events2` says of a resource: object -> its properties in order."""
    name = f"name:{resource.name}"
    peer = f"{name} peer-node-id:0" + ("" if resource.connection == "StandAlone" else " conn-name:peer")
    more = statistics
    found = {
        f"resource {name}": [
            f"role:{resource.role}",
            f"suspended:{suspended(resource)}",
            *(["write-ordering:flush"] if more else []),
        ],
        f"connection {peer}": [
            f"connection:{connection(resource)}",
            f"role:{resource.peer_role()}",
            *(["congested:no"] if more else []),
        ],
    }
    for number, volume in resource.volumes.items():
        own = f"device {name} volume:{number} minor:{volume.config.minor}"
        found[own] = [f"disk:{volume.disk}", *(_device_statistics(volume) if more else [])]
    for number, volume in resource.volumes.items():
        found[f"peer-device {peer} volume:{number}"] = [
            f"replication:{replication(volume)}",
            f"peer-disk:{volume.peer_disk}",
            f"resync-suspended:{resync_suspended(volume)}",
            *(_peer_statistics(volume) if more else []),
        ]
    return found


def events_now(drbd: Drbd, *, statistics: bool) -> str:
    """Return `drbdsetup events2 --now`."""
    lines = [
        f"exists {item} {' '.join(properties)}"
        for resource in drbd.resources.values()
        for item, properties in event_objects(resource, statistics=statistics).items()
    ]
    return "\n".join([*lines, "exists -"]) + "\n"


def generations(metadata: Metadata, resource: Resource | None) -> str:
    """Return the line of `get-gi`: four identifiers and seven flags."""
    flags = (
        metadata.disk in {"Consistent", "UpToDate", "Outdated"},
        metadata.disk in {"Consistent", "UpToDate"},
        metadata.primary,
        metadata.connected and resource is not None,
        False,
        metadata.peer_outdated,
        metadata.crashed_primary,
    )
    identifiers = (metadata.current, metadata.bitmap, *metadata.history)
    return ":".join([*(f"{number:016X}" for number in identifiers), *("1" if flag else "0" for flag in flags)])


def show_generations(metadata: Metadata, resource: Resource | None) -> str:
    """Return `show-gi`."""
    role = "Primary" if metadata.primary else "crashed Primary" if metadata.crashed_primary else "Secondary"
    link = "Connected" if metadata.connected and resource is not None else "StandAlone"
    disk = "UpToDate" if metadata.disk == "Consistent" else metadata.disk
    peer = ", peer Outdated" if metadata.peer_outdated else ""
    clean = "clean" if resource is None and not metadata.attached else "need apply-al"
    flags = f"flags: {role}, {link}, {disk}{peer}\nmeta-data: {clean}\n"
    return _GI_HEAD + generations(metadata, resource) + _GI_TAIL + flags


def show(resource: Resource) -> str:
    """Return `drbdsetup show RES`: only what differs from the defaults, as recorded."""
    lines = [f"resource {resource.name} {{", "    options {", "    }"]
    alone = resource.connection == "StandAlone"
    other = resource.config.peer_of(resource.drbd.node.name)
    if not alone:
        lines += _show_net(resource)
        lines += ["    _remote_host {", f"        address\t\t\tipv4 {other.address if other else ''};", "    }"]
    lines.append("    _this_host {")
    if not alone:
        lines.append(f"        address\t\t\tipv4 {resource.me.address};")
    for number, volume in resource.volumes.items():
        lines += [f"        volume {number} {{", f"            device\t\t\tminor {volume.config.minor};"]
        if volume.disk != "Diskless":
            lines.append(f'            disk\t\t\t"{volume.config.disk}";')
            lines.append(f"            meta-disk\t\t\t{volume.config.meta_disk};")
            lines += _show_disk(resource)
        lines.append("        }")
    return "\n".join([*lines, "    }", "}", ""]) + "\n"


_NET_ORDER = ("protocol", "timeout", "max-epoch-size", "connect-int", "ping-int", "sndbuf-size", "rcvbuf-size",
              "ko-count", "allow-two-primaries", "cram-hmac-alg", "shared-secret", "after-sb-0pri", "after-sb-1pri",
              "after-sb-2pri", "always-asbp", "rr-conflict", "ping-timeout", "data-integrity-alg", "tcp-cork",
              "max-buffers", "unplug-watermark", "csums-alg", "verify-alg", "use-rle")  # fmt: skip
"""The order in which drbdsetup shows options (recorded for those that occur; drbdsetup-84's usage for the rest)."""
_NET_DEFAULTS = {"protocol": "C", "after-sb-0pri": "disconnect", "after-sb-1pri": "disconnect",
                 "after-sb-2pri": "disconnect", "timeout": "60", "allow-two-primaries": "no"}  # fmt: skip
_NET_TEXTS = ("cram-hmac-alg", "shared-secret", "verify-alg", "csums-alg", "data-integrity-alg")


def _show_net(resource: Resource) -> list[str]:
    net = dict(resource.config.options.get("net", {}))
    net["allow-two-primaries"] = "yes" if resource.two_primaries else "no"
    chosen = [name for name in _NET_ORDER if name in net and net[name] != _NET_DEFAULTS.get(name)]
    if not chosen:
        return []
    lines = [f"        {name:<16}\t{_quote(net[name]) if name in _NET_TEXTS else net[name]};" for name in chosen]
    return ["    net {", *lines, "    }"]


def _show_disk(resource: Resource) -> list[str]:
    options = resource.config.options.get("disk", {})
    lines = []
    for name, text in options.items():
        if name == "resync-rate":
            lines.append(f"                {name:<16}\t{int(rate_kib(resource))}k; # bytes/second")
        elif name == "c-plan-ahead":
            lines.append(f"                {name:<16}\t{text}; # 1/10 seconds")
        elif (name, text) != ("on-io-error", "detach"):
            lines.append(f"                {name:<16}\t{text};")
    return ["            disk {", *lines, "            }"] if lines else []


def _quote(text: str) -> str:
    return f'"{text}"'
