"""`ocf:heartbeat:LVM-activate` as its script goes (read: resource-agents 4.12, heartbeat/LVM-activate).

Its exit codes are not always what one expects: a start that `volume_list` keeps from activating says 0, and the next
monitor says 1, because outside a probe its monitor knows no "not running".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from hastore.model.errors import NotSimulated
from hastore.sim.agents import ERROR, NOT_CONFIGURED, LvmAgent
from hastore.sim.cib_history import NOT_RUNNING, OK
from hastore.sim.cib_words import Primitive
from hastore.sim.lvm_volumes import Group, LvmRefusal

if TYPE_CHECKING:
    from hastore.sim.cluster import Pacemaker

BAD_ARGUMENTS = 2
"""OCF_ERR_ARGS: the host's lvm.conf does not suit."""
_MODES = ("system_id", "tagging")
_LOCKING = ("lvmlockd", "clvmd")


class LvmActivate(LvmAgent):
    """Activates a group, or `lvname` of it, that its access mode protects: by system ID, or by tag."""

    default_tag: ClassVar[str] = "pacemaker"

    def __init__(self, pacemaker: Pacemaker, primitive: Primitive, kind: str, notice: str = "") -> None:
        super().__init__(pacemaker, primitive, kind, notice)
        self.volume = self.params.get("lvname", "")

    @property
    def mode(self) -> str:
        """How access to the group is controlled."""
        return self.params.get("vg_access_mode", "")

    def _look(self) -> int:
        if self._active():
            return OK
        return NOT_RUNNING if self.kind == "probe" else ERROR

    def _activate(self) -> int | None:
        refused = self._validate()
        if refused is not None or self._active():
            return refused
        if self.mode == "tagging":
            msg = "LVM-activate with vg_access_mode=tagging"
            raise NotSimulated(msg, host=self.node.name)
        self.lvm.take_over(self.group)
        try:
            self.lvm.activate(self.group, self.volume)
        except LvmRefusal as refusal:
            return self.fail(f"{self._name}: failed to activate. {refusal}")
        if not self._active():
            # lvchange exits with 0 where volume_list leaves all out, and the script returns what lvchange did
            self.reason = f"{self._name}: failed to activate."
        return None

    def _deactivate(self) -> int | None:
        if not self._active() or self.mode not in _MODES:
            return None
        return super()._deactivate()

    @property
    def _name(self) -> str:
        return f"{self.group}/{self.volume}" if self.volume else self.group

    def _validate(self) -> int | None:
        """Return why it may not start, in the order of the script's own questions."""
        if not self.group:
            return self.fail("You must identify the volume group name!", NOT_CONFIGURED)
        if self.mode in _LOCKING:
            msg = f"LVM-activate with vg_access_mode={self.mode}"
            raise NotSimulated(msg, host=self.node.name)
        found = self.lvm.all_groups().get(self.group)
        if found is None:
            return self.fail(f"Volume group[{self.group}] doesn't exist, or not visible on this node!")
        return self._validate_group(found) or self._validate_host()

    def _validate_group(self, found: Group) -> int | None:
        if self.mode not in _MODES or (self.mode == "system_id" and not found.system_id):
            return self.fail("The specified vg_access_mode doesn't match the lock_type on VG metadata!", NOT_CONFIGURED)
        if not found.volumes:
            return self.fail(f"Volume group [{self.group}] doesn't contain any logical volume!", NOT_CONFIGURED)
        if self.volume and found.volume(self.volume) is None:
            return self.fail(f"LV ({self.volume}) is not in the given VG ({self.group}).", NOT_CONFIGURED)
        return None

    def _validate_host(self) -> int | None:
        config = self.lvm.config
        if self.mode == "system_id":
            if config.word("system_id_source") in {"", "none"}:
                return self.fail("system_id_source in lvm.conf is not set correctly!", BAD_ARGUMENTS)
            return None if config.system_id else self.fail("local/system_id is not set!", BAD_ARGUMENTS)
        allowed = config.listed("volume_list")
        if allowed is None:
            return self.fail("The volume_list filter must be initialized in lvm.conf", BAD_ARGUMENTS)
        if {self.group, f"@{self.params.get('tag', self.default_tag)}"} & set(allowed):
            return self.fail("The volume_list in lvm.conf must not contain the cluster tag", BAD_ARGUMENTS)
        return None
