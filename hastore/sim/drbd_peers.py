"""What goes on between two DRBD peers: connecting, comparing generations of data, split brain, resynchronising.

Held against the generation identifiers recorded before and after each step (tests/recordings/drbd84).
"""

from __future__ import annotations

from collections.abc import Iterator

from hastore.sim.block import Disk
from hastore.sim.drbd_state import JUST_CREATED, Metadata, Resource, Volume, new_current, rate_kib

BITMAP_OFFSET = 0x0001000000000000
DETECTION = 6.0
"""Seconds until a silent peer is given up (documented: net `timeout`, 60 tenths of a second)."""
MASK = 0xFFFFFFFFFFFFFFFF


def needed_by_peer(resource: Resource) -> bool:
    """Tell whether the peer is Primary and lives on this side's data."""
    peer = resource.peer() if resource.connected else None
    return (
        peer is not None
        and peer.role == "Primary"
        and any(volume.disk != "UpToDate" for volume in peer.volumes.values())
    )


def disconnect(resource: Resource) -> None:
    """Leave the peer; it waits for this side to come back."""
    peer = resource.peer() if resource.connected else None
    lose_peer(resource, "StandAlone")
    if peer is not None and peer.connected:
        lose_peer(peer, "WFConnection")


def lose_peer(resource: Resource, connection: str) -> None:
    """Go on without the peer: fence it where that is the policy, and begin a new generation as Primary."""
    had = resource.connected
    resource.connection = connection
    resource.silent_since = None
    resource.discard_my_data = False
    for volume in resource.volumes.values():
        volume.replication = "Off"
        if had:
            volume.peer_disk = "DUnknown"
            volume.paused_there = False
    if had and resource.role == "Primary" and resource.fencing != "dont-care":
        resource.suspended_by_fencing = resource.fencing == "resource-and-stonith"
        resource.suspended_by_fencing = not resource.drbd.fence(resource) and resource.suspended_by_fencing
    for volume in resource.volumes.values():
        bare = volume.disk == "UpToDate" and resource.role == "Primary"
        if had and bare and volume.metadata.bitmap == 0:
            new_current(volume, resource.drbd.random)
    resource.note()


def watch_peer(resource: Resource) -> None:
    """Notice a peer that left at once, and a silent one after DETECTION seconds."""
    peer = resource.peer()
    now = resource.drbd.node.world.clock.now
    if resource.reachable() and (peer is None or not peer.connected):
        lose_peer(resource, "WFConnection")
    elif resource.reachable():
        resource.silent_since = None
    elif resource.silent_since is None:
        resource.silent_since = now
    elif now - resource.silent_since >= DETECTION:
        lose_peer(resource, "WFConnection")


def try_connect(resource: Resource) -> None:
    """Connect where both wait, packets pass and the secret is the same."""
    peer = resource.peer()
    if peer is None or peer.connection != "WFConnection" or not resource.reachable():
        return
    secrets = {side.config.option("net", "shared-secret") for side in (resource, peer)}
    if len(secrets) > 1:
        return
    resource.connection = peer.connection = "Connected"
    handshake(resource, peer)


def handshake(resource: Resource, peer: Resource) -> None:
    """Compare generations and decide who takes whose data."""
    for number, volume in resource.volumes.items():
        other = peer.volumes[number]
        if "Diskless" in {volume.disk, other.disk}:
            volume.replication = other.replication = "Established"
            volume.peer_disk, other.peer_disk = other.disk, volume.disk
            continue
        if volume.replication in {"SyncSource", "SyncTarget"}:
            continue
        verdict = _verdict(volume, other)
        if verdict is None:
            _split_brain(resource, peer)
            return
        volume.replication = other.replication = "Established"
        if verdict == 0:
            _settle_equal(volume, other)
        elif verdict > 0:
            start_sync(volume, other, full=verdict > 1)
        else:
            start_sync(other, volume, full=verdict < -1)
    resource.discard_my_data = peer.discard_my_data = False
    for side in (resource, peer):
        if side.suspended_by_fencing:
            side.suspended_by_fencing = False
        side.note()


def _verdict(volume: Volume, other: Volume) -> int | None:
    """Return 0 for equal, 1 or 2 for source (2: of everything), negative for target, None for a split brain."""
    verdict = compare(volume.metadata, other.metadata)
    if verdict is not None:
        poor = {"Inconsistent"}
        if verdict == 0 and (volume.disk in poor) != (other.disk in poor):
            return -1 if volume.disk in poor else 1
        return verdict
    mine, theirs = volume.resource, other.resource
    if mine.discard_my_data != theirs.discard_my_data:
        return -1 if mine.discard_my_data else 1
    return _recover(volume, other)


def _recover(volume: Volume, other: Volume) -> int | None:
    """Apply the after-split-brain policies (documented: drbd.conf(5); those not listed here disconnect)."""
    mine, theirs = volume.resource, other.resource
    primaries = [side.role for side in (mine, theirs)].count("Primary")
    policy = mine.config.option("net", f"after-sb-{primaries}pri", "disconnect")
    if policy == "discard-zero-changes":
        changed = [bool(side.metadata.dirty) or side.metadata.everything for side in (volume, other)]
        return {(True, False): 1, (False, True): -1, (False, False): 1}.get((changed[0], changed[1]))
    if policy == "discard-secondary" and primaries == 1:
        return 1 if mine.role == "Primary" else -1
    if policy == "discard-least-changes":
        return 1 if volume.metadata.out_of_sync() >= other.metadata.out_of_sync() else -1
    if policy.startswith(("consensus", "discard-younger", "discard-older")):
        volume.resource.drbd.node.world.log(
            volume.resource.drbd.node.name, f"after-split-brain policy {policy} is not simulated: disconnecting"
        )
    return None


def _split_brain(resource: Resource, peer: Resource) -> None:
    resource.drbd.node.world.log(
        resource.drbd.node.name, f"{resource.name}: Split-Brain detected but unresolved, dropping connection!"
    )
    for side in (resource, peer):
        side.connection = "StandAlone"
        for volume in side.volumes.values():
            volume.replication, volume.peer_disk = "Off", "DUnknown"
        side.note()


def _settle_equal(volume: Volume, other: Volume) -> None:
    """Agree on disk states where the generations are the same."""
    if volume.disk != "Inconsistent" and other.disk != "Inconsistent":
        volume.disk = other.disk = "UpToDate"
        volume.metadata.crashed_primary = other.metadata.crashed_primary = False
    volume.peer_disk, other.peer_disk = other.disk, volume.disk
    room = min(volume.size_kib, other.size_kib)
    volume.size_kib = other.size_kib = room


def start_sync(source: Volume, target: Volume, *, full: bool) -> None:
    """Begin a resync: identifiers and disk states of both sides as recorded (04, 43)."""
    mine, theirs = source.metadata, target.metadata
    full = full or mine.everything or theirs.everything
    dirty = mine.dirty | theirs.dirty
    mine.dirty, theirs.dirty = set(dirty), set(dirty)
    mine.everything = theirs.everything = full
    fresh = mine.bitmap in {0, JUST_CREATED}
    identifier = (source.resource.drbd.random.getrandbits(64) & ~1) if fresh else (mine.bitmap + BITMAP_OFFSET) & MASK
    mine.set_bitmap(identifier)
    mark = 1 if target.resource.role == "Primary" else 0
    theirs.current, theirs.bitmap = (identifier & ~1) | mark, 0
    source.disk, source.peer_disk, source.replication = "UpToDate", "Inconsistent", "SyncSource"
    target.disk, target.peer_disk, target.replication = "Inconsistent", "UpToDate", "SyncTarget"
    room = min(source.size_kib, target.size_kib)
    for side in (source, target):
        side.size_kib = side.metadata.size_kib = room
        side.total = mine.out_of_sync()
        side.left = float(side.total)
        side.started = source.resource.drbd.node.world.clock.now
        side.resource.note()
    if not source.total:
        _finish_sync(source, target)


def resync(source: Volume, dt: float) -> None:
    """Move a resync on by dt seconds."""
    target = source.resource.peer_volume(source.config.number)
    if target is None or any(side.paused_here or side.paused_there for side in (source, target)):
        return
    step = min(source.left, rate_kib(source.resource) * source.resource.drbd.node.world.faults.resync_factor * dt)
    source.left -= step
    target.left = source.left
    source.sent += int(step)
    source.was_read += int(step)
    target.received += int(step)
    target.written += int(step)
    if source.left <= 0:
        _finish_sync(source, target)


def _finish_sync(source: Volume, target: Volume) -> None:
    mine, theirs = source.metadata, target.metadata
    _copy(source, target, None if mine.everything else mine.dirty)
    for metadata in (mine, theirs):
        metadata.everything = False
        metadata.dirty = set()
        metadata.crashed_primary = False
    mine.rotate(mine.bitmap)
    mine.bitmap = 0
    primary_bit = 1 if target.resource.role == "Primary" else 0
    theirs.current = (mine.current & ~1) | primary_bit
    theirs.bitmap, theirs.history = 0, (mine.history[0] & ~1, mine.history[1])
    for side in (source, target):
        side.disk = side.peer_disk = "UpToDate"
        side.replication = "Established"
        side.resource.note()
    source.resource.drbd.node.world.log(source.resource.drbd.node.name, f"{source.resource.name}: resync done")


def compare(mine: Metadata, theirs: Metadata) -> int | None:
    """Compare generations: 0 equal, 1 source, 2 source of everything, negative target, None split brain or unrelated."""

    def bare(identifier: int) -> int:
        return identifier & ~1

    me, other = bare(mine.current), bare(theirs.current)
    fresh = {0, JUST_CREATED}
    if me in fresh and other in fresh:
        return 0
    if me in fresh:
        return -2
    if other in fresh:
        return 2
    if me == other:
        if mine.crashed_primary != theirs.crashed_primary:
            return 1 if mine.crashed_primary else -1
        return 0
    if me == bare(theirs.bitmap):
        return -1
    if bare(mine.bitmap) == other:
        return 1
    if me in map(bare, theirs.history):
        return -2
    if other in map(bare, mine.history):
        return 2
    return None


def _copy(source: Volume, target: Volume, extents: set[int] | None) -> None:
    mine, theirs = source.disk_below(), target.disk_below()
    for extent in _extents(mine, theirs, extents):
        content = mine.contents.get(extent)
        if content is None:
            theirs.contents.pop(extent, None)
        else:
            theirs.contents[extent] = content


def _extents(mine: Disk, theirs: Disk, extents: set[int] | None) -> Iterator[int]:
    yield from extents if extents is not None else sorted({*mine.contents, *theirs.contents})
