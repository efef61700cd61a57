"""One machine without Pacemaker: a target with two LUNs for a group of initiators, made through SCST's sysfs."""

import hastore
from hastore import sim

IQN, CLIENT_IQN = "iqn.2026-01.org.example:box", "iqn.1993-08.org.debian:01:db1"

lab = sim.Lab(
    nodes=["box"],
    disks={"box": {"/dev/sdb": "1G", "/dev/sdc": "2G"}},
    clients=["db1"],
    networks={"eth0": {"box": "192.168.1.10/24", "db1": "192.168.1.21/24"}},
)
cluster = hastore.connect(*lab.hosts.values())  # real ones: hastore.connect("root@box", "root@db1")

luns = (hastore.Lun(0, "fast"), hastore.Lun(1, "slow"))
databases = hastore.InitiatorGroup("databases", initiators=(CLIENT_IQN,), luns=luns)
stack = hastore.StorageStack(
    name="one box",
    nodes=(hastore.StorageNode("box", {"eth0": "192.168.1.10"}),),
    devices=(hastore.ScstDevice("fast", "/dev/sdb"), hastore.ScstDevice("slow", "/dev/sdc")),
    targets=(hastore.Target(IQN, groups=(databases,), portals=("192.168.1.10",)),),
    clients=(hastore.Initiator("db1", logins=(hastore.Login(IQN, ("192.168.1.10",)),)),),
)

plan = cluster.plan(stack)
for host, command in plan.commands():
    print(f"[{host}] {command}")
print(plan.apply())
print(cluster.plan(stack))

print(cluster.luns["fast"].set(threads_num=4).apply())
print("threads_num is", cluster.luns["fast"].attributes["threads_num"])
