"""The one door: every way of reaching a host is a `Host`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeAlias

from hastore.hosts.operations import Operation, Outcome, Run

OnOutcome: TypeAlias = Callable[[int, Outcome], None]
"""Called as each outcome arrives, with its place in the batch."""


class Host(Protocol):
    """A machine that performs batches of operations, local, behind SSH or simulated.

    A host says nothing of storage: which commands suit it is the drivers' business.
    """

    @property
    def name(self) -> str:
        """The node's name, as its cluster knows it (`uname -n`)."""
        ...

    def perform(self, batch: Sequence[Operation], /, *, on_outcome: OnOutcome | None = None) -> tuple[Outcome, ...]:
        """Perform the operations in order, in one round trip, and return one outcome for each.

        Reads go on after a failure. The first change that fails stops the changes after it (and
        Expect, Await, Bracket); they come back as NOT_RUN. If the link breaks, what may have run
        comes back as UNKNOWN. Raises ConnectError where nothing was run at all.
        """
        ...

    def stream(self, operation: Run, /) -> Iterator[bytes]:
        """Yield lines of the program's standard output as they come, until the caller closes the iterator."""
        ...

    def hold(self, name: str, /) -> AbstractContextManager[None]:
        """Hold an advisory lock of this name on the host; it is gone with the connection.

        Raises HostError where another holds it, naming the holder.
        """
        ...
