"""DRBD's configuration on a host: /etc/drbd.conf, and the files of /etc/drbd.d that it includes."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Final

from hastore.drivers.base import explain
from hastore.drivers.reading import missing
from hastore.formats import drbd_conf
from hastore.hosts.operations import Outcome
from hastore.model.drbd import DrbdResource
from hastore.model.errors import ParseError
from hastore.model.state import Unknown
from hastore.model.values import value

CONFIG: Final = "/etc/drbd.conf"
FOLDER: Final = "/etc/drbd.d"
_USUAL_INCLUDES: Final = ("drbd.d/global_common.conf", "drbd.d/*.res")


@value
class Configured:
    """What a file says of a resource."""

    config: DrbdResource | Unknown
    path: str


def read_configuration(main: Outcome, folder: Outcome) -> dict[str, Configured] | Unknown:
    """Return resource -> what the files say of it, and which, from the outcomes of reading drbd.conf and drbd.d.

    A resource stands as its own section says it; `common` stays where it is. A file that is no configuration makes
    the resource of its name Unknown; where files can't be read at all, everything is. Without drbd.conf what
    distributions include in it is taken.
    """
    for outcome in (main, folder):
        if not (outcome.done or missing(outcome)):
            return Unknown(explain(outcome))
    found: dict[str, Configured] = {}
    includes = _read("drbd", main.text, CONFIG, found) if main.done else _USUAL_INCLUDES
    for path, text in _included(includes, folder):
        _read(path.rpartition("/")[2].removesuffix(".res"), text, f"/etc/{path}", found)
    return found


def _included(patterns: tuple[str, ...], folder: Outcome) -> Iterator[tuple[str, str]]:
    for name, entry in folder.tree.items():
        path = f"{FOLDER.removeprefix('/etc/')}/{name}"
        if entry.kind == "file" and any(fnmatch(path, pattern.removeprefix("/etc/")) for pattern in patterns):
            yield path, entry.text


def _read(stem: str, text: str, path: str, found: dict[str, Configured]) -> tuple[str, ...]:
    """Add a file's resources to what was found; return the patterns that it includes."""
    try:
        config = drbd_conf.parse(text, source=path)
    except ParseError as error:
        found[stem] = Configured(Unknown(str(error)), path)
        return _USUAL_INCLUDES
    found.update({resource.name: Configured(resource, path) for resource in config.resources})
    return config.includes
