"""The article's cluster in typed Python, laid out by hand: equal to what `hastore.adopt` reads from its own files."""

import hastore as hs
from hastore.model.values import Params

# fmt: off
IQN, IP_1, IP_2 = "iqn.2016-02.local.virtual:virtual.vg1", "192.168.100.180", "192.168.200.180"
HOSTS, NETWORKS = {"centos01": 181, "centos02": 182}, {"hosts": "192.168.0", "eth1": "192.168.100", "eth2": "192.168.200"}

def said(text: str) -> Params:
    """Read `key=value key=value`."""
    return Params({key: told for key, _, told in (word.partition("=") for word in text.split())})

def runs(id: str, agent: str, serves: str, *ops: hs.Op, params: str = "", meta: str = "") -> hs.PacemakerResource:
    """Say a primitive that serves a part of the storage."""
    return hs.PacemakerResource(id, f"ocf:{agent}", said(params), ops, said(meta), serves)

drbd = hs.DrbdResource(
    "vg1", (hs.DrbdVolume(0, "/dev/drbd0", "/dev/sdb"),), tuple(hs.DrbdHost(node, f"192.168.100.{n}:7788") for node, n in HOSTS.items()),
    net=said("timeout=60 ping-timeout=30 ping-int=30 cram-hmac-alg=sha1 max-epoch-size=8192 max-buffers=8912 "
             "after-sb-0pri=discard-zero-changes after-sb-1pri=discard-secondary after-sb-2pri=disconnect"),
    disk=said("on-io-error=detach fencing=resource-and-stonith"), options=said("on-no-data-accessible=io-error"), syncer=said("rate=40M"),
    handlers=said("fence-peer=/usr/lib/drbd/crm-fence-peer.sh after-resync-target=/usr/lib/drbd/crm-unfence-peer.sh outdate-peer=/usr/lib/heartbeat/drbd-peer-outdater"),
    startup=said("wfc-timeout=30 degr-wfc-timeout=20 outdated-wfc-timeout=10"), secret=hs.Secret.literal("secret"))
slow, soon, deep = hs.Op("monitor", "10s", "120s"), hs.Op("monitor", "10s", "10s"), hs.Op("monitor", "10s", "10s", attributes=said("depth=0"))
service = (
    runs("p_lvm_vg1", "heartbeat:LVM", "vg:vg1", hs.Op("monitor", "60", "30"), hs.Op("start", timeout="30"), hs.Op("stop", timeout="30"),
         meta="target-role=Started"),
    runs("p_target_vg1", "scst:SCSTTarget", f"target:{IQN}", slow, params="wait_timeout=60", meta="target-role=Started"),
    runs("p_lu_vg1_lun1", "scst:SCSTLun", f"lun:{IQN}/0", slow, params="wait_timeout=60"),
    *(runs(id, "heartbeat:IPaddr2", f"vip:{ip}", hs.Op("monitor", "10s")) for id, ip in (("p_ip_vg1", IP_1), ("p_ip_vg1_2", IP_2))),
    *(runs(f"p_portblock_{name}{end}", "heartbeat:portblock", f"vip:{ip}", op, params=f"action={action}")
      for name, ip in (("vg1", IP_1), ("vg1_2", IP_2)) for end, op, action in (("", deep, "block"), ("_unblock", soon, "unblock"))),
    hs.PacemakerResource("p_email_admin", "ocf:heartbeat:MailTo", Params(email="storage-admins@example.com", subject="Cluster Failover")))
times = said("start=240 promote=90 demote=90 notify=90 stop=100")
replica = runs("p_drbd_vg1", "linbit:drbd", "drbd:vg1", *(hs.Op(name, timeout=times[name]) for name in times),
               hs.Op("monitor", "30", "20", "Unpromoted"), hs.Op("monitor", "10", "20", "Promoted"))
corosync = hs.Corosync(
    said("version=2 token=3000 token_retransmits_before_loss_const=10 join=60 consensus=3600 vsftype=none max_messages=20 send_join=45 "
         "clear_node_high_bit=yes secauth=off threads=0 rrp_mode=active transport=udpu"), service=said("ver=1 name=pacemaker"),
    rings=tuple(hs.CorosyncRing(n, f"{net}.0", 5404 + n, (f"{net}.181", f"{net}.182")) for n, net in enumerate(("192.168.100", "192.168.200"))),
    logging=said("fileline=off to_stderr=yes to_logfile=no to_syslog=yes syslog_facility=daemon debug=off timestamp=on"),
    other=(("logging.logger_subsys", said("subsys=QUORUM debug=off tags=enter|leave|trace1|trace2|trace3|trace4|trace6")),
           ("amf", said("mode=disabled")), ("aisexec", said("user=root group=root"))))
stack = hs.StorageStack(
    nodes=tuple(hs.StorageNode(node, Params({nic: f"{net}.{n}" for nic, net in NETWORKS.items()})) for node, n in HOSTS.items()), drbd=(drbd,),
    volume_groups=(hs.VolumeGroup("vg1", ("/dev/drbd0",), (hs.LogicalVolume("lun1"),)),), vips=(hs.Vip(IP_1, nic="eth1"), hs.Vip(IP_2, nic="eth2")),
    devices=(hs.ScstDevice("VDISK-LUN01", "/dev/vg1/lun1", attributes=said("nv_cache=1 write_through=0 thin_provisioned=0 threads_num=4")),),
    targets=(hs.Target(IQN, (hs.Lun(0, "VDISK-LUN01"),), (IP_1, IP_2), parameters=said("DefaultTime2Retain=60 DefaultTime2Wait=5")),),
    clients=tuple(hs.Initiator(host, logins=(hs.Login(IQN, (IP_1, IP_2)),)) for host in ("drbd01", "drbd02")),
    corosync=corosync, lvm=hs.LvmSettings(("a|/dev/sda*|", "a|/dev/drbd*|", "r|.*|"), None, False, None, ("vg_centos", "vg1", "vg2")),
    pacemaker=hs.Cib(
        nodes=(hs.ClusterNode("centos01"), hs.ClusterNode("centos02", attributes=said("standby=off"))), resources=(*service, replica),
        groups=(hs.Group("g_vg1", tuple(resource.id for resource in service)),), properties=said("stonith-enabled=false no-quorum-policy=ignore"),
        clones=(hs.Clone("ms_drbd_vg1", "p_drbd_vg1", promotable=True, form="master", meta=said("master-max=1 master-node-max=1 clone-max=2 "
                "clone-node-max=1 resource-stickiness=100 interleave=true notify=true target-role=Started")),),
        constraints=(hs.Colocation("c_vg1_on_drbd", "g_vg1", "ms_drbd_vg1", with_role="Promoted"),
                     hs.Order("o_drbd_before_vg1", "ms_drbd_vg1", "g_vg1", "promote", "start", score="INFINITY"),
                     hs.Order("o_lun_before_ip", "p_lu_vg1_lun1", "p_ip_vg1", score="INFINITY"), hs.Order("o_lvm_before_lun", "p_lvm_vg1", "p_lu_vg1_lun1", score="INFINITY"))))
