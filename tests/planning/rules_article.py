"""The article's cluster as a stack, said by hand: what its files mean."""

from hastore.model.corosync import Corosync, CorosyncRing
from hastore.model.drbd import DrbdHost, DrbdResource, DrbdVolume
from hastore.model.lvm import LogicalVolume, LvmSettings, VolumeGroup
from hastore.model.pacemaker import Cib, Clone, ClusterNode, Colocation, Group, Op, Order, PacemakerResource
from hastore.model.scsi import Lun, ScstDevice, Target, Vip
from hastore.model.secrets import Secret
from hastore.model.stack import StorageNode, StorageStack
from hastore.model.values import Params

IQN = "iqn.2016-02.local.virtual:virtual.vg1"
VIPS = {"p_ip_vg1": "192.168.100.180", "p_ip_vg1_2": "192.168.200.180"}


def _portblock(id: str, ip: str, action: str) -> PacemakerResource:
    depth = {"depth": "0"} if action == "block" else {}
    return PacemakerResource(
        id,
        "ocf:heartbeat:portblock",
        params={"action": action},
        ops=(Op("monitor", "10s", "10s", attributes=depth),),
        serves=f"vip:{ip}",
    )


def _cib() -> Cib:
    first, second = VIPS.values()
    return Cib(
        nodes=(ClusterNode("centos01"), ClusterNode("centos02", attributes={"standby": "off"})),
        resources=(
            PacemakerResource(
                "p_drbd_vg1",
                "ocf:linbit:drbd",
                ops=(
                    Op("start", timeout="240"),
                    Op("promote", timeout="90"),
                    Op("demote", timeout="90"),
                    Op("notify", timeout="90"),
                    Op("stop", timeout="100"),
                    Op("monitor", "30", "20", role="Unpromoted"),
                    Op("monitor", "10", "20", role="Promoted"),
                ),
                serves="drbd:vg1",
            ),
            PacemakerResource(
                "p_email_admin",
                "ocf:heartbeat:MailTo",
                params={"email": "storage-admins@example.com", "subject": "Cluster Failover"},
            ),
            *(
                PacemakerResource(id, "ocf:heartbeat:IPaddr2", ops=(Op("monitor", "10s"),), serves=f"vip:{ip}")
                for id, ip in VIPS.items()
            ),
            PacemakerResource(
                "p_lu_vg1_lun1",
                "ocf:scst:SCSTLun",
                params={"wait_timeout": "60"},
                ops=(Op("monitor", "10s", "120s"),),
                serves=f"lun:{IQN}/0",
            ),
            PacemakerResource(
                "p_lvm_vg1",
                "ocf:heartbeat:LVM",
                ops=(Op("monitor", "60", "30"), Op("start", timeout="30"), Op("stop", timeout="30")),
                meta={"target-role": "Started"},
                serves="vg:vg1",
            ),
            _portblock("p_portblock_vg1", first, "block"),
            _portblock("p_portblock_vg1_2", second, "block"),
            _portblock("p_portblock_vg1_2_unblock", second, "unblock"),
            _portblock("p_portblock_vg1_unblock", first, "unblock"),
            PacemakerResource(
                "p_target_vg1",
                "ocf:scst:SCSTTarget",
                params={"wait_timeout": "60"},
                ops=(Op("monitor", "10s", "120s"),),
                meta={"target-role": "Started"},
                serves=f"target:{IQN}",
            ),
        ),
        groups=(
            Group(
                "g_vg1",
                (
                    "p_lvm_vg1",
                    "p_target_vg1",
                    "p_lu_vg1_lun1",
                    "p_ip_vg1",
                    "p_ip_vg1_2",
                    "p_portblock_vg1",
                    "p_portblock_vg1_unblock",
                    "p_portblock_vg1_2",
                    "p_portblock_vg1_2_unblock",
                    "p_email_admin",
                ),
            ),
        ),
        clones=(
            Clone(
                "ms_drbd_vg1",
                "p_drbd_vg1",
                promotable=True,
                meta={
                    "master-max": "1",
                    "master-node-max": "1",
                    "clone-max": "2",
                    "clone-node-max": "1",
                    "resource-stickiness": "100",
                    "interleave": "true",
                    "notify": "true",
                    "target-role": "Started",
                },
                form="master",
            ),
        ),
        constraints=(
            Colocation("c_vg1_on_drbd", "g_vg1", "ms_drbd_vg1", score="+inf", with_role="Promoted"),
            Order("o_drbd_before_vg1", "ms_drbd_vg1", "g_vg1", "promote", "start", score="INFINITY"),
            Order("o_lun_before_ip", "p_lu_vg1_lun1", "p_ip_vg1", score="INFINITY"),
            Order("o_lvm_before_lun", "p_lvm_vg1", "p_lu_vg1_lun1", score="INFINITY"),
        ),
        properties={
            "dc-version": "1.1.11-97629de",
            "cluster-infrastructure": "classic openais (with plugin)",
            "expected-quorum-votes": "2",
            "stonith-enabled": "false",
            "no-quorum-policy": "ignore",
        },
    )


def _drbd() -> DrbdResource:
    return DrbdResource(
        "vg1",
        volumes=(DrbdVolume(0, "/dev/drbd0", "/dev/sdb"),),
        hosts=(DrbdHost("centos01", "192.168.100.181:7788"), DrbdHost("centos02", "192.168.100.182:7788")),
        net={
            "timeout": "60",
            "ping-timeout": "30",
            "ping-int": "30",
            "cram-hmac-alg": "sha1",
            "max-epoch-size": "8192",
            "max-buffers": "8912",
            "after-sb-0pri": "discard-zero-changes",
            "after-sb-1pri": "discard-secondary",
            "after-sb-2pri": "disconnect",
        },
        disk={"on-io-error": "detach", "fencing": "resource-and-stonith"},
        options={"on-no-data-accessible": "io-error"},
        handlers={
            "fence-peer": "/usr/lib/drbd/crm-fence-peer.sh",
            "after-resync-target": "/usr/lib/drbd/crm-unfence-peer.sh",
            "outdate-peer": "/usr/lib/heartbeat/drbd-peer-outdater",
        },
        startup={"wfc-timeout": "30", "degr-wfc-timeout": "20", "outdated-wfc-timeout": "10"},
        syncer={"rate": "40M"},
        secret=Secret.literal("secret"),
    )


def _corosync() -> Corosync:
    return Corosync(
        totem={
            "version": "2",
            "token": "3000",
            "consensus": "3600",
            "vsftype": "none",
            "clear_node_high_bit": "yes",
            "secauth": "off",
            "threads": "0",
            "rrp_mode": "active",
            "transport": "udpu",
        },
        rings=(
            CorosyncRing(0, "192.168.100.0", 5404, ("192.168.100.181", "192.168.100.182")),
            CorosyncRing(1, "192.168.200.0", 5405, ("192.168.200.181", "192.168.200.182")),
        ),
        logging={"to_syslog": "yes"},
        service={"ver": "1", "name": "pacemaker"},
        other=(("amf", Params(mode="disabled")), ("aisexec", Params(user="root", group="root"))),
    )


def article() -> StorageStack:
    """Return the article's cluster, traps included."""
    return StorageStack(
        name="vg1",
        nodes=(
            StorageNode("centos01", {"eth1": "192.168.100.181", "eth2": "192.168.200.181"}),
            StorageNode("centos02", {"eth1": "192.168.100.182", "eth2": "192.168.200.182"}),
        ),
        drbd=(_drbd(),),
        volume_groups=(VolumeGroup("vg1", ("/dev/drbd0",), (LogicalVolume("lun1"),)),),
        devices=(
            ScstDevice(
                "VDISK-LUN01",
                "/dev/vg1/lun1",
                attributes={"nv_cache": "1", "write_through": "0", "thin_provisioned": "0", "threads_num": "4"},
            ),
        ),
        targets=(
            Target(
                IQN,
                luns=(Lun(0, "VDISK-LUN01"),),
                portals=tuple(VIPS.values()),
                parameters={"DefaultTime2Retain": "60", "DefaultTime2Wait": "5"},
            ),
        ),
        vips=(Vip("192.168.100.180", 24, "eth1"), Vip("192.168.200.180", 24, "eth2")),
        pacemaker=_cib(),
        corosync=_corosync(),
        lvm=LvmSettings(
            filter=("a|/dev/sda*|", "a|/dev/drbd*|", "r|.*|"),
            write_cache_state=False,
            volume_list=("vg_centos", "vg1", "vg2"),
        ),
    )
