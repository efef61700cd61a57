"""What a node's lvm.conf says to the simulated LVM: what it sees, activates and owns.

Documented: lvm.conf(5), lvmsystemid(7); run against LVM 2.03.16: of a setting that stands twice the last one counts.
"""

from __future__ import annotations

import re

from hastore.model.errors import NotSimulated
from hastore.sim.world import Node

PATH = "/etc/lvm/lvm.conf"
STOCK = """\
# Settings of LVM as the package brings them: every one is a comment, and LVM's own default counts.
config {
	# checks = 1
}
devices {
	# dir = "/dev"
	# use_devicesfile = 0

	# Patterns that accept (a) or reject (r) a device; the first that matches decides.
	# filter = [ "a|.*|" ]
	# global_filter = [ "a|.*|" ]
}
global {
	# umask = 077
	# system_id_source = "none"
}
activation {
	# Example
	# volume_list = [ "vg1", "vg2/lvol1", "@tag1", "@*" ]
	# Example
	# auto_activation_volume_list = [ "vg1", "vg2/lvol1", "@tag1", "@*" ]
}
"""

Rule = tuple[bool, re.Pattern[str]]


class LvmConfig:
    """The settings of one node, read anew whenever one is asked for, as each LVM command does."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def listed(self, name: str) -> list[str] | None:
        """Return a setting's list of texts; a lone text is a list of one; None where it is not set."""
        text = r'"(?:[^"\\]|\\.)*"'
        values = re.findall(rf"(?<!\w){name}\s*=\s*(\[(?:{text}|[^\]\"])*\]|{text})", self._text())
        return (
            [re.sub(r"\\(.)", r"\1", word) for word in re.findall(r'"((?:[^"\\]|\\.)*)"', values[-1])]
            if values
            else None
        )

    def word(self, name: str) -> str:
        """Return a setting's text; empty where it is not set."""
        return (self.listed(name) or [""])[-1]

    def filters(self) -> list[list[Rule]]:
        """Return `filter` and `global_filter`, each as its rules; a device must pass both."""
        return [
            [(rule[0] == "a", re.compile(rule[2 : rule.rindex(rule[1])])) for rule in self.listed(name) or []]
            for name in ("filter", "global_filter")
        ]

    @property
    def system_id(self) -> str:
        """The host's own system ID; empty without `global/system_id_source`; NotSimulated for sources but uname, lvmlocal."""
        source = self.word("system_id_source")
        if source in {"", "none"}:
            return ""
        if source == "uname":
            return self.node.name
        if source == "lvmlocal":
            return self.word("system_id")
        msg = f"system_id_source = {source!r} in {PATH}"
        raise NotSimulated(msg, host=self.node.name)

    def _text(self) -> str:
        text = self.node.files.files.get(PATH, b"").decode(errors="surrogateescape")
        return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


def lets_through(allowed: list[str] | None, group: str, volume: str, tags: tuple[str, ...]) -> bool:
    """Tell whether a list of volumes lets one be activated: by group, group/volume or @tag; no list lets all."""
    names = {group, f"{group}/{volume}", *(f"@{tag}" for tag in tags)}
    return allowed is None or bool(names & set(allowed))
