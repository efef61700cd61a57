"""scst+sysfs: SCST through /sys/kernel/scst_tgt, in bare writes.

A management write that returns EAGAIN is queued: the host itself waits for it, reading `last_sysfs_mgmt_res`
(SCST:scst/README, "Sysfs interface"). Attributes are read back after they were written, because SCST changes some by
itself. Sources: recordings scst/w-devices, w-targets, w-sessions, w-daemon, mgmt-help.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final

from hastore.drivers.base import HostFacts, Match, Verdict, explain, judge_by_outcomes
from hastore.drivers.reading import missing, understood, unsupported
from hastore.drivers.scst_meaning import meaning_of
from hastore.drivers.scst_values import MAX_DEVICE_NAME, creation_parameters, expect_numa_node, fault, word_fault
from hastore.formats import scst_tree
from hastore.formats.scst_tree import ISCSI, ROOT
from hastore.hosts.exchange import Exchange
from hastore.hosts.operations import Content, Operation, Outcome, ReadFile, ReadTree, WriteAttribute
from hastore.model.errors import ParseError
from hastore.model.scsi import ScstDevice
from hastore.model.state import ClusterState, Observed, ScstState, Unknown
from hastore.planning.evolve import scst_on
from hastore.planning.steps import Step, Subsystem
from hastore.planning.steps_scst import (
    AddDevice,
    AddGroup,
    AddIncomingUser,
    AddInitiator,
    AddLun,
    AddTarget,
    AllowPortal,
    DisableTarget,
    EnableDriver,
    EnableTarget,
    RemoveDevice,
    RemoveLun,
    RemoveTarget,
    SetDeviceAttribute,
    SetTargetParameter,
)

_VERSION: Final = ReadFile(f"{ROOT}/version")
_HELP: Final = {
    name: ReadFile(f"{ROOT}/handlers/{name}/mgmt") for name in ("vdisk_fileio", "vdisk_blockio", "vdisk_nullio")
}
_TREE: Final = ReadTree(ROOT, scst_tree.SKIP)
_RESULT: Final = f"{ROOT}/last_sysfs_mgmt_res"
_TARGETS: Final = f"{ROOT}/{ISCSI}"


class ScstSysfsDriver:
    """Drives SCST 3.0 and later with iscsi-scst."""

    name: ClassVar[str] = "scst+sysfs"
    subsystem: ClassVar[Subsystem] = "scst"
    probes: ClassVar[tuple[Operation, ...]] = (_VERSION, *_HELP.values())

    def __init__(self, facts: HostFacts, /) -> None:
        self.facts = facts

    @classmethod
    def match(cls, facts: HostFacts, /) -> Match:
        """Suit a host where SCST's modules are loaded."""
        answer = facts.of(_VERSION)
        if missing(answer):
            return Match(0, f"SCST is not loaded (no {ROOT})")
        version = understood(answer, scst_tree.parse_version)
        if isinstance(version, Unknown):
            return Match(0, version.reason)
        capabilities = frozenset() if version.startswith("3.0") else frozenset({"suspend"})
        return Match(10, f"SCST {version} is loaded", capabilities)

    # -- looking --------------------------------------------------------------------------------------

    def observe(self) -> Exchange[Observed[ScstState]]:
        """Return the whole tree's meaning, in one round trip."""
        (read,) = yield (_TREE,)
        if not read.done:
            return Unknown(explain(read))
        try:
            return scst_tree.parse(read.tree)
        except ParseError as error:
            return Unknown(str(error))

    # -- doing ----------------------------------------------------------------------------------------

    def render(self, step: Step, state: ClusterState, /) -> tuple[Operation, ...]:
        """Return the writes of a step, and the reads that show what came of them.

        Raises UnsupportedStep for what SCST would take without a word and regret: numbers out of range, names that
        break its commands or its tree.
        """
        match step:
            case AddDevice(device=device):
                return self._add_device(step, device)
            case RemoveDevice(name=name, handler=handler):
                known = scst_on(state, step.host).devices.get(name)
                of = (known.handler if known else "") or handler  # any handler would remove it, but this one is its own
                return (_manage(f"handlers/{of}", f"del_device {name}"),)
            case SetDeviceAttribute(device=name, name=attribute, setting=setting):
                self._check(step, fault(attribute, setting), word_fault("device", name))
                return (*expect_numa_node(attribute, setting), *_set(f"{ROOT}/devices/{name}/{attribute}", setting))
            case _:
                return self._on_target(step)

    def judge(self, _step: Step, outcomes: tuple[Outcome, ...], /) -> Verdict:
        """Judge by errno, then by what the attributes that were written answer now."""
        verdict = judge_by_outcomes(outcomes)
        if verdict.result == "refused":
            return Verdict("refused", meaning_of(next(outcome for outcome in outcomes if not outcome.done)))
        if verdict.result != "done":
            return verdict
        differing = [line for line in map(_difference, _pairs(outcomes)) if line]
        return Verdict("refused", "; ".join(differing)) if differing else verdict

    def _on_target(self, step: Step) -> tuple[Operation, ...]:
        match step:
            case AddTarget(iqn=iqn):
                self._check(step, word_fault("target", iqn, barred="/"))
                return (_manage(ISCSI, f"add_target {iqn}"),)
            case RemoveTarget(iqn=iqn):
                return (_manage(ISCSI, f"del_target {iqn}"),)
            case SetTargetParameter(iqn=iqn, name=parameter, setting=setting):
                self._check(step, fault(parameter, setting), word_fault("parameter", parameter))
                return _set(f"{_TARGETS}/{iqn}/{parameter}", setting)
            case AllowPortal(iqn=iqn, portal=portal):
                self._check(step, word_fault("portal", portal))
                return (_manage(ISCSI, f"add_target_attribute {iqn} allowed_portal {portal}"),)
            case AddIncomingUser(iqn=iqn, user=user):
                self._check(step, word_fault("user", user.name, barred=""))
                command = f"add_target_attribute {iqn} IncomingUser {user.name} ".encode()
                return (_manage(ISCSI, (command, user.secret)),)
            case EnableTarget(iqn=iqn):
                return _set(f"{_TARGETS}/{iqn}/enabled", "1")
            case DisableTarget(iqn=iqn):
                return _set(f"{_TARGETS}/{iqn}/enabled", "0")
            case EnableDriver():
                return _set(f"{_TARGETS}/enabled", "1")
            case _:
                return self._on_lun_set(step)

    def _on_lun_set(self, step: Step) -> tuple[Operation, ...]:
        match step:
            case AddGroup(iqn=iqn, group=group):
                self._check(step, word_fault("group", group, barred="/"))
                return (_manage(f"{ISCSI}/{iqn}/ini_groups", f"create {group}"),)
            case AddInitiator(iqn=iqn, group=group, initiator=initiator):
                self._check(step, word_fault("initiator", initiator, barred="/"))
                return (_manage(f"{ISCSI}/{iqn}/ini_groups/{group}/initiators", f"add {initiator}"),)
            case AddLun(iqn=iqn, lun=lun, group=group):
                self._check(step, word_fault("device", lun.device, barred="/"))
                read_only = " read_only=1" if lun.read_only else ""
                return (_manage(_luns(iqn, group), f"add {lun.device} {lun.number}{read_only}"),)
            case RemoveLun(iqn=iqn, number=number, group=group):
                return (_manage(_luns(iqn, group), f"del {number}"),)
            case _:
                raise unsupported(self.name, step)

    def _add_device(self, step: AddDevice, device: ScstDevice) -> tuple[Operation, ...]:
        too_long = f"device {device.name!r} has more than {MAX_DEVICE_NAME} bytes"
        self._check(
            step,
            word_fault("device", device.name),
            too_long if len(device.name.encode()) > MAX_DEVICE_NAME else "",
            word_fault("handler", device.handler),
            word_fault("path", device.path, barred=";=") if device.path else "",
            *(fault(name, text) for name, text in device.attributes.items()),
        )
        at_creation = self._creation_parameters(device.handler)
        given = {name: text for name, text in device.attributes.items() if name in at_creation}
        self._check(step, *(word_fault(name, text, barred=";=") for name, text in given.items()))
        later = {name: text for name, text in device.attributes.items() if name not in at_creation}
        parameters = "; ".join(f"{name}={text}" for name, text in ({"filename": device.path} | given).items() if text)
        folder = f"{ROOT}/devices/{device.name}"
        return (
            *(guard for name, text in device.attributes.items() for guard in expect_numa_node(name, text)),
            _manage(f"handlers/{device.handler}", f"add_device {device.name} {parameters}".rstrip()),
            *(operation for name, text in later.items() for operation in _set(f"{folder}/{name}", text)),
            *(ReadFile(f"{folder}/{name}") for name in given),
        )

    def _creation_parameters(self, handler: str) -> frozenset[str]:
        version = understood(self.facts.of(_VERSION), scst_tree.parse_version)
        shown = (
            understood(self.facts.of(_HELP[handler]), scst_tree.parse_creation_parameters) if handler in _HELP else None
        )
        return creation_parameters(
            version if isinstance(version, str) else "", shown if isinstance(shown, frozenset) else frozenset()
        )

    def _check(self, step: Step, *faults: str) -> None:
        found = next((text for text in faults if text), "")
        if found:
            raise unsupported(self.name, step, found)


def _manage(folder: str, command: Content | str) -> WriteAttribute:
    content = command.encode() if isinstance(command, str) else command
    return WriteAttribute(f"{ROOT}/{folder}/mgmt", content, _RESULT)


def _set(path: str, setting: str) -> tuple[Operation, ...]:
    return WriteAttribute(path, setting.encode(), _RESULT), ReadFile(path)


def _luns(iqn: str, group: str) -> str:
    return f"{ISCSI}/{iqn}/ini_groups/{group}/luns" if group else f"{ISCSI}/{iqn}/luns"


# -- judging ------------------------------------------------------------------------------------------


def _pairs(outcomes: Iterable[Outcome]) -> list[tuple[str, str, str]]:
    """Return (path, written, read) of every attribute whose answer was read after it was given a value."""
    written: dict[str, str] = {}
    pairs = []
    for outcome in outcomes:
        match outcome.operation:
            case WriteAttribute(path=path, content=bytes() as content) if path.endswith("/mgmt"):
                written |= _given_at_creation(content.decode(errors="replace"))
            case WriteAttribute(path=path, content=bytes() as content):
                written[path] = content.decode(errors="replace")
            case ReadFile(path=path) if path in written:
                pairs.append((path, written[path], scst_tree.split_mark(outcome.text)[0]))
    return pairs


def _given_at_creation(command: str) -> dict[str, str]:
    verb, _, rest = command.partition(" ")
    name, _, parameters = rest.partition(" ")
    if verb != "add_device":
        return {}
    given = (part.strip().partition("=") for part in parameters.split(";"))
    return {f"{ROOT}/devices/{name}/{key}": text for key, equals, text in given if equals}


def _difference(pair: tuple[str, str, str]) -> str:
    path, written, read = pair
    if read == written or read.lower().removeprefix("0x") == written.lower().removeprefix("0x"):
        return ""
    why = ""
    if path.endswith("/nv_cache") and read == "1":
        why = ": the device below can't flush, so SCST turned nv_cache on by itself; use vdisk_fileio, or a device that can"
    return f"{path} answers {read!r} after {written!r} was written{why}"
