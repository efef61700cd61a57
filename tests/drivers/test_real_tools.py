"""Real tools judge what drivers ask: their options exist, their answers are read, their guards tell blank from not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from test_contract_storage import RESOURCE

from hastore.drivers import registry
from hastore.drivers.base import HostFacts
from hastore.drivers.drbd_84 import Drbd84Driver
from hastore.drivers.guards import expect_blank
from hastore.formats import drbd_conf
from hastore.hosts.exchange import gather
from hastore.hosts.local import LocalHost
from hastore.hosts.operations import Run
from hastore.model.drbd import DrbdHost, DrbdResource, DrbdVolume
from hastore.model.state import ClusterState, DrbdState, HostState
from hastore.planning import steps_drbd as drbd
from hastore.testing.workbench import CountingHost
from needs import require

DRBDADM = Path("/lib/drbd/drbdadm-84")

pytestmark = pytest.mark.oracle


def test_this_machine_is_looked_at_in_two_round_trips() -> None:
    require("lsblk")
    host = CountingHost(LocalHost())
    probes = registry.probes()
    facts = HostFacts(host.name, dict(zip(probes, host.perform(probes), strict=True)))
    chosen = {s: c.driver for s, c in registry.choose(facts).items() if c.driver is not None}
    assert "block" in chosen
    host.batches.clear()
    seen = gather({name: driver.observe() for name, driver in chosen.items()}, host)
    assert len(host.batches) <= 2
    assert set(seen) == set(chosen)
    assert "/dev/" in next(iter(seen["block"]))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    require("wipefs", "blkid")
    path = tmp_path / "disk.img"
    with path.open("wb") as file:
        file.truncate(64 * 2**20)
    return path


def is_blank(path: Path) -> bool:
    return all(outcome.done for outcome in LocalHost().perform(expect_blank(str(path))))


def test_a_blank_disk_is_blank_and_a_missing_one_is_not(image: Path) -> None:
    assert is_blank(image)
    image.unlink()
    assert not is_blank(image)


def test_drbd_s_metadata_is_seen(image: Path) -> None:
    require("drbdmeta")
    argv = ["drbdmeta", "--force", "0", "v08", str(image), "internal", "create-md"]
    subprocess.run(argv, check=True, capture_output=True)
    assert not is_blank(image)


def test_a_file_system_is_seen(image: Path) -> None:
    require("mke2fs")
    subprocess.run(["mke2fs", "-q", str(image)], check=True, capture_output=True)
    assert not is_blank(image)


def test_a_partition_table_is_seen(image: Path) -> None:
    entry = bytes([0, 0, 0, 0, 0x83, 0, 0, 0]) + (2048).to_bytes(4, "little") + (4096).to_bytes(4, "little")
    with image.open("r+b") as file:
        file.seek(446)  # where the table of an MBR begins
        file.write(entry + bytes(48) + b"\x55\xaa")
    assert not is_blank(image)


@pytest.fixture
def configuration(tmp_path: Path) -> tuple[Path, DrbdResource]:
    """Return a resource between this machine and another, as a file for drbdadm."""
    if not DRBDADM.exists():
        pytest.skip("missing: drbdadm-84")
    here = subprocess.run(["uname", "-n"], check=True, capture_output=True, text=True).stdout.strip()
    resource = DrbdResource(
        "r0",
        (DrbdVolume(0, "/dev/drbd0", "/dev/vdb"), DrbdVolume(1, "/dev/drbd1", "/dev/vdc")),
        (DrbdHost(here, "127.0.0.1:7788"), DrbdHost("elsewhere", "127.0.0.2:7788")),
        RESOURCE.net,
        RESOURCE.disk,
    )
    path = tmp_path / "drbd.conf"
    path.write_text("global { usage-count no; }\n" + drbd_conf.render_text(resource))
    return path, resource


@pytest.mark.parametrize(
    ("kind", "does"),
    [
        (drbd.AdjustDrbd, "new-resource r0"),
        (drbd.DrbdUp, "attach 1 /dev/vdc"),
        (drbd.DrbdPrimary, "primary 0"),
        (drbd.DrbdSecondary, "secondary 1"),
        (drbd.DrbdDown, "down r0"),
        (drbd.InitialPrimary, "primary 0 --force"),
        (drbd.CreateDrbdMetadata, "drbdmeta 0 v08 /dev/vdb internal create-md --force"),
    ],
)
def test_drbdadm_takes_what_we_ask(
    configuration: tuple[Path, DrbdResource], kind: type[drbd.DrbdUp], does: str
) -> None:
    path, resource = configuration
    loaded = ClusterState({resource.nodes[0]: HostState(resource.nodes[0], drbd=DrbdState("8.4.11"))})
    rendered = Drbd84Driver(HostFacts("here")).render(kind(resource.nodes[0], resource), loaded)
    (run,) = (operation for operation in rendered if isinstance(operation, Run))
    argv = [str(DRBDADM), "-c", str(path), "-d", *run.argv[1:]]
    ran = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert does in ran.stdout


def test_drbdadm_looks_at_one_volume_where_one_is_asked_for(configuration: tuple[Path, DrbdResource]) -> None:
    path, resource = configuration
    rendered = Drbd84Driver(HostFacts("here")).render(
        drbd.CreateDrbdMetadata(resource.nodes[0], resource, 1), ClusterState()
    )
    argv = [str(DRBDADM), "-c", str(path), "-d", *rendered[-1].argv[1:]]  # type: ignore[union-attr]  # it is a Run
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()[1] == "1"
