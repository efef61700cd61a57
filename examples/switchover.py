"""Provision the article's cluster, then move its storage to the other node: on simulated hosts, or on yours."""

from pathlib import Path

import hastore
from hastore import sim

HOSTS = sim.article().hosts.values()  # yours: HOSTS = ("root@centos01", "root@centos02", "root@drbd01")

FILES = Path(hastore.__file__).parent / "data" / "article"
FENCING = {"centos01": {"ip": "192.168.0.191"}, "centos02": {"ip": "192.168.0.192"}}

said = hastore.adopt(crm=FILES / "configure.crm", drbd=FILES / "vg1.res", hosts=FILES / "hosts", clients=("drbd01",))
stack = hastore.apply_fixes(said.stack, hastore.suggest_fixes(said.stack))
stack = hastore.volume_size("vg1", "lun1", "100%VG").apply(stack)
stack = hastore.fencing_device(stack, agent="fence_ipmilan", per_node_params=FENCING, delay_on="centos01").apply(stack)

cluster = hastore.connect(*HOSTS)
provision = cluster.plan(stack)
print(provision, provision.apply(journal="journal.jsonl", on_event=hastore.Progress()), sep="\n\n")

move = cluster.switchover(to="centos02")
print(move, move.apply(journal="journal.jsonl", on_event=hastore.Progress()), sep="\n\n")
