"""What the stub agents say of themselves: names of parameters, as the real agents' meta-data lists them."""

from xml.sax.saxutils import quoteattr

PARAMETERS = {
    "heartbeat:LVM": ("volgrpname", "exclusive", "tag", "partial_activation"),
    "heartbeat:LVM-activate": ("vgname", "lvname", "vg_access_mode", "activation_mode", "tag", "partial_activation"),
    "heartbeat:MailTo": ("email", "subject"),
    "heartbeat:portblock": (
        "protocol",
        "portno",
        "action",
        "ip",
        "tickle_dir",
        "sync_script",
        "reset_local_on_unblock_stop",
        "direction",
    ),
    "linbit:drbd": ("drbd_resource", "drbdconf", "adjust_master_score"),
    "scst:SCSTLun": (
        "target_iqn",
        "iscsi_enable",
        "iscsi_lun",
        "path",
        "handler",
        "device_name",
        "additional_parameters",
        "scsi_id",
        "scsi_sn",
        "wait_timeout",
    ),
    "scst:SCSTTarget": (
        "iqn",
        "iscsi_enable",
        "portals",
        "allowed_initiators",
        "incoming_username",
        "incoming_password",
        "additional_parameters",
        "wait_timeout",
    ),
}
ACTIONS = ("start", "stop", "monitor", "meta-data", "validate-all")
PROMOTABLE_ACTIONS = (*ACTIONS, "promote", "demote", "notify")


def meta_data(agent: str) -> str:
    """Return an agent's meta-data in the XML of the OCF resource agent API 1.0."""
    kind = quoteattr(agent.partition(":")[2])
    parameters = "".join(
        f'<parameter name={quoteattr(name)}><longdesc lang="en">{name}</longdesc>'
        f'<shortdesc lang="en">{name}</shortdesc><content type="string"/></parameter>\n'
        for name in PARAMETERS[agent]
    )
    names = PROMOTABLE_ACTIONS if agent == "linbit:drbd" else ACTIONS
    actions = "".join(f'<action name="{name}" timeout="20s"/>\n' for name in names)
    return (
        f'<?xml version="1.0"?>\n<resource-agent name={kind} version="1.0">\n<version>1.0</version>\n'
        f'<longdesc lang="en">Stub of {agent}</longdesc>\n<shortdesc lang="en">Stub of {agent}</shortdesc>\n'
        f"<parameters>\n{parameters}</parameters>\n<actions>\n{actions}</actions>\n</resource-agent>\n"
    )


META_DATA = {agent: meta_data(agent) for agent in PARAMETERS}
