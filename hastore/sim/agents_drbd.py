"""`ocf:linbit:drbd` and the fence-peer handlers that come with DRBD (crm-fence-peer.sh, crm-unfence-peer.sh)."""

from __future__ import annotations

from hastore.sim.agents import Agent
from hastore.sim.cib_history import NOT_RUNNING, OK, RUNNING_PROMOTED
from hastore.sim.drbd import Drbd, DrbdRefusal
from hastore.sim.executor import AGAIN, Stage

HANDLER = 7.0
"""Seconds of a promotion whose peer is away: the fence-peer script takes its time (recorded: 4 to 9 s)."""
SCORES = {"consistent": "5", "peer": "10", "alone": "1000", "connected": "10000"}
"""`adjust_master_score`, its default: own data consistent; only the peer's up to date; own up to date; all known."""


class DrbdAgent(Agent):
    """One resource: its role as Pacemaker's, and a promotion score by what it knows of its data."""

    @property
    def resource(self) -> str:
        """The resource's name."""
        return self.params.get("drbd_resource", "")

    @property
    def drbd(self) -> Drbd:
        """The node's DRBD."""
        return self.node.subsystem(Drbd)

    @property
    def is_up(self) -> bool:
        """Tell whether the resource is up here."""
        return self.drbd.role(self.resource) != "Unconfigured"

    def monitor(self) -> list[Stage]:
        """Look at the role; set the promotion score."""
        return [Stage(0.5, self._look)]

    def start(self) -> list[Stage]:
        """Bring it up and give the connection a moment (recorded: 3 to 11 s)."""
        return [Stage(2.0, self._up), Stage(1.0, self._nothing), Stage(0.5, self._rate)]

    def stop(self) -> list[Stage]:
        """Bring it down, again and again."""
        return [Stage(2.5, self._down), Stage(1.0, self._forget)]

    def promote(self) -> list[Stage]:
        """Make it primary, again and again."""
        alone = self.is_up and self.drbd.cstate(self.resource) != "Connected"
        return [Stage(HANDLER if alone else 2.5, self._promote), Stage(0.3, self._rate)]

    def demote(self) -> list[Stage]:
        """Make it secondary, again and again."""
        return [Stage(2.7, self._demote), Stage(0.3, self._rate)]

    def notify(self) -> list[Stage]:
        """Rate itself anew after the others did something."""
        return [Stage(2.0, self._rate if self.notice.startswith("post-") else self._nothing)]

    def _look(self) -> int:
        if not self.is_up:
            self._forget()
            return NOT_RUNNING
        self._rate()
        return RUNNING_PROMOTED if self.drbd.role(self.resource) == "Primary" else OK

    def _up(self) -> int | None:
        try:
            if not self.is_up:
                self.drbd.up(self.resource)
        except DrbdRefusal as refusal:
            return self.fail(str(refusal).strip())
        return None

    def _down(self) -> int | None:
        try:
            if self.is_up:
                self.drbd.down(self.resource)
        except DrbdRefusal as refusal:
            self.log(refusal.text.splitlines()[0])
            return AGAIN
        return None

    def _promote(self) -> int | None:
        try:
            self.drbd.promote(self.resource)
        except DrbdRefusal as refusal:
            self.log(refusal.text.splitlines()[0])
            return AGAIN
        return None

    def _demote(self) -> int | None:
        try:
            self.drbd.demote(self.resource)
        except DrbdRefusal as refusal:
            self.log(refusal.text.splitlines()[0])
            return AGAIN
        return None

    def _nothing(self) -> None:
        return

    def _rate(self) -> None:
        self.pacemaker.set_attribute(f"master-{self.primitive.id}", self._score())

    def _forget(self) -> None:
        self.pacemaker.set_attribute(f"master-{self.primitive.id}", None)

    def _score(self) -> str | None:
        """Return the score by what is known of the data (recorded: 10, 1000, 10000; none where it is outdated)."""
        if not self.is_up:
            return None
        connected = self.drbd.cstate(self.resource) not in {"StandAlone", "WFConnection", "Connecting", "Disconnecting"}
        primary = self.drbd.role(self.resource) == "Primary"
        local, remote = self.drbd.dstates(self.resource)
        return self._score_of(local, remote, known=connected or primary)

    def _score_of(self, local: str, remote: str, *, known: bool) -> str | None:
        if local == "UpToDate":
            return SCORES["connected"] if known else SCORES["alone"]
        if local == "Consistent":
            return SCORES["consistent"]
        return SCORES["peer"] if remote == "UpToDate" else None
