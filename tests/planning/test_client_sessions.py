"""What a client's CHAP user and settings ask of its node records."""

from __future__ import annotations

import attrs
import pytest

from hastore.model.client import Initiator, Login
from hastore.model.findings import Severity
from hastore.model.secrets import Secret
from hastore.model.stack import StorageStack
from hastore.model.state import ClientSession, ClientState, ClusterState, HostState, NodeRecord
from hastore.model.values import Params
from hastore.planning.compare import compare
from hastore.planning.steps import Step
from hastore.planning.steps_client import ConfigureSession

IQN = "iqn.2026-11.example.lab:disks"
PORTAL = "10.0.0.1:3260"
SECRET = Secret.environment("CHAP_PASSWORD")
CHAP = {"node.session.auth.authmethod": "CHAP", "node.session.auth.username": "joe"}
PATIENCE = {"node.session.timeo.replacement_timeout": "300"}
SESSION = ClientSession(IQN, PORTAL)
MET = NodeRecord(IQN, PORTAL, {**CHAP, **PATIENCE}, has_password=True)


def steps(*records: NodeRecord, sessions: tuple[ClientSession, ...] = (), **wishes: object) -> tuple[Step, ...]:
    """Return what a client that wants to log in has to do, of which these records and sessions are there."""
    said = {"chap_user": "joe", "chap_secret": SECRET, "settings": PATIENCE, **wishes}
    client = Initiator("client", logins=(Login(IQN, ("10.0.0.1",)),), **said)  # type: ignore[arg-type]  # any wish
    state = ClusterState({"client": HostState("client", client=ClientState(nodes=records, sessions=sessions))})
    return compare(StorageStack(clients=(client,)), state).steps


def verbs(*found: Step) -> list[str]:
    return [step.key.partition(" ")[0] for step in found]


def test_a_new_record_is_configured_between_discovery_and_login() -> None:
    found = steps()
    assert verbs(*found) == ["discover", "configure", "login"]
    assert [step.layer for step in found] == sorted({step.layer for step in found})
    state = ClusterState({"client": HostState("client", client=ClientState())})
    for step in found:
        assert not step.requires(state)
        assert not step.ensures(state)
        state = step.effect(state)
        assert step.ensures(state)
    assert "CHAP_PASSWORD" not in repr(state)


def test_a_client_without_wishes_configures_nothing() -> None:
    assert verbs(*steps(chap_user="", chap_secret=None, settings={})) == ["discover", "login"]


@pytest.mark.parametrize(
    "record",
    [
        attrs.evolve(MET, has_password=False),
        attrs.evolve(MET, settings=MET.settings.with_({"node.session.auth.authmethod": "None"})),
        attrs.evolve(MET, settings=MET.settings.with_({"node.session.auth.username": "jim"})),
        attrs.evolve(MET, settings=MET.settings.with_({"node.session.timeo.replacement_timeout": "120"})),
        attrs.evolve(MET, settings=Params(CHAP)),
    ],
    ids=["no password", "no CHAP", "another user", "another setting", "no setting"],
)
def test_whatever_a_record_lacks_is_configured_below_a_live_session_too(record: NodeRecord) -> None:
    assert verbs(*steps(record)) == ["configure", "login"]
    assert verbs(*steps(record, sessions=(SESSION,))) == ["configure"]
    assert verbs(*steps(MET, attrs.evolve(record, interface="eth1"))) == ["configure", "login"], "each interface counts"


def test_what_is_met_is_left_alone() -> None:
    assert verbs(*steps(MET)) == ["login"]
    assert steps(MET, sessions=(SESSION,)) == ()
    assert steps(sessions=(SESSION,)) == (), "no record to configure"
    assert steps(MET, sessions=(SESSION,), chap_secret=Secret.environment("ANOTHER")) == (), "a password is never told"


def test_a_record_of_mutual_chap_is_not_touched() -> None:
    step = ConfigureSession("client", IQN, PORTAL, "joe", SECRET)
    state = ClusterState({"client": HostState("client", client=ClientState(nodes=(attrs.evolve(MET, mutual=True),)))})
    assert "mutual CHAP" in step.requires(state)


@pytest.mark.parametrize(
    ("wishes", "complaint"),
    [
        ({"chap_user": "joe"}, "belong together"),
        ({"chap_secret": SECRET}, "belong together"),
        ({"settings": {"node.session.auth.password": "in clear"}}, "give chap_secret, a Secret"),
        ({"settings": {"node.session.auth.username_in": "it"}}, "mutual CHAP is not supported"),
        ({"settings": {"node.startup": "manual"}}, "made again at each boot"),
        ({"chap_user": "joe\nnode.startup = manual", "chap_secret": SECRET}, "no record keeps"),
        ({"settings": {"node.session.queue_depth": " 32"}}, "no record keeps"),
    ],
)
def test_what_no_record_may_say_blocks_the_plan(wishes: dict[str, object], complaint: str) -> None:
    client = Initiator("client", logins=(Login(IQN, ("10.0.0.1",)),), **wishes)  # type: ignore[arg-type]  # any wish
    state = ClusterState({"client": HostState("client", client=ClientState())})
    comparison = compare(StorageStack(clients=(client,)), state)
    assert comparison.steps == (), "nothing may reach an argv"
    [finding] = comparison.findings
    assert (finding.code, finding.severity) == ("client-unfit", Severity.BLOCKING)
    assert complaint in finding.summary
    assert "in clear" not in str(finding)
