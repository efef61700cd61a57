"""A real cluster for tests: corosync and pacemakerd on nodes that are namespaces of this machine.

A node has a network, mounts, processes and a name of its own; it shares the machine's programs. Two bridges, in a
network namespace of their own, are its networks: nothing of the machine's own network is seen or touched.
What needs a kernel that test machines lack (DRBD, LVM, SCST, portblock's firewall) is played by one stub agent
(`node/stub-agent`), laid over the real agents inside the nodes only; IPaddr2 is the real one. Fencing works:
`fence_switch` asks `PowerSwitch`, which ends a node's first process, and with it all its others, and boots it again.

    def test_something(cluster: RealCluster) -> None:      # fresh and empty: two nodes, a DC, nothing configured
        node = cluster["centos01"]
        node.run("cibadmin", "--replace", "--xml-pipe", stdin=cib)
        cluster.wait_for(lambda status: status.running("p_ip") == {"centos01"})
        cluster["centos01"].crash()
        assert [call.action for call in cluster.calls() if call.resource == "p_lun"] == ["start", "monitor"]

`NamespaceHost(node)` of namespace_host.py is that node as one of hastore's hosts.
"""

from __future__ import annotations

import os
import shutil
import signal
import socketserver
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from lxml import etree

from agents_meta_data import META_DATA
from cluster_status import Call, Status, read_calls
from needs import require, require_root

PARTS = Path(__file__).with_name("node")
PROGRAMS = ("corosync", "pacemakerd", "crm_mon", "cibadmin", "unshare", "nsenter", "setpriv", "ip")
NETWORKS = {"eth1": "192.168.100", "eth2": "192.168.200"}
FIRST_HOST_NUMBER = 181

BARE_CIB = """<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" admin_epoch="0" epoch="1" num_updates="0">
<configuration><crm_config><cluster_property_set id="cib-bootstrap-options">
<nvpair id="cib-bootstrap-options-dc-deadtime" name="dc-deadtime" value="300ms"/>
</cluster_property_set></crm_config><nodes/><resources/><constraints/></configuration><status/></cib>
"""
"""What a node's disk holds at its first boot: without dc-deadtime, electing the first DC takes 20 seconds."""


class Node:
    """One node: a first process, and all that lives below it."""

    def __init__(self, cluster: RealCluster, name: str, number: int) -> None:
        self.cluster = cluster
        self.name = name
        self.number = number
        self.folder = cluster.folder / "nodes" / name
        self._outer: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self._power = threading.RLock()  # a test and the power switch may both reach for it

    @property
    def addresses(self) -> dict[str, str]:
        """Interface -> address, without the networks' prefix length of 24."""
        return {interface: f"{network}.{FIRST_HOST_NUMBER + self.number}" for interface, network in NETWORKS.items()}

    @property
    def is_on(self) -> bool:
        """True while the node's first process lives."""
        return self._outer is not None and self._outer.poll() is None

    @property
    def prefix(self) -> tuple[str, ...]:
        """The argv in front of a command that runs it inside this node; another one after each boot."""
        if not self.is_on:
            msg = f"{self.name} is switched off"
            raise RuntimeError(msg)
        # --root: in a chroot, entering the mounts alone would lead out of it.
        return ("nsenter", f"--target={self._pid}", "--root", "--net", "--mount", "--uts", "--ipc", "--pid", "--")

    def run(
        self, *argv: str, stdin: str = "", check: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the node; with `check`, raise AssertionError with what it said where it fails."""
        command = [*self.prefix, *argv]
        result = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
        if check and result.returncode != 0:
            msg = f"{self.name}: {' '.join(argv)}: exit code {result.returncode}\n{result.stdout}{result.stderr}"
            raise AssertionError(msg)
        return result

    def boot(self) -> None:
        """Switch the node on; its disk (the CIB, corosync.conf) is as it was, its memory is empty."""
        with self._power:
            if not self.is_on:
                self._start_first_process()

    def crash(self) -> None:
        """Cut the node's power: every process of it ends at once, nothing is said to anyone."""
        with self._power:
            if self._outer is None:
                return
            if self._outer.poll() is None:
                os.kill(self._pid, signal.SIGKILL)
            self._outer.wait()
            self._outer = None

    def unplug(self) -> None:
        """Pull the node's cables out of the switch: a partition."""
        self.cluster.set_cables(self, "down")

    def plug(self) -> None:
        """Put the cables back."""
        self.cluster.set_cables(self, "up")

    def order(self, resource: str, action: str, *, exit_code: int = 0, delay: float = 0.0) -> None:
        """Tell the stub agent of a resource to fail with this code, or to take this many seconds, from now on."""
        (self._orders / f"{resource}.{action}").write_text(f"{exit_code} {delay}\n")

    def obey_no_more(self) -> None:
        """Withdraw all orders."""
        for order in self._orders.iterdir():
            order.unlink()

    def holds_address(self, address: str) -> bool:
        """Say whether this address is on one of the node's interfaces."""
        return self.is_on and f" {address}/" in self.run("ip", "-oneline", "address", "show").stdout

    def _start_first_process(self) -> None:
        self._lay_out_files()
        namespaces = ("--net", "--mount", "--uts", "--ipc", "--pid", "--propagation=private")
        command = ["unshare", *namespaces, "--fork", "--kill-child", "--", str(PARTS / "init"), str(self.folder)]
        with (self.folder / "console").open("ab") as console:
            # Nobody may outlive the test run: unshare dies with us, and its child with it.
            self._outer = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", *command], stdin=subprocess.DEVNULL, stdout=console, stderr=console
            )
        pid_file = self.folder / "pid"
        wait_until(pid_file.exists, 10, f"{self.name} has no first process; see {self.folder}/console")
        self._pid = int(pid_file.read_text())
        self.cluster.switch_on_cables(self, self._pid)
        with (self.folder / "plugged").open("w") as plugged:
            plugged.write("yes\n")

    @property
    def _orders(self) -> Path:
        return self.cluster.folder / "orders" / self.name

    def _lay_out_files(self) -> None:
        for volatile in ("run", "pid", "plugged"):
            path = self.folder / volatile
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        daemons = ("corosync", "pacemaker", "pacemaker/bundles", "crmsh", "pcsd")
        for place in ("run/lock", "run/resource-agents", "run/crm", "var/lib/corosync", "etc/corosync/uidgid.d"):
            (self.folder / place).mkdir(parents=True, exist_ok=True)
        for place in (
            *(f"var/lib/pacemaker/{part}" for part in ("cib", "pengine", "cores", "blackbox")),
            *(f"var/log/{d}" for d in daemons),
        ):
            (self.folder / place).mkdir(parents=True, exist_ok=True)
        self._orders.mkdir(parents=True, exist_ok=True)
        cib = self.folder / "var/lib/pacemaker/cib/cib.xml"
        if not cib.exists():
            cib.write_text(BARE_CIB)
            cib.chmod(0o640)
        for owned in (self.folder / "var/lib/pacemaker", self.folder / "var/log/pacemaker", self.folder / "run/crm"):
            for path in (owned, *owned.rglob("*")):
                shutil.chown(path, "hacluster", "haclient")
        (self.folder / "run/resource-agents").chmod(0o1755)
        (self.folder / "run/node-name").write_text(f"{self.name}\n")
        (self.folder / "run/cluster").symlink_to(self.cluster.folder)
        shutil.copy(self.cluster.folder / "corosync.conf", self.folder / "etc/corosync/corosync.conf")
        (self.folder / "network").write_text(
            "link set lo up\n"
            + "".join(
                f"address add {address}/24 dev {eth}\nlink set {eth} up\n" for eth, address in self.addresses.items()
            )
        )
        os.mkfifo(self.folder / "plugged")


class PowerSwitch(socketserver.UnixStreamServer):
    """What fence agents talk to: one line `ACTION NODE`, answered by an exit code and, for `list`, the nodes."""

    def __init__(self, cluster: RealCluster) -> None:
        self.cluster = cluster
        self.log: list[tuple[float, str, str]] = []
        """(time, action, node) of what was switched."""
        self.reboots = True
        """Set to False for nodes that stay off when rebooted."""
        self.works = True
        """Set to False for a switch that answers, and fails whatever it is to switch."""
        super().__init__(str(cluster.folder / "switch"), PowerRequest)
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.1}, name="power switch", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Serve no longer."""
        self.shutdown()
        self._thread.join()
        self.server_close()

    def act(self, action: str, name: str) -> int:
        """Switch a node; return the fence agent's exit code, 2 where `status` finds it off."""
        if action in ("monitor", "list"):
            return 0
        node = self.cluster.nodes.get(name)
        if node is None:
            return 1
        if action == "status":
            return 0 if node.is_on else 2
        if not self.works:
            return 1
        self.log.append((time.time(), action, name))
        if action in ("off", "reboot"):
            node.crash()
        if (action == "reboot" and self.reboots) or action == "on":
            node.boot()
        return 0


class PowerRequest(socketserver.StreamRequestHandler):
    """One request of a fence agent."""

    def handle(self) -> None:
        """Act, then answer."""
        switch = self.server
        assert isinstance(switch, PowerSwitch)
        action, _, name = self.rfile.readline().decode().strip().partition(" ")
        code = switch.act(action, name)
        listing = " ".join(switch.cluster.nodes) if action == "list" else ""
        self.wfile.write(f"{code} {listing}\n".encode())


class RealCluster:
    """The nodes, the switch between them, and the power switch that fences them."""

    def __init__(self, folder: Path, names: Sequence[str] = ("centos01", "centos02")) -> None:
        self.folder = folder
        self.nodes: dict[str, Node] = {name: Node(self, name, number) for number, name in enumerate(names)}
        self.power: PowerSwitch | None = None
        self._switch: subprocess.Popen[bytes] | None = None

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def start(self, timeout: float = 30) -> None:
        """Boot all nodes and wait until they have a DC and see each other."""
        self._lay_out_files()
        self._start_switch()
        self.power = PowerSwitch(self)
        for node in self.nodes.values():
            node.boot()
        self.wait_for(lambda status: status.has_dc and status.online == set(self.nodes), timeout)

    def stop(self) -> None:
        """Switch everything off; what the nodes left on their disks stays until the folder goes."""
        if self.power is not None:
            self.power.close()
        for node in self.nodes.values():
            node.crash()
        if self._switch is not None:
            self._switch.kill()
            self._switch.wait()

    def any_node(self) -> Node:
        """Return a node that is on, to ask it about the cluster."""
        return next(node for node in self.nodes.values() if node.is_on)

    def status(self) -> Status:
        """Ask a living node how the cluster is."""
        answer = self.any_node().run("crm_mon", "--output-as=xml", "--inactive", check=False)
        return Status(etree.fromstring(answer.stdout.encode()))

    def cib(self) -> etree._Element:
        """Return the CIB as the cluster holds it."""
        return etree.fromstring(self.any_node().run("cibadmin", "--query").stdout.encode())

    def replace_cib(self, text: str) -> None:
        """Replace configuration and all by this CIB."""
        self.any_node().run("cibadmin", "--replace", "--xml-pipe", stdin=text)

    def wait_for(self, condition: Callable[[Status], bool], timeout: float = 60) -> float:
        """Poll until the status fulfils the condition; return the seconds, raise AssertionError with the last status."""
        begin = time.monotonic()
        last = "never answered"
        while time.monotonic() - begin < timeout:
            try:
                status = self.status()
            except (etree.XMLSyntaxError, StopIteration, RuntimeError) as trouble:
                last = repr(trouble)
            else:
                if condition(status):
                    return time.monotonic() - begin
                last = str(status)
            time.sleep(0.03)
        msg = f"not within {timeout} s; the cluster is:\n{last}"
        raise AssertionError(msg)

    def wait_until_idle(self, timeout: float = 60) -> float:
        """Wait until the DC has nothing left to do; return the seconds."""
        begin = time.monotonic()
        wait_until(self._is_idle, timeout, "the DC still has work")
        return time.monotonic() - begin

    def calls(self) -> list[Call]:
        """Return what the stub agents were asked, in the order in which the calls began."""
        return read_calls(self.folder / "calls")

    def forget_calls(self) -> None:
        """Empty the stub agents' log."""
        (self.folder / "calls").write_text("")

    def switch_on_cables(self, node: Node, pid: int) -> None:
        """Lay a cable for each network from the switch to a node that just booted."""
        lines = []
        for interface in NETWORKS:
            cable = f"n{node.number}{interface}"
            lines += [
                f"link add {cable} type veth peer name {interface} netns {pid}",
                f"link set {cable} master {interface}br up",
            ]
        # A node that was just killed takes its ends of the cables along, but not at once.
        wait_until(lambda: not self._cables_of(node), 10, f"{node.name}'s old cables are still there")
        self._in_switch("ip", "-batch", "-", stdin="\n".join(lines))

    def set_cables(self, node: Node, state: str) -> None:
        """Set the switch's ends of a node's cables `up` or `down`."""
        self._in_switch(
            "ip", "-batch", "-", stdin="\n".join(f"link set {cable} {state}" for cable in self._cables_of(node))
        )

    def _cables_of(self, node: Node) -> list[str]:
        links = self._in_switch("ip", "-oneline", "link", "show", "type", "veth").split("\n")
        names = (line.split(": ")[1].split("@")[0] for line in links if ": " in line)
        return [name for name in names if name.startswith(f"n{node.number}eth")]

    def _is_idle(self) -> bool:
        dc = self.status().dc
        said = self.any_node().run("crmadmin", f"--status={dc}", check=False) if dc else None
        return said is not None and "S_IDLE" in said.stdout + said.stderr

    def _in_switch(self, *argv: str, stdin: str = "") -> str:
        assert self._switch is not None
        command = ["nsenter", f"--target={self._switch.pid}", "--net", "--", *argv]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=True).stdout

    def _start_switch(self) -> None:
        ours = Path("/proc/self/ns/net").stat().st_ino
        holder = self._switch = subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", "unshare", "--net", "--", "sleep", "infinity"]
        )
        theirs = Path(f"/proc/{holder.pid}/ns/net")
        wait_until(lambda: theirs.stat().st_ino != ours, 10, "the switch has no network of its own")
        lines = (f"link add {interface}br type bridge\nlink set {interface}br up" for interface in NETWORKS)
        self._in_switch("ip", "-batch", "-", stdin="\n".join(lines))

    def _lay_out_files(self) -> None:
        (self.folder / "calls").write_text("")
        (self.folder / "meta-data").mkdir()
        (self.folder / "sbin").mkdir()
        (self.folder / "sbin" / "fence_switch").symlink_to(PARTS / "fence_switch")
        for agent, meta_data in META_DATA.items():
            provider, _, kind = agent.partition(":")
            (self.folder / "meta-data" / f"{provider}-{kind}.xml").write_text(meta_data)
            place = self.folder / "ocf" / provider
            place.mkdir(parents=True, exist_ok=True)
            (place / kind).symlink_to(PARTS / "stub-agent")
        (self.folder / "corosync.conf").write_text(corosync_conf(self.nodes))
        hosts = (f"{address} {node.name}" for node in self.nodes.values() for address in node.addresses.values())
        (self.folder / "hosts").write_text("\n".join(["127.0.0.1 localhost", *hosts, ""]))


def corosync_conf(nodes: Mapping[str, Node]) -> str:
    """Return a corosync.conf of two links, that notices a lost node within a second."""
    listed = []
    for node in nodes.values():
        rings = "".join(f"    ring{ring}_addr: {address}\n" for ring, address in enumerate(node.addresses.values()))
        listed.append(f"  node {{\n    name: {node.name}\n    nodeid: {node.number + 1}\n{rings}  }}\n")
    two_node = "  two_node: 1\n  wait_for_all: 0\n" if len(nodes) == 2 else ""
    return (
        "totem {\n  version: 2\n  cluster_name: hastore\n  transport: knet\n"
        "  crypto_cipher: none\n  crypto_hash: none\n  token: 600\n}\n"
        f"nodelist {{\n{''.join(listed)}}}\n"
        f"quorum {{\n  provider: corosync_votequorum\n{two_node}}}\n"
        "logging {\n  to_stderr: no\n  to_syslog: no\n  to_logfile: yes\n"
        "  logfile: /var/log/corosync/corosync.log\n  timestamp: hires\n}\n"
    )


def wait_until(condition: Callable[[], bool], timeout: float, otherwise: str) -> None:
    """Poll a condition; raise AssertionError with `otherwise` when it does not come true in time."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(otherwise)
        time.sleep(0.01)


@contextmanager
def running_cluster() -> Iterator[RealCluster]:
    """Two real nodes, centos01 and centos02, with a DC and an empty configuration; all gone afterwards."""
    require_root()
    require(*PROGRAMS)
    # A socket's path may have 107 bytes: pytest's own temporary folders are too deep.
    with tempfile.TemporaryDirectory(prefix="hastore-") as folder:
        real = RealCluster(Path(folder))
        real.folder.chmod(0o755)
        try:
            real.start()
            yield real
        finally:
            real.stop()


@pytest.fixture
def cluster() -> Iterator[RealCluster]:
    """A fresh cluster for one test."""
    with running_cluster() as real:
        yield real
