"""What a table of agents is made of: which parameter holds which fact, and which are always the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from hastore.model.values import NO_PARAMS, Params, as_params, field, value

Kind = Literal["target", "lun", "vg", "drbd", "vip"]
"""Kinds of storage objects that an agent can serve; the word before the colon of `serves`."""


@value
class AgentTable:
    """One agent: what kind of object it serves, and which of its parameters holds which fact of it.

    `parameters` maps the agent's parameter to the fact's name (`hastore.planning.agents.facts`), in the
    order in which they are written. `always` holds what the agent needs whatever the object; it comes first.
    """

    agent: str
    kind: Kind
    parameters: Params = field(converter=as_params)
    always: Params = field(default=NO_PARAMS, converter=as_params)

    def write(self, facts: Mapping[str, str]) -> Params:
        """Return the parameters that say these facts; a fact without text is left out."""
        said = [(name, facts[fact]) for name, fact in self.parameters.items() if facts.get(fact)]
        return Params([*self.always.items(), *said])

    def read(self, params: Mapping[str, str]) -> dict[str, str]:
        """Return the facts that these parameters say; a parameter that is not there says nothing."""
        return {fact: params[name] for name, fact in self.parameters.items() if name in params}
