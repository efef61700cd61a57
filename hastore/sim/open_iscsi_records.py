"""Node records of a simulated initiator: files, as `iscsiadm` and iscsid read and write them.

Names, order and defaults are those of 2.1.8 on Debian 12 (recorded: open_iscsi/node-show); how a file is read is
open-iscsi's usr/idbm.c:1218-1282 (commit bc23614): `#` begins a comment, blanks are stripped, a line without a value
is passed over, an unknown name too, and the last of a name counts.
"""

from __future__ import annotations

import errno
import posixpath
import re
from collections.abc import Mapping

from hastore.sim.filesystem import FileSystem

ROOT = "/etc/iscsi/nodes"
_TABLE = """
node.name= node.tpgt=1 node.startup=manual node.leading_login=No iface.iscsi_ifacename=default
iface.net_ifacename= iface.ipaddress= iface.prefix_len=0 iface.hwaddress= iface.transport_name=tcp
iface.initiatorname= iface.state= iface.vlan_id=0 iface.vlan_priority=0 iface.vlan_state= iface.iface_num=0
iface.mtu=0 iface.port=0 iface.bootproto= iface.subnet_mask= iface.gateway= iface.dhcp_alt_client_id_state=
iface.dhcp_alt_client_id= iface.dhcp_dns= iface.dhcp_learn_iqn= iface.dhcp_req_vendor_id_state=
iface.dhcp_vendor_id_state= iface.dhcp_vendor_id= iface.dhcp_slp_da= iface.fragmentation= iface.gratuitous_arp=
iface.incoming_forwarding= iface.tos_state= iface.tos=0 iface.ttl=0 iface.delayed_ack= iface.tcp_nagle=
iface.tcp_wsf_state= iface.tcp_wsf=0 iface.tcp_timer_scale=0 iface.tcp_timestamp= iface.redirect=
iface.def_task_mgmt_timeout=0 iface.header_digest= iface.data_digest= iface.immediate_data= iface.initial_r2t=
iface.data_seq_inorder= iface.data_pdu_inorder= iface.erl=0 iface.max_receive_data_len=0 iface.first_burst_len=0
iface.max_outstanding_r2t=0 iface.max_burst_len=0 iface.chap_auth= iface.bidi_chap=
iface.strict_login_compliance= iface.discovery_auth= iface.discovery_logout= node.discovery_address=
node.discovery_port=0 node.discovery_type=static node.session.initial_cmdsn=0
node.session.initial_login_retry_max=4 node.session.xmit_thread_priority=-20 node.session.cmds_max=128
node.session.queue_depth=32 node.session.nr_sessions=1 node.session.auth.authmethod=None
node.session.auth.username= node.session.auth.password= node.session.auth.username_in=
node.session.auth.password_in= node.session.auth.chap_algs=MD5 node.session.timeo.replacement_timeout=120
node.session.err_timeo.abort_timeout=15 node.session.err_timeo.lu_reset_timeout=30
node.session.err_timeo.tgt_reset_timeout=30 node.session.err_timeo.host_reset_timeout=60
node.session.iscsi.FastAbort=Yes node.session.iscsi.InitialR2T=No node.session.iscsi.ImmediateData=Yes
node.session.iscsi.FirstBurstLength=262144 node.session.iscsi.MaxBurstLength=16776192
node.session.iscsi.DefaultTime2Retain=0 node.session.iscsi.DefaultTime2Wait=2
node.session.iscsi.MaxConnections=1 node.session.iscsi.MaxOutstandingR2T=1 node.session.iscsi.ERL=0
node.session.scan=auto node.session.reopen_max=0 node.conn[0].address= node.conn[0].port=3260
node.conn[0].startup=manual node.conn[0].tcp.window_size=524288 node.conn[0].tcp.type_of_service=0
node.conn[0].timeo.logout_timeout=15 node.conn[0].timeo.login_timeout=30 node.conn[0].timeo.auth_timeout=45
node.conn[0].timeo.noop_out_interval=5 node.conn[0].timeo.noop_out_timeout=5
node.conn[0].iscsi.MaxXmitDataSegmentLength=0 node.conn[0].iscsi.MaxRecvDataSegmentLength=262144
node.conn[0].iscsi.HeaderDigest=None node.conn[0].iscsi.DataDigest=None node.conn[0].iscsi.IFMarker=No
node.conn[0].iscsi.OFMarker=No
"""
DEFAULTS: dict[str, str] = {name: text for name, _, text in (word.partition("=") for word in _TABLE.split())}
_LOOKED_UP_BY = frozenset({"node.name", "node.tpgt", "node.conn[0].address", "node.conn[0].port"})
_CHOICES = {
    "node.startup": ("manual", "automatic", "onboot"),
    "node.session.auth.authmethod": ("None", "CHAP"),
}
_MASKED = ("node.session.auth.password", "node.session.auth.password_in")
_MODE = 0o600

Key = tuple[str, str]
"""Target and `ip:port`."""
Record = dict[str, str]


class NotModified(Exception):
    """A change that iscsiadm refuses, with what it says."""


class Records:
    """The records below /etc/iscsi/nodes."""

    def __init__(self, files: FileSystem) -> None:
        self.files = files

    def all(self) -> dict[Key, Record]:
        """Read every record, in the order of their names."""
        try:
            tree = self.files.tree(ROOT)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return {}
            raise
        found = [parse(entry.text) for entry in tree.values() if entry.kind == "file"]
        return {(record["node.name"], _portal(record)): record for record in found}

    def get(self, target: str, portal: str) -> Record | None:
        """Read one record; None where there is none."""
        path = _path(target, portal)
        return parse(self.files.read(path).decode("utf-8", "surrogateescape")) if path in self.files.files else None

    def add(self, target: str, portal: str, settings: Mapping[str, str]) -> None:
        """Write a record with these settings and defaults, over one that is there."""
        ip, _, port = portal.rpartition(":")
        named = {"node.name": target, "node.conn[0].address": ip, "node.conn[0].port": port}
        self._write(target, portal, {**DEFAULTS, **settings, **named})

    def update(self, target: str, portal: str, name: str, text: str) -> None:
        """Set one of a record's settings; raise NotModified where iscsiadm would not."""
        record = self.get(target, portal) or dict(DEFAULTS)
        if name not in DEFAULTS:
            msg = f"iscsiadm: Cannot modify {name}. Invalid param name.\n"
            raise NotModified(msg)
        if name in _LOOKED_UP_BY:
            msg = f"iscsiadm: Cannot modify {name}. It is used to look up the record and cannot be changed.\n"
            raise NotModified(msg)
        if text not in _CHOICES.get(name, (text,)):
            msg = f"iscsiadm: unknown value format '{text}' for parameter name '{name}'\niscsiadm: Unknown parameter {name}.\n"
            raise NotModified(msg)
        record[name] = _number(text) if DEFAULTS[name].lstrip("-").isdigit() else text
        self._write(target, portal, record)

    def remove(self, target: str, portal: str) -> None:
        """Delete a record."""
        self.files.remove(_path(target, portal))

    def _write(self, target: str, portal: str, record: Record) -> None:
        self.files.add(_path(target, portal), show(record, masked=False), _MODE)


def parse(text: str) -> Record:
    """Return what a record's file says, over the defaults."""
    record = dict(DEFAULTS)
    for line in text.splitlines():
        name, mark, value = line.partition("=")
        if mark and value.strip() and name.strip() in DEFAULTS:
            record[name.strip()] = value.strip()
    return record


def show(record: Record, *, masked: bool = True) -> str:
    """Return a record as `iscsiadm` shows it, or with `masked=False` as it is kept: passwords told, gaps left out."""
    lines = ["# BEGIN RECORD 2.1.8"]
    for name in DEFAULTS:
        text = record[name]
        if masked:
            text = "********" if name in _MASKED and text else text or "<empty>"
        if text:
            lines.append(f"{name} = {text}")
    return "\n".join([*lines, "# END RECORD", ""])


def _path(target: str, portal: str) -> str:
    ip, _, port = portal.rpartition(":")
    return posixpath.join(ROOT, target, f"{ip},{port},{DEFAULTS['node.tpgt']}", "default")


def _portal(record: Record) -> str:
    return f"{record['node.conn[0].address']}:{record['node.conn[0].port']}"


def _number(text: str) -> str:
    """Return what C's strtoul makes of a text (recorded with 2.1.8: `abc` becomes 0)."""
    found = re.match(r"\s*[+-]?\d+", text)
    return str(int(found[0])) if found else "0"
