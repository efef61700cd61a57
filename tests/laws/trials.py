"""Short trials of the laws on fixed stacks: each returns what is wrong, nothing where its law holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
import foreign
from moments import Moments, WatchedHost, stopped, watch
from projection import differences
from test_day_two import hand_written, leaks
from test_interrupted import article, comes_to_the_same_end
from verify import faults, violations
from worlds import CANARY, connect, lab_for, provision

from hastore.hosts.operations import Operation, Run
from hastore.model.errors import HastoreError
from hastore.model.scsi import ChapUser
from hastore.model.secrets import Secret
from hastore.model.stack import StorageStack
from hastore.planning.planner import arrange
from hastore.planning.steps_cluster import AwaitCluster
from hastore.sim.block import Block, Signature
from hastore.sim.lab import Lab


def _one_host() -> StorageStack:
    stack = hand_written()
    first, *others = stack.devices
    return attrs.evolve(stack, devices=(attrs.evolve(first, attributes={"blocksize": "4096"}), *others))


def _with_user() -> StorageStack:
    stack = hand_written()
    user = ChapUser("storage", Secret.literal(CANARY))
    return attrs.evolve(stack, clients=(), targets=(attrs.evolve(stack.targets[0], incoming_users=(user,)),))


def as_said(stack: StorageStack) -> list[str]:
    """Provision beside somebody else's resources, and look whether everything is there and nothing is left to do."""
    lab = lab_for(stack)
    foreign.add_to_cib(lab, stack)
    before = foreign.photograph(lab, stack)
    provision(lab, stack)
    left = [f"left to do: {step.key}" for step in connect(lab).plan(stack).steps]
    touched = [] if foreign.photograph(lab, stack) == before else ["what is somebody else's was touched"]
    return [*faults(lab, stack), *violations(lab), *left, *touched]


def agreement(stack: StorageStack) -> list[str]:
    """Do the plan step by step and hold each foretold state against the observed one."""
    cluster = connect(lab_for(stack))
    for step in cluster.plan(stack).steps:
        plan = cluster.plan_by(partial(arrange, (step,)))
        if plan.empty:
            continue
        foretold = plan.schedule.predicted[-1]
        plan.apply()
        anywhere = stack.node_names if isinstance(step, AwaitCluster) else ()
        found = differences(foretold, cluster.observe(), anywhere=anywhere)
        if found:
            return found
    return []


def filled_meanwhile(stack: StorageStack) -> list[str]:
    """Let a file system appear on the disk after hastore looked, just before it writes."""
    lab = lab_for(stack)
    watch(lab, None)
    plan = connect(lab).plan(stack)

    def fill(host: WatchedHost, _operation: Operation) -> None:
        host.node.subsystem(Block).disk_below("/dev/sdb").contents[0] = Signature("ext4")
        watch(lab, None)

    watch(lab, fill)
    refused = False
    try:
        plan.apply()
    except HastoreError:
        refused = True
    return [*violations(lab), *([] if refused else ["nobody noticed"])]


def stopped_and_planned_again() -> list[str]:
    """Stop the article's plan after what may happen only once, and before what lets go of it."""
    lab = lab_for(article())
    moments = Moments(lab)
    connect(lab).plan(article()).apply()
    wrong: list[str] = []
    for host, operation, world in moments.worlds:
        words = operation.argv if isinstance(operation, Run) else ()
        if words[:2] in {("drbdadm", "create-md"), ("drbdadm", "primary"), ("drbdadm", "down")}:
            wrong += comes_to_the_same_end(stopped(world, host, operation, "after"))
    return wrong


def cib_changed_meanwhile() -> list[str]:
    """Let somebody else change the CIB just before the patch arrives."""
    stack = article()
    lab = lab_for(stack)
    watch(lab, None)
    plan = connect(lab).plan(stack)

    def meddle(_host: WatchedHost, operation: Operation) -> None:
        if isinstance(operation, Run) and operation.argv[0] == "cibadmin":
            watch(lab, None)
            foreign.add_to_cib(lab, stack)

    watch(lab, meddle)
    plan.apply()
    return faults(lab, stack)


def secrets_seen() -> list[str]:
    """Look for the canary wherever people look."""
    with TemporaryDirectory() as folder:
        return leaks(_with_user(), Path(folder) / "journal", 1000)


def promoted_twice() -> list[str]:
    """Promote the other node by hand, which DRBD refuses."""
    lab: Lab = lab_for(article())
    provision(lab, article())
    for name in lab.nodes:
        lab.hosts[name].perform([Run(("drbdadm", "primary", "vg1"))])
    return violations(lab)


TRIALS: Mapping[str, Callable[[], list[str]]] = {
    "one host": lambda: as_said(_one_host()),
    "the article's journey": lambda: as_said(article()),
    "agreement on one host": lambda: agreement(_one_host()),
    "agreement in a cluster": lambda: agreement(article()),
    "a disk filled meanwhile": lambda: filled_meanwhile(article()),
    "a device filled meanwhile": lambda: filled_meanwhile(hand_written()),
    "stopped and planned again": stopped_and_planned_again,
    "somebody else changes the CIB": cib_changed_meanwhile,
    "secrets": secrets_seen,
    "two primaries": promoted_twice,
}
"""Name -> the trial; bugs name the one that catches them."""
