"""The real iscsiadm judges what the driver reads and writes: its records are files, which need no kernel and no target."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hastore.drivers.base import HostFacts
from hastore.drivers.client_open_iscsi import OpenIscsiDriver
from hastore.execution.secrets import resolve_operations
from hastore.hosts.exchange import gather
from hastore.hosts.local import LocalHost
from hastore.hosts.operations import Run
from hastore.model.secrets import Secret
from hastore.model.state import ClientState, ClusterState, HostState
from hastore.planning.steps_client import ConfigureSession
from needs import require, require_root

pytestmark = pytest.mark.oracle

IQN = "iqn.2026-11.example.lab:disks"
PORTALS = ("10.0.0.1:3260", "[fd00::1]:3260")
CANARY = "canary of=a #secret"
_PRIVATE = "mount -t tmpfs none /etc/iscsi && mount -t tmpfs none /run/lock && echo ready && exec cat"


@pytest.fixture
def client() -> Iterator[LocalHost]:
    """Return this machine with a /etc/iscsi of its own, in a mount namespace that ends with the test."""
    require("iscsiadm", "unshare", "nsenter")
    require_root()
    if not Path("/etc/iscsi").is_dir():
        pytest.skip("missing: /etc/iscsi")
    command = ["unshare", "-m", "sh", "-c", _PRIVATE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as keeper:
        assert keeper.stdout is not None
        assert keeper.stdin is not None
        if keeper.stdout.readline() != b"ready\n":
            pytest.skip("missing: a mount namespace of one's own")
        host = LocalHost(shell=("nsenter", "-m", "-t", str(keeper.pid), "sh"))  # noqa: S604  # an argv
        for portal in PORTALS:
            host.perform([Run(("iscsiadm", "-m", "node", "-T", IQN, "-p", f"{portal},1", "-o", "new"))])
        yield host
        keeper.stdin.close()


def looked_at(host: LocalHost) -> ClientState:
    driver = OpenIscsiDriver(HostFacts(host.name))
    seen = gather({"client": driver.observe()}, host)["client"]
    assert isinstance(seen, ClientState), seen
    return seen


def shown(host: LocalHost, portal: str, *more: str) -> str:
    [outcome] = host.perform([Run(("iscsiadm", "-m", "node", "-T", IQN, "-p", portal, *more, "-o", "show"))])
    return outcome.text


@pytest.mark.parametrize("portal", PORTALS)
def test_iscsiadm_reads_the_record_that_was_written(client: LocalHost, portal: str) -> None:
    driver = OpenIscsiDriver(HostFacts(client.name))
    settings = {"node.session.timeo.replacement_timeout": "300", "node.conn[0].timeo.noop_out_interval": "7"}
    step = ConfigureSession(client.name, IQN, portal, "joe", Secret.literal(CANARY), settings)
    before = shown(client, portal, "-S")
    other = next(p for p in PORTALS if p != portal)
    untouched = shown(client, other)
    state = ClusterState({client.name: HostState(client.name, client=looked_at(client))})
    assert not step.requires(state)
    assert not step.ensures(state)

    operations = resolve_operations(driver.render(step, state))
    outcomes = client.perform(operations)
    assert driver.judge(step, outcomes).result == "done", outcomes

    expected = before
    for name, was, now in (
        ("node.session.auth.authmethod", "None", "CHAP"),
        ("node.session.auth.username", "<empty>", "joe"),
        ("node.session.auth.password", "<empty>", CANARY),
        ("node.session.timeo.replacement_timeout", "120", "300"),
        ("node.conn[0].timeo.noop_out_interval", "5", "7"),
    ):
        assert f"{name} = {was}\n" in expected
        expected = expected.replace(f"{name} = {was}\n", f"{name} = {now}\n")
    assert shown(client, portal, "-S") == expected
    assert shown(client, other) == untouched
    after = ClusterState({client.name: HostState(client.name, client=looked_at(client))})
    assert step.ensures(after)
    assert CANARY not in repr(after)
    [node] = looked_at(client).nodes_of(IQN, portal)
    [mode] = client.perform([Run(("stat", "-c", "%a", node.path))])
    assert mode.text == "600\n"
    assert driver.judge(step, client.perform(operations)).result == "stale", "the record is not as it was read"


def test_a_setting_that_open_iscsi_does_not_know_is_refused_with_a_reason(client: LocalHost) -> None:
    driver = OpenIscsiDriver(HostFacts(client.name))
    step = ConfigureSession(client.name, IQN, PORTALS[0], settings={"node.session.nonsense": "1"})
    state = ClusterState({client.name: HostState(client.name, client=looked_at(client))})
    verdict = driver.judge(step, client.perform(driver.render(step, state)))
    assert verdict.result == "refused"
    assert "open-iscsi knows no such setting" in verdict.reason
    assert "Invalid param name" in verdict.reason
