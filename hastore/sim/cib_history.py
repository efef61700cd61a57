"""What a resource is on a node, as the results of its past actions tell it.

Rules of Pacemaker 2.1.5, held against `crm_simulate` (tests/sim/test_pacemaker_scheduler.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hastore.model.errors import NotSimulated
from hastore.sim.cluster_xml import Element

ACTIVE = {"Started", "Unpromoted", "Promoted"}
OK, NOT_RUNNING, RUNNING_PROMOTED, FAILED_PROMOTED = 0, 7, 8, 9
PENDING = 193
NOT_THERE = {2, 3, 5, 6}
"""Codes of a probe by which the resource can't run here: not installed, not configured ..."""


@dataclass
class Current:
    """What a resource is on one node, as far as its history tells."""

    role: str = "Stopped"
    failed: bool = False
    blocked: bool = False
    fence: bool = False
    known: bool = False
    """Somebody looked: there is a history."""
    digest: str = ""
    pending: str = ""
    last_failed: Element | None = None
    monitors: set[float] = field(default_factory=set)


def call_order(op: Element) -> int:
    """Return the place of an action among a resource's actions; one that has not ended comes last."""
    call = int(op.get("call-id", "0"))
    return call if call >= 0 else 1 << 30


def succeeded(name: str, interval: float, code: int) -> bool:
    """Tell whether an exit code means that all is well."""
    if name == "monitor":
        return code in {OK, RUNNING_PROMOTED} or (code == NOT_RUNNING and interval == 0)
    if name == "stop":
        return code in {OK, NOT_RUNNING}
    return code == OK


def read_history(
    history: list[Element], on_fail: Callable[[str, float], str], started: str, *, fencing: bool
) -> Current:
    """Return what a resource is, from its actions in order.

    `on_fail` tells what the configuration says about a failed action; `started` is the role of a started one.
    """
    return _Reader(on_fail, started, fencing=fencing).read(history)


class _Reader:
    def __init__(self, on_fail: Callable[[str, float], str], started: str, *, fencing: bool) -> None:
        self.on_fail = on_fail
        self.started = started
        self.fencing = fencing
        self.now = Current()

    def read(self, history: list[Element]) -> Current:
        self.now.known = bool(history)
        for op in history:
            code, name, interval = int(op.get("rc-code", "0")), op.get("operation", ""), _interval(op)
            if int(op.get("op-status", "0")) == -1 or code == PENDING:
                self._pending(name, alone=len(history) == 1 and interval == 0)
            elif name not in {"notify", "meta-data"}:
                (self._success if succeeded(name, interval, code) else self._failure)(op, name, code, interval)
        if self.now.role == "Stopped":
            self.now.monitors.clear()
        return self.now

    def _pending(self, name: str, *, alone: bool) -> None:
        self.now.pending = name
        if name == "monitor" and alone:
            self.now.known = False

    def _success(self, op: Element, name: str, code: int, interval: float) -> None:
        now = self.now
        if name == "monitor" and interval:
            now.monitors.add(interval)
        if name == "stop" or (name == "monitor" and code == NOT_RUNNING):
            now.role, now.failed, now.blocked, now.fence, now.last_failed = "Stopped", False, False, False, None
        elif name == "promote" or (name == "monitor" and code == RUNNING_PROMOTED):
            now.role, now.failed = "Promoted", False
        elif name in {"start", "demote"} or (name == "monitor" and now.role == "Stopped"):
            now.role, now.failed = self.started, False
        if name in {"start", "promote"}:
            now.digest = op.get("op-digest", "")

    def _failure(self, op: Element, name: str, code: int, interval: float) -> None:
        now = self.now
        reaction = self.on_fail(name, interval) or ("stop-failed" if name == "stop" else "restart")
        if reaction == "ignore":
            return
        now.failed, now.last_failed = True, op
        if interval:
            now.monitors.add(interval)
        if name == "monitor" and interval == 0 and code in NOT_THERE:
            now.role, now.failed = "Stopped", False
            return
        if code in {RUNNING_PROMOTED, FAILED_PROMOTED} and self.started == "Unpromoted":
            now.role = "Promoted"
        elif name in {"start", "demote"} or now.role == "Stopped":
            now.role = self.started
        self._react(reaction)

    def _react(self, reaction: str) -> None:
        if reaction == "stop-failed":
            self.now.fence, self.now.blocked = self.fencing, not self.fencing
        elif reaction == "fence":
            self.now.fence = True
        elif reaction == "block":
            self.now.blocked = True
        elif reaction not in {"restart", "stop"}:
            msg = f"on-fail={reaction}"
            raise NotSimulated(msg)


def _interval(op: Element) -> float:
    return int(op.get("interval", "0")) / 1000
