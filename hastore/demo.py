"""The article's cluster, end to end, on simulated machines: read, judged, provisioned, switched over, verified.

Run it with `python -m hastore.demo [FOLDER]`; it leaves the topology, the plan and the journal in the
folder (default `demo-output`). The code between the lines that it prints is what a script of yours would say.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import hastore
from hastore import sim
from hastore.display.text import findings_text
from hastore.execution.journal import FileJournal
from hastore.model.findings import Severity
from hastore.sim.workload import Writer


def main(arguments: Sequence[str] = ()) -> int:
    """Play the demo; return 0 where everything held, 1 where something did not."""
    folder = Path(arguments[0] if arguments else "demo-output")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "journal.jsonl").unlink(missing_ok=True)
    with FileJournal(folder / "journal.jsonl") as journal:
        return _Demo(folder, journal).play()


class _Demo:
    def __init__(self, folder: Path, journal: FileJournal) -> None:
        self.folder = folder
        self.journal = journal
        self.progress = hastore.Progress(sys.stdout)
        self.wrong: list[str] = []

    def play(self) -> int:
        adopted = self.read()
        stack = self.judge(adopted)
        lab = sim.article()
        cluster = hastore.connect(*lab.hosts.values())
        stack = self.fence(cluster, stack)
        self.provision(cluster, stack)
        writer = self.write(lab, stack.targets[0].iqn)
        self.switch_over(cluster, writer)
        self.lose_power(cluster, lab, writer)
        self.verify(cluster, stack, lab, writer)
        return self.end()

    def read(self) -> hastore.Adopted:
        say("1. Read", "The article's own files: crm configure, a DRBD resource, corosync.conf, lvm.conf, hosts.")
        adopted = article_adopted()
        stack = adopted.stack
        show(f"nodes {', '.join(stack.node_names)}; client {', '.join(c.host for c in stack.clients)}")
        show(f"DRBD {stack.drbd[0].name} on {stack.drbd[0].volumes[0].disk}; {stack.targets[0].iqn}")
        show(f"service addresses {', '.join(vip.ip for vip in stack.vips)}")
        return adopted

    def judge(self, adopted: hastore.Adopted) -> hastore.StorageStack:
        say("2. Judge", "Each trap has a code, its evidence and its mend (docs/traps.md lists them all).")
        findings = hastore.judge(adopted.stack)
        weights = Counter(f.severity for f in findings)
        show(", ".join(f"{weights[severity]} {severity.value}" for severity in Severity if weights[severity]))
        heaviest = [f for f in findings if f.severity.weight <= Severity.DANGER.weight]
        show(findings_text(heaviest, mends=False))
        fixes = hastore.suggest_fixes(adopted.stack, platform="debian-12")
        say("", f"{len(fixes)} fixes are offered; on a cluster that does not run yet all of them are free:")
        for fix in fixes:
            show(f"{fix.title}")
        return hastore.apply_fixes(adopted.stack, fixes)

    def fence(self, cluster: hastore.Cluster, stack: hastore.StorageStack) -> hastore.StorageStack:
        say("3. Refused", "Without fencing the plan refuses: two nodes could write the same data.")
        stack = hastore.volume_size("vg1", "lun1", "100%VG").apply(stack)
        try:
            cluster.plan(stack).apply()
        except hastore.Refused as refusal:
            show(str(refusal))
        else:
            self.wrong.append("a plan without fencing was not refused")
        fencing = article_fencing(stack)
        say("", "So a person adds what only a person knows: a fencing device for each node.")
        for line in fencing.changes:
            show(line)
        return fencing.apply(stack)

    def provision(self, cluster: hastore.Cluster, stack: hastore.StorageStack) -> None:
        say("4. Provision", "The plan, before anything is touched:")
        plan = cluster.plan(stack)
        show(str(plan))
        (self.folder / "plan.txt").write_text(f"{plan}\n", encoding="utf-8")
        commands = "".join(f"[{host}] {command}\n" for host, command in plan.commands())
        (self.folder / "commands.txt").write_text(commands, encoding="utf-8")
        (self.folder / "plan.diff").write_text(plan.diff(), encoding="utf-8")
        say("", "And then it is done (the seconds are simulated):")
        report = plan.apply(journal=self.journal, on_event=self.progress)
        show(f"{len(report.done)} steps done in {report.seconds:.0f} simulated seconds")
        cluster.topology().save(self.folder / "topology-provisioned.svg")

    def write(self, lab: sim.Lab, target: str) -> Writer:
        say("5. Use", "drbd01 writes to the LUN from here on; every acknowledged write is remembered.")
        writer = Writer(lab.world, "drbd01", target)
        lab.clock.sleep(10)
        show(f"{len(writer.acknowledged)} writes acknowledged in 10 s")
        return writer

    def switch_over(self, cluster: hastore.Cluster, writer: Writer) -> None:
        say("6. Switch over", "A planned move to centos02, while the client writes:")
        plan = cluster.switchover(to="centos02")
        show(str(plan))
        report = plan.apply(journal=self.journal, on_event=self.progress)
        cluster.clock.sleep(5)
        show(f"promised {span(report.promised_stall)}, seen from outside {report.stall or 0:.0f} s, ")
        show(f"measured by the client {writer.longest_stall:.0f} s (simulated; the article's agents took 56 to 63 s)")
        leftovers = [c.id for c in live_cib(cluster).constraints if c.id.startswith(("cli-", "hastore-move-"))]
        self.check(not leftovers, f"constraints left behind: {leftovers}")
        self.check(not writer.missing(), "acknowledged writes are missing after the switchover")
        show("no constraint is left behind, and every acknowledged write is there")

    def lose_power(self, cluster: hastore.Cluster, lab: sim.Lab, writer: Writer) -> None:
        say(
            "7. Lose power",
            "centos02 loses its power. Pacemaker fences it and takes over; hastore watches and explains.",
        )
        lab.world.nodes["centos02"].power_off()
        cluster.clock.sleep(8)
        cluster.topology().save(self.folder / "topology-power-lost.svg")
        failover = cluster.follow(on_event=self.progress)
        cluster.clock.sleep(5)
        self.check(failover.explanation.settled, f"the failover did not settle: {failover.explanation.summary}")
        self.check(not writer.missing(), "acknowledged writes are missing after the failover")
        show(f"the client stood still for {writer.stalls[-1].seconds:.0f} s; every acknowledged write is there")

    def verify(self, cluster: hastore.Cluster, stack: hastore.StorageStack, lab: sim.Lab, writer: Writer) -> None:
        say("8. Verify", "centos02 comes back; the same stack is planned a second time.")
        lab.world.nodes["centos02"].boot()
        settle = cluster.plan(stack)
        if settle:
            settle.apply(journal=self.journal, on_event=self.progress)
        again = cluster.plan(stack)
        self.check(again.empty, f"the second plan is not empty:\n{again}")
        show(str(again).splitlines()[0])
        writer.stop()
        self.check(not writer.missing(), "acknowledged writes are missing at the end")
        violations = sorted({violation.code for violation in lab.world.violations})
        self.check(not violations, f"the simulated world saw broken invariants: {violations}")
        show(f"{len(writer.acknowledged)} acknowledged writes, none lost; the world saw no broken invariant")
        cluster.topology().save(self.folder / "topology.svg")
        say("", str(cluster.look()))

    def check(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.wrong.append(otherwise)
            show(f"✖ {otherwise}")

    def end(self) -> int:
        left = ", ".join(sorted(path.name for path in self.folder.iterdir()))
        say("Done" if not self.wrong else "Something did not hold", f"{self.folder}/ has {left}")
        return 1 if self.wrong else 0


ARTICLE = ("configure.crm", "vg1.res", "corosync.conf", "lvm.conf.fragment", "hosts")


def article_adopted() -> hastore.Adopted:
    """Read the article's own files, which hastore brings along, traps and all."""
    article = files("hastore.data") / "article"
    text = {name: (article / name).read_text() for name in ARTICLE}
    return hastore.adopt(
        crm=text["configure.crm"],
        drbd=[text["vg1.res"]],
        corosync=text["corosync.conf"],
        lvm=text["lvm.conf.fragment"],
        hosts=text["hosts"],
        clients=("drbd01",),
        name="article",
    )


def article_fencing(stack: hastore.StorageStack) -> hastore.Fix:
    """Return the fix that gives each node of the article a fencing device, the second node's shot delayed."""
    return hastore.fencing_device(
        stack,
        agent="stonith:fence_ipmilan",
        per_node_params={"centos01": {"ip": "192.168.0.191"}, "centos02": {"ip": "192.168.0.192"}},
        shared_params={"username": "fence", "password_script": "/etc/fence/password"},
        delay_on="centos01",
    )


def article_stack() -> hastore.StorageStack:
    """Return the article's stack as the demo provisions it: read, mended, its volume sized, fencing added.

    >>> from hastore.demo import article_stack
    >>> [finding.code for finding in hastore.judge(article_stack()) if finding.severity.weight == 0]
    []
    """
    stack = article_adopted().stack
    stack = hastore.apply_fixes(stack, hastore.suggest_fixes(stack, platform="debian-12"))
    stack = hastore.volume_size("vg1", "lun1", "100%VG").apply(stack)
    return article_fencing(stack).apply(stack)


def live_cib(cluster: hastore.Cluster) -> hastore.Cib:
    """Return the CIB as it is seen now; an empty one where none is."""
    seen = cluster.observe().pacemaker()
    return hastore.Cib() if isinstance(seen, hastore.Absent | hastore.Unknown) else seen.cib


def span(seconds: tuple[float, float] | None) -> str:
    """Return a range of seconds for people."""
    return "nothing" if seconds is None else f"{seconds[0]:.0f} to {seconds[1]:.0f} s"


def say(title: str, text: str) -> None:
    """Print a chapter's title and what it is about."""
    sys.stdout.write(f"\n{title}\n{'=' * len(title)}\n{text}\n\n" if title else f"\n{text}\n\n")


def show(text: str) -> None:
    """Print what a script would see, indented."""
    sys.stdout.write("".join(f"    {line}\n" for line in text.splitlines()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
