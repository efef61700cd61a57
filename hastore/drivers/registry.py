"""Which drivers there are, and which of them suits a host: found by entry points, the built-in ones always.

A driver is an entry point of the group `hastore.drivers.<subsystem>` whose name is the driver's own; hastore's own
drivers are, too. In a clone, installed or not, its pyproject.toml says what is built in. What can't be loaded, or is
no driver, is a reason that `cluster.explain()` shows, and never stops the others.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final, get_args

from hastore.drivers.base import Driver, HostFacts, Match
from hastore.hosts.operations import Operation
from hastore.model.errors import DriverMismatch
from hastore.model.values import field, value
from hastore.planning.steps import Subsystem

GROUP: Final = "hastore.drivers"
SUBSYSTEMS: Final[tuple[Subsystem, ...]] = get_args(Subsystem)

_MEMBERS: Final = ("probes", "match", "observe", "render", "judge")


@value
class Available:
    """A driver that was found, or why it can't be used."""

    name: str
    subsystem: Subsystem
    driver: type[Driver] | None = None
    fault: str = ""


@value(eq=False)
class Choice:
    """The driver of one subsystem on one host, made with the host's facts; None where none suits."""

    subsystem: Subsystem
    driver: Driver | None = None
    match: Match = Match(0, "no driver")
    explanation: tuple[str, ...] = field(default=())
    """A line for each driver of the subsystem: why it was chosen, or why not."""


def available() -> tuple[Available, ...]:
    """Return every driver that can be found, by subsystem and name; loading a plug-in is tried once a process."""
    return _available()


def forget() -> None:
    """Look for plug-ins anew at the next call; for those installed while Python runs."""
    _available.cache_clear()


def probes() -> tuple[Operation, ...]:
    """Return what all drivers want to know of a host, each question once: one batch, one round trip."""
    asked = [probe for found in available() if found.driver is not None for probe in found.driver.probes]
    return tuple(dict.fromkeys(asked))


def choose(facts: HostFacts, wanted: Mapping[Subsystem, str] | None = None) -> dict[Subsystem, Choice]:
    """Return the choice for every subsystem: the one that is wanted by name, else the best match.

    Raises DriverMismatch where a wanted driver does not exist or cannot work on this host, and says why.
    """
    wishes = wanted or {}
    unknown = sorted(set(wishes) - set(SUBSYSTEMS))
    if unknown:
        msg = f"there is no subsystem {unknown[0]!r}; there are {', '.join(SUBSYSTEMS)}"
        raise DriverMismatch(msg)
    return {subsystem: _choose(subsystem, facts, wishes.get(subsystem, "")) for subsystem in SUBSYSTEMS}


def _choose(subsystem: Subsystem, facts: HostFacts, wish: str) -> Choice:
    found = [one for one in available() if one.subsystem == subsystem]
    matches = {one.name: _match(one, facts) for one in found}
    chosen = _wished(subsystem, wish, matches, facts) if wish else _best(matches)
    lines = tuple(_line(name, match, chosen, matches, wish) for name, match in matches.items())
    kind = next((one.driver for one in found if one.name == chosen), None)
    if kind is None:
        return Choice(subsystem, explanation=lines)
    return Choice(subsystem, kind(facts), matches[chosen], lines)


def _match(found: Available, facts: HostFacts) -> Match:
    if found.driver is None:
        return Match(0, found.fault)
    try:
        return found.driver.match(facts)
    except Exception as error:  # noqa: BLE001  a plug-in's fault is a reason, whatever it raises
        return Match(0, f"its match() failed: {type(error).__name__}: {error}")


def _wished(subsystem: Subsystem, wish: str, matches: Mapping[str, Match], facts: HostFacts) -> str:
    match = matches.get(wish)
    if match is None:
        msg = f"there is no {subsystem} driver {wish!r}; there are {', '.join(matches) or 'none'}"
        raise DriverMismatch(msg)
    if match.score <= 0:
        msg = f"{wish} cannot work on {facts.host}: {match.reason}"
        raise DriverMismatch(msg)
    return wish


def _best(matches: Mapping[str, Match]) -> str:
    suiting = [name for name, match in matches.items() if match.score > 0]
    return max(suiting, key=lambda name: matches[name].score, default="")


def _line(name: str, match: Match, chosen: str, matches: Mapping[str, Match], wish: str) -> str:
    if name == chosen:
        return f"{name}: chosen{', as you wanted' if wish else ''}: {match.reason}"
    if match.score <= 0:
        return f"{name}: cannot work here: {match.reason}"
    over = "you wanted" if wish else f"it scores {match.score} against {matches[chosen].score} of"
    return f"{name}: not chosen, {over} {chosen}: {match.reason}"


# -- finding ------------------------------------------------------------------------------------------


@cache
def _available() -> tuple[Available, ...]:
    return tuple(found for subsystem in SUBSYSTEMS for found in _of(subsystem))


def _of(subsystem: Subsystem) -> Iterator[Available]:
    """Yield built-ins first, then plug-ins; a plug-in can't take a built-in's name."""
    group = f"{GROUP}.{subsystem}"
    points = (*_of_the_clone(group), *entry_points(group=group))
    built_in = {point.name: point for point in points if point.module.startswith(f"{GROUP}.")}
    plug_ins = {point.name: point for point in points if point.name not in built_in}
    for point in (*built_in.values(), *plug_ins.values()):
        yield _loaded(point, subsystem)


def _of_the_clone(group: str) -> list[EntryPoint]:
    """Return the entry points that the pyproject.toml beside the package declares; none where there is no such file."""
    declared = Path(__file__).parents[2] / "pyproject.toml"
    if not declared.is_file():
        return []
    project = tomllib.loads(declared.read_text(encoding="utf-8")).get("project", {})
    if project.get("name") != "hastore":
        return []
    return [EntryPoint(name, place, group) for name, place in project["entry-points"].get(group, {}).items()]


def _loaded(point: EntryPoint, subsystem: Subsystem) -> Available:
    try:
        driver: Any = point.load()
    except Exception as error:  # noqa: BLE001  a broken plug-in is a reason, whatever importing it raises
        return Available(point.name, subsystem, fault=f"{point.value} can't be loaded: {type(error).__name__}: {error}")
    lacking = [member for member in _MEMBERS if not hasattr(driver, member)]
    if lacking:
        return Available(point.name, subsystem, fault=f"{point.value} is no driver: it has no {', '.join(lacking)}")
    if (getattr(driver, "name", ""), getattr(driver, "subsystem", "")) != (point.name, subsystem):
        fault = f"{point.value} calls itself {getattr(driver, 'name', '?')!r} of {getattr(driver, 'subsystem', '?')!r}"
        return Available(point.name, subsystem, fault=f"{fault}, its entry point {point.name!r} of {subsystem!r}")
    return Available(point.name, subsystem, driver)
