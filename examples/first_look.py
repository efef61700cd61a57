"""Look at strange nodes: what runs, what is wrong, what would hurt, which may be rebooted; nothing is changed."""

import sys

import hastore
from hastore import sim

names = sys.argv[1:]  # python first_look.py root@centos01 root@centos02
hosts = names or sim.article().hosts.values()

cluster = hastore.connect(*hosts, looking_only=True)
print(cluster.look())
print()
print("Drivers, and why the others were not chosen")
print(cluster.explain())
