"""What drivers share in looking: turning outcomes into values, absent or unknown, and saying why."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from hastore.drivers.base import explain
from hastore.hosts.operations import Outcome
from hastore.model.errors import ParseError, UnsupportedStep
from hastore.model.state import Unknown
from hastore.planning.steps import Step

T = TypeVar("T")


def understood(outcome: Outcome, parse: Callable[[str], T]) -> T | Unknown:
    """Return what the answer means; Unknown with the reason where there is none or it can't be read."""
    if not outcome.done:
        return Unknown(explain(outcome))
    try:
        return parse(outcome.text)
    except ParseError as error:
        return Unknown(f"{outcome.operation}: {error}")


def missing(outcome: Outcome) -> bool:
    """Tell whether the file or program is known not to be there."""
    return outcome.error == "ENOENT"


def unsupported(driver: str, step: Step, why: str = "") -> UnsupportedStep:
    """Return the error for a step that a driver has no commands for, or must not do in this form."""
    return UnsupportedStep(f"{driver} cannot do this: {step.title}" + (f" ({why})" if why else ""))


def shown(text: str, limit: int = 200) -> str:
    """Return a tool's answer on one line for a reason."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[:limit] + " ..."
