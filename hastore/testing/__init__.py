"""Public: the contract suite for drivers and the hypothesis strategies, for tests of your own.

Needs the extra `testing` (hypothesis, pytest); nothing of it is loaded before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hastore.testing.contract import DriverContract
    from hastore.testing.strategies_cib import cibs
    from hastore.testing.strategies_cib import edits as cib_edits
    from hastore.testing.strategies_stack import stacks
    from hastore.testing.workbench import Bench, Workbench

__all__ = ["Bench", "DriverContract", "Workbench", "cib_edits", "cibs", "stacks"]

_HOME = {
    "Bench": ("workbench", "Bench"),
    "DriverContract": ("contract", "DriverContract"),
    "Workbench": ("workbench", "Workbench"),
    "cib_edits": ("strategies_cib", "edits"),
    "cibs": ("strategies_cib", "cibs"),
    "stacks": ("strategies_stack", "stacks"),
}


def __getattr__(name: str) -> Any:
    """Load a public name at its first use."""
    if name not in _HOME:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    module, attribute = _HOME[name]
    return getattr(import_module(f"{__name__}.{module}"), attribute)
