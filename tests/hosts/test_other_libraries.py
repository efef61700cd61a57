"""Machines of plumbum and commands of sh hold the contract of all hosts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import plumbum
import pytest
import sh
from host_contract import FileContract, OrderContract, ProgramContract

import hastore
from hastore.hosts.host import Host
from hastore.hosts.operations import ReadFile, Run
from hastore.model.errors import ConnectError


@pytest.fixture
def folder(tmp_path: Path) -> str:
    path = tmp_path / "the folder"
    path.mkdir()
    return str(path)


class OtherContract(FileContract, OrderContract, ProgramContract):
    """The contract, and the node's name."""

    def test_its_name_is_the_nodes(self, host: Host) -> None:
        assert host.name == os.uname().nodename


class TestPlumbumLocal(OtherContract):
    @pytest.fixture
    def host(self) -> Host:
        return hastore.over(plumbum.local)


@pytest.fixture(scope="module")
def ssh_machine(sshd: object) -> Iterator[plumbum.SshMachine]:
    folder, port = sshd.folder, sshd.port  # type: ignore[attr-defined]  # the fixture's class lives in a plug-in
    options = [
        *("-F", "/dev/null", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"),
        *("-o", f"UserKnownHostsFile={folder}/known_hosts", "-o", "StrictHostKeyChecking=accept-new"),
    ]
    with plumbum.SshMachine(
        "127.0.0.1", port=port, keyfile=str(folder / "key"), ssh_opts=options, scp_opts=options
    ) as machine:
        yield machine


class TestPlumbumSsh(OtherContract):
    @pytest.fixture
    def host(self, ssh_machine: plumbum.SshMachine) -> Host:
        return hastore.over(ssh_machine)


class TestShCommand(OtherContract):
    @pytest.fixture
    def host(self) -> Host:
        return hastore.over(sh.Command("env"))

    def test_words_go_through_the_command(self) -> None:
        if shutil.which("nice") is None:
            pytest.skip("missing: nice")
        nice = hastore.over(sh.Command("nice").bake("-n", "7"))
        (outcome,) = nice.perform([Run(("nice",), reads=True)])
        assert int(outcome.text) == os.nice(0) + 7


def test_what_cannot_be_started_is_a_connect_error() -> None:
    with pytest.raises(ConnectError, match="uname"):
        _ = hastore.over(sh.Command("false")).name
    with pytest.raises(ConnectError):
        hastore.over(sh.Command("false")).perform([ReadFile("/etc/hostname")])


@pytest.mark.parametrize("thing", ["centos01", 5, None])
def test_anything_else_is_no_machine(thing: object) -> None:
    with pytest.raises(TypeError, match="cannot be opened as a host"):
        hastore.over(thing)


def test_sudo_is_not_lost_silently() -> None:
    with pytest.raises(TypeError, match="bake sudo into the command"):
        hastore.over(sh.Command("env"), sudo=True)


def test_opening_hosts_of_our_own_loads_neither_library() -> None:
    text = (
        "import sys, hastore\n"
        "from hastore import sim\n"
        "hastore.connect(*sim.article().hosts.values()).look(), hastore.local(), hastore.ssh('nobody'), hastore.over\n"
        "sys.exit(any(name.split('.')[0] in {'plumbum', 'sh'} for name in sys.modules))"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", text], cwd=root, check=False).returncode == 0
