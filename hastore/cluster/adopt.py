"""From the files of a running cluster to a stack: what they say, what had to be inferred, what does not fit.

`compose(adopt(cib=x).stack)` is x again, but for the properties that the cluster writes itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import attrs

from hastore.cluster.adopt_nodes import NodeBook
from hastore.formats import cib_xml, corosync_conf, crmsh, drbd_conf, hosts_file, lvm_conf
from hastore.model.client import Initiator, Login
from hastore.model.drbd import DrbdResource
from hastore.model.errors import ParseError, SpecError
from hastore.model.findings import Finding, Severity, by_weight
from hastore.model.lvm import LogicalVolume, VolumeGroup
from hastore.model.pacemaker import Cib, Colocation
from hastore.model.stack import StorageStack
from hastore.model.values import value
from hastore.planning import agents
from hastore.planning.compose import Unread, unserve

Source: TypeAlias = str | bytes | Path
"""A text, or the path of the file that holds it."""
T = TypeVar("T")

MAX_PATH: Final = 255
"""Longer texts are no file's name on Linux (NAME_MAX)."""
WRITTEN_BY_THE_CLUSTER: Final = (
    "dc-version",
    "cluster-infrastructure",
    "cluster-name",
    "have-watchdog",
    "last-lrm-refresh",
    "expected-quorum-votes",
)
"""Cluster properties that Pacemaker's daemons set (pacemaker-schedulerd(7), pacemaker-controld(7))."""


@value
class Adopted:
    """A stack read from files, and what is to be known of the reading."""

    stack: StorageStack
    findings: tuple[Finding, ...] = ()


def adopt(
    *,
    crm: Source | None = None,
    cib: Source | None = None,
    drbd: Source | Iterable[Source] = (),
    corosync: Source | None = None,
    lvm: Source | None = None,
    hosts: Source | None = None,
    clients: Iterable[str] = (),
    name: str = "storage",
) -> Adopted:
    """Read a cluster's files into a stack.

    `crm` is the output of `crm configure show`, `cib` the XML of `cibadmin -Q` (it is taken where both are
    given), `drbd` one or more DRBD files or `drbdadm dump`, `hosts` an /etc/hosts. `clients` are names of
    the hosts file that shall log in to every target. Raises ParseError, with the file's name, line and
    column, where a file is damaged: nothing is guessed. Raises SpecError where a file's name is given as
    text instead of as a Path.

    >>> adopted = hastore.adopt(crm="primitive p_ip ocf:heartbeat:IPaddr2 params ip=192.168.1.5")
    >>> adopted.stack.vips[0].ip
    '192.168.1.5'
    """
    findings: list[Finding] = []
    resources = _drbd_resources(drbd)
    configured = _read_cib(crm, cib, findings)
    stack = StorageStack(drbd=resources)
    if configured is not None:
        taken = unserve(_without_written(configured, findings), drbd=resources)
        stack = taken.stack
        findings += _unread(taken.unread, stack)
    stack = attrs.evolve(
        stack,
        name=name,
        corosync=_read(corosync_conf.parse, corosync, "corosync.conf"),
        lvm=_read(lvm_conf.parse, lvm, "lvm.conf"),
    )
    stack = attrs.evolve(
        stack, volume_groups=tuple(_whole_group(group, stack, findings) for group in stack.volume_groups)
    )
    entries = _read(hosts_file.parse, hosts, "hosts") or ()
    book = NodeBook(stack, entries)
    stack = attrs.evolve(stack, nodes=book.nodes())
    stack = attrs.evolve(stack, clients=tuple(_clients(clients, entries, stack, findings)))
    findings += [*book.findings, *_contradictions(stack)]
    return Adopted(stack, by_weight(findings))


# -- reading files ------------------------------------------------------------------------------------


def _read(parse: Callable[[str | bytes], T], source: Source | None, name: str) -> T | None:
    return None if source is None else _parsed(parse, source, name)


def _parsed(parse: Callable[[str | bytes], T], source: Source, name: str) -> T:
    text = source.read_bytes() if isinstance(source, Path) else source
    if isinstance(text, str) and _names_a_file(text):
        msg = f"{text!r} is the name of a file: write Path({text!r})"
        raise SpecError(msg)
    try:
        return parse(text)
    except ParseError as error:
        raise ParseError(
            error.expected,
            line=error.line,
            column=error.column,
            source=str(source) if isinstance(source, Path) else name,
            found=error.found,
        ) from error


def _names_a_file(text: str) -> bool:
    return 0 < len(text) < MAX_PATH and text.isprintable() and Path(text).is_file()


def _drbd_resources(drbd: Source | Iterable[Source]) -> tuple[DrbdResource, ...]:
    """Return the resources of all files, with what any file's `common` says filled in."""
    sources = (drbd,) if isinstance(drbd, str | bytes | Path) else tuple(drbd)
    configs = [_parsed(drbd_conf.parse, source, "drbd.conf") for source in sources]
    common = next((config.common for config in configs if config.common != drbd_conf.DrbdCommon()), None)
    resources = tuple(resource for config in configs for resource in config.resources)
    return drbd_conf.DrbdConfig(resources, common or drbd_conf.DrbdCommon()).whole()


def _read_cib(crm: Source | None, cib: Source | None, findings: list[Finding]) -> Cib | None:
    from_crm = _read(crmsh.parse, crm, "crm configure show")
    from_xml = _read(cib_xml.parse, cib, "cib.xml")
    if from_crm is not None and from_xml is not None and from_crm != attrs.evolve(from_xml, schema=from_crm.schema):
        findings.append(
            Finding(
                "cib-and-crm-differ",
                Severity.WARNING,
                "the CIB's XML and the output of crm configure show are not the same configuration",
                mend="take both at one time; the XML is taken here",
            )
        )
    return from_xml if from_xml is not None else from_crm


def _without_written(cib: Cib, findings: list[Finding]) -> Cib:
    written = [name for name in WRITTEN_BY_THE_CLUSTER if name in cib.properties]
    findings += [
        Finding(
            "property-of-the-cluster",
            Severity.NOTE,
            f"{name} is written by the cluster itself and left out of the stack",
            (f"property:{name}",),
            evidence=f"{name}={cib.properties[name]}",
        )
        for name in written
    ]
    return attrs.evolve(cib, properties=cib.properties.with_(dict.fromkeys(written)))


# -- volume groups ------------------------------------------------------------------------------------


def _whole_group(group: VolumeGroup, stack: StorageStack, findings: list[Finding]) -> VolumeGroup:
    """Add the physical volumes that the constraints imply and the logical volumes that LUNs use."""
    carried = {constraint.id: (constraint, drbd) for constraint, drbd in _carriers(group, stack)}
    names = {drbd.name for _, drbd in carried.values()}
    devices: tuple[str, ...] = ()
    if len(names) == 1:
        constraint, drbd = next(iter(carried.values()))
        devices = tuple(volume.device for volume in drbd.volumes)
        evidence = (
            f"colocation {constraint.id} keeps {constraint.resource} with the promoted {constraint.with_resource}, "
            f"which runs DRBD resource {drbd.name}"
        )
        findings.append(
            Finding(
                "adopted-by-inference",
                Severity.NOTE,
                f"volume group {group.name} is taken to lie on {', '.join(devices)}",
                (f"vg:{group.name}", f"drbd:{drbd.name}"),
                evidence=evidence,
                mend="say its physical_volumes in the stack if it is not so (`pvs` shows them)",
            )
        )
    else:
        why = (
            f"it follows several DRBD resources: {', '.join(sorted(names))}" if names else "it follows no DRBD resource"
        )
        findings.append(
            Finding(
                "volume-group-without-disk",
                Severity.WARNING,
                f"no file says on which devices volume group {group.name} lies, and {why}",
                (f"vg:{group.name}",),
                mend="say its physical_volumes in the stack (`pvs` shows them)",
            )
        )
    volumes = dict.fromkeys(volume for device in stack.devices if (volume := _volume_of(device.path, group.name)))
    return attrs.evolve(
        group, physical_volumes=devices, logical_volumes=tuple(LogicalVolume(volume) for volume in volumes)
    )


def _carriers(group: VolumeGroup, stack: StorageStack) -> Iterator[tuple[Colocation, DrbdResource]]:
    """Yield the DRBD resources with whose promoted side the group's resource must run."""
    cib = stack.pacemaker or Cib()
    serving = {r.id: r.serves for r in cib.resources}
    followers = {id for id, serves in serving.items() if serves == f"vg:{group.name}"}
    followers |= {holder.id for id in followers if (holder := cib.group_of(id))}
    for constraint in cib.constraints:
        if not isinstance(constraint, Colocation) or constraint.resource not in followers:
            continue
        clone = next((clone for clone in cib.clones if clone.id == constraint.with_resource), None)
        kind, _, name = serving.get(clone.resource, "").partition(":") if clone else ("", "", "")
        drbd = stack.drbd_resource(name) if kind == "drbd" else None
        if drbd is not None and constraint.with_role == "Promoted" and not constraint.score.startswith("-"):
            yield constraint, drbd


def _volume_of(path: str, group: str) -> str:
    """Return the logical volume of a group that a path names, or nothing."""
    mapped = group.replace("-", "--")
    found = re.fullmatch(rf"/dev/(?:{re.escape(group)}/([^/]+)|mapper/{re.escape(mapped)}-((?:[^-/]|--)+))", path)
    if found is None:
        return ""
    return found[1] or found[2].replace("--", "-")


# -- clients ------------------------------------------------------------------------------------------


def _clients(
    names: Iterable[str], entries: Iterable[hosts_file.HostEntry], stack: StorageStack, findings: list[Finding]
) -> Iterator[Initiator]:
    known = {name for entry in entries for name in entry.names}
    for name in (names,) if isinstance(names, str) else names:
        if name in stack.node_names:
            findings.append(
                Finding(
                    "client-is-storage",
                    Severity.WARNING,
                    f"{name} is a storage node and is not taken for a client",
                    (f"host:{name}",),
                )
            )
            continue
        if name not in known:
            findings.append(
                Finding(
                    "client-unknown",
                    Severity.WARNING,
                    f"the hosts file does not name client {name}",
                    (f"host:{name}",),
                    mend="check the name",
                )
            )
        logins = tuple(Login(t.iqn, t.portals or tuple(vip.ip for vip in stack.vips)) for t in stack.targets)
        yield Initiator(name, logins=logins)


# -- what does not fit --------------------------------------------------------------------------------


def _unread(unread: Iterable[Unread], stack: StorageStack) -> Iterator[Finding]:
    cib = stack.pacemaker or Cib()
    for one in unread:
        resource = cib.resource(one.resource)
        table = agents.table_of(resource.agent) if resource else None
        if table is not None and table.kind == "drbd" and resource is not None and "drbd_resource" in resource.params:
            name = resource.params["drbd_resource"]
            yield Finding(
                "drbd-without-file",
                Severity.WARNING,
                f"{one.resource} runs DRBD resource {name!r}, whose file was not given",
                (f"primitive:{one.resource}", f"drbd:{name}"),
                mend="give its .res file, or the output of `drbdadm dump`",
            )
        else:
            yield Finding(
                "agent-not-understood",
                Severity.WARNING,
                f"{one.resource} is kept as it is: {one.reason}",
                (f"primitive:{one.resource}",),
                mend="mend its parameters",
            )


def _contradictions(stack: StorageStack) -> Iterator[Finding]:
    cib = stack.pacemaker
    if cib is None:
        return
    served = {resource.serves for resource in cib.resources}
    addresses = {
        vip.ip for vip in stack.vips if any(a == "ocf:heartbeat:IPaddr2" for a in _agents(f"vip:{vip.ip}", cib))
    }
    for target in stack.targets:
        if f"target:{target.iqn}" not in served:
            yield Finding(
                "lun-without-target",
                Severity.WARNING,
                f"LUNs name target {target.iqn}, which no resource makes",
                (f"target:{target.iqn}",),
                mend="check the names in the LUNs' resources",
            )
        for portal in target.portals:
            if portal not in addresses:
                yield Finding(
                    "portal-without-vip",
                    Severity.WARNING,
                    f"target {target.iqn} answers on {portal}, which is no address that the cluster moves",
                    (f"target:{target.iqn}", f"vip:{portal}"),
                    mend="add the address as an IPaddr2 resource, or take the portal away",
                )
    for resource in stack.drbd:
        if f"drbd:{resource.name}" not in served:
            yield Finding(
                "drbd-without-resource",
                Severity.WARNING,
                f"DRBD resource {resource.name} has a file, but nothing in the CIB runs it",
                (f"drbd:{resource.name}",),
                mend="give it an ocf:linbit:drbd resource, or leave its file out",
            )
    yield from _said_otherwise(cib)


def _agents(reference: str, cib: Cib) -> Iterator[str]:
    return (resource.agent for resource in cib.resources if resource.serves == reference)


def _said_otherwise(cib: Cib) -> Iterator[Finding]:
    for resource in cib.resources:
        table = agents.table_of(resource.agent) if resource.serves else None
        for name in table.parameters if table else ():
            if name in resource.params:
                yield Finding(
                    "object-said-otherwise",
                    Severity.WARNING,
                    f"{resource.id} says {name} in its own way, which cannot be said of {resource.serves}",
                    (f"primitive:{resource.id}", resource.serves),
                    evidence=f"{name}={resource.params[name]!r}",
                    mend="make the resources that serve it agree; it is kept as it is",
                )
