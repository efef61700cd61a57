"""Words that the dialects of Pacemaker's configuration share: roles, scores, usual ids."""

from __future__ import annotations

import re
from typing import Final

from hastore.model.cib_edits import safe_id
from hastore.model.pacemaker import INFINITY, Role

PROPERTY_SET: Final = "cib-bootstrap-options"
"""Id of the property set that Pacemaker itself writes to, and reads first."""
RESOURCE_DEFAULTS_SET: Final = "rsc-options"
OPERATION_DEFAULTS_SET: Final = "op-options"

ROLES: Final[dict[str, Role]] = {
    "": "",
    "Started": "Started",
    "Stopped": "Stopped",
    "Promoted": "Promoted",
    "Unpromoted": "Unpromoted",
    "Master": "Promoted",
    "Slave": "Unpromoted",
}
"""Roles as any dialect writes them -> Pacemaker's words since schema 3.7 (constraints-3.7.rng)."""

_OLD_ROLES: Final = {"Promoted": "Master", "Unpromoted": "Slave"}
_SCHEMA: Final = re.compile(r"^pacemaker-(\d+)\.(\d+)$")
_INFINITIES: Final = {"inf", "infinity"}


def has_new_roles(schema: str) -> bool:
    """Tell whether a schema knows Promoted and Unpromoted: pacemaker-3.7 and later, and one not named."""
    named = _SCHEMA.match(schema)
    return named is None or (int(named[1]), int(named[2])) >= (3, 7)


def role_word(role: Role, *, new: bool) -> str:
    """Return the word for a role, in the new language or the old (Master, Slave)."""
    return role if new else _OLD_ROLES.get(role, role)


def normal_score(text: str) -> str:
    """Return a score in Pacemaker's words: `+inf`, `inf`, `+INFINITY` -> INFINITY, `-inf` -> -INFINITY."""
    bare = text.lstrip("+-")
    if bare.lower() in _INFINITIES and len(text) - len(bare) <= 1:
        return f"-{INFINITY}" if text.startswith("-") else INFINITY
    return text


def set_id(owner: str, kind: str) -> str:
    """Return the usual id of an nvset: `<owner>-instance_attributes`."""
    return f"{owner}-{kind}"


def pair_id(owner: str, name: str) -> str:
    """Return the usual id of an nvpair in the nvset `owner`."""
    return safe_id(f"{owner}-{name}")
