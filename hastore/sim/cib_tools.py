"""`cibadmin` and `crm_verify` of a simulated node.

Exit codes and texts were tried with the real programs 2.1.5, on a file and live (pacemaker/offline, pacemaker/live).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hastore.sim.cib import INVALID, Cib, CibRefusal
from hastore.sim.cib_schema import faults
from hastore.sim.cluster import Pacemaker
from hastore.sim.cluster_xml import Element, parse_xml, print_xml
from hastore.sim.world import Call, Reply, reply

NO_CLUSTER = "Could not connect to the CIB: Transport endpoint is not connected\n"
_COMMANDS = {
    "-Q": "query", "--query": "query",
    "-C": "create", "--create": "create",
    "-M": "modify", "--modify": "modify",
    "-D": "delete", "--delete": "delete",
    "-R": "replace", "--replace": "replace",
    "-P": "patch", "--patch": "patch",
    "-B": "bump", "--bump": "bump",
}  # fmt: skip
_VALUES = {
    "-o": "scope", "--scope": "scope", "--obj_type": "scope",
    "-A": "xpath", "--xpath": "xpath",
    "-X": "text", "--xml-text": "text",
    "-x": "file", "--xml-file": "file",
    "-t": "timeout", "--timeout": "timeout",
}  # fmt: skip
_FLAGS = {
    "-p": "pipe", "--xml-pipe": "pipe",
    "-l": "local", "--local": "local",
    "-c": "allow-create", "--allow-create": "allow-create",
    "-e": "paths", "--get-node-path": "paths",
    "-f": "force", "--force": "force",
    "-s": "sync", "--sync-call": "sync",
    "-V": "verbose", "--verbose": "verbose",
    "--node-path": "node-path",
    "-d": "every", "--delete-all": "every",
}  # fmt: skip
_LIVE_NAMES = {"patch": "cib_apply_diff"}


@dataclass
class Request:
    """What a command line of cibadmin asks for."""

    command: str = ""
    values: dict[str, str] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)

    @property
    def section(self) -> str:
        """The section given with `--scope`."""
        return self.values.get("scope", "")


def read_request(call: Call) -> Request:
    """Read cibadmin's arguments; NotSimulated for one that is not known."""
    request = Request()
    words = [
        part
        for word in call.argv[1:]
        for part in (word.split("=", 1) if word.startswith("--") and "=" in word else [word])
    ]
    waiting = ""
    for word in words:
        if waiting:
            request.values[waiting], waiting = word, ""
        elif word in _COMMANDS:
            request.command = _COMMANDS[word]
        elif word in _VALUES:
            waiting = _VALUES[word]
        elif word in _FLAGS:
            request.flags.add(_FLAGS[word])
        else:
            raise call.unknown(word)
    if not request.command and "every" in request.flags:
        request.command = "delete"
    if not request.command:
        raise call.unknown()
    return request


def cibadmin(call: Call) -> Reply:
    """`cibadmin`: query and change the cluster's CIB."""
    if call.env.get("CIB_file"):
        raise call.unknown()
    pacemaker = call.node.subsystem(Pacemaker)
    partition = pacemaker.partition
    if partition is None:
        return reply(102, err=NO_CLUSTER + "Init failed, could not perform requested operations\n")
    request = read_request(call)
    if request.command != "query" and pacemaker.cluster.losing:
        call.wait_until(lambda: not pacemaker.cluster.losing)
        return cibadmin(call)
    before = partition.cib.version
    configuration = partition.cib.version[:2]
    answer = perform(partition.cib, request, _input(call, request), live=True)
    if partition.cib.version[:2] != configuration:
        pacemaker.changed("cibadmin")
    elif partition.cib.version != before:
        partition.controller.abort("status changed")
    return answer


def _input(call: Call, request: Request) -> bytes | None:
    if "text" in request.values:
        return request.values["text"].encode()
    if "file" in request.values:
        return call.node.files.read(request.values["file"])
    return call.stdin if "pipe" in request.flags else None


def perform(cib: Cib, request: Request, given: bytes | None, *, live: bool) -> Reply:
    """Do what was asked for to a CIB; `live` tells the wording of errors."""
    named = _LIVE_NAMES.get(request.command, f"cib_{request.command}")
    called = f"Call {named} failed" if live else "Call failed"
    try:
        if request.command == "query":
            return reply(out=_query(cib, request))
        if request.command == "bump":
            cib.bump()
            return reply()
        element = parse_xml(given) if given is not None else None
        _change(cib, request, element)
    except CibRefusal as refusal:
        return reply(refusal.exit_code, refusal.stdout, f"{refusal.stderr}{called}: {refusal.reason}\n")
    return reply()


def _query(cib: Cib, request: Request) -> str:
    if "xpath" in request.values:
        found = cib.query(request.values["xpath"])
        if "paths" in request.flags:
            return "".join(f"{_path(element)}\n" for element in found)
        if len(found) == 1:
            return print_xml(found[0])
        inner = "".join(f"  {line}\n" for element in found for line in print_xml(element).splitlines())
        return f"<xpath-query>\n{inner}</xpath-query>\n"
    section = cib.section(request.section) if request.section else cib.root
    return print_xml(section) if section is not None else ""


def _path(element: Element) -> str:
    steps = []
    at: Element | None = element
    while at is not None:
        steps.append(f"{at.tag}[@id='{at.get('id')}']" if at.get("id") and at.tag != "cib" else str(at.tag))
        at = at.getparent()
    return "/" + "/".join(reversed(steps))


def _change(cib: Cib, request: Request, element: Element | None) -> None:
    path = request.values.get("xpath", "")
    if request.command == "delete" and path:
        cib.delete_path(path, every="every" in request.flags)
        return
    if element is None:
        if request.command == "patch":
            return
        raise CibRefusal(INVALID)
    if request.command == "create":
        cib.create(request.section, element)
    elif request.command == "modify":
        cib.modify(request.section, element, may_create="allow-create" in request.flags, path=path)
    elif request.command == "delete":
        cib.delete(request.section, element)
    elif request.command == "replace":
        cib.replace(request.section, element)
    else:
        cib.patch(element)


def crm_verify(call: Call) -> Reply:
    """`crm_verify -L|-x FILE|-p [-V]`: what the schema refuses, and a missing fencing device."""
    words = [w for w in call.argv[1:] if w not in {"-V", "-VV", "-VVV", "--verbose"}]
    if words in (["-L"], ["--live-check"]):
        partition = call.node.subsystem(Pacemaker).partition
        if partition is None:
            return reply(102, err="crm_verify: CIB query failed: Transport endpoint is not connected\n")
        root: Element | None = partition.cib.root
    elif words in (["-p"], ["--xml-pipe"]):
        root = parse_xml(call.stdin)
    elif len(words) == 2 and words[0] in {"-x", "--xml-file"}:
        root = parse_xml(call.node.files.read(words[1]))
    else:
        raise call.unknown()
    if root is None:
        return reply(78, err="crm_verify: Couldn't parse input\n")
    wrong = faults(root) + _fencing_faults(root)
    if not wrong:
        return reply()
    said = "".join(f"(unpack_resources) \terror: {line}\n" for line in wrong) if len(words) < len(call.argv) - 1 else ""
    return reply(78, err=f"{said}Errors found during check: config not valid\n")


def _fencing_faults(root: Element) -> list[str]:
    disabled = any(
        pair.get("name") == "stonith-enabled" and (pair.get("value") or "").lower() in {"false", "off", "no", "n", "0"}
        for pair in root.iterfind("configuration/crm_config/cluster_property_set/nvpair")
    )
    devices = root.xpath("configuration/resources//primitive[@class='stonith']")
    if disabled or devices or root.find("configuration/resources/*") is None:
        return []
    return ["Resource start-up disabled since no STONITH resources have been defined"]
