"""Small programs that every simulated machine has."""

from __future__ import annotations

from hastore.sim.world import Call, Node, Reply, reply


def install(node: Node) -> None:
    """Put the programs on a node."""
    node.programs |= {"uname": uname, "hostname": hostname, "true": succeed, "false": fail, "sleep": sleep, "cat": cat}


def uname(call: Call) -> Reply:
    """`uname -n|-r|-s`."""
    answers = {(): "Linux", ("-s",): "Linux", ("-n",): call.node.name, ("-r",): "6.1.0-sim"}
    if call.argv[1:] not in answers:
        call.give_up()
    return reply(out=answers[call.argv[1:]] + "\n")


def hostname(call: Call) -> Reply:
    """`hostname`."""
    if len(call.argv) > 1:
        call.give_up()
    return reply(out=call.node.name + "\n")


def succeed(_call: Call) -> Reply:
    """`true`."""
    return reply()


def fail(_call: Call) -> Reply:
    """`false`."""
    return reply(1)


def sleep(call: Call) -> Reply:
    """`sleep SECONDS`."""
    end = call.node.world.clock.now + float(call.argv[1])
    call.wait_until(lambda: call.node.world.clock.now >= end)
    return reply()


def cat(call: Call) -> Reply:
    """`cat FILE...`."""
    out, err, code = b"", "", 0
    for path in call.argv[1:]:
        try:
            out += call.node.files.read(path)
        except OSError as error:
            err += f"cat: {path}: {error.strerror}\n"
            code = 1
    return Reply(code, out, err.encode())
