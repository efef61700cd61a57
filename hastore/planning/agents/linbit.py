"""DRBD's own agent (`ocf:linbit:drbd` of drbd-utils)."""

from __future__ import annotations

from hastore.model.values import Params
from hastore.planning.agents.table import AgentTable

TABLES = (AgentTable(agent="ocf:linbit:drbd", kind="drbd", parameters=Params({"drbd_resource": "name"})),)
