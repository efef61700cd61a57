"""hastore on a real cluster of two nodes: the article's configuration provisioned, moved, lost and found again.

Pacemaker, corosync, fencing and the addresses are real; DRBD, LVM and SCST are stubs that log (README.md here). There
is no storage, so that the stack holds the composed configuration of Pacemaker alone: such a stack is a whole one.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files

import attrs
import pytest
from lxml import etree

import hastore
from canonical import Shape, canonical_cib
from cluster_status import Status
from hastore.hosts.host import OnOutcome
from hastore.hosts.operations import Operation, Outcome, Run
from hastore.model.values import Params
from hastore.planning.compose import compose
from namespace_host import NamespaceHost
from needs import require
from real_cluster import Node, RealCluster, running_cluster

pytestmark = [pytest.mark.oracle, pytest.mark.cluster]
NODES = ("centos01", "centos02")
VIPS = ("192.168.100.180", "192.168.200.180")
GROUP = (
    "p_lvm_vg1",
    "p_portblock_vg1",
    "p_portblock_vg1_2",
    "p_ip_vg1",
    "p_ip_vg1_2",
    "p_target_vg1",
    "p_lu_vg1_lun1",
    "p_portblock_vg1_unblock",
    "p_portblock_vg1_2_unblock",
    "p_email_admin",
)
STARTING = ("promote p_drbd_vg1", *(f"start {name}" for name in GROUP))
STOPPING = (*(f"stop {name}" for name in reversed(GROUP)), "demote p_drbd_vg1")
CLOCK_TICK = 0.5
"""Seconds by which a stall that is seen from outside, by looking now and then, may be off."""


@pytest.fixture(scope="module")
def stack() -> hastore.StorageStack:
    """The article, mended, with the fence agent of this test bed; its configuration of Pacemaker alone."""
    article = files("hastore.data") / "article"
    text = {path.name: path.read_text() for path in article.iterdir() if path.name != "__init__.py" and path.is_file()}
    adopted = hastore.adopt(
        crm=text["configure.crm"],
        drbd=[text["vg1.res"]],
        corosync=text["corosync.conf"],
        lvm=text["lvm.conf.fragment"],
        hosts=text["hosts"],
    )
    mended = hastore.apply_fixes(adopted.stack, hastore.suggest_fixes(adopted.stack, platform="debian-12"))
    fencing = hastore.fencing_device(
        mended,
        agent="stonith:fence_switch",
        per_node_params={name: {} for name in NODES},
        delay_on="centos01",
        delay="1s",
    )
    return hastore.StorageStack(nodes=mended.nodes, pacemaker=compose(fencing.apply(mended)))


@pytest.fixture(scope="module")
def shared() -> Iterator[RealCluster]:
    with running_cluster() as real:
        yield real


@pytest.fixture
def real(shared: RealCluster, stack: hastore.StorageStack) -> RealCluster:
    """The cluster that tests share, with the article running and no memory of the tests before."""
    assert shared.power is not None
    shared.power.works = True
    for node in shared.nodes.values():
        node.obey_no_more()
        node.boot()
    shared.wait_for(lambda status: status.online == set(NODES))
    shared.any_node().run("crm_resource", "--cleanup")
    plan = connect(shared, stack).plan(stack)
    if plan:
        plan.apply()
    shared.wait_until_idle()
    shared.forget_calls()
    return shared


def connect(real: RealCluster, stack: hastore.StorageStack) -> hastore.Cluster:
    # Asked without a stack, it would take the configuration's volume group and LUN for storage to wait for.
    return hastore.connect(*map(NamespaceHost, real.nodes.values()), stack=stack)


def active_node(real: RealCluster) -> str:
    (active,) = real.status().promoted("p_drbd_vg1")
    return active


def other_than(node: str) -> str:
    (other,) = set(NODES) - {node}
    return other


def done_by(node: Node) -> list[str]:
    """Return what Pacemaker's log of a node says was done there, addresses too: `start p_lvm_vg1` ... in order."""
    log = (node.folder / "var/log/pacemaker/pacemaker.log").read_text()
    told = re.findall(r"Result of (start|stop|promote|demote) operation for ([\w-]+)(?::\d+)? on \S+: ok", log)
    return [f"{action} {resource}" for action, resource in told]


def serving(status: Status, node: str) -> bool:
    return status.promoted("p_drbd_vg1") == {node} and all(status.running(name) == {node} for name in GROUP)


def assert_addresses_are_on(real: RealCluster, node: str) -> None:
    for address in VIPS:
        assert [name for name, there in real.nodes.items() if there.holds_address(address)] == [node]


def bindings(real: RealCluster) -> list[str]:
    ids = [element.get("id", "") for element in real.cib().iterfind("configuration/constraints/*")]
    return [id for id in ids if id.startswith(("cli-", "hastore-move-"))]


def storage_calls(real: RealCluster, node: str) -> list[str]:
    """Return what the stub agents did on a node, in the order of their own log."""
    acting = ("start", "stop", "promote", "demote")
    return [f"{call.action} {call.resource}" for call in real.calls() if call.node == node and call.action in acting]


def stubbed(calls: Sequence[str]) -> list[str]:
    return [call for call in calls if not call.endswith(("p_ip_vg1", "p_ip_vg1_2"))]


# -- provisioning -------------------------------------------------------------------------------------

THEIRS = {
    "resources": (
        '<primitive id="p_theirs" class="ocf" provider="heartbeat" type="IPaddr2" description="somebody else\'s">'
        '<instance_attributes id="theirs-in-the-evening" score="2"><rule id="theirs-rule" boolean-op="and">'
        '<date_expression id="theirs-date" operation="gt" start="2020-01-01"/></rule>'
        '<nvpair id="theirs-odd-name" name="ip" value="192.168.100.99"/></instance_attributes>'
        '<operations><op id="theirs-monitor" name="monitor" interval="17s"/></operations></primitive>'
    ),
    "constraints": (
        '<rsc_location id="theirs-here" rsc="p_theirs"><rule id="theirs-here-rule" score="10">'
        '<expression id="theirs-expression" attribute="#uname" operation="eq" value="centos02"/></rule></rsc_location>'
    ),
    "tags": '<tag id="theirs"><obj_ref id="p_theirs"/></tag>',
    "op_defaults": '<meta_attributes id="theirs-ops"><nvpair id="theirs-t" name="timeout" value="33s"/></meta_attributes>',
    "alerts": '<alert id="theirs-alert" path="/bin/true"/>',
}


def put_theirs(real: RealCluster) -> None:
    sections = "".join(f"<{section}>{elements}</{section}>" for section, elements in THEIRS.items())
    text = f"<configuration>{sections}</configuration>"
    real.any_node().run("cibadmin", "--modify", "--allow-create", "--scope", "configuration", "--xml-text", text)


def remove_theirs(real: RealCluster) -> None:
    real.any_node().run(
        "cibadmin", "--delete-all", "--force", "--xpath", "//configuration//*[starts-with(@id, 'theirs')]"
    )
    real.any_node().run("cibadmin", "--delete-all", "--force", "--xpath", "//primitive[@id='p_theirs']")


def without_ours(real: RealCluster, stack: hastore.StorageStack) -> Shape:
    """Return the configuration that is there besides the stack's: what is not ours."""
    assert stack.pacemaker is not None
    ours = {element.id for element in stack.pacemaker.elements()} | {"hastore-owned"}
    root = real.cib()
    for parent in [*root.iterfind("configuration/*"), *root.iterfind("configuration/resources/*")]:
        for element in list(parent):
            if element.get("id") in ours:
                parent.remove(element)
    for properties in root.iterfind("configuration/crm_config/*"):
        for nvpair in list(properties):
            if nvpair.get("name") in stack.pacemaker.properties:
                properties.remove(nvpair)
    return canonical_cib(etree.tostring(root))


def test_hastore_provisions_beside_what_is_there(cluster: RealCluster, stack: hastore.StorageStack) -> None:
    put_theirs(cluster)
    theirs = without_ours(cluster, stack)
    epoch = int(cluster.cib().get("epoch", ""))

    hands = connect(cluster, stack)
    plan = hands.plan(stack)
    assert plan.blocking == ()
    assert [step.key for step in plan.steps] == ["patch cib#0@centos01", "await cib#0@centos01"]
    report = plan.apply()

    assert len(report.done) == 2
    assert int(cluster.cib().get("epoch", "")) <= epoch + 2, "one patch, which Pacemaker counts once or twice"
    status = cluster.status()
    active = active_node(cluster)
    assert serving(status, active)
    assert status.failures == []
    assert status.running("p_drbd_vg1") == set(NODES)
    assert [call for call in done_by(cluster[active]) if call in STARTING] == list(STARTING)
    assert storage_calls(cluster, active) == ["start p_drbd_vg1", *stubbed(STARTING)]
    assert storage_calls(cluster, other_than(active)) == ["start p_drbd_vg1"]
    assert_addresses_are_on(cluster, active)

    assert without_ours(cluster, stack) == theirs
    assert hands.plan(stack).empty
    require("crm_verify")
    verified = cluster[active].run("crm_verify", "--live-check", "-V", check=False)
    assert (verified.returncode, verified.stderr) == (0, "")


# -- moving -------------------------------------------------------------------------------------------


def test_a_switchover_there_and_back(real: RealCluster, stack: hastore.StorageStack) -> None:
    hands = connect(real, stack)
    for _ in range(2):
        here = active_node(real)
        there = other_than(here)
        before = {name: len(done_by(node)) for name, node in real.nodes.items()}
        real.forget_calls()

        report = hands.switchover(to=there).apply()

        assert serving(real.status(), there), "it does not wait until all is there"
        assert done_by(real[here])[before[here] :] == list(STOPPING)
        assert done_by(real[there])[before[there] :] == list(STARTING)
        calls = [call for call in real.calls() if call.action in ("start", "stop", "promote", "demote")]
        (promotion,) = [call for call in calls if call.action == "promote"]
        assert all(call.end <= promotion.begin for call in calls if call.node == here)
        assert all(promotion.end <= call.begin for call in calls if call.action == "start")
        assert_addresses_are_on(real, there)
        assert bindings(real) == []
        dark = calls[-2].end - next(call.begin for call in calls if call.resource == "p_portblock_vg1_2_unblock")
        assert report.stall is not None
        assert report.stall == pytest.approx(dark, abs=max(CLOCK_TICK, dark / 2))

        real.wait_until_idle()
        assert serving(real.status(), there), "it does not stay"
        assert hands.plan(stack).empty
        assert hands.switchover(to=there).empty


def test_a_group_that_goes_back_by_itself_is_no_success(real: RealCluster, stack: hastore.StorageStack) -> None:
    here = active_node(real)
    there = other_than(here)
    real[here].run("attrd_updater", "--name", "master-p_drbd_vg1", "--update", "500000")
    real.wait_until_idle()
    hands = connect(real, stack)
    try:
        with pytest.raises(hastore.StepFailed, match=rf"went from {there} to {here} as soon as nothing bound it"):
            hands.switchover(to=there).apply()
    finally:
        real[here].run("attrd_updater", "--name", "master-p_drbd_vg1", "--update", "10000")
    real.wait_for(lambda status: serving(status, here))
    assert bindings(real) == []
    assert hands.plan(stack).empty


def test_a_start_that_fails_on_the_receiver(real: RealCluster, stack: hastore.StorageStack) -> None:
    here = active_node(real)
    there = other_than(here)
    real[there].order("p_target_vg1", "start", exit_code=1)
    hands = connect(real, stack)

    with pytest.raises(
        hastore.StepFailed, match=rf"start of p_target_vg1 failed on {there}: told to fail start with 1"
    ):
        hands.switchover(to=there).apply()

    assert bindings(real) == [], "it would jump to the receiver as soon as somebody cleans up"
    real.wait_for(lambda status: serving(status, here))
    assert_addresses_are_on(real, here)
    plan = hands.plan(stack)
    assert plan.empty
    assert "resource-failed" in {finding.code for finding in plan.findings}
    assert [f.code for f in hands.switchover(to=there).blocking] == ["receiver-failcount"]

    real[there].obey_no_more()
    real.any_node().run("crm_resource", "--cleanup")
    real.wait_until_idle()
    assert serving(real.status(), here)
    hands.switchover(to=there).apply()
    assert serving(real.status(), there)


@pytest.mark.parametrize("by", ["a plan", "a switchover"])
def test_what_a_stopped_move_left_is_taken_away(real: RealCluster, stack: hastore.StorageStack, by: str) -> None:
    here = active_node(real)
    left = f'<rsc_location id="hastore-move-g_vg1" rsc="g_vg1" node="{here}" score="INFINITY"/>'
    real.any_node().run("cibadmin", "--create", "--scope", "constraints", "--xml-text", left)
    hands = connect(real, stack)
    plan = hands.plan(stack) if by == "a plan" else hands.switchover(to=here)
    assert "remove hastore-move-g_vg1" in str(plan)
    assert "move-constraint-left" in {finding.code for finding in hands.plan(stack).findings}
    real.forget_calls()
    plan.apply()
    assert bindings(real) == []
    assert serving(real.status(), here)
    assert [call for call in real.calls() if call.action != "monitor"] == [], "nothing needs to move for it"
    assert hands.plan(stack).empty


# -- somebody else ------------------------------------------------------------------------------------


class MeddlingHost(NamespaceHost):
    """A node on which somebody acts at the worst moment: after hastore looked, before its patch arrives."""

    def __init__(self, node: Node, meddle: Callable[[], object]) -> None:
        super().__init__(node)
        self._meddle = meddle
        self.patches = 0

    def perform(self, batch: Sequence[Operation], /, *, on_outcome: OnOutcome | None = None) -> tuple[Outcome, ...]:
        if any(isinstance(operation, Run) and "--patch" in operation.argv for operation in batch):
            self.patches += 1
            if self.patches == 1:
                self._meddle()
        return super().perform(batch, on_outcome=on_outcome)


def with_mail(stack: hastore.StorageStack, subject: str) -> hastore.StorageStack:
    """Return the stack with another subject of the mail: a change that restarts the group's last member alone."""
    assert stack.pacemaker is not None
    resources = (
        attrs.evolve(r, params=Params(r.params.with_({"subject": subject}))) if r.id == "p_email_admin" else r
        for r in stack.pacemaker.resources
    )
    return attrs.evolve(stack, pacemaker=attrs.evolve(stack.pacemaker, resources=tuple(resources)))


def set_subject(real: RealCluster, subject: str) -> None:
    real.any_node().run(
        "crm_resource", "--resource", "p_email_admin", "--set-parameter", "subject", "--parameter-value", subject
    )


def subject(real: RealCluster) -> str:
    return str(real.cib().xpath("string(//primitive[@id='p_email_admin']//nvpair[@name='subject']/@value)"))


def set_delay(real: RealCluster, value: str) -> None:
    real.any_node().run("crm_attribute", "--type", "crm_config", "--name", "cluster-delay", "--update", value)


def delay(real: RealCluster) -> str:
    return str(real.cib().xpath("string(//nvpair[@name='cluster-delay']/@value)"))


def test_anothers_change_of_the_same_thing_after_planning(real: RealCluster, stack: hastore.StorageStack) -> None:
    plan = connect(real, stack).plan(with_mail(stack, "ours"))
    set_subject(real, "theirs")
    with pytest.raises(hastore.StalePlan, match=r"somebody else changed .*p_email_admin"):
        plan.apply()
    assert subject(real) == "theirs"


def test_anothers_change_of_the_same_thing_while_applying(real: RealCluster, stack: hastore.StorageStack) -> None:
    first = MeddlingHost(real["centos01"], lambda: set_subject(real, "theirs"))
    hands = hastore.connect(first, NamespaceHost(real["centos02"]), stack=stack)
    with pytest.raises(hastore.StalePlan, match=r"somebody else changed .*p_email_admin"):
        hands.plan(with_mail(stack, "ours")).apply()
    assert first.patches == 1
    assert subject(real) == "theirs"


def test_anothers_change_elsewhere_while_applying_is_kept(real: RealCluster, stack: hastore.StorageStack) -> None:
    first = MeddlingHost(real["centos01"], lambda: set_delay(real, "71s"))
    hands = hastore.connect(first, NamespaceHost(real["centos02"]), stack=stack)
    ours = with_mail(stack, "ours")
    hands.plan(ours).apply()
    assert first.patches == 2, "cibadmin refused the first, made for a configuration that is no more"
    assert (subject(real), delay(real)) == ("ours", "71s")
    assert hands.plan(ours).empty


def test_a_change_of_status_alone_disturbs_nothing(real: RealCluster, stack: hastore.StorageStack) -> None:
    first = MeddlingHost(
        real["centos01"],
        lambda: real["centos02"].run("attrd_updater", "--name", "status", "--update", str(time.time())),
    )
    hands = hastore.connect(first, NamespaceHost(real["centos02"]), stack=stack)
    real.forget_calls()
    hands.plan(with_mail(stack, "a change of status")).apply()
    assert first.patches == 1
    assert subject(real) == "a change of status"
    node = active_node(real)
    assert storage_calls(real, node) == ["stop p_email_admin", "start p_email_admin"], "day two restarts nothing else"
    assert storage_calls(real, other_than(node)) == []


def test_what_is_not_ours_survives(real: RealCluster, stack: hastore.StorageStack) -> None:
    try:
        put_theirs(real)
        # With influence, even this weak wish would draw the group back after the move: it has no stickiness.
        apart = '<rsc_colocation id="theirs-apart" rsc="p_theirs" with-rsc="g_vg1" score="-100" influence="false"/>'
        real.any_node().run("cibadmin", "--create", "--scope", "constraints", "--xml-text", apart)
        real.wait_for(lambda status: len(status.running("p_theirs")) == 1)
        real.wait_until_idle()
        theirs = without_ours(real, stack)
        hands = connect(real, stack)
        assert hands.plan().empty
        hands.plan(with_mail(stack, "beside others")).apply()
        hands.switchover(to=other_than(active_node(real))).apply()
        assert without_ours(real, stack) == theirs
    finally:
        remove_theirs(real)


def test_what_is_not_ours_and_broken_is_not_waited_for(real: RealCluster, stack: hastore.StorageStack) -> None:
    broken = (
        '<primitive id="theirs-broken" class="ocf" provider="heartbeat" type="MailTo"><operations>'
        '<op id="theirs-broken-start" name="start" interval="0" timeout="20s"/></operations></primitive>'
    )
    for node in real.nodes.values():
        node.order("theirs-broken", "start", exit_code=1)
    try:
        real.any_node().run("cibadmin", "--create", "--scope", "resources", "--xml-text", broken)
        real.wait_for(lambda status: len(status.failures) == len(NODES))
        real.wait_until_idle()
        hands = connect(real, stack)
        assert hands.plan().empty
        there = other_than(active_node(real))
        hands.switchover(to=there).apply()
        assert serving(real.status(), there)
    finally:
        remove_theirs(real)


# -- losing a node ------------------------------------------------------------------------------------


def test_a_failover_is_followed_to_its_end(real: RealCluster, stack: hastore.StorageStack) -> None:
    here = active_node(real)
    there = other_than(here)
    hands = connect(real, stack)
    real.forget_calls()
    lost_at = time.time()
    real[here].crash()

    failover = hands.follow(deadline=60)

    assert failover.explanation.settled, failover
    assert failover.explanation.summary.endswith(f"the storage is served by {there}")
    assert f"{here} does not answer" in failover.lines[0]
    starts = [call for call in real.calls() if call.node == there and call.action in ("promote", "start")]
    assert [f"{call.action} {call.resource}" for call in starts] == stubbed(STARTING)
    assert real.power is not None
    fenced_at, action, victim = real.power.log[-1]
    assert (action, victim) == ("reboot", here)
    assert fenced_at < starts[0].begin
    assert_addresses_are_on(real, there)
    assert failover.stall == pytest.approx(starts[-2].end - lost_at, abs=3.0)

    real.wait_for(lambda status: status.online == set(NODES) and status.running("p_drbd_vg1") == set(NODES))
    real.wait_until_idle()
    assert hands.plan(stack).empty
    assert serving(real.status(), there), "it does not go back by itself"


def test_a_failover_without_fencing_is_stuck(real: RealCluster, stack: hastore.StorageStack) -> None:
    assert real.power is not None
    here = active_node(real)
    there = other_than(here)
    hands = connect(real, stack)
    real.power.works = False
    real.forget_calls()
    real[here].crash()

    failover = hands.follow(deadline=60)

    explanation = failover.explanation
    assert explanation.stuck, failover
    assert not explanation.settled
    assert f"{here} is lost and fencing it failed" in explanation.summary
    assert f"reboot of {here} by {there}: failed" in explanation.missing[0]
    assert "BMC" in explanation.missing[1]
    assert "a ping" in explanation.missing[1]
    assert failover.stall > 1, "what a lost node ran serves nobody"
    assert not set(storage_calls(real, there)), "nothing is started before the lost node is known to be off"
    assert not any(real[there].holds_address(address) for address in VIPS)
    assert [f.code for f in hands.plan(stack).blocking] == ["subsystem-unknown"]

    real[there].run("stonith_admin", "--confirm", here)
    assert hands.follow(deadline=60).explanation.settled
    assert serving(real.status(), there)
