"""Adopting a cluster's files: what they say, what is inferred, what does not fit, and nothing lost."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import get_args

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hastore.cluster.adopt import WRITTEN_BY_THE_CLUSTER, Adopted, adopt
from hastore.formats import cib_xml, corosync_conf, crmsh, drbd_conf, lvm_conf, spec
from hastore.formats.spec import Form
from hastore.model.client import Login
from hastore.model.errors import ParseError, SpecError
from hastore.model.findings import Severity
from hastore.model.lvm import LogicalVolume, VolumeGroup
from hastore.model.pacemaker import Cib
from hastore.model.scsi import Lun, ScstDevice, Target, Vip
from hastore.model.secrets import Secret
from hastore.model.stack import StorageNode, StorageStack
from hastore.model.values import Params
from hastore.planning.compose import compose
from hastore.testing.strategies_stack import stacks
from needs import examples

TESTS = Path(__file__).parents[1]
ARTICLE = TESTS / "article"
EXAMPLES = TESTS.parent / "examples"
CRM = (ARTICLE / "configure.crm").read_text()
IQN = "iqn.2016-02.local.virtual:virtual.vg1"


def adopt_article(**changes: str) -> Adopted:
    """Adopt the article, with texts in the place of some of its files."""
    return adopt(
        crm=changes.get("crm", CRM),
        drbd=changes.get("drbd", (ARTICLE / "vg1.res").read_text()),
        corosync=ARTICLE / "corosync.conf",
        lvm=ARTICLE / "lvm.conf.fragment",
        hosts=changes.get("hosts", (ARTICLE / "hosts").read_text()),
        clients=("drbd01", "drbd02"),
    )


def own_properties(cib: Cib) -> Cib:
    return attrs.evolve(cib, properties=cib.properties.with_(dict.fromkeys(WRITTEN_BY_THE_CLUSTER)))


def codes(adopted: Adopted) -> set[str]:
    return {finding.code for finding in adopted.findings}


# -- the article --------------------------------------------------------------------------------------


def test_the_article_comes_back_whole() -> None:
    assert compose(adopt_article().stack) == own_properties(crmsh.parse(CRM))


def test_the_articles_storage() -> None:
    stack = adopt_article().stack
    assert stack.volume_groups == (VolumeGroup("vg1", ("/dev/drbd0",), (LogicalVolume("lun1"),)),)
    attributes = Params(nv_cache="1", write_through="0", thin_provisioned="0", threads_num="4")
    assert stack.devices == (ScstDevice("VDISK-LUN01", "/dev/vg1/lun1", attributes=attributes),)
    assert stack.targets == (
        Target(
            IQN,
            luns=(Lun(0, "VDISK-LUN01"),),
            portals=("192.168.100.180", "192.168.200.180"),
            parameters=Params(DefaultTime2Retain="60", DefaultTime2Wait="5"),
        ),
    )
    assert stack.vips == (Vip("192.168.100.180", nic="eth1"), Vip("192.168.200.180", nic="eth2"))
    assert [resource.name for resource in stack.drbd] == ["vg1"]


def test_the_articles_machines() -> None:
    stack = adopt_article().stack
    assert stack.nodes == tuple(
        StorageNode(name, Params(hosts=f"192.168.0.{n}", eth1=f"192.168.100.{n}", eth2=f"192.168.200.{n}"))
        for name, n in (("centos01", 181), ("centos02", 182))
    )
    assert [client.host for client in stack.clients] == ["drbd01", "drbd02"]
    assert stack.clients[0].logins == (Login(IQN, ("192.168.100.180", "192.168.200.180")),)


def test_what_was_inferred_is_said_with_its_evidence() -> None:
    adopted = adopt_article()
    inferred = {f.objects[0]: f.evidence for f in adopted.findings if f.code == "adopted-by-inference"}
    assert set(inferred) == {"vg:vg1", "host:centos01", "host:centos02"}
    assert "colocation c_vg1_on_drbd keeps g_vg1 with the promoted ms_drbd_vg1" in inferred["vg:vg1"]
    left_out = {f.objects[0] for f in adopted.findings if f.code == "property-of-the-cluster"}
    assert left_out == {"property:dc-version", "property:cluster-infrastructure", "property:expected-quorum-votes"}
    assert {finding.severity for finding in adopted.findings} == {Severity.NOTE}, "the article's files agree"


def test_parameters_that_the_storage_says_are_not_said_again() -> None:
    cib = adopt_article().stack.pacemaker
    assert cib is not None
    left = {resource.id: dict(resource.params) for resource in cib.resources if resource.serves}
    assert left == {
        "p_lvm_vg1": {},
        "p_target_vg1": {"wait_timeout": "60"},
        "p_lu_vg1_lun1": {"wait_timeout": "60"},
        "p_ip_vg1": {},
        "p_ip_vg1_2": {},
        "p_portblock_vg1": {"action": "block"},
        "p_portblock_vg1_unblock": {"action": "unblock"},
        "p_portblock_vg1_2": {"action": "block"},
        "p_portblock_vg1_2_unblock": {"action": "unblock"},
        "p_drbd_vg1": {},
    }


def test_the_example_in_python_is_the_adopted_stack() -> None:
    example = EXAMPLES / "article_stack.py"
    assert runpy.run_path(str(example))["stack"] == adopt_article().stack
    assert len(example.read_text().splitlines()) < 60


@pytest.mark.parametrize("form", get_args(Form))
def test_the_examples_in_other_forms_are_the_adopted_stack(form: Form) -> None:
    text = (EXAMPLES / f"article.{form}").read_text()
    stack = adopt_article().stack
    assert spec.parse(text, form=form) == stack
    # The article prints its secret, so this one may stand in a file.
    assert spec.render(stack, form=form, reveal_literals=True) == text, (
        "render anew: PYTHONPATH=tests python tests/cluster/test_adopt.py"
    )


# -- what does not fit --------------------------------------------------------------------------------

CONTRADICTIONS = [
    ("portal-without-vip", {"crm": CRM.replace('portals="192.168.100.180 ', 'portals="192.168.100.183 ')}),
    ("agent-not-understood", {"crm": CRM.replace("ip=192.168.100.180 cidr_netmask=24 nic=eth1", 'ip="" nic=eth1')}),
    ("agent-not-understood", {"crm": CRM.replace("iscsi_lun=0", "iscsi_lun=zero")}),
    (
        "object-said-otherwise",
        {"crm": CRM.replace("thin_provisioned=0 threads_num", "thin_provisioned=0  threads_num")},
    ),
    (
        "lun-without-target",
        {"crm": CRM.replace(f'iqn="{IQN}" \\\n               portals', 'iqn="iqn.2016-02.a:b" portals')},
    ),
    ("drbd-without-file", {"drbd": "resource other { }"}),
    ("drbd-without-resource", {"drbd": "resource other { }"}),
    ("volume-group-without-disk", {"drbd": "resource other { }"}),
    (
        "volume-group-without-disk",
        {"crm": CRM.replace("colocation c_vg1_on_drbd +inf: g_vg1 ms_drbd_vg1:Master\n", "")},
    ),
    ("drbd-host-unknown", {"drbd": (ARTICLE / "vg1.res").read_text().replace("on centos02", "on centos3")}),
    ("addresses-contradict", {"hosts": "192.168.100.191 centos01\n"}),
    ("ring-member-unknown", {"hosts": "", "drbd": "resource vg1 { }"}),
    ("client-unknown", {"hosts": "192.168.0.178 drbd01\n"}),
    ("vip-outside-networks", {"crm": CRM.replace("192.168.200.180", "192.168.201.180")}),
]


@pytest.mark.parametrize(
    ("code", "changes"), CONTRADICTIONS, ids=[f"{n}-{code}" for n, (code, _) in enumerate(CONTRADICTIONS)]
)
def test_files_that_do_not_fit_are_a_finding(code: str, changes: dict[str, str]) -> None:
    adopted = adopt_article(**changes)
    assert code not in codes(adopt_article())
    (finding, *_) = [finding for finding in adopted.findings if finding.code == code]
    assert finding.severity is Severity.WARNING
    assert finding.objects
    assert finding.mend
    assert compose(adopted.stack) == own_properties(crmsh.parse(changes.get("crm", CRM))), "and nothing is lost"


def test_xml_and_crm_that_differ() -> None:
    xml = cib_xml.render(crmsh.parse(CRM))
    assert "cib-and-crm-differ" not in codes(adopt(crm=CRM, cib=xml))
    assert "cib-and-crm-differ" in codes(adopt(crm=CRM.replace("ignore", "stop"), cib=xml))


def test_a_damaged_file_is_named() -> None:
    with pytest.raises(ParseError, match=r"damaged/vg1\.res:6:5: expected } that closes 'startup'"):
        adopt(drbd=[ARTICLE / "damaged" / "vg1.res"])
    with pytest.raises(ParseError, match=r"^corosync\.conf:1:1: "):
        adopt(corosync="}")


def test_a_files_name_is_not_its_text() -> None:
    with pytest.raises(SpecError, match=r"write Path\("):
        adopt(corosync=str(ARTICLE / "corosync.conf"))


def test_one_client_is_not_its_letters() -> None:
    assert [client.host for client in adopt(hosts="192.168.0.178 drbd01\n", clients="drbd01").stack.clients] == [
        "drbd01"
    ]


def test_secrets_of_files_stay_hidden() -> None:
    adopted = adopt_article()
    assert adopted.stack.drbd[0].secret == Secret.literal("secret")
    assert "'secret'" not in repr(adopted)


def test_common_of_one_file_holds_for_the_others() -> None:
    adopted = adopt(drbd=["common { protocol C; }", "resource r0 { net { timeout 60; } }"])
    assert adopted.stack.drbd[0].net == {"protocol": "C", "timeout": "60"}


@pytest.mark.parametrize(
    ("path", "volume"),
    [
        ("/dev/vg1/db-7", "db-7"),
        ("/dev/mapper/vg1-db--7", "db-7"),
        ("/dev/mapper/vg1-db-7", ""),
        ("/dev/vg10/db7", ""),
        ("/srv/disk.img", ""),
    ],
)
def test_logical_volumes_are_read_from_paths(path: str, volume: str) -> None:
    (group,) = adopt_article(crm=CRM.replace("/dev/vg1/lun1", path)).stack.volume_groups
    assert [v.name for v in group.logical_volumes] == ([volume] if volume else [])


RECORDED = sorted((TESTS / "recordings" / "pacemaker").glob("*.cib.xml"))


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda path: path.name)
def test_the_cib_of_a_real_cluster_comes_back_whole(recorded: Path) -> None:
    adopted = adopt(cib=recorded, drbd="resource r0 { } resource vg1 { }")
    assert compose(adopted.stack) == own_properties(cib_xml.parse(recorded.read_bytes()))
    assert spec.parse(spec.render(adopted.stack)) == adopted.stack
    assert adopted.stack.targets


# -- laws ---------------------------------------------------------------------------------------------


@settings(max_examples=examples(50))
@given(stacks(pacemaker=True), st.booleans())
def test_any_plausible_cluster_comes_back_whole(stack: StorageStack, as_crm: bool) -> None:
    cib = compose(stack)
    literal = tuple(attrs.evolve(r, secret=r.secret and Secret.literal("told")) for r in stack.drbd)
    adopted = adopt(
        crm=crmsh.render(cib) if as_crm else None,
        cib=None if as_crm else cib_xml.render(cib),
        drbd=[drbd_conf.render_text(resource, conceal=False) for resource in literal],
        corosync=corosync_conf.render(stack.corosync) if stack.corosync else None,
        lvm=lvm_conf.render(stack.lvm) if stack.lvm else None,
        hosts="".join(f"{address} {node.name}\n" for node in stack.nodes for address in node.addresses.values()),
        name=stack.name,
    )
    expected = crmsh.parse(crmsh.render(cib)) if as_crm else cib_xml.parse(cib_xml.render(cib))
    assert compose(adopted.stack) == own_properties(expected)
    assert adopted.stack.drbd == literal
    assert set(adopted.stack.targets) == set(stack.targets)
    assert set(adopted.stack.devices) == set(stack.devices)
    assert set(adopted.stack.vips) == set(stack.vips)
    assert adopted.stack.corosync == stack.corosync
    assert adopted.stack.node_names == stack.node_names
    assert adopted.stack.lvm == stack.lvm
    assert {group.name: group.physical_volumes for group in adopted.stack.volume_groups} == {
        group.name: group.physical_volumes for group in stack.volume_groups
    }
    assert not {finding for finding in adopted.findings if finding.severity is not Severity.NOTE}


if __name__ == "__main__":
    for spec_form in get_args(Form):
        rendered = spec.render(adopt_article().stack, form=spec_form, reveal_literals=True)
        (EXAMPLES / f"article.{spec_form}").write_text(rendered)
