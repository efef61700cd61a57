"""The agents of scst-ocf 1.3 (`ocf:scst:SCSTTarget`, `ocf:scst:SCSTLun`), as their metadata names the parameters.

Both need `iscsi_enable=true`: without it their probe always says running (facts of the recorded
scst-ocf 1.3 cluster). `additional_parameters` of SCSTLun are the device's attributes, those of
SCSTTarget the iSCSI parameters, as `key=value` separated by blanks.
"""

from __future__ import annotations

from hastore.model.values import Params
from hastore.planning.agents.table import AgentTable

TARGET = AgentTable(
    agent="ocf:scst:SCSTTarget",
    kind="target",
    parameters=Params({"iqn": "iqn", "portals": "portals", "additional_parameters": "parameters"}),
    always=Params(iscsi_enable="true"),
)

LUN = AgentTable(
    agent="ocf:scst:SCSTLun",
    kind="lun",
    parameters=Params(
        {
            "target_iqn": "iqn",
            "iscsi_lun": "number",
            "path": "path",
            "handler": "handler",
            "device_name": "device",
            "additional_parameters": "attributes",
        }
    ),
    always=Params(iscsi_enable="true"),
)

TABLES = (TARGET, LUN)
