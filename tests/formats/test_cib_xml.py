"""The CIB as XML: nothing is lost, and errors say where."""

from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from canonical import canonical_cib
from hastore.formats import cib_xml
from hastore.model.errors import ParseError, SpecError
from hastore.model.pacemaker import Cib, Clone, Colocation, FencingLevel, Group, Location, Op, PacemakerResource
from hastore.testing.strategies_cib import SCHEMAS, cibs
from needs import examples

RECORDINGS = Path(__file__).parents[1] / "recordings" / "pacemaker"
SCHEMA_FOLDER = Path("/usr/share/pacemaker")


@given(cibs())
def test_what_is_rendered_is_read_back(cib: Cib) -> None:
    again = cib_xml.parse(cib_xml.render(cib))
    assert again == cib
    assert (again.version, again.header) == (cib.version, cib.header)


@settings(max_examples=examples(50))
@given(cibs(schemas=SCHEMAS[1:]))
def test_what_is_rendered_suits_the_schema_it_names(cib: Cib) -> None:
    schema = SCHEMA_FOLDER / f"{cib.schema}.rng"
    if not schema.exists():
        pytest.skip("missing: /usr/share/pacemaker")
    grammar = _grammar(schema)
    assert grammar.validate(etree.fromstring(cib_xml.render(cib))), grammar.error_log


_grammars: dict[Path, etree.RelaxNG] = {}


def _grammar(schema: Path) -> etree.RelaxNG:
    if schema not in _grammars:
        _grammars[schema] = etree.RelaxNG(etree.parse(schema))
    return _grammars[schema]


@pytest.mark.parametrize("recording", sorted(RECORDINGS.glob("*.cib.xml")), ids=lambda path: path.stem)
def test_a_recorded_cib_loses_nothing(recording: Path) -> None:
    text = recording.read_bytes()
    cib = cib_xml.parse(text)
    assert canonical_cib(cib_xml.render(cib)) == canonical_cib(text)
    assert _ids(cib_xml.render(cib)) == _ids(text.decode())
    assert cib.version > (0, 0, 0)
    assert "crm_feature_set" in cib.header


def _ids(xml: str) -> set[tuple[str, str]]:
    return {(str(e.tag), e.get("id", "")) for e in etree.fromstring(xml.encode()).iter() if e.get("id")}


RICH = """<cib admin_epoch="0" epoch="7" num_updates="3" validate-with="pacemaker-3.9" crm_feature_set="3.16.1">
<configuration>
  <crm_config><cluster_property_set id="mine"><nvpair id="odd" name="a" value="1"/></cluster_property_set>
    <cluster_property_set id="cib-bootstrap-options" score="5"><nvpair id="q" name="b" value="2"/></cluster_property_set>
  </crm_config>
  <nodes><node id="1" uname="n1" type="member" description="first"><instance_attributes id="nodes-1">
    <nvpair id="nodes-1-standby" name="standby" value="on"/></instance_attributes>
    <utilization id="u"><nvpair id="uu" name="cpu" value="4"/></utilization></node>
    <node id="2" uname="n2" score="9"/></nodes>
  <resources>
    <template id="t" class="ocf" provider="heartbeat" type="Dummy"/>
    <primitive id="z" template="t"/>
    <bundle id="b"><docker image="x"/><primitive id="inner" class="ocf" provider="heartbeat" type="Dummy"/></bundle>
    <clone id="c"><meta_attributes id="c-m"><nvpair id="c-m-p" name="promotable" value="yes"/></meta_attributes>
      <group id="g" description="d">
        <primitive id="a" class="ocf" provider="heartbeat" type="Dummy" description="says">
          <operations id="ops"><op id="weird" name="monitor" interval="10s" role="Master" description="x">
            <instance_attributes id="w-i"><nvpair id="w-d" name="depth" value="0"/></instance_attributes>
            <meta_attributes id="w-m"><nvpair id="w-t" name="timeout" value="9"/></meta_attributes></op></operations>
          <instance_attributes id="ia2"><rule id="r" score="1"><expression id="e" attribute="#uname" operation="eq"
            value="n1"/></rule><nvpair id="ia2-x" name="x" value="1"/></instance_attributes>
          <instance_attributes id="ia1"><nvpair id="ia1-x" name="x" value="2"/></instance_attributes>
          <meta_attributes id="a-meta_attributes"/>
        </primitive>
      </group></clone>
    <primitive id="last" class="systemd" type="x@y"/>
  </resources>
  <constraints>
    <rsc_order id="o"><resource_set id="s"><resource_ref id="a"/><resource_ref id="z"/></resource_set></rsc_order>
    <rsc_ticket id="tk" rsc="z" ticket="T"/>
    <rsc_location id="lp" rsc-pattern="p.*" node="n1" score="+INFINITY"/>
    <rsc_location id="l" rsc="z" node="n1" score="+INFINITY" role="Slave"/>
    <rsc_order id="o2" first="a" then="z" score="INFINITY"/>
  </constraints>
  <fencing-topology><fencing-level id="f" target="n1" index="1" devices="a,z"/>
    <fencing-level id="f2" target-pattern="n.*" index="1" devices="a"/></fencing-topology>
  <tags><tag id="tg"><obj_ref id="a"/></tag></tags>
  <acls><acl_role id="ro"><acl_permission id="p" kind="read" reference="a"/></acl_role></acls>
  <alerts><alert id="al" path="/x"/></alerts>
  <rsc_defaults><meta_attributes id="rd"><rule id="rr" score="0"><rsc_expression id="re" class="ocf"/></rule>
    <nvpair id="rd-x" name="x" value="1"/></meta_attributes></rsc_defaults>
</configuration><status/></cib>"""


def test_what_has_no_words_stays_where_it_was() -> None:
    cib = cib_xml.parse(RICH)
    again = cib_xml.render(cib)
    assert _ids(again) == _ids(RICH)
    assert canonical_cib(again) == canonical_cib(RICH)
    assert cib_xml.parse(again) == cib
    root = etree.fromstring(again.encode())
    assert [e.get("id") for e in root.iterfind("configuration/resources/*")] == ["t", "z", "b", "c", "last"]
    sets = root.xpath("//primitive[@id='a']/instance_attributes/@id")
    assert sets == ["ia2", "ia1"], "the order of nvsets says which value wins"


def test_words_are_pacemakers_own() -> None:
    cib = cib_xml.parse(RICH)
    resource = cib.resource("a")
    assert resource is not None
    assert resource.ops[0].role == "Promoted"
    assert resource.ops[0].attributes == {"depth": "0"}
    assert resource.params == {"x": "2"}
    assert cib.clones[0].promotable
    assert cib.constraints[0] == Location("l", "z", "n1", "INFINITY", "Unpromoted")
    assert cib.constraints[1].score == "INFINITY", "an order's score is kept, not turned into a kind"
    assert cib.levels == (FencingLevel("n1", 1, ("a", "z")),)
    assert cib.properties == {"a": "1"}


@pytest.mark.parametrize(
    ("schema", "word"), [("pacemaker-3.6", "Master"), ("pacemaker-3.7", "Promoted"), ("", "Promoted")]
)
def test_old_schemas_get_old_roles(schema: str, word: str) -> None:
    primitive = PacemakerResource("d", "ocf:linbit:drbd", ops=(Op("monitor", "10", role="Promoted"),))
    clone = Clone("m", "d", promotable=True)
    cib = Cib(resources=(primitive,), clones=(clone,), constraints=(Colocation("c", "d", "m", with_role="Promoted"),))
    text = cib_xml.render(cib, schema=schema)
    assert f'with-rsc-role="{word}"' in text
    assert f' role="{word}"' in text
    assert cib_xml.parse(text) == attrs.evolve(cib, schema=schema)


def test_ids_that_meet_are_refused() -> None:
    same = Cib(resources=(PacemakerResource("x", "lsb:a"),), constraints=(Location("x", "x", "n"),))
    with pytest.raises(SpecError, match="'x' would be the id of more than one"):
        cib_xml.render(same)


def test_a_member_that_is_missing_is_refused() -> None:
    with pytest.raises(SpecError, match="'g' holds 'ghost'"):
        cib_xml.render(Cib(groups=(Group("g", ("ghost",)),)))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "well-formed XML"),
        ("<cib>\n<configuration>\n</cib>", 3, "well-formed XML"),
        ("<cib/>", 1, "<configuration>"),
        ("<status/>", 1, "<cib> with a <configuration>"),
        (
            "<configuration>\n<resources>\n<primitive class='ocf'/></resources></configuration>",
            3,
            "an id of <primitive>",
        ),
        (
            "<configuration><resources><primitive id='a' class='lsb' type='x'><operations>\n<op id='o' interval='1'/></operations></primitive></resources></configuration>",
            2,
            "a name of the operation of 'a'",
        ),
        (
            "<configuration><constraints><rsc_location id='l' rsc='a' role='Boss'/></constraints></configuration>",
            1,
            "a role",
        ),
        ("<cib epoch='x'><configuration/></cib>", 1, "a number as epoch"),
        (
            '<!DOCTYPE cib [<!ENTITY e SYSTEM "file:///etc/passwd">]>\n<cib>&e;<configuration/></cib>',
            1,
            "without a DOCTYPE",
        ),
    ],
)
def test_errors_say_where_and_what(text: str, line: int, words: str) -> None:
    with pytest.raises(ParseError) as caught:
        cib_xml.parse(text)
    assert caught.value.line == line
    assert words in caught.value.expected


@given(st.one_of(st.text(max_size=60), st.binary(max_size=60)))
def test_any_text_is_read_or_refused(text: str | bytes) -> None:
    with pytest.raises(ParseError):
        cib_xml.parse(text)
