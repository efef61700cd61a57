"""The crm shell's language: what is written is read back, and damage is pointed at."""

from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hastore.formats import cib_xml, crmsh
from hastore.model.errors import ParseError
from hastore.model.pacemaker import Cib, Clone, ClusterNode, Colocation, FencingLevel, Location, Op, Order, Tag
from hastore.testing.strategies_cib import cibs
from needs import examples

ARTICLE = Path(__file__).parents[1] / "article" / "configure.crm"
DAMAGED = Path(__file__).parents[1] / "article" / "configure-damaged.crm"


@settings(max_examples=examples(60))
@given(cibs())
def test_what_is_rendered_is_read_back(cib: Cib) -> None:
    assert crmsh.parse(crmsh.render(cib)) == attrs.evolve(cib, schema="")


@settings(max_examples=examples(20))
@given(cibs(schemas=["pacemaker-2.10"]))
def test_both_dialects_read_the_same(cib: Cib) -> None:
    assert crmsh.parse(crmsh.render(cib_xml.parse(cib_xml.render(cib)))) == attrs.evolve(cib, schema="")


@settings(max_examples=examples(200))
@given(st.text(alphabet=st.sampled_from(list("primtve node g: =\"'\\\n#xml<>/")), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    problems = crmsh.check(text)
    if problems:
        with pytest.raises(ParseError) as caught:
            crmsh.parse(text)
        assert str(caught.value) == str(problems[0])
        assert 1 <= caught.value.line <= len(text.split("\n"))
    else:
        assert crmsh.parse(crmsh.render(crmsh.parse(text))) == crmsh.parse(text)


def test_the_article_is_read_whole() -> None:
    cib = crmsh.parse(ARTICLE.read_bytes())
    assert cib.foreign == ()
    assert [r.id for r in cib.resources if r.agent == "ocf:heartbeat:portblock"] == [
        "p_portblock_vg1",
        "p_portblock_vg1_unblock",
        "p_portblock_vg1_2",
        "p_portblock_vg1_2_unblock",
    ]
    assert len(cib.resources) == 11
    assert cib.groups[0].members[:3] == ("p_lvm_vg1", "p_target_vg1", "p_lu_vg1_lun1")
    assert len(cib.groups[0].members) == 10
    clone = cib.clones[0]
    assert (clone.form, clone.promotable, clone.meta["master-max"]) == ("master", True, "1")
    assert cib.constraints[0] == Colocation("c_vg1_on_drbd", "g_vg1", "ms_drbd_vg1", with_role="Promoted")
    assert cib.constraints[1] == Order(
        "o_drbd_before_vg1", "ms_drbd_vg1", "g_vg1", "promote", "start", score="INFINITY"
    )
    assert cib.nodes == (ClusterNode("centos01"), ClusterNode("centos02", attributes={"standby": "off"}))
    assert cib.properties["cluster-infrastructure"] == "classic openais (with plugin)"
    portblock = cib.resource("p_portblock_vg1")
    assert portblock is not None
    assert portblock.ops == (Op("monitor", "10s", "10s", attributes={"depth": "0"}),)
    lun = cib.resource("p_lu_vg1_lun1")
    assert lun is not None
    assert lun.params["additional_parameters"] == "nv_cache=1 write_through=0 thin_provisioned=0 threads_num=4"
    assert lun.params["wait_timeout"] == "60"


def test_the_damaged_copy_is_pointed_at() -> None:
    lines = DAMAGED.read_text().splitlines()
    problems = crmsh.check(DAMAGED.read_bytes())
    assert [p.found for p in problems] == ["ip="] * 6 + ["\\"]
    for problem in problems[:-1]:
        assert lines[problem.line - 1][: problem.column - 1].endswith("ip=")
        assert "primitive 'p_" in problem.expected
    assert lines[problems[-1].line - 1][problems[-1].column - 1] == "\\"


LANGUAGE = """
# a comment
node 1: n1 attributes standby=on utilization cpu=4
node $id="2" n2:member \\
    description="second node"
node n3
rsc_template tmpl ocf:pacemaker:Dummy op monitor interval=5s
primitive a ocf:heartbeat:Dummy description="it \\"says\\"" params fake='x "y"' state="" \\
    operations $id="a-ops" op monitor interval=10s role=Master on-fail=restart depth=0 \\
    op start timeout=20 meta target-role=Started utilization cpu=2
primitive b Dummy fake=1
primitive c @tmpl
primitive s stonith:fence_dummy
primitive u systemd:x.service
group g b c description="two" meta is-managed=true
clone cl g interleave=true
clone m a meta promotable=true promoted-max=1
location l1 cl +inf: n1
location l2 m role=Slave resource-discovery=never -inf: n2
location l3 u rule $id=r -inf: #uname eq n1 or pingd lt 3 rule 5: defined x and y number:gte 2
colocation co -inf: u m:Master node-attribute=rack
order o1 Mandatory: m:promote u:start
order o2 0: m u symmetrical=false
order o3 m cl
tag t1: a b
tag t2 a
fencing_topology n1: s n2: s,a s
property stonith-enabled=true
property no-quorum-policy=stop
property $id="other" x=y
rsc_defaults rsc-options: resource-stickiness=100
op_defaults timeout=20s
xml <rsc_ticket id="tk" \\
    rsc="u" ticket="T"/>
"""


def test_the_language_is_understood() -> None:
    cib = crmsh.parse("\x1b[32m" + LANGUAGE)
    assert crmsh.parse(crmsh.render(cib)) == cib
    a = cib.resource("a")
    assert a is not None
    assert a.params == {"fake": 'x "y"', "state": ""}
    assert a.ops[0] == Op("monitor", "10s", role="Promoted", options={"on-fail": "restart"}, attributes={"depth": "0"})
    assert (a.description, a.ids["operations"]) == ('it "says"', "a-ops")
    b, c = cib.resource("b"), cib.resource("c")
    assert b is not None
    assert c is not None
    assert b.agent == "ocf:heartbeat:Dummy"
    assert b.params == {"fake": "1"}
    assert (c.agent, c.template) == ("", "tmpl")
    assert set(cib.clones) == {
        Clone("cl", "g", meta={"interleave": "true"}),
        Clone("m", "a", promotable=True, meta={"promoted-max": "1"}),
    }
    assert set(cib.constraints) == {
        Location("l1", "cl", "n1"),
        Location("l2", "m", "n2", "-INFINITY", "Unpromoted", {"resource-discovery": "never"}),
        Colocation("co", "u", "m", "-INFINITY", with_role="Promoted", options={"node-attribute": "rack"}),
        Order("o1", "m", "u", "promote", "start", kind="Mandatory"),
        Order("o2", "m", "u", score="0", options={"symmetrical": "false"}),
        Order("o3", "m", "cl"),
    }
    assert cib.nodes[1] == ClusterNode("n2", "2", type="member", description="second node")
    assert cib.tags == (Tag("t1", ("a", "b")), Tag("t2", ("a",)))
    assert cib.levels == (
        FencingLevel("n1", 1, ("s",)),
        FencingLevel("n2", 1, ("s", "a")),
        FencingLevel("n2", 2, ("s",)),
    )
    assert cib.properties == {"stonith-enabled": "true", "no-quorum-policy": "stop"}
    assert {f.id for f in cib.foreign} == {"tmpl", "l3", "other", "tk"}


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("primitve x Dummy", 1, 1, "did you mean 'primitive'?"),
        ("node n\n\nclown x y", 3, 1, "did you mean 'clone'?"),
        ("primitive x", 1, 13, "the agent of 'x', such as ocf:heartbeat:IPaddr2"),
        ("primitive x params ip=1", 1, 13, "the agent of 'x'"),
        ("primitive x linbit:drbd", 1, 13, "ocf:provider:type"),
        ("primitive x Dummy \\\n  params ip= nic=eth1", 2, 13, "a value of ip in primitive 'x'"),
        ("primitive x Dummy parms a=1", 1, 19, "did you mean 'params'?"),
        ("primitive x Dummy params a=1 a=2", 1, 30, "a only once in primitive 'x'"),
        ("primitive x Dummy op interval=1", 1, 22, "an operation's name"),
        ("primitive x Dummy op monitor role=Mster", 1, 22, "did you mean 'Master'?"),
        ("primitive x Dummy \\", 1, 19, "another line after the backslash"),
        ("primitive x Dummy \\\n\nnode n", 1, 19, "another line after the backslash"),
        ('primitive x Dummy params a="b', 1, 28, "a closing quote"),
        ("primitive x Dummy\nprimitive x Dummy", 2, 11, "'x' is defined in line 1"),
        ("primitive 1x Dummy", 1, 11, "a letter first"),
        ("primitive p_ip Dummy\ngroup g p_iq", 2, 9, "did you mean 'p_ip'?"),
        ("primitive a Dummy\ngroup g a\ngroup h a", 3, 9, "no other group or clone holds"),
        ("group g meta a=1", 1, 9, "the members of group 'g'"),
        ("location l a 100 n", 1, 14, "a score of 'l' with its colon"),
        ("location l a inf:", 1, 19, "the node of 'l'"),
        ("location l { a b } inf: n", 1, 12, "xml <rsc_location"),
        ("location l a rule -inf: a is b", 1, 27, "an operation"),
        ("location l a rule -inf: date gt 2020", 1, 25, "rules with dates"),
        ("colocation c inf: a b:Boss", 1, 21, "a role"),
        ("colocation c inf: a b c", 1, 23, "xml <rsc_colocation"),
        ("order o inf: ( a b ) c", 1, 14, "xml <rsc_order"),
        ("order o a:strat b", 1, 9, "did you mean 'start'?"),
        ("order o Mandatry: a b", 1, 9, "a score of 'o'"),
        ("rsc_ticket t T: a", 1, 1, "xml <rsc_ticket"),
        ("node n\nxml <node id='1'\n", 2, 17, "well-formed XML"),
        ("xml <nodes/>", 1, 1, "did you mean 'node'?"),
        ("property x: a", 1, 13, "name=value"),
    ],
)
def test_errors_point_at_the_place(text: str, line: int, column: int, words: str) -> None:
    with pytest.raises(ParseError) as caught:
        crmsh.parse(text)
    assert words in caught.value.expected
    assert (caught.value.line, caught.value.column) == (line, column)


def test_each_statement_has_its_own_error() -> None:
    assert [(p.line, p.found) for p in crmsh.check("primitve a\nnode n\nordr b")] == [(1, "primitve"), (3, "ordr")]
