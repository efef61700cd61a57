"""The article's cluster, once and many times over: what the benchmarks measure with."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from time import perf_counter

import attrs

import hastore
from hastore.demo import article_stack
from hastore.formats import crmsh

IQN = "iqn.2026-01.org.example:box"


def seconds(work: Callable[[], object], rounds: int = 3) -> float:
    """Return the least seconds that the work took."""
    taken: list[float] = []
    for _ in range(rounds):
        begin = perf_counter()
        work()
        taken.append(perf_counter() - begin)
    return min(taken)


def shown(taken: float) -> str:
    """Return seconds for people."""
    return f"{taken * 1000:9.1f} ms"


def exponent(small: tuple[int, float], large: tuple[int, float]) -> float:
    """Return how time grows between two sizes: 1 is linear, 2 quadratic."""
    return math.log(large[1] / small[1]) / math.log(large[0] / small[0])


@cache
def articles(count: int) -> hastore.StorageStack:
    """Return the article's mended stack `count` times over: each has its DRBD resource, group, target, LUN and VIPs."""
    one = article_stack()
    text = crmsh.render(hastore.compose(one))
    statements = re.split(r"\n(?=\S)", text)
    repeated = [s for s in statements if "vg1" in s or "p_email_admin" in s]
    numbers = range(1, count + 1)
    crm = [s for s in statements if s not in repeated] + [_numbered(s, n) for n in numbers for s in repeated]
    drbd = (files("hastore.data") / "article" / "vg1.res").read_text()
    adopted = hastore.adopt(crm="\n".join(crm), drbd=[_numbered(drbd, n) for n in numbers], clients=("drbd01",)).stack
    size = hastore.volume_size("vg1", "lun1", "100%VG").apply(one).volume_groups[0].logical_volumes
    groups = tuple(attrs.evolve(group, logical_volumes=size) for group in adopted.volume_groups)
    return attrs.evolve(adopted, nodes=one.nodes, lvm=one.lvm, corosync=one.corosync, volume_groups=groups)


def _numbered(text: str, number: int) -> str:
    """Return the article's text as that of its `number`th copy: names, disks, ports and addresses its own."""
    for old, new in (
        ("vg1", f"vg{number}"),
        ("VDISK-LUN01", f"VDISK-LUN{number:02}"),
        ("p_email_admin", f"p_email_admin_{number}"),
        ("192.168.100.180", f"192.168.100.{number}"),
        ("192.168.200.180", f"192.168.200.{number}"),
        ("/dev/drbd0", f"/dev/drbd{number - 1}"),
        ("/dev/sdb", f"/dev/disk/by-id/disk-{number}"),
        (":7788", f":{7787 + number}"),
    ):
        text = text.replace(old, new)
    return text


@cache
def direct(luns: int) -> hastore.StorageStack:
    """Return one machine without Pacemaker: a target that shows so many LUNs to one group of initiators."""
    devices = tuple(hastore.ScstDevice(f"disk{n}", f"/dev/disk/by-id/disk-{n}") for n in range(luns))
    shown_luns = tuple(hastore.Lun(n, device.name) for n, device in enumerate(devices))
    group = hastore.InitiatorGroup("all", initiators=("iqn.1993-08.org.debian:01:db1",), luns=shown_luns)
    return hastore.StorageStack(
        nodes=(hastore.StorageNode("box", {"eth0": "192.168.1.10"}),),
        devices=devices,
        targets=(hastore.Target(IQN, groups=(group,), portals=("192.168.1.10",)),),
    )
