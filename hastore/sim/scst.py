"""SCST with its virtual disks and iscsi-scst on one node, as its sysfs tree shows and takes it.

Held against recordings of SCST 3.11 (tests/recordings/scst). Devices in user space, pass-through
devices and the memory pools' statistics are not simulated.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import get_args

from hastore.hosts.operations import Entry
from hastore.model.errors import NotSimulated
from hastore.sim import scst_tree as tree
from hastore.sim.filesystem import refuse
from hastore.sim.scst_alua import DeviceGroups
from hastore.sim.scst_devices import Device, Handler, adapt_to_device_below, build, parse_parameters
from hastore.sim.scst_targets import (
    ISCSI_PARAMETERS,
    LUN_HELP,
    Group,
    LunSet,
    Session,
    Target,
    add_user,
    del_user,
    lun_action,
)
from hastore.sim.scst_tree import Attribute, Directory, Link, Verbatim
from hastore.sim.world import Call, Node, Reply, reply

ROOT = "/sys/kernel/scst_tgt"
VERSION = "3.11.0-pre"
WRITEBACK = 5.0
"""Seconds until the page cache of fileio devices is written back by itself (documented: vm.dirty_writeback_centisecs)."""
_HELP = {
    "vdisk_fileio": "active, async, bind_alua_state, blocksize, cluster_mode, dif_filename, dif_mode, "
    "dif_static_app_tag, dif_type, filename, numa_node_id, nv_cache, o_direct, read_only, removable, rotational, "
    "thin_provisioned, tst, t10_dev_id, write_through",
    "vdisk_blockio": "active, bind_alua_state, blocksize, cluster_mode, dif_filename, dif_mode, dif_static_app_tag, "
    "dif_type, filename, numa_node_id, nv_cache, read_only, removable, rotational, thin_provisioned, tst, t10_dev_id, "
    "write_through",
    "vdisk_nullio": "blocksize, cluster_mode, dif_mode, dif_static_app_tag, dif_type, dummy, numa_node_id, read_only, "
    "removable, rotational, size, size_mb, tst, t10_dev_id",
}
_ISCSI_HELP = (
    "The following target driver attributes available: IncomingUser, OutgoingUser\n"
    "The following target attributes available: IncomingUser, OutgoingUser, allowed_portal\n"
)
_DISK_TYPE = "0 - Direct-access device (e.g., magnetic disk)"


@dataclass
class _Queued:
    """A management write that the kernel does later."""

    done_at: float
    path: str
    text: str


class Scst:
    """The SCST of one node; `load` puts its tree under /sys."""

    def __init__(self, node: Node, *, loaded: bool = True, start_at_boot: bool = True) -> None:
        self.node = node
        self.start_at_boot = start_at_boot
        """Whether modules and daemon are there again after a boot, empty (assumed: an init script without scst.conf)."""
        self._reset()
        node.absent_programs |= {"scstadmin"}
        node.programs["iscsi-scstd"] = self.daemon_program
        node.programs["pidof"] = self.pidof_program
        if loaded:
            self.load()
            self.start_daemon()

    def _reset(self) -> None:
        self.loaded = False
        self.daemon_runs = False
        self.devices: dict[str, Device] = {}
        self.targets: dict[str, Target] = {}
        self.root = Directory()
        self.iscsi = Directory()
        self.driver_users: dict[str, dict[str, str]] = {"IncomingUser": {}, "OutgoingUser": {}}
        self.suspended = 0
        self._copies = 0
        self._tids = 0
        self._queue: list[_Queued] = []
        self._idle = 0.0
        self.copy_manager = Target("copy_manager_tgt", 0, "targets/copy_manager")

    # Life and death

    def load(self) -> None:
        """Load the modules: the tree appears, without targets and iSCSI's attributes (recorded: 01-fresh-load)."""
        self.loaded = True
        self._build_root()
        self.node.files.mount(ROOT, self)

    def unload(self) -> None:
        """Unload the modules with all devices and targets."""
        self.kill_daemon()
        for device in list(self.devices.values()):
            self.del_device(device.name)
        self._reset()
        self.node.files.unmount(ROOT)

    def start_daemon(self) -> None:
        """Start iscsi-scstd: iSCSI's attributes appear, nothing is enabled (recorded: 02-fresh-load-daemon-started)."""
        if self.daemon_runs or not self.loaded:
            return
        self.daemon_runs = True
        self.iscsi.add("open_state", Attribute("open", mode=0o444))
        self.iscsi.add("enabled", Attribute("0", check=tree.boolean, mark="none", extra="\n"))
        self.iscsi.add("iSNSServer", Attribute("", mark="none", extra="\n", on_write=_no_isns_server))
        self.iscsi.add("internal_portal", Attribute("", check=tree.always_invalid, mark="none", extra="\n"))
        self.iscsi.add("isns_entity_name", Attribute("", check=tree.anything, mark="none"))
        self.iscsi.add("link_local", Attribute("1", check=tree.boolean, mark="none", extra="\n"))

    def kill_daemon(self) -> None:
        """Kill iscsi-scstd: every target, LUN map and iSCSI attribute is gone, devices stay (recorded: w-daemon.json)."""
        if not self.daemon_runs:
            return
        self.daemon_runs = False
        self.node.world.log(self.node.name, "iscsi-scstd died")
        for target in list(self.targets.values()):
            self._drop(target)
        for name in list(self.iscsi.entries):
            if name not in {"mgmt", "open_state", "trace_level", "version"}:
                self.iscsi.remove(name)
        self.driver_users = {"IncomingUser": {}, "OutgoingUser": {}}
        self.iscsi.add("open_state", Attribute("closed", mode=0o444))

    def tick(self, dt: float) -> None:
        """Do queued writes when their time has come; write caches back now and then."""
        now = self.node.world.clock.now
        due = [queued for queued in self._queue if queued.done_at <= now]
        for queued in due:
            self._queue.remove(queued)
            self._perform(queued.path, queued.text)
        self._idle += dt
        if self._idle >= WRITEBACK:
            self._idle = 0.0
            for device in self.devices.values():
                _flush_if_possible(device)

    def power_off(self) -> None:
        """Lose everything, unwritten caches too."""
        for target in self.targets.values():
            for session in target.sessions:
                session.alive = False
        loaded = self.loaded
        self._reset()
        if loaded:
            self.node.files.unmount(ROOT)

    def boot(self) -> None:
        """Come up empty."""
        if self.start_at_boot:
            self.load()
            self.start_daemon()

    # Methods for agents and clients

    def add_device(self, handler: str, name: str, **parameters: str) -> Device:
        """Add a vdisk; OSError with SCST's errno."""
        if handler not in get_args(Handler):
            raise refuse(errno.EINVAL)
        if name in self.devices:
            raise refuse(errno.EEXIST)
        setup_id = int(self.root.attribute("setup_id").value, 16)
        device = build(self.node, handler, name, parameters, setup_id)  # type: ignore[arg-type]  # checked above
        self.devices[name] = device
        self._directory("devices").add(name, device.directory)
        self._directory(f"handlers/{handler}").add(name, Link(f"../../devices/{name}"))
        if "active" in device.directory.entries:
            device.directory.attribute("active").on_write = partial(_set_active, device)
        if "resync_size" in device.directory.entries:
            device.directory.attribute("resync_size").on_write = partial(_resync_size, device)
            device.directory.attribute("sync").on_write = partial(_sync, device)
        device.directory.attribute("threads_num").on_write = partial(_set_threads, device)
        device.directory.attribute("threads_pool_type").on_write = partial(_set_pool_type, device)
        self.copy_manager.luns.add(self._copies, device)
        self._copies += 1
        return device

    def del_device(self, name: str) -> None:
        """Delete a vdisk with all LUNs that show it, without asking (recorded); OSError EINVAL."""
        device = self.devices.pop(name, None)
        if device is None:
            raise refuse(errno.EINVAL)
        for target in (self.copy_manager, *self.targets.values()):
            for luns in target.lun_sets:
                luns.forget(device)
        device.close()
        self.device_groups.forget(name)
        self._directory("devices").remove(name)
        self._directory(f"handlers/{device.handler}").remove(name)

    def add_target(self, iqn: str, parameters: Mapping[str, str] | None = None) -> Target:
        """Add an iSCSI target, disabled; OSError EPERM without daemon, EEXIST, EINVAL."""
        if not self.daemon_runs:
            raise refuse(errno.EPERM)
        if iqn in self.targets:
            raise refuse(errno.EEXIST)
        for name, text in (parameters or {}).items():
            if name not in ISCSI_PARAMETERS:
                raise refuse(errno.EINVAL)
            ISCSI_PARAMETERS[name][1](text)
        self._tids += 1
        target = Target(iqn, self._tids)
        for name, text in (parameters or {}).items():
            target.directory.attribute(name).store(text)
        self._wire(target)
        target.made_under = self.node.holds
        self.targets[iqn] = target
        self.iscsi.add(iqn, target.directory)
        return target

    def del_target(self, iqn: str) -> None:
        """Delete a target, enabled or not; OSError ENOENT, EBUSY with live sessions."""
        target = self.targets.get(iqn)
        if target is None:
            raise refuse(errno.ENOENT)
        if target.sessions:
            raise refuse(errno.EBUSY)
        self._drop(target)

    def enable(self, iqn: str, *, on: bool = True) -> None:
        """Enable or disable a target; OSError ENOENT, EBADSLT for a relative target id that is taken."""
        if iqn not in self.targets:
            raise refuse(errno.ENOENT)
        self._set_enabled(self.targets[iqn], "1" if on else "0")

    def enable_driver(self, *, on: bool = True) -> None:
        """Enable or disable the iSCSI driver; OSError ENOENT without daemon."""
        self.write("targets/iscsi/enabled", b"1" if on else b"0")

    def driver_enabled(self) -> bool:
        """Tell whether iSCSI takes logins at all."""
        return self.daemon_runs and self.iscsi.attribute("enabled").value == "1"

    def add_lun(self, iqn: str, lun: int, device: str, group: str = "", *, read_only: bool = False) -> None:
        """Map a device; OSError ENOENT, EINVAL, EEXIST."""
        if device not in self.devices:
            raise refuse(errno.EINVAL)
        self._luns(iqn, group).add(lun, self.devices[device], read_only=read_only)

    def del_lun(self, iqn: str, lun: int, group: str = "") -> None:
        """Unmap a LUN; OSError ENOENT, EINVAL."""
        self._luns(iqn, group).remove(lun)

    def login(self, initiator: str, client_ip: str, portal: str, iqn: str) -> Session:
        """Log an initiator in; OSError ECONNREFUSED without daemon, EACCES where it is not let in, ENOENT without target.

        Who may use the link and the portal's address is the caller's to check (`network.Network`).
        """
        if not self.daemon_runs:
            raise refuse(errno.ECONNREFUSED)
        if not self.driver_enabled():
            raise refuse(errno.ETIMEDOUT)
        target = self.targets.get(iqn)
        if target is None or not target.enabled:
            raise refuse(errno.ENOENT)
        if not target.portal_allowed(portal):
            raise refuse(errno.EACCES)
        limit = int(target.directory.attribute("MaxSessions").value)
        if limit and len(target.sessions) >= limit:
            raise refuse(errno.EACCES)
        taken = {session.name for session in target.sessions}
        name = next(n for n in (initiator, *(f"{initiator}_{i}" for i in range(1, 1000))) if n not in taken)
        session = Session(initiator, client_ip, portal, iqn, name, target.luns_for(initiator, portal))
        target.sessions.append(session)
        target.show_session(session)
        return session

    def logout(self, session: Session) -> None:
        """End a session."""
        target = self.targets.get(session.target)
        if target is None:
            session.alive = False
        else:
            target.end_session(session)

    def discover(self) -> list[str]:
        """Return the names of enabled targets, as discovery shows them."""
        return [name for name, target in self.targets.items() if target.enabled] if self.driver_enabled() else []

    def set_attribute(self, path: str, text: str) -> None:
        """Write an attribute below scst_tgt, at once; OSError."""
        self._perform_now(path, text)

    # The tree as a mounted file system

    def read(self, path: str) -> bytes:
        """Return what an attribute shows."""
        if path == "last_sysfs_mgmt_res":
            return self._last_result()
        found = self.root.find(path)
        if isinstance(found, Directory):
            raise refuse(errno.EISDIR, path)
        if isinstance(found, Link):
            msg = f"reading through the link {ROOT}/{path}"
            raise NotSimulated(msg, host=self.node.name)
        if not found.mode & 0o444:
            raise refuse(errno.EACCES, path)
        if found.unreadable:
            raise refuse(getattr(errno, found.unreadable), path)
        return found.text().encode()

    def write(self, path: str, content: bytes) -> None:
        """Take a write; queued where a fault says so, then EAGAIN as the kernel gives it."""
        text = content.decode()
        attribute = self._attribute(path)
        seconds = self.node.world.faults.queued_for(self.node.name, path) if attribute.result else 0.0
        if seconds and text:
            self._queue.append(_Queued(self.node.world.clock.now + seconds, path, text))
            raise refuse(errno.EAGAIN, path)
        try:
            self._perform_now(path, text)
        except OSError as error:
            self._note(attribute, -(error.errno or errno.EIO))
            raise
        if text:
            self._note(attribute, 0)

    def tree(self, path: str) -> Mapping[str, Entry]:
        """Return everything below a directory."""
        found = self.root.find(path)
        if not isinstance(found, Directory):
            raise refuse(errno.ENOTDIR, path)
        self.root.attribute("last_sysfs_mgmt_res").value = self._last_result().decode().strip()
        return found.listing()

    def _last_result(self) -> bytes:
        """Return the last result: EAGAIN while any queued write is pending (documented: scst/README)."""
        if self._queue:
            return f"{-errno.EAGAIN}\n".encode()
        return self.root.attribute("last_sysfs_mgmt_res").text().encode()

    def _attribute(self, path: str) -> Attribute:
        found = self.root.find(path)
        if not isinstance(found, Attribute):
            raise refuse(errno.EISDIR, path)
        return found

    def _perform_now(self, path: str, text: str) -> None:
        attribute = self._attribute(path)
        attribute.store(text)

    def _perform(self, path: str, text: str) -> None:
        """Do a queued write and leave its errno for the one who waits."""
        try:
            self._perform_now(path, text)
        except OSError as error:
            self.root.attribute("last_sysfs_mgmt_res").value = str(-(error.errno or errno.EIO))
        else:
            self.root.attribute("last_sysfs_mgmt_res").value = "0"

    def _note(self, attribute: Attribute, result: int) -> None:
        if attribute.result:
            self.root.attribute("last_sysfs_mgmt_res").value = str(result)

    # Programs

    def daemon_program(self, call: Call) -> Reply:
        """`iscsi-scstd`: starts the daemon and goes to the background."""
        if not self.loaded:
            return reply(1, err="iscsi-scstd: the kernel module is not loaded\n")
        if self.daemon_runs:
            return reply(1, err="iscsi-scstd: already running\n")
        if len(call.argv) > 1:
            call.give_up()
        self.start_daemon()
        return reply()

    def pidof_program(self, call: Call) -> Reply:
        """`pidof iscsi-scstd`."""
        if call.argv[1:] != ("iscsi-scstd",):
            call.give_up()
        return reply(out="812\n") if self.daemon_runs else reply(1)

    # Inside

    def _build_root(self) -> None:
        add = self.root.add
        add("version", Attribute(f"SCST version: {VERSION}", mode=0o444, mark="none"))
        add("last_sysfs_mgmt_res", Attribute("0", mode=0o444, mark="none"))
        add("threads", Attribute("1", check=tree.positive, result=True))
        add("setup_id", Attribute("0x0", check=_setup_id))
        add("max_tasklet_cmd", Attribute("10", check=tree.natural))
        add("suspend", Attribute("0", check=tree.integer, mark="none", on_write=self._suspend))
        add("trace_level", Attribute("out_of_mem | pid | special | mgmt", check=tree.trace, mark="none"))
        add("measure_latency", Attribute("0", check=tree.boolean))
        add("poll_us", Attribute("0", check=tree.natural))
        add("cluster_name", Verbatim(check=tree.anything))
        add("async_lun_replace", Attribute("0", check=tree.boolean))
        add("force_global_sgv_pool", Attribute("0", check=tree.boolean))
        add("devices", Directory())
        self.device_groups = DeviceGroups(self._directory("devices"), self.iscsi)
        add("device_groups", self.device_groups.directory)
        add("handlers", Directory({name: self._handler(name) for name in _HELP}))
        nobody = Verbatim("", check=tree.always_invalid, result=True)
        self._directory("handlers").add(
            "dev_disk", Directory({"mgmt": nobody, "type": Attribute(_DISK_TYPE, mode=0o444)})
        )
        add("targets", Directory({"iscsi": self.iscsi, "copy_manager": Directory()}))
        self.iscsi.add("mgmt", Verbatim(_ISCSI_HELP, on_write=self._iscsi_mgmt, result=True))
        self.iscsi.add("open_state", Attribute("closed", mode=0o444))
        self.iscsi.add("trace_level", Attribute("out_of_mem | pid | special | mgmt", check=tree.trace, mark="none"))
        self.iscsi.add("version", Attribute(f"{VERSION}\nTRACING", mode=0o444))
        self._directory("targets/copy_manager").add("copy_manager_tgt", self.copy_manager.directory)
        for name in ISCSI_PARAMETERS:
            self.copy_manager.directory.remove(name)
        for name in ("per_portal_acl", "tid"):
            self.copy_manager.directory.remove(name)
        self.copy_manager.directory.add("rel_tgt_id", Attribute("0"))
        self._directory("targets/copy_manager").add("allow_not_connected_copy", Attribute("0", check=tree.boolean))

    def _handler(self, name: str) -> Directory:
        help_text = f"The following parameters available: {_HELP[name]}\n"
        mgmt = Verbatim(help_text, on_write=partial(self._handler_mgmt, name), result=True)
        return Directory({"mgmt": mgmt, "type": Attribute(_DISK_TYPE, mode=0o444)})

    def _directory(self, path: str) -> Directory:
        found = self.root.find(path)
        assert isinstance(found, Directory)  # noqa: S101 -- the frame of the tree, made in _build_root
        return found

    def _handler_mgmt(self, handler: str, text: str) -> None:
        words = text.split(maxsplit=2)
        match words:
            case ["add_device", name, *rest]:
                self.add_device(handler, name, **parse_parameters(" ".join(rest)))
            case ["del_device", name]:
                self.del_device(name)
            case _:
                raise refuse(errno.EINVAL)

    def _iscsi_mgmt(self, text: str) -> None:
        match text.split(maxsplit=2):
            case ["add_target", name, *rest]:
                self.add_target(name, parse_parameters(" ".join(rest)))
            case ["del_target", name]:
                self.del_target(name)
            case ["add_target_attribute" | "del_target_attribute" as action, name, rest]:
                if name not in self.targets:
                    raise refuse(errno.ENOENT)
                attribute, _, value = rest.partition(" ")
                target = self.targets[name]
                if action.startswith("add"):
                    self._check_complete(target, attribute)
                (target.add_attribute if action.startswith("add") else target.del_attribute)(attribute, value)
            case ["add_attribute" | "del_attribute" as action, attribute, value]:
                if attribute not in self.driver_users:
                    raise refuse(errno.EINVAL)
                (add_user if action.startswith("add") else del_user)(self.iscsi, self.driver_users, attribute, value)
            case _:
                raise refuse(errno.EINVAL)

    def _wire(self, target: Target) -> None:
        """Give a target's management files their effect."""
        enabled = Attribute("0", check=tree.boolean, mark="none", result=True)
        enabled.on_write = partial(self._set_enabled, target)
        target.directory.add("enabled", enabled)
        relative = Attribute("0", check=tree.natural, result=True)
        relative.on_write = partial(self._set_relative_id, target)
        target.directory.add("rel_tgt_id", relative)
        self._wire_luns(target.luns)
        groups = Verbatim("", on_write=partial(self._groups_mgmt, target), result=True)
        target.group_directory.add("mgmt", groups)

    def _wire_luns(self, luns: LunSet) -> None:
        luns.directory.add("mgmt", Verbatim(LUN_HELP, on_write=partial(self._luns_mgmt, luns), result=True))

    def _luns_mgmt(self, luns: LunSet, text: str) -> None:
        lun_action(luns, text.split(), self.devices)

    def _groups_mgmt(self, target: Target, text: str) -> None:
        match text.split():
            case ["create", name, *_]:
                self._check_complete(target, f"group {name}")
                group = target.create_group(name)
                self._wire_luns(group.luns)
                initiators = group.directory.entries["initiators"]
                assert isinstance(initiators, Directory)  # noqa: S101 -- made so in create_group
                mgmt = Verbatim("", on_write=partial(self._initiators_mgmt, target, group), result=True)
                initiators.add("mgmt", mgmt)
            case ["del", name, *_]:
                target.delete_group(name)
            case _:
                raise refuse(errno.EINVAL)

    def _initiators_mgmt(self, target: Target, group: Group, text: str) -> None:
        match text.split():
            case ["add", pattern, *_]:
                self._check_complete(target, f"initiator {pattern}")
                target.add_initiator(group, pattern)
            case ["del", pattern, *_]:
                target.remove_initiator(group, pattern)
            case ["move", pattern, other, *_]:
                if pattern not in group.initiators or other not in target.groups:
                    raise refuse(errno.EINVAL)
                target.remove_initiator(group, pattern)
                target.add_initiator(target.groups[other], pattern)
            case ["clear"]:
                for pattern in list(group.initiators):
                    target.remove_initiator(group, pattern)
            case _:
                raise refuse(errno.EINVAL)

    def _check_complete(self, target: Target, what: str) -> None:
        """Report access control that comes after enabling, in the change that made the target (scst/README, IMPORTANT)."""
        if target.enabled and self.node.locks and target.made_under == self.node.holds:
            text = f"{self.node.name}: {target.name} was enabled before its {what} was there"
            self.node.world.violate("enabled-incomplete", text)

    def _set_enabled(self, target: Target, text: str) -> None:
        if text == "1" and not target.enabled:
            self._settle_relative_id(target)
        target.enabled = text == "1"
        target.directory.attribute("enabled").value = text

    def _settle_relative_id(self, target: Target) -> None:
        taken = {other.rel_tgt_id for other in self.targets.values() if other is not target and other.enabled}
        if target.rel_tgt_id in taken:
            raise refuse(errno.EBADSLT)
        if target.rel_tgt_id == 0:
            claimed = {other.rel_tgt_id for other in self.targets.values()}
            target.rel_tgt_id = next(number for number in range(1, 65536) if number not in claimed)
            target.directory.attribute("rel_tgt_id").value = str(target.rel_tgt_id)

    def _set_relative_id(self, target: Target, text: str) -> None:
        wanted = int(text)
        others = {0, *(other.rel_tgt_id for other in self.targets.values() if other is not target)}
        if target.enabled and wanted in others and wanted != target.rel_tgt_id:
            raise refuse(errno.EBADSLT)
        target.rel_tgt_id = wanted
        target.directory.attribute("rel_tgt_id").value = text

    def _suspend(self, text: str) -> None:
        """Count suspensions: a number from 0 adds one, a negative one takes one back (recorded: 11-before-session)."""
        self.suspended = max(0, self.suspended + (1 if int(text) >= 0 else -1))
        self.root.attribute("suspend").value = str(self.suspended)

    def _luns(self, iqn: str, group: str) -> LunSet:
        if iqn not in self.targets or (group and group not in self.targets[iqn].groups):
            raise refuse(errno.ENOENT)
        target = self.targets[iqn]
        return target.groups[group].luns if group else target.luns

    def _drop(self, target: Target) -> None:
        for session in list(target.sessions):
            target.end_session(session)
        for luns in target.lun_sets:
            luns.clear()
        del self.targets[target.name]
        self.iscsi.remove(target.name)


def _set_active(device: Device, text: str) -> None:
    active = device.directory.attribute("active")
    if text == "1" and not device.opened:
        size = device.open()
        device.set_size(size)
        if device.handler == "vdisk_blockio":
            adapt_to_device_below(device)
    elif text == "0":
        device.close()
    active.value = text


def _resync_size(device: Device, _text: str) -> None:
    device.resync_size()


def _sync(device: Device, _text: str) -> None:
    device.flush()


def _set_threads(device: Device, text: str) -> None:
    device.directory.attribute("threads_num").value = text
    if text == "0":
        device.directory.attribute("threads_pool_type").value = "Async"
        device.directory.attribute("threads_pool_type").default = "Async"


def _set_pool_type(device: Device, text: str) -> None:
    """Take a pool's type, which means nothing while there are no threads (recorded: it stays Async)."""
    if device.value("threads_num") != "0":
        device.directory.attribute("threads_pool_type").value = text


def _flush_if_possible(device: Device) -> None:
    """Write back what can be written; what cannot stays in memory, as the page cache keeps it."""
    cached = dict(device.cache)
    try:
        device.flush()
    except OSError:
        device.cache = cached


def _setup_id(text: str) -> str:
    return hex(int(tree.hexadecimal(text), 16))


def _no_isns_server(_text: str) -> None:
    raise refuse(errno.ECONNREFUSED)
