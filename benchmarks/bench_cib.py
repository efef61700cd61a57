"""How long a change of Pacemaker's configuration takes, by hastore and by the tools that people use.

Everything works on a sandbox (a CIB in a file), so that no cluster's answer is measured. `whole` loads the article's
mended configuration into an empty CIB, so many times over; `one` changes one timeout in that CIB.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

import attrs
from sizes import articles, shown

import hastore
from hastore.formats import cib_patch, cib_xml, crmsh
from hastore.model.pacemaker import Cib, Colocation, Location, Order, PacemakerResource
from hastore.planning.steps_cluster import edits_between

BOUND = 120.0
"""Seconds after which a tool is given up."""
NODES = '<nodes><node id="1" uname="centos01"/><node id="2" uname="centos02"/></nodes>'
SEARCHED = f"{os.environ.get('PATH', '')}:/usr/sbin"
CHANGED = "p_target_vg1"
Work = Callable[[], None]


class Sandbox:
    """A CIB in a file, and the real tools that work on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "cib.xml"
        self.environment = {
            **os.environ,
            "CIB_file": str(self.file),
            "HOME": str(folder),
            "TERM": "dumb",
            "PATH": SEARCHED,
        }

    def start_from(self, xml: str) -> None:
        """Put a CIB there, without the signature that cibadmin keeps beside it."""
        (self.folder / "cib.xml.sig").unlink(missing_ok=True)
        self.file.write_text(xml)

    def note(self, name: str, text: str) -> str:
        """Write a file for a tool, and return its path."""
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def content(self) -> Cib:
        """Return the CIB as it is now."""
        return cib_xml.parse(self.file.read_bytes())

    def run(self, *argv: str, text: str = "", deadline: float = BOUND) -> None:
        """Run a tool; what it says is not asked (crm and pcs complain of agents that are missing), what it left is."""
        program = shutil.which(argv[0], path=SEARCHED) or argv[0]
        subprocess.run(  # noqa: S603  the benchmark's own words
            [program, *argv[1:]],
            input=text,
            env=self.environment,
            text=True,
            capture_output=True,
            timeout=deadline,
            check=False,
        )


def empty_cib() -> str:
    """Return an empty CIB of the installed Pacemaker, with the article's nodes."""
    program = shutil.which("cibadmin", path=SEARCHED) or "cibadmin"
    told = subprocess.run([program, "--empty"], capture_output=True, text=True, check=True)  # noqa: S603  found on PATH
    return told.stdout.replace("<nodes/>", NODES)


def by_hastore(sandbox: Sandbox, desired: Cib) -> Work:
    """Read the live XML, find the edits, make the patchset, and let cibadmin apply it: what a plan does."""

    def work() -> None:
        live = sandbox.file.read_text()
        edits = edits_between(desired, cib_xml.parse(live), frozenset())
        patch = cib_patch.patchset(live, cib_patch.edit(live, edits))
        sandbox.run("cibadmin", "--patch", "--xml-pipe", text=patch)

    return work


def by_replacing(sandbox: Sandbox, desired: Cib) -> Work:
    """Replace the whole CIB by a file that lies ready."""
    edits = edits_between(desired, cib_xml.parse(sandbox.file.read_text()), frozenset())
    ready = sandbox.note("ready.xml", cib_patch.edit(sandbox.file.read_text(), edits))
    return lambda: sandbox.run("cibadmin", "--replace", "--xml-file", ready)


def by_crm(sandbox: Sandbox, text: str) -> Work:
    """Load crmsh text; -F because the storage agents need not be installed here."""
    source = sandbox.note("load.crm", text)
    return lambda: sandbox.run("crm", "-F", "configure", "load", "update", source)


def by_pcs(sandbox: Sandbox, commands: list[tuple[str, ...]]) -> Work:
    """Run one pcs command after the other, as its users' scripts do."""

    def work() -> None:
        begin = perf_counter()
        for command in commands:
            sandbox.run("pcs", "-f", str(sandbox.file), *command, deadline=max(1.0, BOUND + begin - perf_counter()))

    return work


def pcs_commands(cib: Cib) -> Iterator[tuple[str, ...]]:
    """Yield the commands that make such a CIB; --force because the storage agents need not be installed here."""
    grouped = {member: group.id for group in cib.groups for member in group.members}
    for resource in cib.resources:
        kind = "stonith" if resource.agent.startswith("stonith:") else "resource"
        into = ("--group", grouped[resource.id]) if resource.id in grouped else ()
        yield (
            kind,
            "create",
            resource.id,
            resource.agent.removeprefix("stonith:"),
            *_words(resource),
            *into,
            "--force",
        )
    for clone in cib.clones:
        yield (
            "resource",
            "promotable",
            clone.resource,
            clone.id,
            *(f"{k}={v}" for k, v in clone.meta.items()),
            "--force",
        )
    for constraint in cib.constraints:
        yield ("constraint", *_constraint(constraint), "--force")
    for name, text in cib.properties.items():
        yield ("property", "set", f"{name}={text}", "--force")


def _words(resource: PacemakerResource) -> list[str]:
    words = [f"{name}={text}" for name, text in resource.params.items()]
    for op in resource.ops:
        said = {"interval": op.interval, "timeout": op.timeout, "role": op.role}
        words += ["op", op.name, *(f"{name}={text}" for name, text in said.items() if text)]
    return [*words, *(["meta", *(f"{name}={text}" for name, text in resource.meta.items())] if resource.meta else [])]


def _constraint(constraint: Colocation | Order | Location) -> tuple[str, ...]:
    match constraint:
        case Colocation():
            role = (constraint.with_role,) if constraint.with_role else ()
            return ("colocation", "add", constraint.resource, "with", *role, constraint.with_resource, constraint.score)
        case Order():
            first, then = constraint.first_action or "start", constraint.then_action or "start"
            return ("order", first, constraint.first, "then", then, constraint.then)
        case Location():
            return ("location", constraint.resource, "avoids", constraint.node)


def changed(cib: Cib) -> Cib:
    """Return the CIB with one timeout changed."""
    old = next(r for r in cib.resources if r.id == CHANGED)
    ops = tuple(attrs.evolve(op, timeout="90s") if op.name == "monitor" else op for op in old.ops)
    return attrs.evolve(cib, resources=tuple(attrs.evolve(r, ops=ops) if r is old else r for r in cib.resources))


def measure(sandbox: Sandbox, start: str, ways: dict[str, Callable[[], Work]], desired: Cib, rounds: int) -> None:
    """Print the least time of each way from the same start, and its ratio to hastore's; the result must be right."""
    ours = 0.0
    for name, prepare in ways.items():
        taken: list[float] = []
        problem = ""
        for _ in range(rounds):
            sandbox.start_from(start)
            work = prepare()
            begin = perf_counter()
            try:
                work()
            except subprocess.TimeoutExpired:
                problem = f"given up after {BOUND:.0f} s"
                break
            taken.append(perf_counter() - begin)
            problem = lacks(sandbox.content(), desired)
        best = min(taken, default=0.0)
        ours = ours or best
        print(f"    {name:28} " + (problem or f"{shown(best)}   {best / ours:8.2f} of hastore's"))


def lacks(cib: Cib, desired: Cib) -> str:
    """Return what a CIB lacks of the desired one: primitives, groups, clones, or a timeout."""
    for kind in ("resources", "groups", "clones"):
        missing = {e.id for e in getattr(desired, kind)} - {e.id for e in getattr(cib, kind)}
        if missing:
            return f"{len(missing)} {kind} missing afterwards, {min(missing)} is one"
    wanted, found = (c.resource(CHANGED) for c in (desired, cib))
    timeouts = [{op.timeout for op in r.ops if op.name == "monitor"} for r in (wanted, found) if r is not None]
    return "" if timeouts[0] == timeouts[1] else f"the timeout of {CHANGED} is {timeouts[1]} afterwards"


def installed(tool: str) -> bool:
    """Return whether a tool is at hand."""
    return shutil.which(tool, path=SEARCHED) is not None


def compare_at(count: int, sandbox: Sandbox) -> None:
    """Print both comparisons at one size."""
    desired = hastore.compose(articles(count))
    after = changed(desired)
    primitive = next(r for r in after.resources if r.id == CHANGED)
    empty = empty_cib()
    full = cib_patch.edit(empty, edits_between(desired, cib_xml.parse(empty), frozenset()))
    whole: dict[str, Callable[[], Work]] = {
        "hastore": lambda: by_hastore(sandbox, desired),
        "cibadmin --replace": lambda: by_replacing(sandbox, desired),
    }
    one: dict[str, Callable[[], Work]] = {
        "hastore": lambda: by_hastore(sandbox, after),
        "cibadmin --replace": lambda: by_replacing(sandbox, after),
    }
    if installed("crm"):
        whole["crm configure load update"] = lambda: by_crm(sandbox, crmsh.render(desired))
        one["crm configure load update"] = lambda: by_crm(sandbox, crmsh.render(Cib(resources=(primitive,))))
    if installed("pcs") and count == 1:
        commands = list(pcs_commands(desired))
        whole[f"pcs, {len(commands)} commands"] = lambda: by_pcs(sandbox, commands)
    if installed("pcs"):
        update = ("resource", "update", CHANGED, "op", "monitor", "interval=10s", "timeout=90s", "--force")
        one["pcs, 1 command"] = lambda: by_pcs(sandbox, [update])
    rounds = 3 if count < 100 else 1
    print(f"  {count} x the article, {len(desired.resources)} primitives, {len(full) // 1024} KiB: whole")
    measure(sandbox, empty, whole, desired, rounds)
    print(f"  {count} x the article: one timeout")
    measure(sandbox, full, one, after, rounds)


def main(sizes: tuple[int, ...] = (1, 10, 100)) -> None:
    """Print the comparisons at three sizes."""
    if not installed("cibadmin"):
        print("missing: cibadmin")
        return
    print("a change of the CIB, in a sandbox")
    with tempfile.TemporaryDirectory() as folder:
        for count in sizes:
            compare_at(count, Sandbox(Path(folder)))


if __name__ == "__main__":
    main()
