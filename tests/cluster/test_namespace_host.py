"""A node is a hastore host: batches run inside it, and a power cut in the middle leaves the outcome unknown."""

from __future__ import annotations

import threading
import time

import pytest

from hastore.hosts.host import Host
from hastore.hosts.operations import Condition, Expect, Outcome, ReadFile, Run, Status, WriteFile
from hastore.model.errors import ConnectError
from namespace_host import NamespaceHost
from real_cluster import RealCluster, wait_until

pytestmark = [pytest.mark.oracle, pytest.mark.cluster]


def test_a_batch_runs_inside_the_node(cluster: RealCluster) -> None:
    hosts: list[Host] = [NamespaceHost(node) for node in cluster.nodes.values()]
    for host in hosts:
        outcomes = host.perform(
            (
                Run(("uname", "-n"), reads=True),
                Run(("crm_node", "--list"), reads=True),
                WriteFile("/run/said", host.name.encode()),
                Expect(ReadFile("/run/said"), Condition(equals=host.name), "what was written is there"),
                ReadFile("/etc/corosync/corosync.conf"),
            )
        )
        assert [outcome.status for outcome in outcomes] == [Status.DONE] * 5
        assert outcomes[0].text.strip() == host.name
        assert {line.split()[1] for line in outcomes[1].text.splitlines()} == set(cluster.nodes)
        assert "cluster_name: hastore" in outcomes[4].text
    assert all((node.folder / "run/said").read_text() == name for name, node in cluster.nodes.items())


def test_a_power_cut_in_the_middle_is_an_unknown_outcome_and_then_no_connection(cluster: RealCluster) -> None:
    node = cluster["centos02"]
    host = NamespaceHost(node)
    batch = (WriteFile("/run/before", b"1"), Run(("sleep", "30")), WriteFile("/run/after", b"1"))
    came: list[Outcome] = []
    performed: list[Outcome] = []

    def work() -> None:
        performed.extend(host.perform(batch, on_outcome=lambda _, outcome: came.append(outcome)))

    worker = threading.Thread(target=work)
    worker.start()
    wait_until(lambda: len(came) > 0, 10, "the first outcome never came")
    time.sleep(0.3)
    node.crash()
    worker.join(20)
    assert [outcome.status for outcome in performed] == [Status.DONE, Status.UNKNOWN, Status.UNKNOWN]
    with pytest.raises((ConnectError, RuntimeError)):
        host.perform(batch)
    node.boot()
    cluster.wait_for(lambda status: status.online == set(cluster.nodes))
    assert host.perform((ReadFile("/run/before"),))[0].error == "ENOENT"
