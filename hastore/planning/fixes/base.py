"""What a fix is: a change of the stack, with what it mends, why, and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

import attrs

from hastore.model.pacemaker import Cib, PacemakerResource
from hastore.model.stack import StorageStack
from hastore.model.values import field, value

Change = Callable[[StorageStack], StorageStack]


class Risk(Enum):
    """What applying a fix to a running cluster costs."""

    HARMLESS_IN_FILE = "harmless in a file"
    """Nothing that runs notices."""
    RESTARTS_SERVICE = "restarts the service"
    """Resources or daemons stop and start; clients stall for the length of a switchover."""
    CHANGES_WHAT_CLIENTS_SEE = "changes what clients see"
    """Clients meet another behaviour or another device than before."""


@value
class Fix:
    """One mend, to be applied or left: `apply` returns the stack with it, and changes nothing on any host."""

    code: str
    """Stable name in kebab case."""
    title: str
    """What it does, in the imperative."""
    why: str
    risk: Risk
    mends: tuple[str, ...]
    """Codes of the findings that are gone afterwards."""
    change: Change = field(repr=False, eq=False)
    changes: tuple[str, ...] = ()
    """What becomes different in this stack, a line each, for people."""

    def apply(self, stack: StorageStack) -> StorageStack:
        """Return the stack with this fix; applied again it changes nothing."""
        return self.change(stack)


def with_cib(stack: StorageStack, edit: Callable[[Cib], Cib]) -> StorageStack:
    """Return the stack with its CIB edited; unchanged where Pacemaker is not part of it."""
    return attrs.evolve(stack, pacemaker=edit(stack.pacemaker)) if stack.pacemaker else stack


def with_resources(stack: StorageStack, edit: Callable[[PacemakerResource], PacemakerResource]) -> StorageStack:
    """Return the stack with every primitive edited."""
    return with_cib(stack, lambda cib: attrs.evolve(cib, resources=tuple(edit(r) for r in cib.resources)))
