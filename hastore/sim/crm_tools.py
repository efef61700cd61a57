"""The smaller programs of Pacemaker and corosync on a simulated node.

Texts and exit codes are recorded (pacemaker/live, pacemaker/offline) where not said otherwise.
"""

from __future__ import annotations

import re
import time

from lxml import etree

from hastore.sim.cib_history import ACTIVE
from hastore.sim.cib_state import ClusterState
from hastore.sim.cib_tools import cibadmin, crm_verify
from hastore.sim.cluster import VERSION, Cluster, Pacemaker, Partition
from hastore.sim.cluster_xml import Element, print_xml
from hastore.sim.crm_mon import crm_mon, fence_event
from hastore.sim.history import StatusWriter, unix
from hastore.sim.network import Network
from hastore.sim.world import Call, Node, Reply, reply

CONTROLLER_LOST = "error: Could not connect to controller: Connection refused\n"
FEATURES = "agent-manpages cibsecrets corosync-ge-2 generated-manpages lha monotonic nagios ncurses remote systemd"


def install(node: Node, cluster: Cluster) -> Pacemaker:
    """Put Pacemaker and its programs on a node; return the subsystem."""
    pacemaker = Pacemaker(node, cluster)
    node.install("pacemaker", pacemaker)
    node.programs |= {
        "cibadmin": cibadmin,
        "crm_verify": crm_verify,
        "crm_mon": crm_mon,
        "crm_node": crm_node,
        "crmadmin": crmadmin,
        "crm_attribute": crm_attribute,
        "crm_standby": crm_standby,
        "crm_resource": crm_resource,
        "stonith_admin": stonith_admin,
        "corosync-quorumtool": quorumtool,
        "corosync-cfgtool": cfgtool,
        "pacemakerd": pacemakerd,
    }
    return pacemaker


def _here(call: Call) -> tuple[Pacemaker, Partition | None]:
    pacemaker = call.node.subsystem(Pacemaker)
    return pacemaker, pacemaker.partition


def _options(call: Call, valued: dict[str, str], flags: dict[str, str]) -> dict[str, str]:
    """Read options into their names; NotSimulated for what is not known."""
    found: dict[str, str] = {}
    words = [
        part
        for word in call.argv[1:]
        for part in (word.split("=", 1) if word.startswith("--") and "=" in word else [word])
    ]
    waiting = ""
    for word in words:
        if waiting:
            found[waiting], waiting = word, ""
        elif word in valued:
            waiting = valued[word]
        elif word in flags:
            found[flags[word]] = "yes"
        else:
            raise call.unknown(word)
    return found


def pacemakerd(call: Call) -> Reply:
    """`pacemakerd --version|--features`."""
    if call.argv[1:] in {("--version",), ("-$",)}:
        return reply(out="Pacemaker 2.1.5\nWritten by Andrew Beekhof and the Pacemaker project contributors\n")
    if call.argv[1:] in {("--features",), ("-F",)}:
        return reply(out=f"Pacemaker 2.1.5 (Build: {VERSION.partition('-')[2]})\n Supporting v3.16.1: {FEATURES}\n")
    raise call.unknown()


def crm_node(call: Call) -> Reply:
    """`crm_node -n|-i|-l|-p|-q`."""
    pacemaker, partition = _here(call)
    if partition is None:
        return reply(102, err=CONTROLLER_LOST)
    cluster = pacemaker.cluster
    members = sorted(partition.members, key=lambda name: int(cluster.members[name].id))
    answers = {
        "-n": f"{call.node.name}\n",
        "-i": f"{pacemaker.id}\n",
        "-l": "".join(
            f"{m.id} {name} {'member' if name in partition.members else 'lost'}\n"
            for name, m in cluster.members.items()
        ),
        "-p": "".join(f"{name} " for name in members) + "\n",
        "-q": f"{int(cluster.quorate(partition))}\n",
    }
    long = {"--name": "-n", "--cluster-id": "-i", "--list": "-l", "--partition": "-p", "--quorum": "-q"}
    option = long.get(call.argv[1], call.argv[1]) if len(call.argv) == 2 else ""
    if option not in answers:
        raise call.unknown()
    return reply(out=answers[option])


def crmadmin(call: Call) -> Reply:
    """`crmadmin -D`, `-N`, `-S NODE`."""
    pacemaker, partition = _here(call)
    options = _options(
        call,
        {"-S": "status", "--status": "status"},
        {"-D": "dc", "--dc_lookup": "dc", "-N": "nodes", "--nodes": "nodes"},
    )
    if partition is None:
        return reply(102, err=CONTROLLER_LOST + "error: Command failed: Connection refused\n")
    if "dc" in options:
        return reply(out=f"Designated Controller is: {partition.dc}\n")
    if "nodes" in options:
        lines = [f"cluster node: {name} ({m.id})\n" for name, m in pacemaker.cluster.members.items()]
        return reply(out="".join(lines))
    name = options.get("status", "")
    if name not in partition.members:
        raise call.unknown()
    busy = "S_IDLE" if partition.controller.idle else "S_TRANSITION_ENGINE"
    return reply(out=f"Controller on {name} in state {busy if name == partition.dc else 'S_NOT_DC'}: ok\n")


# Attributes


_ATTRIBUTE_VALUES = {
    "-N": "node", "--node": "node", "-n": "name", "--name": "name", "--attr-name": "name", "-v": "value",
    "--update": "value", "--attr-value": "value", "-l": "lifetime", "--lifetime": "lifetime", "-t": "type", "--type": "type",
    "-r": "resource", "--resource": "resource", "--promotion": "promotion", "-p": "promotion",
}  # fmt: skip
_ATTRIBUTE_FLAGS = {
    "-G": "query", "--query": "query", "-D": "delete", "--delete": "delete", "-q": "quiet", "--quiet": "quiet",
    "--output-as=xml": "xml",
}  # fmt: skip


def crm_attribute(call: Call) -> Reply:
    """`crm_attribute`: cluster options (`-t crm_config`), node attributes for ever or until reboot; -v, -G, -D."""
    argv = tuple("--xml-output" if word == "--output-as=xml" else word for word in call.argv)
    return _attribute(Call(call.node, argv, call.stdin, call.env, call.deadline), call.argv)


def _attribute(call: Call, original: tuple[str, ...]) -> Reply:
    pacemaker, partition = _here(call)
    options = _options(call, _ATTRIBUTE_VALUES, {**_ATTRIBUTE_FLAGS, "--xml-output": "xml"})
    if partition is None:
        return reply(102, err="crm_attribute: Could not connect to the CIB: Transport endpoint is not connected\n")
    if "name" not in options or "promotion" in options or "resource" in options:
        raise call.unknown()
    name = options["name"]
    node = options.get("node", call.node.name)
    scope = (
        "nodes" if {"node", "lifetime"} & set(options) or options.get("type") in {"nodes", "status"} else "crm_config"
    )
    if scope == "nodes" and node not in pacemaker.cluster.members:
        return reply(105, err=f"crm_attribute: Could not map name={node} to a UUID\n")
    if scope == "nodes" and (options.get("lifetime") == "reboot" or options.get("type") == "status"):
        scope = "status"
    if "value" in options:
        _store(pacemaker, partition, scope, node, name, options["value"], "crm_attribute")
        return reply()
    if "delete" in options:
        return _drop(pacemaker, partition, scope, node, name, "crm_attribute")
    text = _lookup(pacemaker, partition, scope, node, name)
    if text is None:
        return reply(105, err="crm_attribute: Error performing operation: No such device or address\n")
    if "xml" in options:
        result = etree.Element("pacemaker-result", {"api-version": "2.25", "request": " ".join(original)})
        etree.SubElement(result, "attribute", name=name, value=text, scope=scope)
        etree.SubElement(result, "status", code="0", message="OK")
        return reply(out=print_xml(result))
    return reply(out=f"{text}\n" if "quiet" in options else f"scope={scope}  name={name} value={text}\n")


def _block(partition: Partition, scope: str, node: str, *, make: bool) -> Element | None:
    configuration = partition.cib.configuration
    if scope == "crm_config":
        section = configuration.find("crm_config")
        found = section.find("cluster_property_set") if section is not None else None
        if found is None and make and section is not None:
            found = etree.SubElement(section, "cluster_property_set", id="cib-bootstrap-options")
        return found
    home = next(n for n in configuration.iterfind("nodes/node") if n.get("uname") == node)
    found = home.find("instance_attributes")
    if found is None and make:
        found = etree.SubElement(home, "instance_attributes", id=f"nodes-{home.get('id')}")
    return found


def _store(
    pacemaker: Pacemaker, partition: Partition, scope: str, node: str, name: str, text: str, client: str
) -> None:
    if scope == "status":
        pacemaker.cluster.members[node].set_attribute(name, text)
        return
    block = _block(partition, scope, node, make=True)
    if block is None:
        return
    pair = next((p for p in block if p.get("name") == name), None)
    if pair is None:
        etree.SubElement(block, "nvpair", id=f"{block.get('id')}-{name}", name=name, value=text)
    else:
        pair.set("value", text)
    _bump(pacemaker, partition, client)


def _drop(pacemaker: Pacemaker, partition: Partition, scope: str, node: str, name: str, client: str) -> Reply:
    if scope == "status":
        pacemaker.cluster.members[node].set_attribute(name, None)
        return reply(
            out=f"Deleted status attribute: id=status-{pacemaker.cluster.members[node].id}-{name} name={name}\n"
        )
    block = _block(partition, scope, node, make=False)
    pair = next((p for p in block if p.get("name") == name), None) if block is not None else None
    if pair is None or block is None:
        return reply()
    block.remove(pair)
    _bump(pacemaker, partition, client)
    kind = "crm_config option" if scope == "crm_config" else "nodes attribute"
    return reply(out=f"Deleted {kind}: id={pair.get('id')} name={name}\n")


def _lookup(pacemaker: Pacemaker, partition: Partition, scope: str, node: str, name: str) -> str | None:
    if scope == "status":
        return pacemaker.cluster.members[node].attribute(name)
    block = _block(partition, scope, node, make=False)
    return next((p.get("value") for p in block if p.get("name") == name), None) if block is not None else None


def _bump(pacemaker: Pacemaker, partition: Partition, client: str) -> None:
    root = partition.cib.root
    root.set("epoch", str(partition.cib.version[1] + 1))
    root.set("num_updates", "0")
    pacemaker.changed(client)


def crm_standby(call: Call) -> Reply:
    """`crm_standby [-N NODE] -v on|off|-G|-D`."""
    words = ["-n", "standby", *call.argv[1:]]
    if "-N" not in words and "--node" not in words:
        words += ["-N", call.node.name]
    return _attribute(Call(call.node, ("crm_attribute", *words), call.stdin, call.env, call.deadline), call.argv)


# Resources


def crm_resource(call: Call) -> Reply:
    """`crm_resource --cleanup|--refresh [-r ID] [-N NODE]`, `--locate -r ID`, `--wait`."""
    pacemaker, partition = _here(call)
    if partition is None:
        return reply(
            102,
            err="crm_resource: Could not connect to the CIB: Transport endpoint is not connected\nError performing operation: Not connected\n",
        )
    valued = {
        "-r": "resource",
        "--resource": "resource",
        "-N": "node",
        "--node": "node",
        "-T": "timeout",
        "--timeout": "timeout",
    }
    flags = {
        "-C": "cleanup", "--cleanup": "cleanup", "-R": "refresh", "--refresh": "refresh", "-W": "locate", "--locate": "locate",
        "--wait": "wait",
    }  # fmt: skip
    options = _options(call, valued, flags)
    if "wait" in options:
        call.wait_until(lambda: partition.controller.idle)
        return reply()
    state = ClusterState(partition.cib.root)
    id = options.get("resource", "")
    if id and not state.members(id):
        return reply(105, err=f"crm_resource: Resource '{id}' not found\nError performing operation: No such object\n")
    if "locate" in options:
        return _locate(state, id)
    if "cleanup" in options or "refresh" in options:
        return _cleanup(pacemaker, partition, state, options)
    raise call.unknown()


def _locate(state: ClusterState, id: str) -> Reply:
    first = state.members(id)[0]
    found = [(name, now[first].role) for name, now in state.current.items() if now[first].role in ACTIVE]
    lines = [
        f"resource {id} is running on: {name} {'Promoted' if role == 'Promoted' else ''}".rstrip() + "\n"
        for name, role in found
    ]
    return reply(out="".join(lines)) if lines else reply(err=f"resource {id} is NOT running\n")


def _cleanup(pacemaker: Pacemaker, partition: Partition, state: ClusterState, options: dict[str, str]) -> Reply:
    """Forget failures; a cleanup touches only what failed, a refresh everything; a group goes with its member."""
    writer, lines = StatusWriter(partition.cib), []
    id = options.get("resource", "")
    asked = state.members(state.primitives[id].group or id) if id in state.primitives else state.members(id)
    for member in asked or list(state.primitives):
        for name in sorted(partition.members, reverse=True):
            if options.get("node", name) != name:
                continue
            failed = (
                state.fail_count(name, member)
                or state.current[name][member].failed
                or state.current[name][member].blocked
            )
            for attribute in list(state.nodes[name].transient):
                if re.match(rf"(fail-count|last-failure)-{re.escape(member)}(#|$)", attribute):
                    writer.set_attribute(state.nodes[name].id, name, attribute, None)
            if failed or "refresh" in options:
                writer.clear_history(state.nodes[name].id, name, member)
                pacemaker.cluster.members[name].executor.cancel(member)
            lines.append(f"Cleaned up {member} on {name}\n")
    block = _block(partition, "crm_config", "", make=True)
    if block is not None:
        _store(
            pacemaker,
            partition,
            "crm_config",
            "",
            "last-lrm-refresh",
            str(unix(pacemaker.cluster.world.clock.now)),
            "crmd",
        )
    return reply(out="".join(lines) + "Waiting for 1 reply from the controller\n... got reply (done)\n")


# Fencing


def stonith_admin(call: Call) -> Reply:
    """`stonith_admin --history NODE [--output-as=xml]`, `--confirm NODE`, `--reboot NODE`."""
    pacemaker, partition = _here(call)
    if partition is None:
        return reply(102, err="Could not connect to fencer: Transport endpoint is not connected\n")
    words = tuple("--xml" if word == "--output-as=xml" else word for word in call.argv)
    valued = {
        "--history": "history",
        "-H": "history",
        "--confirm": "confirm",
        "-C": "confirm",
        "--reboot": "reboot",
        "-B": "reboot",
    }
    options = _options(Call(call.node, words), valued, {"--xml": "xml"})
    cluster = pacemaker.cluster
    if "confirm" in options:
        if options["confirm"] not in cluster.members:
            return reply(105, err=f"stonith_admin: no node {options['confirm']}\n")
        partition.controller.confirm(options["confirm"])
        partition.controller.abort("an operator confirmed a fencing")
        cluster.world.log(call.node.name, f"operator confirmed that {options['confirm']} is down")
        return reply()
    if "history" in options and "xml" in options:
        return reply(out=_history(call, cluster, options["history"]))
    raise call.unknown()


def _history(call: Call, cluster: Cluster, target: str) -> str:
    wanted = [f for f in cluster.fencings if target in {"*", f.target}]
    result = etree.Element("pacemaker-result", {"api-version": "2.25", "request": " ".join(call.argv)})
    listed = etree.SubElement(result, "list", name="fencing history", count=str(len(wanted)))
    for f in wanted:
        listed.append(fence_event(f.target, f.action, f.origin, f.state, f.at, f.client))
    etree.SubElement(result, "status", code="0", message="OK")
    return print_xml(result)


# Corosync


def quorumtool(call: Call) -> Reply:
    """`corosync-quorumtool [-s]`; exit code 2 without quorum."""
    pacemaker, partition = _here(call)
    if call.argv[1:] not in {(), ("-s",)}:
        raise call.unknown()
    if partition is None:
        return reply(1, err="Cannot initialize CMAP service\n")
    cluster = pacemaker.cluster
    members = sorted(partition.members, key=lambda name: int(cluster.members[name].id))
    quorate = cluster.quorate(partition)
    flags = (
        ("2Node " if cluster.two_node else "")
        + ("Quorate " if quorate else "")
        + ("WaitForAll " if cluster.wait_for_all else "")
    )
    moment = time.strftime("%a %b %e %H:%M:%S %Y", time.gmtime(unix(cluster.world.clock.now)))
    lines = [
        "Quorum information", "------------------", f"Date:             {moment}", "Quorum provider:  corosync_votequorum",
        f"Nodes:            {len(members)}", f"Node ID:          {pacemaker.id}",
        f"Ring ID:          {cluster.members[members[0]].id}.{cluster.ring:x}", f"Quorate:          {'Yes' if quorate else 'No'}", "",
        "Votequorum information", "----------------------", f"Expected votes:   {len(cluster.members)}",
        f"Highest expected: {len(cluster.members)}", f"Total votes:      {len(members)}",
        f"Quorum:           {cluster.needed} {'' if quorate else 'Activity blocked'}".ljust(21 if quorate else 0),
        f"Flags:            {flags}", "", "Membership information", "----------------------", "    Nodeid      Votes Name",
    ]  # fmt: skip
    lines += [f"{cluster.members[m].id:>10}          1 {m}{' (local)' if m == call.node.name else ''}" for m in members]
    return reply(0 if quorate else 2, out="\n".join(lines) + "\n")


def cfgtool(call: Call) -> Reply:
    """`corosync-cfgtool -s`: the links of this node."""
    pacemaker, partition = _here(call)
    if call.argv[1:] != ("-s",):
        raise call.unknown()
    if partition is None:
        return reply(1, err="Could not initialize corosync configuration API error 2\n")
    cluster = pacemaker.cluster
    lines = [f"Local node ID {pacemaker.id}, transport knet"]
    own = [
        a
        for a in call.node.subsystem(Network).addresses.values()
        if a.static and a.ip in (cluster.conf(call.node) or a.ip)
    ]
    for number, address in enumerate(own):
        lines += [f"LINK ID {number} udp", f"\taddr\t= {address.ip}", "\tstatus:"]
        for name, member in cluster.members.items():
            linked = member.running and cluster.world.connected(call.node.name, name, address.nic)
            word = "localhost" if name == call.node.name else "connected" if linked else "disconnected"
            lines.append(f"\t\tnodeid:{member.id:>11}:\t{word}")
    return reply(out="\n".join(lines) + "\n")
