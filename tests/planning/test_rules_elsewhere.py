"""Traps that the article does not have: each is found where it is, in a cluster that is otherwise mended."""

from collections.abc import Callable

import attrs
import pytest
from rules_article import IQN
from test_rules_article import FOUND, mended

from hastore.model.client import Initiator, Login
from hastore.model.corosync import CorosyncNode
from hastore.model.drbd import DrbdHost
from hastore.model.findings import Severity
from hastore.model.lvm import LvmSettings
from hastore.model.pacemaker import Cib, Location, Op, Order, PacemakerResource
from hastore.model.scsi import ChapUser, InitiatorGroup, Lun, ScstDevice, Target
from hastore.model.secrets import Secret
from hastore.model.stack import StorageStack
from hastore.model.state import (
    ClusterState,
    DrbdResourceState,
    DrbdState,
    DrbdVolumeState,
    Failure,
    HostState,
    LvmState,
    PacemakerState,
    ResourceStatus,
    ScstDeviceState,
    ScstState,
    SessionState,
    TargetState,
    VgState,
)
from hastore.planning.rules import RULES, judge

STACK = mended()


def cib(**changes: object) -> StorageStack:
    assert STACK.pacemaker is not None
    return attrs.evolve(STACK, pacemaker=attrs.evolve(STACK.pacemaker, **changes))  # type: ignore[arg-type]  # any field


def primitive(id: str, **changes: object) -> StorageStack:
    assert STACK.pacemaker is not None
    resources = (attrs.evolve(r, **changes) if r.id == id else r for r in STACK.pacemaker.resources)  # type: ignore[arg-type]  # any field
    return cib(resources=tuple(resources))


def params(id: str, **more: str | None) -> StorageStack:
    assert STACK.pacemaker is not None
    resource = STACK.pacemaker.resource(id)
    assert resource is not None
    return primitive(id, params=resource.params.with_(more))


def drbd(section: str, **options: str | None) -> StorageStack:
    resource = STACK.drbd[0]
    named = {name.replace("_", "-"): text for name, text in options.items()}
    changed = attrs.evolve(resource, **{section: getattr(resource, section).with_(named)})
    return attrs.evolve(STACK, drbd=(changed,))


def lvm(**settings: object) -> StorageStack:
    assert STACK.lvm is not None
    return attrs.evolve(STACK, lvm=attrs.evolve(STACK.lvm, **settings))  # type: ignore[arg-type]  # any field


def corosync(**changes: object) -> StorageStack:
    assert STACK.corosync is not None
    return attrs.evolve(STACK, corosync=attrs.evolve(STACK.corosync, **changes))  # type: ignore[arg-type]  # any field


def with_devices(*devices: ScstDevice) -> StorageStack:
    return attrs.evolve(STACK, devices=(*STACK.devices, *devices))


def with_target(**changes: object) -> StorageStack:
    return attrs.evolve(STACK, targets=(attrs.evolve(STACK.targets[0], **changes),))  # type: ignore[arg-type]  # any field


def with_resource(resource: PacemakerResource) -> StorageStack:
    assert STACK.pacemaker is not None
    return cib(resources=(*STACK.pacemaker.resources, resource))


def without_fence(node: str) -> StorageStack:
    assert STACK.pacemaker is not None
    return cib(resources=tuple(r for r in STACK.pacemaker.resources if r.id != f"fence_{node}"))


def second_identity(**attributes: str) -> StorageStack:
    return with_devices(ScstDevice("TWO", "/dev/vg1/two", attributes=attributes))


def single_link() -> StorageStack:
    assert STACK.corosync is not None
    nodes = tuple(CorosyncNode(n.name, n.id, n.addresses[:1]) for n in STACK.corosync.nodes)
    return corosync(nodes=nodes)


def contradiction() -> StorageStack:
    assert STACK.pacemaker is not None
    return cib(constraints=(*STACK.pacemaker.constraints, Order("o_loop", "p_lu_vg1_lun1", "p_ip_vg1")))


def without_guard() -> StorageStack:
    assert STACK.pacemaker is not None
    group = STACK.pacemaker.groups[0]
    members = tuple(m for m in group.members if m != "p_portblock_vg1")
    return cib(groups=(attrs.evolve(group, members=members),))


def impatient() -> StorageStack:
    settings = {"node.session.timeo.replacement_timeout": "15"}
    client = Initiator("drbd01", logins=(Login(IQN, ("192.168.100.180",)),), settings=settings)
    return attrs.evolve(STACK, clients=(client,))


IN_THE_STACK: dict[str, tuple[Callable[[], StorageStack], str]] = {
    "fencing-node-uncovered": (lambda: without_fence("centos02"), "host:centos02"),
    "fencing-not-delayed": (lambda: params("fence_centos01", pcmk_delay_base=None), "primitive:fence_centos01"),
    "quorum-two-node-missing": (
        lambda: corosync(quorum={"provider": "corosync_votequorum"}),
        "corosync:quorum",
    ),
    "quorum-wait-for-all-off": (lambda: corosync(quorum={"two_node": "1", "wait_for_all": "0"}), "corosync:quorum"),
    "drbd-fencing-off": (lambda: drbd("disk", fencing=None), "drbd:vg1"),
    "drbd-fence-handler-missing": (lambda: drbd("handlers", after_resync_target=None), "drbd:vg1"),
    "drbd-asynchronous": (lambda: drbd("net", protocol="A"), "drbd:vg1"),
    "drbd-two-primaries": (lambda: drbd("net", allow_two_primaries="yes"), "drbd:vg1"),
    "drbd-unauthenticated": (lambda: drbd("net", cram_hmac_alg=None), "drbd:vg1"),
    "lvm-hides-drbd": (lambda: lvm(filter=("a|^/dev/sda[0-9]*$|", "r|.*|")), "disk:/dev/drbd0"),
    "lvm-filters-ignored": (lambda: lvm(use_devicesfile=True), "lvm:use_devicesfile"),
    "lvm-scans-inside-luns": (lambda: lvm(filter=("r|^/dev/sdb$|",)), "device:VDISK-LUN01"),
    "lvm-agent-cannot-activate": (lambda: lvm(system_id_source="none"), "primitive:p_lvm_vg1"),
    "portblock-missing": (without_guard, "primitive:p_ip_vg1"),
    "order-contradicts-group": (contradiction, "constraint:o_loop"),
    "iscsi-enable-missing": (lambda: params("p_target_vg1", iscsi_enable="false"), "primitive:p_target_vg1"),
    "target-acl-unread": (lambda: params("p_target_vg1", allowed_initiators="iqn.x"), "primitive:p_target_vg1"),
    "scst-lun-handler-cannot-stop": (lambda: params("p_lu_vg1_lun1", handler="vdisk_blockio"), "device:VDISK-LUN01"),
    "agent-gone-in-pacemaker-3": (
        lambda: with_resource(PacemakerResource("p_o2cb", "ocf:pacemaker:o2cb")),
        "primitive:p_o2cb",
    ),
    "blockio-may-cache": (
        lambda: with_devices(ScstDevice("RAW", "/dev/drbd1", handler="vdisk_blockio")),
        "device:RAW",
    ),
    "lun-identity-shared": (lambda: second_identity(usn="1d2f3c4a", t10_dev_id="other"), "device:TWO"),
    "usn-prefix-shared": (lambda: second_identity(usn="1d2f3c4a-2", t10_dev_id="other"), "device:TWO"),
    "scsi-id-without-serial": (lambda: params("p_lu_vg1_lun1", scsi_sn=None), "primitive:p_lu_vg1_lun1"),
    "lun-zero-missing": (
        lambda: with_target(groups=(InitiatorGroup("db", ("iqn.x",), (Lun(1, "VDISK-LUN01"),)),)),
        "initiator-group:db",
    ),
    "corosync-single-link": (single_link, "corosync:totem"),
    "client-timeout-short": (impatient, "client:drbd01"),
    "chap-secret-in-cib": (lambda: params("p_target_vg1", incoming_password="x"), "primitive:p_target_vg1"),  # noqa: S106  a trap on purpose
    "fencing-secret-in-cib": (lambda: params("fence_centos01", passwd="x"), "primitive:fence_centos01"),  # noqa: S106  the same
}


def running(**changes: object) -> PacemakerState:
    assert STACK.pacemaker is not None
    state = PacemakerState(STACK.pacemaker, fencing_history=("centos02 was fenced",))
    return attrs.evolve(state, **changes)  # type: ignore[arg-type]  # any field


def on_node(**parts: object) -> ClusterState:
    return ClusterState({"centos01": HostState("centos01", **parts)})  # type: ignore[arg-type]  # any field


def with_location(id: str) -> ClusterState:
    return on_node(pacemaker=running(cib=Cib(constraints=(Location(id, "ms_drbd_vg1"),))))


def behind() -> ClusterState:
    volume = DrbdVolumeState(0, 0, disk="Inconsistent")
    return on_node(drbd=DrbdState("8.4.11", {"vg1": DrbdResourceState("vg1", up=True, volumes=(volume,))}))


def without_daemon() -> ClusterState:
    started = ResourceStatus("p_target_vg1", "centos01", "Started")
    return on_node(pacemaker=running(resources=(started,)), scst=ScstState("3.8", daemon_running=False))


def caching() -> ClusterState:
    device = ScstDeviceState("VDISK-LUN01", "vdisk_blockio", attributes={"nv_cache": "1"})
    return on_node(scst=ScstState("3.8", daemon_running=True, devices={"VDISK-LUN01": device}))


def in_use() -> ClusterState:
    session = SessionState("iqn.1993-08.org.debian:01:drbd01", "iqn.1993-08.org.debian:01:drbd01")
    target = TargetState(IQN, enabled=True, sessions=(session,))
    return on_node(scst=ScstState("3.8", daemon_running=True, targets={IQN: target}))


def with_chap() -> StorageStack:
    """Return a stack with a CHAP user, which leaves lvm.conf to the hosts."""
    return attrs.evolve(with_target(incoming_users=(ChapUser("db", Secret.environment("CHAP")),)), lvm=None)


IN_THE_WORLD: dict[str, tuple[Callable[[], ClusterState], str]] = {
    "fence-constraint-left": (
        lambda: with_location("drbd-fence-by-handler-vg1-ms_drbd_vg1"),
        "constraint:drbd-fence-by-handler-vg1-ms_drbd_vg1",
    ),
    "move-constraint-left": (lambda: with_location("cli-prefer-g_vg1"), "constraint:cli-prefer-g_vg1"),
    "fencing-untested": (lambda: on_node(pacemaker=running(fencing_history=())), "primitive:fence_centos01"),
    "resource-failed": (
        lambda: on_node(pacemaker=running(failures=(Failure("p_lvm_vg1", "centos01", "start"),))),
        "primitive:p_lvm_vg1",
    ),
    "replica-not-current": (behind, "drbd:vg1"),
    "scst-daemon-down": (without_daemon, "primitive:p_target_vg1"),
    "nv-cache-unasked": (caching, "device:VDISK-LUN01"),
    "chap-locks-clients-out": (in_use, f"target:{IQN}"),
    "lvm-group-without-system-id": (
        lambda: on_node(lvm=LvmState("2.03.16", {"vg1": VgState("vg1", 1, 0)})),
        "vg:vg1",
    ),
    "lvm-host-without-system-id": (lambda: on_node(lvm=LvmState("2.03.16")), "host:centos01"),
}


def test_every_rule_has_a_test() -> None:
    assert {rule.code for rule in RULES} == {*FOUND, *IN_THE_STACK, *IN_THE_WORLD}


@pytest.mark.parametrize("code", sorted(IN_THE_STACK))
def test_is_found_in_the_stack(code: str) -> None:
    make, concerned = IN_THE_STACK[code]
    assert code not in {finding.code for finding in judge(STACK)}
    findings = [finding for finding in judge(make()) if finding.code == code]
    assert concerned in {name for finding in findings for name in finding.objects}


def test_a_system_id_that_the_plain_agent_cannot_take_over_is_found() -> None:
    stack = attrs.evolve(primitive("p_lvm_vg1", agent="ocf:heartbeat:LVM"), lvm=LvmSettings(system_id_source="uname"))
    assert "lvm-agent-cannot-activate" in {finding.code for finding in judge(stack)}
    assert "lvm-agent-cannot-activate" not in {
        finding.code for finding in judge(attrs.evolve(stack, lvm=LvmSettings()))
    }


def test_a_host_without_system_id_is_no_matter_where_the_stack_sets_one() -> None:
    state = on_node(lvm=LvmState("2.03.16"))
    assert "lvm-host-without-system-id" not in {finding.code for finding in judge(STACK, state)}
    other = attrs.evolve(
        state, hosts={"centos01": HostState("centos01", lvm=LvmState(settings=LvmSettings(system_id_source="uname")))}
    )
    assert "lvm-host-without-system-id" not in {finding.code for finding in judge(with_chap(), other)}


@pytest.mark.parametrize("code", sorted(IN_THE_WORLD))
def test_is_found_in_the_world(code: str) -> None:
    make, concerned = IN_THE_WORLD[code]
    healthy = on_node(pacemaker=running(), scst=ScstState("3.8", daemon_running=True))
    assert code not in {finding.code for finding in judge(with_chap(), healthy)}
    assert code not in {finding.code for finding in judge(with_chap())}
    findings = [finding for finding in judge(with_chap(), make()) if finding.code == code]
    assert concerned in {name for finding in findings for name in finding.objects}


def test_drbd_9_with_quorum_of_three_needs_no_fencing() -> None:
    resource = STACK.drbd[0]
    hosts = (*resource.hosts, DrbdHost("centos03", "192.168.100.183:7788"))
    three = attrs.evolve(resource, hosts=hosts, options=resource.options.with_(quorum="majority"))
    unfenced = attrs.evolve(cib(properties={"stonith-enabled": "false"}), drbd=(three,))
    assert "fencing-disabled" not in {finding.code for finding in judge(unfenced)}
    two = attrs.evolve(unfenced, drbd=(attrs.evolve(three, hosts=resource.hosts),))
    assert "fencing-disabled" in {finding.code for finding in judge(two)}


def test_fencing_without_a_device_is_as_good_as_none() -> None:
    assert STACK.pacemaker is not None
    disarmed = cib(resources=tuple(r for r in STACK.pacemaker.resources if not r.agent.startswith("stonith:")))
    assert "fencing-disabled" in {finding.code for finding in judge(disarmed)}


@pytest.mark.parametrize(("text", "found"), [("179s", True), ("3min", False), ("200000ms", False), ("soon", True)])
def test_timeouts_are_read_as_pacemaker_does(text: str, found: bool) -> None:
    slow = primitive("p_target_vg1", ops=(Op("start", timeout=text), Op("stop", timeout="180")))
    assert ("timeouts-too-short" in {finding.code for finding in judge(slow)}) is found


def test_an_operation_default_counts() -> None:
    bare = primitive("p_target_vg1", ops=())
    assert bare.pacemaker is not None
    assert "timeouts-too-short" in {finding.code for finding in judge(bare)}
    patient = attrs.evolve(bare, pacemaker=attrs.evolve(bare.pacemaker, operation_defaults={"timeout": "4min"}))
    assert "timeouts-too-short" not in {finding.code for finding in judge(patient)}


def test_two_luns_behind_these_agents_are_a_danger() -> None:
    second = PacemakerResource(
        "p_lu_two",
        "ocf:scst:SCSTLun",
        params={"target_iqn": IQN, "iscsi_lun": "1", "device_name": "TWO", "iscsi_enable": "true"},
    )
    severities = [f.severity for f in judge(with_resource(second)) if f.code == "scst-agents-one-of-each"]
    assert severities == [Severity.DANGER]


def test_a_resource_that_serves_what_is_not_there_is_judged_all_the_same() -> None:
    lost = attrs.evolve(STACK, targets=(Target("iqn.2026-01.org.example:other"),))
    assert "scst-agents-one-of-each" in {finding.code for finding in judge(lost)}
