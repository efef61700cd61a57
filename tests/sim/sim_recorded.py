"""Recordings of real systems, read for comparison with the simulator."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "recordings"
ROOT = "/sys/kernel/scst_tgt/"


def scst_tree(name: str) -> dict[str, tuple[str, str, str]]:
    """Return a recorded tree: path below scst_tgt -> kind, mode of a file, content or target or errno."""
    found: dict[str, dict[str, Any]] = json.loads((FOLDER / "scst" / f"{name}.json").read_text())
    return {
        path.removeprefix(ROOT): (
            entry["type"],
            entry.get("mode", "") if entry["type"] == "file" else "",
            entry.get("content", entry.get("target", entry.get("read_errno", ""))),
        )
        for path, entry in found.items()
    }


def scst_writes(name: str) -> list[dict[str, str]]:
    """Return recorded writes: path, data, result (`ok` or an errno's name), last (last_sysfs_mgmt_res after it)."""
    found: list[dict[str, str]] = json.loads((FOLDER / "scst" / f"{name}.json").read_text())
    return found


def transcript(path: str) -> dict[str, tuple[int, str, str]]:
    """Return the commands of a recorded state: command line -> exit code, standard output, standard error."""
    found: dict[str, tuple[int, str, str]] = {}
    for block in re.split(r"(?m)^\$ ", (FOLDER / path).read_text())[1:]:
        command, _, rest = block.partition("\n")
        code = re.search(r"^\[rc=(\d+)\]$", rest, re.MULTILINE)
        body = rest[: code.start()] if code else rest
        out, _, err = body.partition("[stderr]\n")
        found[command] = (int(code[1]) if code else 0, out, err)
    return found
