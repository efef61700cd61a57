"""The contract of hosts, held by every host that hastore has."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from host_contract import EVERY_BYTE, FileContract, OrderContract, ProgramContract, only, tree_of

from hastore.hosts.host import Host
from hastore.hosts.local import LocalHost
from hastore.hosts.operations import Entry, ReadTree
from hastore.hosts.transcript import load
from hastore.hosts.wrappers import CountingHost, RecordingHost
from hastore.model.errors import HostError

SHELLS = {"dash": ("dash",), "bash": ("bash",), "busybox": ("busybox", "sh")}


@pytest.fixture
def folder(tmp_path: Path) -> str:
    path = tmp_path / "the folder"
    path.mkdir()
    return str(path)


class TreeContract:
    """Trees made by other means than the host's own, for hosts that share this machine's files."""

    def test_a_tree_comes_back_with_all_that_it_holds(self, host: Host, folder: str) -> None:
        tree_of(Path(folder))
        outcome = only(host, ReadTree(folder, skip=("skipped",)))
        assert outcome.done
        assert dict(outcome.tree) == {
            "devices": Entry("dir", mode=0o755),
            "devices/disk1": Entry("dir", mode=0o755),
            "devices/disk1/binary": Entry("file", EVERY_BYTE, mode=0o644),
            "devices/disk1/empty": Entry("file", mode=0o644),
            "devices/disk1/mode": Entry("file", b"x", mode=0o640),
            "devices/disk1/size": Entry("file", b"1024\n[key]\n", mode=0o644),
            "liar": Entry("file", b"cat: ./other: Permission denied\n", mode=0o644),
            "targets": Entry("dir", mode=0o755),
            "targets/dangling": Entry("link", target="no'where\n", mode=0o777),
            "targets/lun0": Entry("link", target="../devices/disk1", mode=0o777),
        }
        assert list(outcome.tree) == sorted(outcome.tree, key=lambda path: path.split("/"))

    @pytest.mark.parametrize("skip", [("*/disk1",), ("devices/disk[1]", "liar"), ("dev*",)])
    def test_what_matches_skip_is_left_out_whole(self, host: Host, folder: str, skip: tuple[str, ...]) -> None:
        tree_of(Path(folder))
        outcome = only(host, ReadTree(folder, skip=skip))
        assert not any(path.startswith("devices/disk1") for path in outcome.tree)
        assert "targets/lun0" in outcome.tree

    def test_unreadable_files_come_with_their_errno(self, host: Host) -> None:
        root = Path("/sys/kernel")
        unreadable = {str(path.relative_to(root)) for path in root.glob("mm/**/demote")}
        if not unreadable:
            pytest.skip("missing: a write-only attribute in /sys/kernel/mm")
        tree = only(host, ReadTree("/sys/kernel", skip=("debug", "tracing", "slab", "security"))).tree
        assert {path for path, entry in tree.items() if entry.error == "EACCES"} >= unreadable
        assert all(tree[path].mode == 0o200 for path in unreadable)


class EveryContract(FileContract, OrderContract, ProgramContract, TreeContract):
    """All of it."""


@pytest.mark.parametrize("host", SHELLS, indirect=True)
class TestLocalHost(EveryContract):
    @pytest.fixture
    def host(self, request: pytest.FixtureRequest) -> Host:
        shell = SHELLS[request.param]
        if shutil.which(shell[0]) is None:
            pytest.skip(f"missing: {shell[0]}")
        return LocalHost(shell=shell)

    def test_its_name_is_the_nodes(self, host: Host) -> None:
        assert host.name == os.uname().nodename

    def test_a_lock_names_its_holder(self, host: Host) -> None:
        with host.hold("hastore-test"), pytest.raises(HostError, match=rf"held by .*process {os.getpid()}\b"):
            host.hold("hastore-test").__enter__()


@pytest.fixture(scope="module")
def ssh_host(sshd: object) -> Iterator[Host]:
    with sshd.host() as host:  # type: ignore[attr-defined]  # the fixture's class lives in conftest
        yield host


class TestSshHost(EveryContract):
    @pytest.fixture
    def host(self, ssh_host: Host) -> Host:
        return ssh_host

    def test_its_name_is_the_nodes(self, host: Host) -> None:
        assert host.name == os.uname().nodename

    def test_a_lock_names_its_holder(self, host: Host) -> None:
        with host.hold("hastore-test"), pytest.raises(HostError, match=rf"held by .*process {os.getpid()}\b"):
            host.hold("hastore-test").__enter__()


class TestRecordingHost(FileContract, OrderContract):
    """A transcript changes nothing of what it writes down."""

    @pytest.fixture
    def host(self) -> Iterator[Host]:
        transcript = io.StringIO()
        yield RecordingHost(LocalHost(), transcript)
        load(transcript.getvalue())


class TestCountingHost(FileContract, OrderContract):
    @pytest.fixture
    def host(self) -> Host:
        return CountingHost(LocalHost())
