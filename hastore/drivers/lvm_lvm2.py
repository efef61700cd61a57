"""lvm+lvm2: LVM2 by its own commands, read as JSON reports, and its settings by lvm.conf.

Nothing is asked at a terminal: guards say beforehand what a prompt would ask. Sources: lvm(8), lvcreate(8),
pvcreate(8); recordings lvm.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar, Final

import attrs

from hastore.drivers.base import HostFacts, Match, Verdict, explain, judge_by_outcomes, with_meaning
from hastore.drivers.guards import expect_blank
from hastore.drivers.reading import missing, understood, unsupported
from hastore.formats import lvm_conf, lvm_report
from hastore.hosts.exchange import Exchange
from hastore.hosts.operations import Condition, Expect, Operation, Outcome, ReadFile, Run, Status, WriteFile
from hastore.model.lvm import LogicalVolume, LvmSettings
from hastore.model.names import parse_size
from hastore.model.state import ClusterState, LvmState, Observed, Unknown
from hastore.planning.evolve import lvm_on
from hastore.planning.steps import Step, Subsystem
from hastore.planning.steps_lvm import (
    ActivateVg,
    ConfigureLvm,
    CreateLv,
    CreatePv,
    CreateVg,
    DeactivateVg,
    ExtendLv,
    ExtendVg,
)

_VERSION: Final = Run(("lvm", "version"), reads=True)
_SETTINGS: Final = ReadFile("/etc/lvm/lvm.conf")
_JSON: Final = ("--reportformat", "json", "--units", "b", "-o")
_REPORTS: Final = (
    Run(("vgs", *_JSON, ",".join(lvm_report.VG_FIELDS)), reads=True),
    Run(("lvs", *_JSON, ",".join(lvm_report.LV_FIELDS)), reads=True),
    Run(("pvs", *_JSON, ",".join(lvm_report.PV_FIELDS)), reads=True),
)
_NOT_FOUND: Final = 5
"""LVM's exit code for nearly every refusal (recordings lvm)."""


class Lvm2Driver:
    """Drives physical volumes, volume groups and logical volumes of LVM 2.02 and 2.03."""

    name: ClassVar[str] = "lvm+lvm2"
    subsystem: ClassVar[Subsystem] = "lvm"
    probes: ClassVar[tuple[Operation, ...]] = (_VERSION,)

    def __init__(self, facts: HostFacts, /) -> None:
        self.facts = facts

    @classmethod
    def match(cls, facts: HostFacts, /) -> Match:
        """Suit every LVM 2."""
        answer = facts.of(_VERSION)
        if missing(answer):
            return Match(0, "lvm is not installed")
        version = _version(answer)
        if version.startswith("2."):
            return Match(10, f"LVM {version}")
        return Match(0, f"LVM {version} is not LVM 2" if version else explain(answer))

    # -- looking --------------------------------------------------------------------------------------

    def observe(self) -> Exchange[Observed[LvmState]]:
        """Return what LVM sees on this host, in one round trip."""
        settings, *reports = yield (_SETTINGS, *_REPORTS)
        for report in reports:
            checked = understood(report, lvm_report.parse)
            if isinstance(checked, Unknown):
                return checked
        known = LvmSettings() if missing(settings) else understood(settings, lvm_conf.parse)
        if isinstance(known, Unknown):
            return known
        seen = lvm_report.parse(*(report.text for report in reports)).state(_version(self.facts.of(_VERSION)), known)
        return attrs.evolve(seen, config_text=None if missing(settings) else settings.text)

    # -- doing ----------------------------------------------------------------------------------------

    def render(self, step: Step, state: ClusterState, /) -> tuple[Operation, ...]:
        """Return the operations of a step, its guards first."""
        match step:
            case ConfigureLvm(settings=settings):
                return _configure(settings, lvm_on(state, self.facts.host).config_text)
            case CreatePv(path=path):
                return (*expect_blank(path), Run(("pvcreate", path)))
            case CreateVg(group=group, paths=paths):
                return (
                    _expect_no_group(group),
                    *(_expect_unused(path) for path in paths),
                    Run(("vgcreate", group, *paths)),
                )
            case ExtendVg(group=group, path=path):
                return (_expect_unused(path), Run(("vgextend", group, path)))
            case CreateLv(group=group, volume=volume):
                # what a volume removed long ago left in these extents would make lvcreate ask: it is wiped unasked
                wipe = ("--yes", "--wipesignatures", "y")
                return (
                    _expect_no_volume(group, volume.name),
                    Run(("lvcreate", *wipe, "--name", volume.name, *_amount(volume), group)),
                )
            case ExtendLv(group=group, name=name, size=size):
                return (Run(("lvextend", "--size", f"{size}b", f"{group}/{name}")),)
            case DeactivateVg(group=group):
                return (Run(("vgchange", "-an", group)),)
            case ActivateVg(group=group):
                return (Run(("vgchange", "-ay", group)),)
            case _:
                raise unsupported(self.name, step)

    def judge(self, step: Step, outcomes: tuple[Outcome, ...], /) -> Verdict:
        """Judge by exit codes; activation that activates nothing is a refusal, though it exits with 0."""
        if isinstance(step, ConfigureLvm) and outcomes and outcomes[0].status is Status.FAILED:
            return Verdict("stale", f"{_SETTINGS.path} is not as it was read: somebody else wrote it")
        verdict = judge_by_outcomes(outcomes)
        if verdict.result == "done" and isinstance(step, ActivateVg) and step.active and _nothing_active(outcomes):
            return Verdict(
                "refused", f"no volume of {step.group} was activated: does volume_list of lvm.conf leave it out?"
            )
        return with_meaning(verdict, _MEANINGS)


_MEANINGS: Final[Mapping[str, str]] = {
    "insufficient free space": "the volume group is too small: extend it first, or ask for less",
    "already exists in volume group": "a volume of this name exists already",
    "already in volume group": "the device belongs to a volume group already",
    "system ID": "the volume group belongs to another host's system ID: stop it there; only where that host is gone for "
    "good, take it over (lvmsystemid(7), Overriding system ID: vgchange alone is refused)",
    "excluded by a filter": "lvm.conf's filter hides the device",
    "Cannot use": "LVM refuses the device: a filter or the devices file hides it, or it is in use",
    "No device found": "LVM does not see the device: is it there, and does no filter hide it?",
    "volume_list": "lvm.conf's volume_list does not let it be activated here",
    "in use": "a logical volume is in use: close what has it open (LUN, mount) first",
    "Wrong medium type": "the DRBD device is secondary here and can't be used",
    "kernel device-mapper driver": "this kernel has no device-mapper, or the module is not loaded: modprobe dm_mod",
}
"""What LVM says -> what it means and how to mend; the first that is said counts, and the last comes with any other."""


def _version(answer: Outcome) -> str:
    found = re.search(r"LVM version:\s+([\d.]+)", answer.text) if answer.done else None
    return found[1] if found else ""


def _amount(volume: LogicalVolume) -> tuple[str, str]:
    """Return the option for a size as a person wrote it: bytes exactly, or a share."""
    if "%" in volume.size:
        return "--extents", volume.size
    return "--size", f"{parse_size(volume.size)}b"


def _configure(settings: LvmSettings, text: str | None) -> tuple[Operation, ...]:
    """Edit lvm.conf as it was read, and only if it still is so: what somebody else wrote meanwhile is not lost."""
    still = Condition(missing=True) if text is None else Condition(equals=text)
    edited = lvm_conf.edit(text or "", settings, source=_SETTINGS.path).encode("utf-8", "surrogateescape")
    return (
        Expect(_SETTINGS, still, because=f"{_SETTINGS.path} is as it was read"),
        WriteFile(_SETTINGS.path, edited, backup=f"{_SETTINGS.path}.before-hastore"),
    )


def _expect_unused(path: str) -> Expect:
    """Go on only if the device is a physical volume of no group: vgcreate would make one of any device, unasked."""
    ask = Run(("pvs", "--reportformat", "json", "-o", "pv_name,vg_name", path), reads=True)
    return Expect(ask, Condition((0,), contains=('"vg_name":""',)), because=f"{path} is a physical volume of no group")


def _expect_no_group(group: str) -> Expect:
    ask = Run(("vgs", "--reportformat", "json", "-o", "vg_name", group), reads=True, ok=(0, _NOT_FOUND))
    return Expect(ask, Condition((_NOT_FOUND,)), because=f"no volume group is called {group} yet")


def _expect_no_volume(group: str, name: str) -> Expect:
    ask = Run(("lvs", "--reportformat", "json", "-o", "lv_name", group), reads=True)
    return Expect(ask, Condition((0,), lacks=(f'"lv_name":"{name}"',)), because=f"{group} has no volume {name} yet")


def _nothing_active(outcomes: tuple[Outcome, ...]) -> bool:
    return any(re.match(r"\s*0 logical volume\(s\) in volume group", outcome.text) for outcome in outcomes)
