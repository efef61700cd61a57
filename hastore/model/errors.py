"""Everything hastore raises: expected trouble is a Finding, an exception means "stopped".

::

    HastoreError
    ├── SpecError               the stack says something that cannot be
    ├── ParseError              a text is not what its format allows (line, column, expected)
    ├── SecretError             a secret's source gave nothing
    ├── HostError               an operation did not reach or did not work on a host
    │   ├── ConnectError        the host cannot be reached; nothing was run
    │   ├── CommandNotFound
    │   ├── CommandFailed
    │   ├── CommandTimeout
    │   ├── ObserveOnly         the host was opened for looking, and a change was asked for
    │   └── NotSimulated        the simulator does not know this command or file
    ├── DriverError
    │   ├── NoDriver            no driver suits this host
    │   ├── DriverMismatch      the chosen driver cannot work here, and why
    │   └── UnsupportedStep     the driver has no commands for this step
    ├── PlanError
    │   ├── StalePlan           the world changed since the plan was made: plan again
    │   └── Refused             a blocking finding stands
    └── ApplyError
        ├── StepFailed          a step was refused by the host; what ran before it stands
        └── OutcomeUnknown      nobody can say whether the step happened: observe, never retry blindly
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hastore.model.findings import Finding


class HastoreError(Exception):
    """The root of everything hastore raises."""


class SpecError(HastoreError):
    """The stack says something that cannot be."""


class ParseError(HastoreError):
    """A text is not what its format allows.

    `source` names the text (a file name or format), `line` and `column` count from 1, `expected` says
    what should have stood there.
    """

    def __init__(self, expected: str, *, line: int, column: int = 1, source: str = "", found: str = "") -> None:
        self.expected = expected
        self.line = line
        self.column = column
        self.source = source
        self.found = found
        where = f"{source or 'text'}:{line}:{column}"
        super().__init__(f"{where}: expected {expected}" + (f", found {found!r}" if found else ""))


class SecretError(HastoreError):
    """A secret's source gave nothing; the message names the source, never its content."""


class HostError(HastoreError):
    """An operation did not reach or did not work on a host."""

    def __init__(self, message: str, *, host: str = "") -> None:
        self.host = host
        super().__init__(f"{host}: {message}" if host else message)


class ConnectError(HostError):
    """The host cannot be reached; nothing was run."""


class CommandNotFound(HostError):
    """The program is not installed there."""


class CommandFailed(HostError):
    """The program ran and said no."""


class CommandTimeout(HostError):
    """The program did not end in time."""


class ObserveOnly(HostError):
    """The host was opened for looking only, and a change was asked for."""


class NotSimulated(HostError):
    """The simulator does not know this command or file, and says so instead of guessing."""


class DriverError(HastoreError):
    """No driver can do what is asked."""


class NoDriver(DriverError):
    """No driver suits this host for this subsystem."""


class DriverMismatch(DriverError):
    """The driver that was chosen cannot work on this host; the message says why."""


class UnsupportedStep(DriverError):
    """The driver has no commands for this step."""


class PlanError(HastoreError):
    """The plan cannot be applied."""


class StalePlan(PlanError):
    """The world changed since the plan was made; plan again."""


class Refused(PlanError):
    """A blocking finding stands; `findings` holds those that block."""

    def __init__(self, message: str, findings: Sequence[Finding] = ()) -> None:
        self.findings = tuple(findings)
        super().__init__(message)


class ApplyError(HastoreError):
    """Applying stopped."""


class StepFailed(ApplyError):
    """A step was refused by the host; what ran before it stands."""


class OutcomeUnknown(ApplyError):
    """Nobody can say whether the step happened: observe again, never retry blindly."""
