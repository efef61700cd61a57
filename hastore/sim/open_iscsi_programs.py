"""`iscsiadm` of a simulated client, in the words of version 2.1.8 (recorded: scst/cmds-sessions.txt)."""

from __future__ import annotations

from hastore.sim.block import Block
from hastore.sim.open_iscsi import (
    AUTHORIZATION,
    FATAL,
    PORT,
    TIMEOUT,
    LoginRefused,
    OpenIscsi,
    Session,
)
from hastore.sim.open_iscsi_records import NotModified, show
from hastore.sim.world import Call, Node, Reply, reply

NO_OBJECTS, PRESENT, INVALID = 21, 15, 7
_VALUED = {
    "-m": "mode", "--mode": "mode", "-t": "type", "--type": "type", "-p": "portal", "--portal": "portal",
    "-T": "target", "--targetname": "target", "-o": "op", "--op": "op", "-n": "name", "--name": "name",
    "-v": "value", "--value": "value", "-P": "print", "--print": "print", "-r": "sid", "--sid": "sid",
    "-I": "interface", "--interface": "interface",
}  # fmt: skip
_FLAGS = {"-l": "login", "--login": "login", "-u": "logout", "--logout": "logout", "-R": "rescan", "--rescan": "rescan"}
_WORDS = {
    AUTHORIZATION: "iSCSI login failed due to authorization failure",
    FATAL: "encountered non-retryable iSCSI login failure",
    TIMEOUT: "connection timed out",
}
_DISCOVERY_SECONDS = 30.0
"""How long a discovery tries where nobody answers (recorded: it hangs until 30 s are over)."""
_LOGIN_SECONDS = 120.0
"""How long a login tries where nobody answers (documented: node.session.initial_login_retry_max, 8 times 15 s)."""


def install(node: Node) -> OpenIscsi:
    """Put open-iscsi on a node; return the subsystem."""
    block = node.subsystem(Block)
    initiator = OpenIscsi(node, block)
    node.install("open-iscsi", initiator)
    node.programs |= {"iscsiadm": iscsiadm, "find": find}
    return initiator


def find(call: Call) -> Reply:
    """`find DIR... -type f`."""
    *folders, option, kind = call.argv[1:]
    if (option, kind) != ("-type", "f"):
        call.give_up()
    out, err = "", ""
    for folder in folders:
        try:
            tree = call.node.files.tree(folder)
        except OSError as error:
            err += f"find: '{folder}': {error.strerror}\n"
            continue
        out += "".join(f"{folder}/{name}\n" for name, entry in tree.items() if entry.kind == "file")
    return reply(1 if err else 0, out=out, err=err)


def iscsiadm(call: Call) -> Reply:
    """`iscsiadm -m discovery|node|session ...`."""
    if call.argv[1:] in {("--version",), ("-V",)}:
        return reply(out="iscsiadm version 2.1.8\n")
    options = _options(call)
    initiator = call.node.subsystem(OpenIscsi)
    if options.get("interface") not in {None, "default"}:
        raise call.unknown(options["interface"])
    if options.get("mode") == "discovery":
        return _discovery(call, initiator, options)
    if options.get("mode") == "session":
        return _session(call, initiator, options)
    if options.get("mode") == "node":
        return _node(call, initiator, options)
    raise call.unknown()


def _options(call: Call) -> dict[str, str]:
    found: dict[str, str] = {}
    waiting = ""
    words = [part for w in call.argv[1:] for part in (w.split("=", 1) if w.startswith("--") and "=" in w else [w])]
    for word in words:
        if waiting:
            found[waiting], waiting = word, ""
        elif word in _VALUED:
            waiting = _VALUED[word]
        elif word in _FLAGS:
            found[_FLAGS[word]] = "yes"
        elif len(word) > 2 and word[:2] in _VALUED and not word.startswith("--"):
            found[_VALUED[word[:2]]] = word[2:]
        else:
            raise call.unknown(word)
    return found


def _portal(text: str) -> tuple[str, int]:
    ip, _, port = text.partition(",")[0].rpartition(":") if ":" in text else (text, "", "")
    return ip, int(port or PORT)


def _discovery(call: Call, initiator: OpenIscsi, options: dict[str, str]) -> Reply:
    known = options.get("type") in {"st", "sendtargets"} and options.get("op") in {None, "new"}
    if not known or "portal" not in options:
        raise call.unknown()
    ip, port = _portal(options["portal"])
    given_up = call.node.world.clock.now + _DISCOVERY_SECONDS
    while True:
        try:
            found = initiator.discover(ip, port, keep=options.get("op") == "new")
        except LoginRefused as refused:
            if call.node.world.clock.now >= given_up:
                said = "iscsiadm: connection login retries (reopen_max) 5 exceeded\niscsiadm: Could not perform SendTargets discovery: "
                return reply(
                    refused.code,
                    err=f"{said}{'encountered connection failure' if refused.code == 4 else 'iSCSI PDU timed out'}\n",
                )
            pause = min(call.node.world.clock.now + 1.0, given_up)
            call.wait_until(lambda until=pause: call.node.world.clock.now >= until - 1e-9)  # type: ignore[misc]  # a bound default
            continue
        if not found:
            return reply(NO_OBJECTS, err="iscsiadm: No portals found\n")
        return reply(out="".join(f"{portal},1 {target}\n" for portal, target in found))


# Sessions


def _session(call: Call, initiator: OpenIscsi, options: dict[str, str]) -> Reply:
    sessions = [s for s in initiator.sessions.values() if options.get("sid") in {None, str(s.sid)}]
    if not sessions:
        return reply(NO_OBJECTS, err="iscsiadm: No active sessions.\n")
    if "rescan" in options:
        for session in sessions:
            initiator.rescan(session)
        return reply(out="".join(f"Rescanning session {_where(s, s.sid)}\n" for s in sessions))
    level = options.get("print", "0")
    if level == "0":
        return reply(out="".join(f"tcp: [{s.sid}] {s.portal} {s.target} (non-flash)\n" for s in sessions))
    if level not in {"1", "3"}:
        raise call.unknown()
    head = "iSCSI Transport Class version 2.0-870\nversion 2.1.8\n" if level == "3" else ""
    lines: list[str] = []
    for target in dict.fromkeys(s.target for s in sessions):
        lines.append(f"Target: {target} (non-flash)")
        for session in sessions:
            if session.target == target:
                lines += _details(initiator, session, level)
    return reply(out=head + "\n".join(lines) + "\n")


def _details(initiator: OpenIscsi, session: Session, level: str) -> list[str]:
    up = session.logged_in
    lines = [
        f"\tCurrent Portal: {session.portal}",
        f"\tPersistent Portal: {session.portal}",
        "\t\t**********", "\t\tInterface:", "\t\t**********",
        "\t\tIface Name: default",
        "\t\tIface Transport: tcp",
        f"\t\tIface Initiatorname: {initiator.name}",
        f"\t\tIface IPaddress: {session.server.client_ip if session.server else '<empty>'}",
        "\t\tIface HWaddress: default",
        "\t\tIface Netdev: default",
        f"\t\tSID: {session.sid}",
        f"\t\tiSCSI Connection State: {'LOGGED IN' if up else 'TRANSPORT WAIT'}",
        f"\t\tiSCSI Session State: {'LOGGED_IN' if up else 'FAILED'}",
        f"\t\tInternal iscsid Session State: {'NO CHANGE' if up else 'REOPEN'}",
    ]  # fmt: skip
    return lines if level == "1" else lines + _more_details(session)


def _more_details(session: Session) -> list[str]:
    stars, host = "\t\t************************", session.sid + 5
    negotiated = (
        "HeaderDigest: None", "DataDigest: None", "MaxRecvDataSegmentLength: 262144", "MaxXmitDataSegmentLength: 1048576",
        "FirstBurstLength: 65536", "MaxBurstLength: 1048576", "ImmediateData: Yes", "InitialR2T: No", "MaxOutstandingR2T: 1",
    )  # fmt: skip
    lines = [
        "\t\t*********", "\t\tTimeouts:", "\t\t*********", f"\t\tRecovery Timeout: {session.timeout:.0f}",
        "\t\tTarget Reset Timeout: 30", "\t\tLUN Reset Timeout: 30", "\t\tAbort Timeout: 15",
        "\t\t*****", "\t\tCHAP:", "\t\t*****", "\t\tusername: <empty>", "\t\tpassword: ********",
        "\t\tusername_in: <empty>", "\t\tpassword_in: ********",
        stars, "\t\tNegotiated iSCSI params:", stars, *(f"\t\t{text}" for text in negotiated),
        stars, "\t\tAttached SCSI devices:", stars, f"\t\tHost Number: {host}\tState: running",
    ]  # fmt: skip
    for lun, path in sorted(session.disks.items()):
        lines.append(f"\t\tscsi{host} Channel 00 Id 0 Lun: {lun}")
        lines.append(f"\t\t\tAttached scsi disk {path.removeprefix('/dev/')}\t\tState: running")
    return lines


# Records and logins


def _chosen(initiator: OpenIscsi, options: dict[str, str]) -> list[tuple[str, str]]:
    wanted = ""
    if "portal" in options:
        ip, port = _portal(options["portal"])
        wanted = f"{ip}:{port}"
    return [
        (target, portal)
        for target, portal in initiator.records
        if options.get("target") in {None, target} and wanted in {"", portal}
    ]


def _node(call: Call, initiator: OpenIscsi, options: dict[str, str]) -> Reply:
    if options.get("op") == "new" and {"target", "portal"} <= set(options):
        ip, port = _portal(options["portal"])
        if initiator.node_records.get(options["target"], f"{ip}:{port}") is None:
            initiator.node_records.add(options["target"], f"{ip}:{port}", {})
        return reply(
            out=f"New iSCSI node [tcp:[hw=,ip=,net_if=,iscsi_if=default] {ip},{port},-1 {options['target']}] added\n"
        )
    chosen = _chosen(initiator, options)
    if not chosen:
        return reply(NO_OBJECTS, err="iscsiadm: No records found\n")
    if "login" in options:
        return _together(
            call,
            [_log_in(call, initiator, target, portal) for target, portal in chosen],
            "Could not log into all portals",
        )
    if "logout" in options:
        return _log_out(initiator, chosen)
    if options.get("op") == "update":
        return _update(initiator, chosen, options)
    if options.get("op") == "delete":
        return _forget(initiator, chosen)
    if options.get("op") in {"show", None} and ("target" in options or options.get("op")):
        records = initiator.records
        return reply(out="".join(show(records[record]) for record in chosen))
    return reply(out="".join(f"{portal},1 {target}\n" for target, portal in chosen))


def _update(initiator: OpenIscsi, chosen: list[tuple[str, str]], options: dict[str, str]) -> Reply:
    for target, portal in chosen:
        try:
            initiator.node_records.update(target, portal, options["name"], options["value"])
        except NotModified as refused:
            ending = "iscsiadm: Could not execute operation on all records: invalid parameter\n"
            return reply(INVALID, err=f"{refused}{ending}")
    return reply()


def _where(session: Session | None, sid: int, target: str = "", portal: str = "") -> str:
    if session is not None:
        target, portal = session.target, f"{session.ip},{session.port}"
    return f"[sid: {sid}, target: {target}, portal: {portal}]"


def _log_in(call: Call, initiator: OpenIscsi, target: str, portal: str) -> Reply:
    ip, port = _portal(portal)
    where = f"[iface: default, target: {target}, portal: {ip},{port}]"
    if initiator.find(target, ip) is not None:
        return reply(PRESENT, err="iscsiadm: default: 1 session requested, but 1 already present.\n")
    said = f"Logging in to {where}\n"
    given_up = call.node.world.clock.now + _LOGIN_SECONDS
    while True:
        try:
            initiator.login(target, ip, port)
        except LoginRefused as refused:
            again = refused.code not in {AUTHORIZATION, FATAL} and call.node.world.clock.now < given_up
            if again:
                pause = call.node.world.clock.now + 1.0
                call.wait_until(lambda until=pause: call.node.world.clock.now >= until - 1e-9)  # type: ignore[misc]  # the same
                continue
            code = TIMEOUT if refused.code not in _WORDS else refused.code
            err = (
                f"iscsiadm: Could not login to {where}.\niscsiadm: initiator reported error ({code} - {_WORDS[code]})\n"
            )
            return reply(code, out=said, err=err)
        return reply(out=f"{said}Login to {where} successful.\n")


def _together(_call: Call, replies: list[Reply], failure: str) -> Reply:
    code = next((r.exit_code for r in replies if r.exit_code), 0)
    end = f"iscsiadm: {failure}\n".encode() if code else b""
    return Reply(code, b"".join(r.stdout for r in replies), b"".join(r.stderr for r in replies) + end)


def _log_out(initiator: OpenIscsi, chosen: list[tuple[str, str]]) -> Reply:
    sessions = [s for target, portal in chosen if (s := initiator.find(target, _portal(portal)[0])) is not None]
    if not sessions:
        return reply(NO_OBJECTS, err="iscsiadm: No matching sessions found\n")
    out = "".join(f"Logging out of session {_where(s, s.sid)}\n" for s in sessions)
    for session in sessions:
        initiator.logout(session)
        out += f"Logout of {_where(session, session.sid)} successful.\n"
    return reply(out=out)


def _forget(initiator: OpenIscsi, chosen: list[tuple[str, str]]) -> Reply:
    for target, portal in chosen:
        if initiator.find(target, _portal(portal)[0]) is not None:
            said = "iscsiadm: This command will remove the record [iface: default, target: {}, portal: {}], but a session is using it. Logout session then rerun command to remove record.\n"
            return reply(
                PRESENT,
                err=said.format(target, portal.replace(":", ","))
                + "iscsiadm: Could not execute operation on all records: session exists\n",
            )
    for record in chosen:
        initiator.node_records.remove(*record)
    return reply()
