"""The article's resource agents as they really behave.

Times are recorded in an emulated machine (stack/journal-before-crash.*): their order and ratio count. What each
agent does wrong is in the table of docs/simulator-cluster.md, with its evidence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from hastore.model.errors import NotSimulated
from hastore.sim.cib_history import NOT_RUNNING, OK
from hastore.sim.cib_words import Primitive
from hastore.sim.executor import AGAIN, Stage
from hastore.sim.lvm import Lvm
from hastore.sim.lvm_volumes import LvmRefusal
from hastore.sim.network import Network

if TYPE_CHECKING:
    from hastore.sim.cluster import Pacemaker

ERROR, NOT_INSTALLED, NOT_CONFIGURED = 1, 5, 6


class Agent:
    """One call of an agent on a node: its action as stages, and what it says about a failure."""

    def __init__(self, pacemaker: Pacemaker, primitive: Primitive, kind: str, notice: str = "") -> None:
        self.pacemaker = pacemaker
        self.node = pacemaker.node
        self.primitive = primitive
        self.params = primitive.params
        self.kind = kind
        self.notice = notice
        self.reason = ""

    def stages(self, kind: str) -> list[Stage]:
        """Return the stages of an action; NotSimulated for one that the agent does not have."""
        named = {
            "probe": self.monitor,
            "monitor": self.monitor,
            "start": self.start,
            "stop": self.stop,
            "promote": self.promote,
            "demote": self.demote,
            "notify": self.notify,
        }
        return named[kind]()

    def monitor(self) -> list[Stage]:
        """Look."""
        raise self.unknown_action

    def start(self) -> list[Stage]:
        """Start."""
        raise self.unknown_action

    def stop(self) -> list[Stage]:
        """Stop."""
        raise self.unknown_action

    def promote(self) -> list[Stage]:
        """Promote."""
        raise self.unknown_action

    def demote(self) -> list[Stage]:
        """Demote."""
        raise self.unknown_action

    def notify(self) -> list[Stage]:
        """Take an announcement."""
        raise self.unknown_action

    @property
    def unknown_action(self) -> NotSimulated:
        """The error for an action that this agent does not have here."""
        return NotSimulated(f"action {self.kind} of {self.primitive.agent} ({self.primitive.id})", host=self.node.name)

    def fail(self, reason: str, code: int = ERROR) -> int:
        """Return a failure with its reason."""
        self.reason = reason
        return code

    def log(self, text: str) -> None:
        """Note something in the world's log."""
        self.node.world.log(self.node.name, f"{self.primitive.id}: {text}")

    @property
    def marked(self) -> bool:
        """The agent's state file below /run."""
        return self.primitive.id in self.pacemaker.pseudo

    def mark(self) -> None:
        """Write the state file."""
        self.pacemaker.pseudo.add(self.primitive.id)

    def unmark(self) -> None:
        """Remove the state file."""
        self.pacemaker.pseudo.discard(self.primitive.id)

    def marked_code(self) -> int:
        """Return what a monitor that looks at the state file alone says."""
        return OK if self.marked else NOT_RUNNING


class Stateless(Agent):
    """Agents that have only a state file: Dummy, MailTo, fencing devices."""

    pause: ClassVar[float] = 0.3

    def monitor(self) -> list[Stage]:
        """Look at the state file."""
        return [Stage(0.1, self.marked_code)]

    def start(self) -> list[Stage]:
        """Write the state file."""
        return [Stage(self.pause, self.mark)]

    def stop(self) -> list[Stage]:
        """Remove the state file."""
        return [Stage(self.pause, self.unmark)]


class MailTo(Stateless):
    """`ocf:heartbeat:MailTo`: a mail at each start and stop."""

    def mark(self) -> None:
        """Send the mail of a takeover."""
        super().mark()
        self.log(f"mail to {self.params.get('email', '')}: taking over")

    def unmark(self) -> None:
        """Send the mail of a release, where it was started."""
        if self.marked:
            self.log(f"mail to {self.params.get('email', '')}: releasing")
        super().unmark()


class IPaddr2(Agent):
    """`ocf:heartbeat:IPaddr2`: an address of an interface."""

    @property
    def network(self) -> Network:
        """The node's addresses."""
        return self.node.subsystem(Network)

    def monitor(self) -> list[Stage]:
        """Look for the address."""
        return [Stage(0.1, self._look)]

    def start(self) -> list[Stage]:
        """Add the address, then announce it (gratuitous ARP)."""
        return [Stage(2.5, self._add), Stage(1.0, self._look)]

    def stop(self) -> list[Stage]:
        """Remove the address."""
        return [Stage(2.5, self._remove), Stage(0.5, self._nothing)]

    def _look(self) -> int:
        return OK if self.network.has_address(self.params["ip"]) else NOT_RUNNING

    def _add(self) -> int | None:
        if not self.params.get("ip"):
            return self.fail("IP address (the ip parameter) is mandatory", NOT_CONFIGURED)
        if not self.network.has_address(self.params["ip"]):
            self.network.add_address(
                self.params["ip"], int(self.params.get("cidr_netmask", "24")), self.params.get("nic", "")
            )
        return None

    def _remove(self) -> None:
        self.network.remove_address(self.params["ip"])

    def _nothing(self) -> None:
        return


class Portblock(Agent):
    """`ocf:heartbeat:portblock`: starting `block` blocks and stopping it unblocks; `unblock` is the mirror.

    Its monitor looks at the state file, so `block` counts as running after `unblock` was started (documented).
    """

    def monitor(self) -> list[Stage]:
        """Look at the state file."""
        return [Stage(0.1, self.marked_code)]

    def start(self) -> list[Stage]:
        """Do what the action is called."""
        return [Stage(0.3, self._start)]

    def stop(self) -> list[Stage]:
        """Do the contrary."""
        return [Stage(0.3, self._stop)]

    def _start(self) -> None:
        self._set(blocked=self.params.get("action") == "block")
        self.mark()

    def _stop(self) -> None:
        if self.marked:
            self._set(blocked=self.params.get("action") != "block")
        self.unmark()

    def _set(self, *, blocked: bool) -> None:
        network = self.node.subsystem(Network)
        for port in self.params["portno"].split(","):
            change = network.block if blocked else network.unblock
            change(self.params["ip"], int(port))


class LvmAgent(Agent):
    """`ocf:heartbeat:LVM`: a volume group is activated and deactivated; `LVM-activate` builds on it."""

    attempts: int = 0
    volume: str = ""
    """The one volume that is meant; empty for all of the group."""

    @property
    def group(self) -> str:
        """The volume group's name, which the two agents call differently."""
        return self.params.get("vgname") or self.params.get("volgrpname", "")

    @property
    def lvm(self) -> Lvm:
        """The node's LVM."""
        return self.node.subsystem(Lvm)

    def monitor(self) -> list[Stage]:
        """Look whether the group is active."""
        return [Stage(0.2, self._look)]

    def start(self) -> list[Stage]:
        """Activate the group (recorded: 6.5 to 13 s)."""
        return [Stage(8.5, self._activate)]

    def stop(self) -> list[Stage]:
        """Deactivate the group (recorded: 1.3 to 2.2 s; 7 s until it gives up on a volume in use)."""
        return [Stage(1.5, self._deactivate)]

    def _active(self) -> bool:
        return self.lvm.active(self.group, self.volume)

    def _look(self) -> int:
        return OK if self._active() else NOT_RUNNING

    def _activate(self) -> int | None:
        try:
            self.lvm.activate(self.group)
        except LvmRefusal as refusal:
            return self.fail(f"{self.group}: failed to activate. {refusal}")
        return None if self._active() else self.fail(f"{self.group}: failed to activate.")

    def _deactivate(self) -> int | None:
        if not self._active():
            return None
        try:
            self.lvm.deactivate(self.group, self.volume)
        except LvmRefusal as refusal:
            self.log(str(refusal).strip())
        if not self._active():
            return None
        self.attempts += 1
        return AGAIN if self.attempts < 4 else self.fail(f"{self.group}: failed to deactivate.")


PLAIN: dict[str, type[Agent]] = {
    "ocf:pacemaker:Dummy": Stateless,
    "ocf:heartbeat:Dummy": Stateless,
    "ocf:heartbeat:MailTo": MailTo,
    "ocf:heartbeat:IPaddr2": IPaddr2,
    "ocf:heartbeat:portblock": Portblock,
    "ocf:heartbeat:LVM": LvmAgent,
}


def make_agent(pacemaker: Pacemaker, primitive: Primitive, kind: str, notice: str) -> Agent:
    """Return the agent of a primitive; NotSimulated for one that is not known."""
    if primitive.fencing:
        return Stateless(pacemaker, primitive, kind, notice)
    kinds = {**PLAIN, **_storage_agents(primitive.agent)}
    if primitive.agent not in kinds:
        msg = f"the agent {primitive.agent} of {primitive.id}"
        raise NotSimulated(msg, host=pacemaker.node.name)
    return kinds[primitive.agent](pacemaker, primitive, kind, notice)


def _storage_agents(agent: str) -> dict[str, type[Agent]]:
    """Return the agents of the rooms that build on this one."""
    if agent == "ocf:linbit:drbd":
        from hastore.sim.agents_drbd import DrbdAgent  # noqa: PLC0415 -- it builds on this room

        return {agent: DrbdAgent}
    if agent == "ocf:heartbeat:LVM-activate":
        from hastore.sim.agents_lvm import LvmActivate  # noqa: PLC0415 -- the same

        return {agent: LvmActivate}
    if agent.startswith("ocf:scst:"):
        from hastore.sim.agents_scst import LunAgent, TargetAgent  # noqa: PLC0415 -- the same

        return {"ocf:scst:SCSTTarget": TargetAgent, "ocf:scst:SCSTLun": LunAgent}
    return {}
