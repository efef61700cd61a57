"""The article's cluster for tests: storage provisioned by the tools, the CIB written by hand."""

from __future__ import annotations

from dataclasses import dataclass

from hastore.sim.article_lab import article
from hastore.sim.lab import Lab
from hastore.sim.workload import Writer
from hastore.sim.world import Node, World

IQN = "iqn.2016-02.local.virtual:virtual.vg1"
VIPS = ("192.168.100.180", "192.168.200.180")
COROSYNC = """\
totem {
    version: 2
    cluster_name: article
    token: 3000
}
nodelist {
    node {
        ring0_addr: 192.168.100.181
        ring1_addr: 192.168.200.181
        name: centos01
        nodeid: 1
    }
    node {
        ring0_addr: 192.168.100.182
        ring1_addr: 192.168.200.182
        name: centos02
        nodeid: 2
    }
}
quorum {
    provider: corosync_votequorum
    two_node: 1
    wait_for_all: 1
}
"""
RESOURCE = """\
resource vg1 {
    disk {
        fencing resource-and-stonith;
    }
    handlers {
        fence-peer "/usr/lib/drbd/crm-fence-peer.sh";
        after-resync-target "/usr/lib/drbd/crm-unfence-peer.sh";
    }
    volume 0 {
        device /dev/drbd0;
        disk /dev/sdb;
        meta-disk internal;
    }
    on centos01 {
        address 192.168.100.181:7788;
    }
    on centos02 {
        address 192.168.100.182:7788;
    }
}
"""


def nvpairs(tag: str, id: str, pairs: dict[str, str]) -> str:
    inner = "".join(f'<nvpair id="{id}-{name}" name="{name}" value="{text}"/>' for name, text in pairs.items())
    return f'<{tag} id="{id}">{inner}</{tag}>' if pairs else ""


def primitive(
    id: str, agent: str, params: dict[str, str] | None = None, ops: str = "", meta: dict[str, str] | None = None
) -> str:
    parts = agent.split(":")
    kind = f'class="{parts[0]}" type="{parts[-1]}"' + (f' provider="{parts[1]}"' if len(parts) == 3 else "")
    made = []
    for number, text in enumerate(ops.split(",") if ops else ()):
        name, *options = text.split()
        given = dict(option.split("=") for option in options)
        given.setdefault("interval", "0")
        attributes = " ".join(f'{key}="{value}"' for key, value in given.items())
        made.append(f'<op id="{id}-op-{number}" name="{name}" {attributes}/>')
    return (
        f'<primitive id="{id}" {kind}>'
        + nvpairs("instance_attributes", f"{id}-params", params or {})
        + (f"<operations>{''.join(made)}</operations>" if made else "")
        + nvpairs("meta_attributes", f"{id}-meta", meta or {})
        + "</primitive>"
    )


def drbd_clone(*, master: bool = True) -> str:
    inner = primitive(
        "p_drbd_vg1", "ocf:linbit:drbd", {"drbd_resource": "vg1"},
        "start timeout=240,promote timeout=90,demote timeout=90,notify timeout=90,stop timeout=100,"
        f"monitor interval=30 timeout=20 role={'Slave' if master else 'Unpromoted'},"
        f"monitor interval=10 timeout=20 role={'Master' if master else 'Promoted'}",
    )  # fmt: skip
    if master:
        meta = {"master-max": "1", "master-node-max": "1"}
    else:
        meta = {"promotable": "true", "promoted-max": "1", "promoted-node-max": "1"}
    meta |= {
        "clone-max": "2",
        "clone-node-max": "1",
        "resource-stickiness": "100",
        "interleave": "true",
        "notify": "true",
    }
    tag = "master" if master else "clone"
    return f'<{tag} id="ms_drbd_vg1">{nvpairs("meta_attributes", "ms_drbd_vg1-meta", meta)}{inner}</{tag}>'


def group() -> str:
    watch = "monitor interval=10s timeout=120s"
    block = "monitor interval=10s timeout=10s"
    members = [
        primitive("p_lvm_vg1", "ocf:heartbeat:LVM", {"volgrpname": "vg1"}, "monitor interval=60 timeout=30,start timeout=30,stop timeout=30"),
        primitive(
            "p_target_vg1", "ocf:scst:SCSTTarget",
            {
                "iscsi_enable": "true", "iqn": IQN, "portals": " ".join(VIPS), "wait_timeout": "60",
                "additional_parameters": "DefaultTime2Retain=60 DefaultTime2Wait=5",
            },
            watch,
        ),
        primitive(
            "p_lu_vg1_lun1", "ocf:scst:SCSTLun",
            {
                "iscsi_enable": "true", "target_iqn": IQN, "iscsi_lun": "0", "path": "/dev/vg1/lun1", "handler": "vdisk_fileio",
                "device_name": "VDISK-LUN01", "wait_timeout": "60",
                "additional_parameters": "nv_cache=1 write_through=0 thin_provisioned=0 threads_num=4",
            },
            watch,
        ),
        primitive("p_ip_vg1", "ocf:heartbeat:IPaddr2", {"ip": VIPS[0], "cidr_netmask": "24", "nic": "eth1"}, "monitor interval=10s"),
        primitive("p_ip_vg1_2", "ocf:heartbeat:IPaddr2", {"ip": VIPS[1], "cidr_netmask": "24", "nic": "eth2"}, "monitor interval=10s"),
    ]  # fmt: skip
    for suffix, ip in (("", VIPS[0]), ("_2", VIPS[1])):
        for ending, action in (("", "block"), ("_unblock", "unblock")):
            params = {"ip": ip, "portno": "3260", "protocol": "tcp", "action": action}
            members.append(primitive(f"p_portblock_vg1{suffix}{ending}", "ocf:heartbeat:portblock", params, block))
    members.append(primitive("p_email_admin", "ocf:heartbeat:MailTo", {"email": "storage-admins@example.com"}))
    return f'<group id="g_vg1">{"".join(members)}</group>'


CONSTRAINTS = (
    '<rsc_colocation id="c_vg1_on_drbd" score="INFINITY" rsc="g_vg1" with-rsc="ms_drbd_vg1" with-rsc-role="Master"/>'
    '<rsc_order id="o_drbd_before_vg1" kind="Mandatory" first="ms_drbd_vg1" first-action="promote" then="g_vg1" then-action="start"/>'
    '<rsc_order id="o_lun_before_ip" kind="Mandatory" first="p_lu_vg1_lun1" then="p_ip_vg1"/>'
    '<rsc_order id="o_lvm_before_lun" kind="Mandatory" first="p_lvm_vg1" then="p_lu_vg1_lun1"/>'
)
FENCING = "".join(
    primitive(f"st_{name}", "stonith:fence_sim", {"pcmk_host_list": name}) for name in ("centos01", "centos02")
)


@dataclass
class Stack:
    """A running article."""

    lab: Lab

    @property
    def world(self) -> World:
        return self.lab.world

    def node(self, name: str) -> Node:
        return self.world.nodes[name]

    def run(self, node: str, *argv: str) -> str:
        reply = self.node(node).run(*argv, timeout=300)
        assert reply.exit_code == 0, (argv, reply)
        return reply.stdout.decode()

    def settle(self, seconds: float = 300.0) -> None:
        """Wait until every DC is idle."""
        end = self.world.clock.now + seconds
        self.world.advance(2)
        while not all(p.controller.idle for p in self.lab.cluster.partitions):
            assert self.world.clock.now < end, self.log()
            self.world.advance(0.5)

    def log(self) -> str:
        return "\n".join(f"{e.at:8.1f} {e.node:9} {e.text}" for e in self.world.events)

    def where(self, id: str) -> dict[str, str]:
        """Return node -> role of a primitive, as the first running node's crm_mon tells it."""
        from lxml import etree

        node = next(n for n in ("centos01", "centos02") if self.node(n).powered)
        root = etree.fromstring(self.run(node, "crm_mon", "--output-as=xml").encode())
        found: dict[str, str] = {}
        for resource in root.iter("resource"):
            if resource.get("id") == id and resource.get("active") == "true":
                found |= {str(n.get("name")): str(resource.get("role")) for n in resource.findall("node")}
        return found

    def active(self) -> str:
        """Return the node of the group's first address."""
        nodes = list(self.where("p_ip_vg1"))
        assert len(nodes) == 1, nodes
        return nodes[0]

    def violations(self) -> set[str]:
        return {violation.code for violation in self.world.violations}

    def writer(self, client: str = "drbd01", vip: str = VIPS[0]) -> Writer:
        self.run(client, "iscsiadm", "-m", "discovery", "-t", "st", "-p", vip)
        self.run(client, "iscsiadm", "-m", "node", "-T", IQN, "-p", vip, "--login")
        writer = Writer(self.world, client, IQN)
        self.world.advance(5)
        assert len(writer.acknowledged) > 30
        return writer


def provision(lab: Lab) -> None:
    """Make DRBD, the volume group and the volume, then take them down again for Pacemaker."""
    for name in ("centos01", "centos02"):
        node = lab.world.nodes[name]
        node.files.add("/etc/corosync/corosync.conf", COROSYNC)
        node.files.add("/etc/drbd.d/vg1.res", RESOURCE)
        node.files.add("/etc/lvm/lvm.conf", 'devices {\n\tfilter = [ "a|^/dev/drbd[0-9]+$|", "r|.*|" ]\n}\n')
        for verb in ("create-md", "up"):
            assert node.run("drbdadm", verb, "vg1").exit_code == 0, verb
    first, second = lab.world.nodes["centos01"], lab.world.nodes["centos02"]
    lab.world.advance(3)
    commands: list[tuple[str, ...]] = [
        ("drbdadm", "--", "--clear-bitmap", "new-current-uuid", "vg1/0"),
        ("drbdadm", "primary", "vg1"),
        ("pvcreate", "/dev/drbd0"),
        ("vgcreate", "vg1", "/dev/drbd0"),
        ("lvcreate", "-n", "lun1", "-L", "1G", "-y", "vg1"),
        ("vgchange", "-an", "vg1"),
        ("drbdadm", "secondary", "vg1"),
        ("drbdadm", "down", "vg1"),
    ]
    for argv in commands:
        reply = first.run(*argv)
        assert reply.exit_code == 0, (argv, reply)
    assert second.run("drbdadm", "down", "vg1").exit_code == 0


def running(*, fencing: bool = False, master: bool = True) -> Stack:
    """Return the article's cluster, everything started, both nodes up."""
    lab = article()
    stack = Stack(lab)
    provision(lab)
    options = {"stonith-enabled": "true" if fencing else "false", "no-quorum-policy": "stop" if fencing else "ignore"}
    for name, text in options.items():
        stack.run("centos01", "crm_attribute", "-t", "crm_config", "-n", name, "-v", text)
    resources = f"<resources>{group()}{drbd_clone(master=master)}{FENCING if fencing else ''}</resources>"
    stack.run("centos01", "cibadmin", "--replace", "-o", "resources", "-X", resources)
    stack.run(
        "centos01", "cibadmin", "--replace", "-o", "constraints", "-X", f"<constraints>{CONSTRAINTS}</constraints>"
    )
    stack.settle()
    return stack
