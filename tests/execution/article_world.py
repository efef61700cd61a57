"""The article's cluster, mended, fenced and provisioned on simulated machines with small disks; made once."""

from __future__ import annotations

import copy
from functools import cache
from importlib.resources import files

import hastore
from hastore import sim
from hastore.sim.article_lab import NETWORKS

NODES = ("centos01", "centos02")
TARGET = "iqn.2016-02.local.virtual:virtual.vg1"


@cache
def stack() -> hastore.StorageStack:
    """Return the article's stack, mended by all fixes, with a size and fencing devices."""
    article = files("hastore.data") / "article"
    text = {name: (article / name).read_text() for name in ("configure.crm", "vg1.res", "lvm.conf.fragment", "hosts")}
    adopted = hastore.adopt(
        crm=text["configure.crm"],
        drbd=[text["vg1.res"]],
        lvm=text["lvm.conf.fragment"],
        hosts=text["hosts"],
        clients=("drbd01",),
    ).stack
    mended = hastore.apply_fixes(adopted, hastore.suggest_fixes(adopted))
    sized = hastore.volume_size("vg1", "lun1", "100%VG").apply(mended)
    return hastore.fencing_device(
        sized,
        agent="stonith:fence_ipmilan",
        per_node_params={node: {"ip": f"192.168.0.19{number}"} for number, node in enumerate(NODES, start=1)},
        shared_params={"password_script": "/etc/fence/password"},
        delay_on="centos01",
    ).apply(sized)


def blank() -> sim.Lab:
    """Return the article's machines with disks of 64 MiB, so that resyncs are quick."""
    disks = {node: {"/dev/sda": "8G", "/dev/sdb": "64M"} for node in NODES}
    return sim.Lab(nodes=NODES, disks=disks, clients=("drbd01", "drbd02"), networks=NETWORKS)


@cache
def _provisioned() -> sim.Lab:
    lab = blank()
    hastore.connect(*lab.hosts.values()).plan(stack()).apply()
    return lab


def provisioned() -> tuple[sim.Lab, hastore.Cluster]:
    """Return a provisioned world of one's own, and the cluster connected to it."""
    lab = copy.deepcopy(_provisioned())
    return lab, hastore.connect(*lab.hosts.values(), stack=stack())
