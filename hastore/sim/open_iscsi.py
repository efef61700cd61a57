"""The initiator's side: open-iscsi with its records and sessions, and the disks they bring.

Texts and exit codes are recorded (scst/cmds-sessions.txt, scst/cmds-daemon.txt, pacemaker/iscsi). A session that loses
its target stays, is FAILED, and is logged in again; writes wait for it up to `replacement_timeout` (120 s).
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field

from hastore.sim.block import Block, Content
from hastore.sim.filesystem import refuse
from hastore.sim.network import Network
from hastore.sim.open_iscsi_records import DEFAULTS, Record, Records
from hastore.sim.scst import Scst
from hastore.sim.scst_targets import Session as ServerSession
from hastore.sim.world import Node

NAME_FILE = "/etc/iscsi/initiatorname.iscsi"
PORT = 3260
RETRY_SECONDS = 1.0
"""Between two attempts to log in again (recorded: back within 0.5 s when it was forced out, 1 to 8 s after a failover)."""
NOTICE_SECONDS = 10.0
"""Until a silent target is noticed: noop_out_interval and noop_out_timeout, 5 s each (iscsid.conf)."""
AUTHORIZATION, FATAL, TIMEOUT, UNREACHABLE = 24, 19, 8, 4


class LoginRefused(Exception):
    """A login that did not come about, with iscsiadm's exit code."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(code)


@dataclass
class ScsiDisk:
    """A disk that a session brought: `/dev/sdX` on the client."""

    initiator: OpenIscsi
    path: str
    sid: int
    lun: int
    kind: str = "disk"

    @property
    def session(self) -> Session:
        """The session it hangs on."""
        return self.initiator.sessions[self.sid]

    def size(self) -> int:
        """Return the LUN's size; 0 while it can't be asked."""
        try:
            return int(self.session.server_side().device(self.lun).value("size"))
        except OSError:
            return 0

    def read(self, extent: int) -> Content | None:
        """Read an extent; OSError EAGAIN while the session is away, EIO past its timeout."""
        return self.session.server_side().read(self.lun, extent)

    def write(self, extent: int, content: Content | None) -> None:
        """Write an extent; OSError EAGAIN while it would have to wait, EIO where it fails."""
        if not isinstance(content, str):
            raise refuse(errno.EIO, self.path)
        self.session.server_side().write(self.lun, extent, content)

    def below(self) -> list[str]:
        """Nothing on this machine lies below it."""
        return []


@dataclass
class Session:
    """A session of this initiator."""

    sid: int
    target: str
    ip: str
    port: int
    initiator: OpenIscsi
    record: Record
    """The node record as it was at the login: iscsid keeps it for as long as the session lasts."""
    server: ServerSession | None = None
    server_node: str = ""
    failed_since: float | None = None
    silent_since: float | None = None
    next_try: float = 0.0
    disks: dict[int, str] = field(default_factory=dict)

    @property
    def portal(self) -> str:
        """The portal as iscsiadm prints it."""
        return f"{self.ip}:{self.port},1"

    @property
    def timeout(self) -> float:
        """Seconds until waiting I/O fails."""
        return float(self.record["node.session.timeo.replacement_timeout"])

    @property
    def logged_in(self) -> bool:
        """Tell whether it is up as far as the initiator knows."""
        return self.failed_since is None

    def answers(self) -> bool:
        """Tell whether the target's side is there and packets come through."""
        if self.server is None or not self.server.alive:
            return False
        return self.initiator.reaches(self.server_node, self.ip, self.port)

    def server_side(self) -> ServerSession:
        """Return the target's side; OSError EAGAIN while I/O waits, EIO once `replacement_timeout` is over."""
        if self.server is not None and self.logged_in and self.answers():
            return self.server
        now = self.initiator.node.world.clock.now
        if self.failed_since is not None and now - self.failed_since >= self.timeout:
            raise refuse(errno.EIO)
        raise refuse(errno.EAGAIN)


class OpenIscsi:
    """Records, sessions and iscsid of one client."""

    def __init__(self, node: Node, block: Block) -> None:
        self.node = node
        self.block = block
        self.node_records = Records(node.files)
        self.sessions: dict[int, Session] = {}
        self.next_sid = 1
        if not node.files.exists(NAME_FILE):
            node.files.add(NAME_FILE, f"InitiatorName=iqn.1993-08.org.debian:01:{node.name}\n")

    @property
    def name(self) -> str:
        """The initiator's name, as its file says."""
        text = self.node.files.read(NAME_FILE).decode()
        return next(
            (line.partition("=")[2].strip() for line in text.splitlines() if line.startswith("InitiatorName=")), ""
        )

    @property
    def records(self) -> dict[tuple[str, str], Record]:
        """Every node record: (target, `ip:port`) -> its settings."""
        return self.node_records.all()

    # Reaching targets

    def reaches(self, name: str, ip: str, port: int) -> bool:
        """Tell whether packets to a portal on that node come through."""
        node = self.node.world.nodes[name]
        network = node.subsystem(Network)
        link = self.node.subsystem(Network).network_of(ip) or None
        up = node.powered and network.has_address(ip) and not network.blocked(ip, port)
        return up and self.node.world.connected(self.node.name, name, link)

    def _at(self, ip: str, port: int) -> Scst:
        """Return the SCST that answers at a portal; LoginRefused where none does."""
        found = [
            name for name, node in self.node.world.nodes.items() if node.has(Scst) and self.reaches(name, ip, port)
        ]
        for name in found:
            scst = self.node.world.nodes[name].subsystem(Scst)
            if scst.daemon_runs:
                return scst
        raise LoginRefused(UNREACHABLE if found else TIMEOUT)

    def discover(self, ip: str, port: int = PORT, *, keep: bool = False) -> list[tuple[str, str]]:
        """Return (portal, target) for all that a portal offers, the asked address first; LoginRefused.

        Each gets a record; one that is there is made anew unless it is to be kept (open-iscsi usr/idbm.c:2566).
        """
        scst = self._at(ip, port)
        if not scst.driver_enabled():
            raise LoginRefused(TIMEOUT)
        addresses = sorted(scst.node.subsystem(Network).addresses, key=lambda a: (a != ip, a))
        names = [name for name in scst.discover() if scst.targets[name].portal_allowed(ip)]
        found = [(f"{a}:{port}", name) for name in names for a in addresses if scst.targets[name].portal_allowed(a)]
        for portal, name in found:
            if not (keep and self.node_records.get(name, portal)):
                by = {"address": ip, "port": str(port), "type": "send_targets"}
                self.node_records.add(name, portal, {f"node.discovery_{part}": text for part, text in by.items()})
        return found

    def login(self, target: str, ip: str, port: int) -> Session:
        """Open a session and attach its disks; LoginRefused."""
        record = self.node_records.get(target, f"{ip}:{port}") or dict(DEFAULTS)
        session = Session(self.next_sid, target, ip, port, self, record)
        self._connect(session)
        self.next_sid += 1
        self.sessions[session.sid] = session
        self._attach(session)
        return session

    def logout(self, session: Session) -> None:
        """End a session; its disks are gone."""
        if session.server is not None and session.server.alive:
            self.node.world.nodes[session.server_node].subsystem(Scst).logout(session.server)
        for path in session.disks.values():
            self.block.remove(path)
        del self.sessions[session.sid]

    def find(self, target: str, ip: str) -> Session | None:
        """Return the session with a target through an address, or None."""
        return next((s for s in self.sessions.values() if s.target == target and s.ip == ip), None)

    def _connect(self, session: Session) -> None:
        scst = self._at(session.ip, session.port)
        own = self.node.subsystem(Network)
        link = own.network_of(session.ip)
        mine = next((a.ip for a in own.addresses.values() if a.nic == link), self.node.name)
        self._authenticate(scst, session.target, session.record)
        try:
            session.server = scst.login(self.name, mine, session.ip, session.target)
        except OSError as error:
            code = {errno.ECONNREFUSED: UNREACHABLE, errno.ETIMEDOUT: TIMEOUT}.get(error.errno or 0, FATAL)
            raise LoginRefused(code) from error
        session.server_node = scst.node.name
        session.failed_since = session.silent_since = None

    def _authenticate(self, scst: Scst, iqn: str, record: Record) -> None:
        target = scst.targets.get(iqn)
        users = target.users["IncomingUser"] if target is not None else {}
        name, password = record["node.session.auth.username"], record["node.session.auth.password"]
        offers = record["node.session.auth.authmethod"] == "CHAP" and bool(name)
        if users and (not offers or users.get(name) != password):
            raise LoginRefused(AUTHORIZATION)

    def _attach(self, session: Session) -> None:
        server = session.server
        for lun in server.lun_numbers() if server is not None else ():
            if lun not in session.disks:
                path = self._free_path()
                session.disks[lun] = path
                self.block.add(ScsiDisk(self, path, session.sid, lun))

    def rescan(self, session: Session) -> None:
        """Look for new LUNs."""
        self._attach(session)

    def _free_path(self) -> str:
        return next(
            f"/dev/sd{letter}"
            for letter in "abcdefghijklmnopqrstuvwxyz"
            if f"/dev/sd{letter}" not in self.block.devices
        )

    # Life and death

    def tick(self, _dt: float) -> None:
        """Notice what does not answer; log in again."""
        now = self.node.world.clock.now
        for session in self.sessions.values():
            if session.logged_in:
                self._watch(session, now)
            elif now >= session.next_try:
                self._retry(session, now)

    def _watch(self, session: Session, now: float) -> None:
        if session.answers():
            session.silent_since = None
            return
        session.silent_since = now if session.silent_since is None else session.silent_since
        dropped = session.server is None or not session.server.alive
        heard = dropped and self.reaches(session.server_node, session.ip, session.port)
        if heard or now - session.silent_since >= NOTICE_SECONDS:
            session.failed_since = session.silent_since
            session.next_try = now + RETRY_SECONDS
            self.node.world.log(self.node.name, f"session {session.sid} with {session.target} failed")

    def _retry(self, session: Session, now: float) -> None:
        session.next_try = now + RETRY_SECONDS
        if session.server is not None and session.server.alive and self.node.world.nodes[session.server_node].powered:
            session.server.alive = not self._drop_stale(session)
        try:
            self._connect(session)
        except LoginRefused:
            return
        self._attach(session)
        self.node.world.log(self.node.name, f"session {session.sid} with {session.target} is back")

    def _drop_stale(self, session: Session) -> bool:
        """Let the target's side of a session end that this side gave up (its connection is reset)."""
        scst = self.node.world.nodes[session.server_node].subsystem(Scst)
        if session.server is not None and self.reaches(session.server_node, session.ip, session.port):
            scst.logout(session.server)
            return True
        return False

    def power_off(self) -> None:
        """Sessions are gone; records stay."""
        for session in self.sessions.values():
            if session.server is not None:
                session.server.alive = False
        self.sessions.clear()

    def boot(self) -> None:
        """Log in to what is to be there after a boot, where it can be reached."""
        for (target, portal), record in self.records.items():
            if record["node.startup"] == "automatic":
                ip, _, port = portal.rpartition(":")
                try:
                    self.login(target, ip, int(port))
                except LoginRefused:
                    self.node.world.log(self.node.name, f"could not log in to {target} at boot")
