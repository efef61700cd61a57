"""drbd+8.4: DRBD 8.4 by drbdadm and drbdsetup, its configuration as files.

Looking reads files and `drbdsetup events2` first, then asks each volume for its data generation, which tells
whether it has metadata, too. Source of what the tools say and how they exit: recordings drbd84, TRANSCRIPT-pass1
and -pass2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

import attrs

from hastore.drivers.base import HostFacts, Match, Verdict, explain, judge_by_outcomes, with_meaning
from hastore.drivers.drbd_files import CONFIG, FOLDER, read_configuration
from hastore.drivers.guards import expect_blank
from hastore.drivers.reading import missing, understood, unsupported
from hastore.formats import drbd_conf, drbd_status
from hastore.hosts.exchange import Exchange
from hastore.hosts.operations import Condition, Expect, Operation, Outcome, ReadFile, ReadTree, Run, WriteFile
from hastore.model.drbd import DrbdResource
from hastore.model.state import ABSENT, ClusterState, DrbdResourceState, DrbdState, Observed, Unknown
from hastore.planning.evolve import host_of
from hastore.planning.steps import Step, Subsystem, Watch
from hastore.planning.steps_drbd import (
    JUST_CREATED,
    AdjustDrbd,
    CreateDrbdMetadata,
    DrbdDown,
    DrbdPrimary,
    DrbdSecondary,
    DrbdUp,
    InitialPrimary,
    WriteDrbdConfig,
)

_PROC: Final = ReadFile("/proc/drbd")
_VERSION: Final = Run(("drbdadm", "--version"), reads=True)
_EVENTS: Final = Run(("drbdsetup", "events2", "--now", "--statistics"), reads=True)
_FILES: Final = (ReadFile(CONFIG), ReadTree(FOLDER))
_NO_METADATA: Final = 1
"""Exit code of `drbdadm get-gi`, which then says nothing (recording drbd84/01-unconfigured)."""
_LONG: Final = 600.0
"""Seconds for what writes the bitmap or replays the activity log of a large disk."""


class Drbd84Driver:
    """Drives resources of DRBD 8.4, two nodes each."""

    name: ClassVar[str] = "drbd+8.4"
    subsystem: ClassVar[Subsystem] = "drbd"
    probes: ClassVar[tuple[Operation, ...]] = (_PROC, _VERSION)

    def __init__(self, facts: HostFacts, /) -> None:
        self.facts = facts

    @classmethod
    def match(cls, facts: HostFacts, /) -> Match:
        """Suit a loaded module of 8.4; without a loaded module suit weakly, because nobody can tell which it would be."""
        tool = facts.of(_VERSION)
        if missing(tool) or not tool.done:
            return Match(0, "drbdadm is not installed" if missing(tool) else explain(tool))
        module = facts.of(_PROC)
        if missing(module):
            return Match(1, "drbdadm is there, DRBD's kernel module is not loaded: its version is not known")
        proc = understood(module, drbd_status.parse_proc)
        if isinstance(proc, Unknown):
            return Match(0, proc.reason)
        if proc.version.startswith("8.4"):
            return Match(10, f"DRBD {proc.version} is loaded")
        return Match(0, f"DRBD {proc.version} is loaded; this driver speaks 8.4")

    # -- looking --------------------------------------------------------------------------------------

    def observe(self) -> Exchange[Observed[DrbdState]]:
        """Return DRBD's state in two round trips; Unknown where the kernel or drbdsetup give no clear answer."""
        proc, events, *files = yield (_PROC, _EVENTS, *_FILES)
        configured = read_configuration(*files)
        if isinstance(configured, Unknown):
            return configured
        running = _running(proc, events)
        if isinstance(running, Unknown):
            return running
        read = [one.config for one in configured.values() if isinstance(one.config, DrbdResource)]
        mine = [resource for resource in read if self.facts.host in resource.nodes]
        asked = {(r.name, volume.number): _generation(r.name, volume.number) for r in mine for volume in r.volumes}
        answers = dict(zip(asked, (yield tuple(asked.values())), strict=True)) if asked else {}
        names = dict.fromkeys((*configured, *running.resources))
        resources = {
            name: attrs.evolve(
                running.resources.get(name) or DrbdResourceState(name),
                config=configured[name].config if name in configured else ABSENT,
                config_path=configured[name].path if name in configured else "",
                metadata={volume: _has_metadata(answer) for (r, volume), answer in answers.items() if r == name},
                generations={
                    volume: gi
                    for (r, volume), answer in answers.items()
                    if r == name and isinstance(gi := understood(answer, drbd_status.parse_generation), str)
                },
            )
            for name in names
        }
        return attrs.evolve(running, resources=resources)

    # -- doing ----------------------------------------------------------------------------------------

    def render(self, step: Step, state: ClusterState, /) -> tuple[Operation, ...]:
        """Return the operations of a step; watches have none."""
        match step:
            case WriteDrbdConfig(resource=resource):
                path = f"{FOLDER}/{resource.name}.res"
                # not *.res: drbdadm would read the old file, too
                return (WriteFile(path, drbd_conf.render(resource), 0o600, backup=f"{path}.before-hastore"),)
            case CreateDrbdMetadata(resource=resource, volume=volume):
                # create-md asks before it writes, and needs a terminal for that; the guard stands in its place
                create = Run(("drbdadm", "create-md", "--force", f"{resource.name}/{volume}"), timeout=_LONG)
                return (*_load_module(state, step.host), *expect_blank(step.disk), create)
            case InitialPrimary(resource=resource):
                return (*_expect_never_used(resource), Run(("drbdadm", "primary", "--force", resource.name)))
            case AdjustDrbd(resource=resource):
                return (_drbdadm("adjust", resource),)
            case DrbdUp(resource=resource):
                return (*_load_module(state, step.host), _drbdadm("up", resource))
            case DrbdPrimary(resource=resource):
                return (_drbdadm("primary", resource),)
            case DrbdSecondary(resource=resource):
                return (_drbdadm("secondary", resource),)
            case DrbdDown(resource=resource):
                return (_drbdadm("down", resource),)
            case Watch():
                return ()
            case _:
                raise unsupported(self.name, step)

    def judge(self, _step: Step, outcomes: tuple[Outcome, ...], /) -> Verdict:
        """Judge by exit codes, which drbdadm gives truly, and say what its refusals mean."""
        return with_meaning(judge_by_outcomes(outcomes), _MEANINGS)


_MEANINGS: Final[Mapping[str, str]] = {
    "Need access to UpToDate data": "no good data can be reached from here: bring the peer up and connect, or wait for the sync",
    "Multiple primaries not allowed": "the other node is primary: make it secondary first",
    "Device is held open": "something still has the device open: deactivate the volume group, unmount, close the LUN",
    "refused by peer node": "the peer refused, usually because it is primary without good data of its own",
    "No valid meta data found": "the backing disk has no DRBD metadata: create it first, and take the resource down before",
    "is configured!": "the resource is up already, perhaps in part: take it down first, or adjust it",
    "not defined in your config": "no configuration names this resource on this host",
    "no resources defined": "DRBD has no configuration on this host",
    "already in use": "the address or the disk is in use already",
    "already active": "a resync is running already: wait for it",
    "module drbd not found": "DRBD's kernel module is not installed for the running kernel",
}
"""What drbdadm says (recordings drbd84/TRANSCRIPT-pass1, -pass2) -> what it means and how to mend."""


def _load_module(state: ClusterState, host: str) -> tuple[Operation, ...]:
    """Load DRBD's module where it is not, and go on only if it is 8.4: without one the utilities speak DRBD 9.

    drbdadm of drbd-utils 9 takes the grammar, and `create-md` the format, of 9 then (facts: drbd).
    """
    drbd = host_of(state, host).drbd
    if isinstance(drbd, DrbdState) and drbd.module_loaded:
        return ()
    is_84 = Condition(contains=("version: 8.4.",))
    return (
        Run(("modprobe", "drbd")),
        Expect(_PROC, is_84, because="the DRBD module of the running kernel is 8.4, which drbd+8.4 speaks"),
    )


def _drbdadm(command: str, resource: DrbdResource) -> Run:
    return Run(("drbdadm", command, resource.name), timeout=_LONG)


def _generation(resource: str, volume: int) -> Run:
    return Run(("drbdadm", "get-gi", f"{resource}/{volume}"), reads=True, ok=(0, _NO_METADATA))


def _has_metadata(answer: Outcome) -> bool | None:
    if answer.exit_code == 0 and isinstance(understood(answer, drbd_status.parse_generation), str):
        return True
    silent = not answer.stdout.strip() and not answer.stderr.strip()
    return False if answer.exit_code == _NO_METADATA and silent else None


def _running(proc: Outcome, events: Outcome) -> DrbdState | Unknown:
    """Return what is up, without configuration; nothing can be up while the module is not loaded."""
    if missing(proc):
        return DrbdState("", module_loaded=False)
    kernel = understood(proc, drbd_status.parse_proc)
    up = understood(events, lambda text: drbd_status.resources_from(drbd_status.parse_events2(text)))
    if isinstance(kernel, Unknown):
        return kernel
    if isinstance(up, Unknown):
        return up
    resources = {name: drbd_status.with_progress(resource, kernel) for name, resource in up.items()}
    return DrbdState(kernel.version, resources)


def _expect_never_used(resource: DrbdResource) -> tuple[Expect, ...]:
    """Go on only if no volume ever held data, here or there: a forced primary would throw the peer's away."""
    because = f"{resource.name} was just created and never held data, on either node"
    fresh = tuple(
        Expect(_generation(resource.name, v.number), Condition((0,), contains=(f"{JUST_CREATED}:",)), because)
        for v in resource.volumes
    )
    states = Run(("drbdadm", "dstate", resource.name), reads=True)
    used = ("UpToDate", "Outdated", "Consistent", "Diskless", "DUnknown", "Failed")
    return (*fresh, Expect(states, Condition((0,), contains=("Inconsistent/Inconsistent",), lacks=used), because))
