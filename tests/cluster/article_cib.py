"""A CIB like the article's, mended by hand: what a real cluster is asked to run, written without hastore."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

IQN = "iqn.2016-02.local.virtual:virtual.vg1"
VIPS = {"p_ip_vg1": ("192.168.100.180", "eth1"), "p_ip_vg1_2": ("192.168.200.180", "eth2")}
GROUP = {
    "p_portblock_vg1": (
        "heartbeat:portblock",
        {"ip": "192.168.100.180", "portno": "3260", "protocol": "tcp", "action": "block"},
    ),
    "p_portblock_vg1_2": (
        "heartbeat:portblock",
        {"ip": "192.168.200.180", "portno": "3260", "protocol": "tcp", "action": "block"},
    ),
    "p_lvm_vg1": ("heartbeat:LVM-activate", {"vgname": "vg1", "vg_access_mode": "system_id"}),
    "p_ip_vg1": ("heartbeat:IPaddr2", {"ip": "192.168.100.180", "cidr_netmask": "24", "nic": "eth1"}),
    "p_ip_vg1_2": ("heartbeat:IPaddr2", {"ip": "192.168.200.180", "cidr_netmask": "24", "nic": "eth2"}),
    "p_target_vg1": (
        "scst:SCSTTarget",
        {"iqn": IQN, "iscsi_enable": "true", "portals": "192.168.100.180 192.168.200.180"},
    ),
    "p_lu_vg1_lun1": (
        "scst:SCSTLun",
        {
            "target_iqn": IQN,
            "iscsi_lun": "0",
            "path": "/dev/vg1/lun1",
            "handler": "vdisk_fileio",
            "device_name": "LUN01",
        },
    ),
    "p_portblock_vg1_unblock": (
        "heartbeat:portblock",
        {"ip": "192.168.100.180", "portno": "3260", "protocol": "tcp", "action": "unblock"},
    ),
    "p_portblock_vg1_2_unblock": (
        "heartbeat:portblock",
        {"ip": "192.168.200.180", "portno": "3260", "protocol": "tcp", "action": "unblock"},
    ),
}
"""The group in its order: block the ports, volume group, addresses, target, LUN, open the ports."""


def article_cib(*, stickiness: str = "", clone_stickiness: str = "100", epoch: int = 100) -> str:
    """Return the whole CIB; `stickiness` goes to rsc_defaults, `clone_stickiness` to the clone, empty for neither."""
    members = "".join(_primitive(name, agent, params) for name, (agent, params) in GROUP.items())
    clone_meta = {
        "promotable": "true",
        "promoted-max": "1",
        "promoted-node-max": "1",
        "clone-max": "2",
        "clone-node-max": "1",
        "interleave": "true",
        "notify": "true",
    } | ({"resource-stickiness": clone_stickiness} if clone_stickiness else {})
    defaults = _nvset("meta_attributes", "rsc-options", {"resource-stickiness": stickiness}) if stickiness else ""
    properties = {"stonith-enabled": "true", "no-quorum-policy": "ignore", "dc-deadtime": "300ms"}
    return (
        f'<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" admin_epoch="0" epoch="{epoch}" num_updates="0">'
        f"<configuration><crm_config>{_nvset('cluster_property_set', 'cib-bootstrap-options', properties)}</crm_config>"
        f'<nodes/><resources><clone id="ms_drbd_vg1">{_nvset("meta_attributes", "ms_drbd_vg1-meta_attributes", clone_meta)}'
        f'{_drbd()}</clone><group id="g_vg1">{members}</group>{_fencing()}</resources><constraints>'
        '<rsc_colocation id="c_vg1_on_drbd" score="INFINITY" rsc="g_vg1" with-rsc="ms_drbd_vg1" with-rsc-role="Promoted"/>'
        '<rsc_order id="o_drbd_before_vg1" kind="Mandatory" first="ms_drbd_vg1" first-action="promote" then="g_vg1" then-action="start"/>'
        f"</constraints><rsc_defaults>{defaults}</rsc_defaults></configuration><status/></cib>"
    )


def _primitive(name: str, agent: str, params: dict[str, str]) -> str:
    provider, _, kind = agent.partition(":")
    return (
        f'<primitive id="{name}" class="ocf" provider="{provider}" type="{kind}">'
        f"{_nvset('instance_attributes', f'{name}-instance_attributes', params)}"
        f'<operations><op id="{name}-monitor-10s" name="monitor" interval="10s" timeout="30s"/>'
        f'<op id="{name}-stop-0" name="stop" interval="0" timeout="120s"/></operations></primitive>'
    )


def _drbd() -> str:
    monitors = "".join(
        f'<op id="p_drbd_vg1-monitor-{role}" name="monitor" interval="{interval}" timeout="20s" role="{role}"/>'
        for role, interval in (("Promoted", "10s"), ("Unpromoted", "30s"))
    )
    params = _nvset("instance_attributes", "p_drbd_vg1-instance_attributes", {"drbd_resource": "vg1"})
    return f'<primitive id="p_drbd_vg1" class="ocf" provider="linbit" type="drbd">{params}<operations>{monitors}</operations></primitive>'


def _fencing() -> str:
    params = _nvset("instance_attributes", "f_switch-instance_attributes", {"pcmk_host_list": "centos01 centos02"})
    return f'<primitive id="f_switch" class="stonith" type="fence_switch">{params}</primitive>'


def _nvset(tag: str, name: str, pairs: dict[str, str]) -> str:
    nvpairs = "".join(
        f"<nvpair id={quoteattr(f'{name}-{key}')} name={quoteattr(key)} value={quoteattr(text)}/>"
        for key, text in pairs.items()
    )
    return f"<{tag} id={quoteattr(name)}>{nvpairs}</{tag}>"
