"""`ocf:scst:SCSTTarget` and `ocf:scst:SCSTLun` (scst-ocf 1.3), with their faults.

Evidence: facts of the agents' source and journals of a real cluster (tests/recordings/stack): a LUN's stop disables the
target, closes sessions, deletes, enables the target again, and unloads the handler; a target's stop ends the daemon.
"""

from __future__ import annotations

import os

from hastore.sim.agents import ERROR, Agent
from hastore.sim.cib_history import NOT_RUNNING, OK
from hastore.sim.executor import AGAIN, Stage
from hastore.sim.scst import Scst
from hastore.sim.scst_targets import Target

POLL = 1.0
"""Seconds between two looks while an agent waits."""


class _ScstAgent(Agent):
    """What both agents share."""

    started_waiting: float | None = None

    @property
    def scst(self) -> Scst:
        """The node's SCST."""
        return self.node.subsystem(Scst)

    @property
    def iqn(self) -> str:
        """The target's name."""
        return self.params.get("iqn") or self.params.get("target_iqn", "")

    @property
    def target(self) -> Target | None:
        """The target, where it is there."""
        return self.scst.targets.get(self.iqn)

    @property
    def iscsi(self) -> bool:
        """`iscsi_enable`: without it the agents look at nothing and say that everything runs."""
        return self.params.get("iscsi_enable") == "true"

    def waited_too_long(self) -> bool:
        """Tell whether `wait_timeout` (default 60) is over since the first call."""
        now = self.node.world.clock.now
        if self.started_waiting is None:
            self.started_waiting = now
        return now - self.started_waiting >= float(self.params.get("wait_timeout", "60"))

    def refused(self, error: OSError) -> int:
        """Return the failure that a write to sysfs gave."""
        return self.fail(f"echo: write error: {os.strerror(error.errno or 0)}")


class TargetAgent(_ScstAgent):
    """A target; `additional_parameters` and `allowed_initiators` are declared and never read."""

    def monitor(self) -> list[Stage]:
        """Look for an enabled target."""
        return [Stage(0.3, self._look)]

    def start(self) -> list[Stage]:
        """Modules and daemon, the target, its portals, enabled (recorded: 2.1 to 4.5 s)."""
        return [Stage(1.5, self._load), Stage(1.2, self._add), Stage(0.8, self._enable)]

    def stop(self) -> list[Stage]:
        """Disable, delete, end the daemon and unload what nobody needs (recorded: 2.6 to 7.5 s)."""
        return [Stage(2.0, self._disable), Stage(1.5, self._delete), Stage(2.5, self._end_daemon)]

    def _look(self) -> int:
        if not self.iscsi:
            return OK
        if not self.scst.loaded or not self.scst.daemon_runs:
            return NOT_RUNNING
        return OK if self.target is not None and self.target.enabled else NOT_RUNNING

    def _load(self) -> None:
        if not self.scst.loaded:
            self.scst.load()
        self.scst.start_daemon()

    def _add(self) -> int | None:
        try:
            if self.target is None:
                self.scst.add_target(self.iqn)
            for portal in self.params.get("portals", "").split():
                if self.target is not None and portal not in self.target.portals:
                    self.scst.set_attribute(
                        "targets/iscsi/mgmt", f"add_target_attribute {self.iqn} allowed_portal {portal}"
                    )
            if self.params.get("incoming_username"):
                user = f"{self.params['incoming_username']} {self.params.get('incoming_password', '')}"
                self.scst.set_attribute("targets/iscsi/mgmt", f"add_target_attribute {self.iqn} IncomingUser {user}")
        except OSError as error:
            return self.refused(error)
        return None

    def _enable(self) -> int | None:
        try:
            self.scst.enable(self.iqn)
            self.scst.enable_driver()
        except OSError as error:
            return self.refused(error)
        return None

    def _disable(self) -> int | None:
        if not self.iscsi:
            return OK
        if self._look() == NOT_RUNNING and self.target is None:
            return OK
        self.scst.enable(self.iqn, on=False)
        for session in list(self.target.sessions) if self.target else []:
            self.scst.logout(session)
        return None

    def _delete(self) -> int | None:
        try:
            self.scst.del_target(self.iqn)
        except OSError as error:
            return AGAIN if not self.waited_too_long() else self.refused(error)
        return None

    def _end_daemon(self) -> int | None:
        if self.scst.targets:
            return None
        self.scst.kill_daemon()
        if not self.scst.devices:
            self.scst.unload()
        return None


class LunAgent(_ScstAgent):
    """A device and its LUN."""

    @property
    def device(self) -> str:
        """The device's name."""
        return self.params.get("device_name", "")

    @property
    def number(self) -> int:
        """The LUN's number."""
        return int(self.params.get("iscsi_lun", self.params.get("lun", "0")))

    @property
    def handler(self) -> str:
        """The handler."""
        return self.params.get("handler", "vdisk_fileio")

    def monitor(self) -> list[Stage]:
        """Look for the LUN."""
        return [Stage(0.3, self._look)]

    def start(self) -> list[Stage]:
        """The device, then its LUN (recorded: 1.6 to 3.5 s)."""
        return [Stage(1.8, self._open), Stage(1.0, self._map)]

    def stop(self) -> list[Stage]:
        """Disable the target, close sessions, wait, unmap, enable the target, delete the device (recorded: 4 to 9.4 s)."""
        return [
            Stage(2.0, self._begin_stop),
            Stage(1.5, self._close_sessions),
            Stage(POLL, self._wait_for_sessions),
            Stage(1.5, self._unmap),
            Stage(1.0, self._delete),
        ]

    def _look(self) -> int:
        if not self.iscsi:
            return OK
        if not self.scst.loaded or not self.scst.daemon_runs or self.target is None:
            return NOT_RUNNING
        lun = self.target.luns.luns.get(self.number)
        return OK if lun is not None and lun.device.name == self.device else NOT_RUNNING

    def _creation_parameters(self) -> dict[str, str]:
        """Return what is passed to add_device: more than one word is never passed (an unquoted test fails)."""
        words = self.params.get("additional_parameters", "").split()
        parameters = {"filename": self.params.get("path", "")}
        if len(words) == 1:
            name, _, text = words[0].partition("=")
            parameters[name] = text
        return parameters

    def _open(self) -> int | None:
        if not self.scst.loaded:
            return self.fail(f"FAILED to open device {self.device}")
        try:
            device = self.scst.add_device(self.handler, self.device, **self._creation_parameters())
        except OSError as error:
            self.log(f"echo: write error: {os.strerror(error.errno or 0)}")
            return self.fail(f"FAILED to open device {self.device}")
        if self.params.get("scsi_id") and self.params.get("scsi_sn"):
            self.scst.set_attribute(f"devices/{device.name}/usn", self.params["scsi_sn"])
        return None

    def _map(self) -> int | None:
        try:
            self.scst.add_lun(self.iqn, self.number, self.device)
        except OSError as error:
            return self.refused(error)
        return None

    def _begin_stop(self) -> int | None:
        if not self.iscsi or self._look() == NOT_RUNNING:
            return OK
        self.scst.enable(self.iqn, on=False)
        return None

    def _close_sessions(self) -> None:
        for session in list(self.target.sessions) if self.target else []:
            self.log(f"Force closing iscsi session to initiator {session.initiator} - LUN {self.number}")
            self.scst.logout(session)

    def _wait_for_sessions(self) -> int | None:
        if self.target is None or not self.target.sessions or self.waited_too_long():
            return None
        return AGAIN

    def _unmap(self) -> int | None:
        try:
            self.scst.del_lun(self.iqn, self.number)
            self.scst.enable(self.iqn)
        except OSError as error:
            return self.refused(error)
        return None

    def _delete(self) -> int | None:
        """Delete through vdisk_fileio's mgmt whatever the handler: a device of another handler is a failure."""
        if self.handler != "vdisk_fileio":
            return self.fail(f"FAILED to close device {self.device}", ERROR)
        try:
            self.scst.del_device(self.device)
        except OSError as error:
            return self.refused(error)
        return None
