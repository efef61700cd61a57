"""Many operations on this machine: one batch, one process each, and one call each of plumbum and sh."""

from __future__ import annotations

import subprocess

import plumbum
import sh
from sizes import seconds, shown

import hastore
from hastore.hosts.operations import ReadFile, Run

READ = "/proc/loadavg"


def one_batch(count: int, *, program: bool) -> None:
    operation = Run(("cat", READ), reads=True) if program else ReadFile(READ)
    outcomes = hastore.local().perform([operation] * count)
    assert all(outcome.done for outcome in outcomes)  # noqa: S101  a benchmark of failures would be worthless


def one_process_each(count: int) -> None:
    for _ in range(count):
        subprocess.run(["cat", READ], check=True, capture_output=True)  # noqa: S603, S607  the words are our own


def plumbum_each(count: int) -> None:
    cat = plumbum.local["cat"]
    for _ in range(count):
        cat(READ)


def sh_each(count: int) -> None:
    for _ in range(count):
        sh.cat(READ)


def main() -> None:
    """Print seconds for several sizes, and ratios to one batch of the same programs."""
    print("running `cat` N times on this machine")
    for count in (1, 10, 100):
        base = seconds(lambda count=count: one_batch(count, program=True))  # type: ignore[misc]
        ways = {
            "hastore, one batch": base,
            "hastore, one batch of ReadFile": seconds(lambda count=count: one_batch(count, program=False)),  # type: ignore[misc]
            "subprocess.run each": seconds(lambda count=count: one_process_each(count)),  # type: ignore[misc]
            "plumbum each": seconds(lambda count=count: plumbum_each(count)),  # type: ignore[misc]
            "sh each": seconds(lambda count=count: sh_each(count)),  # type: ignore[misc]
        }
        print(f"  N = {count}")
        for name, taken in ways.items():
            print(f"    {name:32} {shown(taken)}   {taken / base:8.2f} of one batch's")


if __name__ == "__main__":
    main()
