"""Reading tests/recordings: commands with their outputs, and trees of SCST's sysfs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from hastore.hosts.operations import Entry
from hastore.model.values import value

RECORDINGS = Path(__file__).parent / "recordings"
SCST = "/sys/kernel/scst_tgt/"


@value
class Recorded:
    """One command of a recording: what it printed and how it ended."""

    command: str
    output: str
    errors: str
    exit_code: int


def commands(path: Path) -> Iterator[Recorded]:
    """Yield the commands of a recording of the form `$ command`, output, `[rc=N]`."""
    for block in re.split(r"^\$ ", path.read_text(), flags=re.MULTILINE)[1:]:
        command, _, rest = block.partition("\n")
        body, _, code = rest.rpartition("[rc=")
        output, _, errors = body.partition("[stderr]\n")
        yield Recorded(command.partition("    #")[0], output, errors, int(re.split(r"[],]", code)[0]))


def answer(path: Path, command: str) -> str:
    """Return what a command of a recording printed."""
    return next(recorded.output for recorded in commands(path) if recorded.command == command)


def tree(path: Path) -> dict[str, Entry]:
    """Return a dump of SCST's tree as a host reads it: path below /sys/kernel/scst_tgt -> entry."""
    dump: Mapping[str, Mapping[str, str]] = json.loads(path.read_text())
    return {name.removeprefix(SCST): _entry(found) for name, found in dump.items()}


def _entry(found: Mapping[str, str]) -> Entry:
    mode = int(found.get("mode", "0"), 8)
    error = found.get("read_errno", "")
    if found["type"] == "file" and "content" not in found and not error:
        error = "EACCES"
    kind = {"file": "file", "dir": "dir", "link": "link"}[found["type"]]
    return Entry(kind, found.get("content", "").encode(), found.get("target", ""), mode, error)  # type: ignore[arg-type]  # one of the three
