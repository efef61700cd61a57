"""What DRBD 8.4 printed in every recorded state is read, and its three ways of saying it agree."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hastore.formats import drbd_status
from hastore.model.errors import ParseError
from hastore.model.state import DrbdResourceState
from recorded import RECORDINGS, Recorded, answer, commands

STATES = sorted((RECORDINGS / "drbd84").glob("[0-9]*.node[23].txt"))
STACK = sorted((RECORDINGS / "stack").glob("[0-9]*.node[23].txt"))
EVENTS = "drbdsetup events2 --now --statistics"


def read(recorded: Recorded) -> object:
    """Read a command's output with the parser of that command."""
    if recorded.exit_code != 0:
        return None
    if recorded.command == "cat /proc/drbd":
        return drbd_status.parse_proc(recorded.output)
    if recorded.command.startswith("drbdsetup events2"):
        return drbd_status.resources_from(drbd_status.parse_events2(recorded.output))
    if recorded.command.startswith(("drbdadm status", "drbdsetup status")):
        return drbd_status.parse_status(recorded.output)
    if recorded.command == "drbdadm get-gi r0":
        return drbd_status.parse_generation(recorded.output)
    return None


@pytest.mark.parametrize("path", [*STATES, *STACK], ids=lambda path: path.name)
def test_every_recorded_answer_is_read(path: Path) -> None:
    if "events2-live" in path.name:
        assert drbd_status.resources_from(drbd_status.parse_events2(path.read_text()))["r0"].connection == "Connected"
        return
    assert [read(recorded) for recorded in commands(path)].count(None) < len(list(commands(path)))


STILL = [path for path in STATES if "events2" not in path.name and "39-resolving" not in path.name]
"""States that did not move between one command and the next."""


@pytest.mark.parametrize("path", STILL, ids=lambda path: path.name)
def test_proc_events_and_status_agree(path: Path) -> None:
    recorded = {r.command: r for r in commands(path)}
    proc = drbd_status.parse_proc(recorded["cat /proc/drbd"].output)
    events = drbd_status.resources_from(drbd_status.parse_events2(recorded[EVENTS].output))
    status = drbd_status.parse_status(recorded["drbdsetup status --verbose --statistics"].output)
    assert {v.minor for r in events.values() for v in r.volumes} == {
        d.minor for d in proc.devices if d.connection != "Unconfigured"
    }
    for name, resource in events.items():
        (volume,) = resource.volumes
        device = proc.device(volume.minor)
        assert device is not None
        assert (device.role, device.disk, device.peer_disk) == (resource.role, volume.disk, volume.peer_disk)
        assert device.suspended is resource.suspended
        assert {r.role for r in (resource, status[name])} == {device.role}
        connected = device.connection not in {"WFConnection", "StandAlone"}
        assert (resource.connection == "Connected") is connected
        assert bool(volume.replication) is connected
        assert status[name].connection == (resource.connection if resource.connection != "StandAlone" else "")
        assert [(v.minor, v.disk, v.size) for v in status[name].volumes] == [(volume.minor, volume.disk, volume.size)]


def node(state: str, number: int) -> DrbdResourceState:
    """Return r0 of a recorded state as the driver sees it."""
    (path,) = (RECORDINGS / "drbd84").glob(f"{state}*.node{number}.txt")
    events = drbd_status.resources_from(drbd_status.parse_events2(answer(path, EVENTS)))
    return drbd_status.with_progress(events["r0"], drbd_status.parse_proc(answer(path, "cat /proc/drbd")))


def test_a_resync_shows_progress_speed_and_time_left() -> None:
    (volume,) = node("04-Sync", 3).volumes
    assert (volume.replication, volume.disk, volume.peer_disk) == ("SyncTarget", "Inconsistent", "UpToDate")
    assert (volume.done, volume.speed, volume.seconds_left, volume.out_of_sync) == (0.012, 4532, 225, 1039444)
    assert volume.size == 1048508 * 1024


def test_a_verify_is_no_resync() -> None:
    (volume,) = node("41-verify", 2).volumes
    assert (volume.replication, volume.done, volume.speed) == ("VerifyS", None, None)


def test_states_that_matter_to_people() -> None:
    fresh = node("03-", 2)
    assert (fresh.role, fresh.connection, fresh.up_to_date) == ("Secondary", "Connected", False)
    assert node("37-split", 2).connection == "StandAlone"
    assert node("45-suspended", 2).suspended
    assert node("47-dual", 3).role == node("47-dual", 3).peer_role == "Primary"
    assert node("42-secondary-diskless", 3).volumes[0].disk == "Diskless"
    assert node("06-", 2).up_to_date


def test_events_are_followed_as_they_come() -> None:
    lines = (RECORDINGS / "drbd84" / "48-events2-live.node2.txt").read_text().splitlines()
    events = [drbd_status.parse_event(line) for line in lines]
    connections = [drbd_status.resources_from(events[: end + 1])["r0"].connection for end in range(len(events))]
    assert list(dict.fromkeys(connections)) == ["", "Connected", "TearDown", "Unconnected", "Connecting"]
    assert connections[-1] == "Connected"
    gone = [*events, drbd_status.parse_event("destroy resource name:r0")]
    assert drbd_status.resources_from(gone) == {}


def test_a_generation_is_read_while_up_down_and_diskless() -> None:
    for state in ("02-one-up-WFConnection.node3", "46-peer-down.node3", "42-secondary-diskless.node3"):
        text = answer(RECORDINGS / "drbd84" / f"{state}.txt", "drbdadm get-gi r0")
        assert drbd_status.parse_generation(text) == text.strip()
    with pytest.raises(ParseError, match=r"drbdadm get-gi:1:1: expected UUIDs"):
        drbd_status.parse_generation("")


def test_errors_point_at_the_line() -> None:
    with pytest.raises(ParseError, match=r"/proc/drbd:2:1: expected a device .* found 'garbage'"):
        drbd_status.parse_proc("version: 8.4.11 (api:1/proto:86-101)\ngarbage")
    with pytest.raises(ParseError, match=r"drbdsetup events2:2:1: expected an event"):
        drbd_status.parse_events2("exists -\nwhat is this?")
    with pytest.raises(ParseError, match=r"drbdadm status:1:1: expected a resource's name"):
        drbd_status.parse_status("  disk:UpToDate")


PARSERS = (
    drbd_status.parse_proc,
    drbd_status.parse_status,
    drbd_status.parse_generation,
    lambda text: drbd_status.resources_from(drbd_status.parse_events2(text)),
)
WORDS = st.sampled_from(
    ["version: 8.4", " 0: cs:", "SyncTarget ro:Primary", "ds:", "finish: 1:2:3 speed: ", "sync'ed: 1.2%", "exists device",
     "name:r0", "volume:", "minor:0", "9" * 30, "²", "oos:", "role:", "  peer", "\n", " ", "\t", ":"]
)  # fmt: skip


@given(st.lists(WORDS | st.text(max_size=5), max_size=30).map("".join))
def test_strange_answers_are_parse_errors_and_nothing_else(text: str) -> None:
    for parse in PARSERS:
        with suppress(ParseError):
            parse(text)


def test_a_second_volume_stays_apart() -> None:
    text = (
        "exists resource name:r0 role:Primary suspended:no\n"
        "exists connection name:r0 peer-node-id:0 conn-name:peer connection:Connected role:Secondary\n"
        "exists device name:r0 volume:1 minor:8 disk:Inconsistent\n"
        "exists device name:r0 volume:0 minor:7 disk:UpToDate\n"
        "exists peer-device name:r0 peer-node-id:0 conn-name:peer volume:1 replication:SyncTarget peer-disk:UpToDate\n"
    )
    resource = drbd_status.resources_from(drbd_status.parse_events2(text))["r0"]
    assert [(v.number, v.minor, v.disk, v.replication) for v in resource.volumes] == [
        (0, 7, "UpToDate", ""),
        (1, 8, "Inconsistent", "SyncTarget"),
    ]
    assert attrs.evolve(resource, volumes=()).up_to_date is False
