"""One table for each family of resource agents, read both ways.

`write` tells an agent what a storage object is; `read` tells what object an agent was told of. Which
parameter holds which fact stands once, in the family's table.
"""

from __future__ import annotations

from typing import Final

from hastore.model.errors import SpecError
from hastore.model.pacemaker import PacemakerResource
from hastore.model.stack import StorageStack
from hastore.model.values import Params, field, value
from hastore.planning.agents import heartbeat, linbit, scst_ocf
from hastore.planning.agents.facts import Facts, add_object, facts_of, reference_of
from hastore.planning.agents.table import AgentTable, Kind

__all__ = ["TABLES", "AgentTable", "Reading", "add_object", "facts_of", "read", "table_of", "write"]

TABLES: Final = {table.agent: table for family in (scst_ocf, heartbeat, linbit) for table in family.TABLES}
"""Every table by its agent's name."""


@value
class Reading:
    """What a resource says of a storage object."""

    reference: str
    kind: Kind
    facts: Facts = field(hash=False)


def table_of(agent: str) -> AgentTable | None:
    """Return the agent's table, or None where hastore has none."""
    return TABLES.get(agent)


def write(agent: str, reference: str, stack: StorageStack) -> Params:
    """Return the parameters by which an agent serves an object, such as `vip:192.168.100.180`.

    Raises SpecError for an agent without a table, one of another kind, or an object the stack lacks.
    """
    table = table_of(agent)
    if table is None:
        msg = f"{agent} cannot serve {reference!r}: hastore knows {', '.join(TABLES)}; give its params instead"
        raise SpecError(msg)
    if table.kind != reference.partition(":")[0]:
        msg = f"{agent} serves a {table.kind}, not {reference!r}"
        raise SpecError(msg)
    return table.write(facts_of(reference, stack))


def read(resource: PacemakerResource) -> Reading | None:
    """Return what a resource says of a storage object; None where its agent has no table.

    Raises SpecError where the resource does not name the object.
    """
    table = table_of(resource.agent)
    if table is None:
        return None
    facts = table.read(resource.params)
    return Reading(reference_of(table.kind, facts), table.kind, facts)
