"""Agents of resource-agents (`ocf:heartbeat:...`) that serve addresses and volume groups.

Parameters as the agents' metadata name them (`crm ra info ocf:heartbeat:IPaddr2` and so on).
"""

from __future__ import annotations

from hastore.model.names import ISCSI_PORT
from hastore.model.values import Params
from hastore.planning.agents.table import AgentTable

ADDRESS = AgentTable(
    agent="ocf:heartbeat:IPaddr2",
    kind="vip",
    parameters=Params({"ip": "ip", "cidr_netmask": "prefix", "nic": "nic"}),
)

PORT_BLOCK = AgentTable(
    agent="ocf:heartbeat:portblock",
    kind="vip",
    parameters=Params({"ip": "ip"}),
    always=Params(portno=str(ISCSI_PORT), protocol="tcp"),
)

LVM = AgentTable(agent="ocf:heartbeat:LVM", kind="vg", parameters=Params({"volgrpname": "name"}))

LVM_ACTIVATE = AgentTable(
    agent="ocf:heartbeat:LVM-activate",
    kind="vg",
    parameters=Params({"vgname": "name"}),
    always=Params(vg_access_mode="system_id"),
)

TABLES = (ADDRESS, PORT_BLOCK, LVM, LVM_ACTIVATE)
