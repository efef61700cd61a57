"""Conversations with a host: generators that ask in batches, so that many can share a round trip."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from hastore.hosts.host import Host
from hastore.hosts.operations import Operation, Outcome

K = TypeVar("K")
T = TypeVar("T")

Exchange: TypeAlias = Generator[tuple[Operation, ...], tuple[Outcome, ...], T]
"""Yields a batch, is sent its outcomes, yields the next or returns what it learnt."""


def gather(exchanges: Mapping[K, Exchange[Any]], host: Host) -> dict[K, Any]:
    """Hold several exchanges at once, their batches merged into one round trip a round.

    Operations that are equal are performed once and their outcome handed to all who asked.
    """
    results: dict[K, Any] = {}
    waiting: dict[K, tuple[Exchange[Any], tuple[Operation, ...]]] = {}

    def advance(name: K, exchange: Exchange[Any], answer: tuple[Outcome, ...] | None) -> None:
        try:
            wanted = exchange.send(answer) if answer is not None else next(exchange)
        except StopIteration as stop:
            results[name] = stop.value
        else:
            waiting[name] = (exchange, wanted)

    for name, exchange in exchanges.items():
        advance(name, exchange, None)
    while waiting:
        asked, waiting = waiting, {}
        batch = _without_repeats([operation for _, wanted in asked.values() for operation in wanted])
        answers = dict(zip(batch, host.perform(batch), strict=True)) if batch else {}
        for name, (exchange, wanted) in asked.items():
            advance(name, exchange, tuple(answers[operation] for operation in wanted))
    return {name: results[name] for name in exchanges}


def _without_repeats(operations: Sequence[Operation]) -> list[Operation]:
    return list(dict.fromkeys(operations))
