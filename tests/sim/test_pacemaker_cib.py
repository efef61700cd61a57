"""The simulated CIB beside the real cibadmin on a file: same exit code, same words, same CIB afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from hastore.sim.cib import Cib
from hastore.sim.cib_tools import Request, perform, read_request
from hastore.sim.world import Call, Node, World

BASE = """\
<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="5" num_updates="0" admin_epoch="0">
  <configuration>
    <crm_config>
      <cluster_property_set id="cib-bootstrap-options">
        <nvpair name="stonith-enabled" value="false" id="cib-bootstrap-options-stonith-enabled"/>
      </cluster_property_set>
    </crm_config>
    <nodes>
      <node id="1" uname="node1"/>
    </nodes>
    <resources>
      <primitive id="d" class="ocf" provider="pacemaker" type="Dummy"/>
      <primitive id="e" class="ocf" provider="pacemaker" type="Dummy"/>
      <group id="g">
        <primitive id="f" class="ocf" provider="pacemaker" type="Dummy"/>
      </group>
    </resources>
    <constraints/>
  </configuration>
  <status/>
</cib>
"""
LOCATION = '<rsc_location id="l1" rsc="d" node="node1" score="100"/>'
DUMMY = 'class="ocf" provider="pacemaker" type="Dummy"'


def version(source: int, target: int, *, admin: int = 0) -> str:
    return (
        f'<version><source admin_epoch="{admin}" epoch="{source}" num_updates="0"/>'
        f'<target admin_epoch="{admin}" epoch="{target}" num_updates="0"/></version>'
    )


def root_change(epoch: int) -> str:
    return (
        '<change operation="modify" path="/cib"><change-list>'
        f'<change-attr name="epoch" operation="set" value="{epoch}"/></change-list><change-result>'
        f'<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="{epoch}" num_updates="0" admin_epoch="0"/>'
        "</change-result></change>"
    )


def created(element: str = LOCATION, path: str = "/cib/configuration/constraints", position: int = 0) -> str:
    return f'<change operation="create" path="{path}" position="{position}">{element}</change>'


def patch(*parts: str) -> list[str]:
    return ["--patch", "--xml-text", f'<diff format="2">{"".join(parts)}</diff>']


MODIFIED = (
    '<change operation="modify" path="/cib/configuration/resources/primitive[@id=\'d\']">'
    '<change-list><change-attr name="type" operation="set" value="Stateful"/></change-list>'
    '<change-result><primitive id="d" class="ocf" provider="pacemaker" type="Stateful"/></change-result></change>'
)
STOPPED = (
    '<primitive id="d"><meta_attributes id="d-m"><nvpair id="d-m-t" name="target-role" value="Stopped"/>'
    "</meta_attributes></primitive>"
)
COMMANDS: dict[str, list[str]] = {
    "query": ["-Q"],
    "query a section": ["-Q", "-o", "resources"],
    "query what is no section": ["-Q", "-o", "nosuch"],
    "query by path": ["-Q", "--xpath", "//primitive[@id='e']"],
    "query many by path": ["-Q", "--xpath", "//primitive"],
    "query paths": ["-Q", "--xpath", "//primitive", "-e"],
    "query nothing": ["-Q", "--xpath", "//nosuch"],
    "query locally": ["-Q", "--local", "--scope", "crm_config"],
    "create": ["-C", "-o", "constraints", "-X", LOCATION],
    "create twice": ["-C", "-o", "resources", "-X", f'<primitive id="d" {DUMMY}/>'],
    "create without a section": ["-C", "-X", LOCATION],
    "create what refers to nothing": ["-C", "-o", "constraints", "-X", '<rsc_location id="l" rsc="zz" node="n" score="1"/>'],
    "create an unknown attribute": ["-C", "-o", "constraints", "-X", '<rsc_location id="l" rsc="d" node="n" score="1" foo="1"/>'],
    "create a bad score": ["-C", "-o", "constraints", "-X", '<rsc_location id="l" rsc="d" node="n" score="plenty"/>'],
    "create inf": ["-C", "-o", "constraints", "-X", '<rsc_location id="l" rsc="d" node="n" score="inf"/>'],
    "create a bad role": ["-C", "-o", "constraints", "-X", '<rsc_colocation id="l" rsc="d" with-rsc="e" with-rsc-role="Boss"/>'],
    "create a bad kind": ["-C", "-o", "constraints", "-X", '<rsc_order id="l" first="d" then="e" kind="Maybe"/>'],
    "create an id of another": ["-C", "-o", "constraints", "-X", '<rsc_location id="d" rsc="d" node="n" score="1"/>'],
    "create an empty group": ["-C", "-o", "resources", "-X", '<group id="gg"/>'],
    "create without a type": ["-C", "-o", "resources", "-X", '<primitive id="p" class="ocf" provider="pacemaker"/>'],
    "create a foreign section": ["-C", "-o", "tags", "-X", '<tag id="t"><obj_ref id="d"/></tag>'],
    "modify": ["-M", "-o", "resources", "-X", '<primitive id="d" type="Stateful"/>'],
    "modify by path": ["-M", "--xpath", "//primitive[@id='d']", "-X", '<primitive id="d" type="Stateful"/>'],
    "modify adds children": [
        "-M", "-X", STOPPED,
    ],
    "modify without effect": ["-M", "-X", '<primitive id="d" type="Dummy"/>'],
    "modify what is missing": ["-M", "-o", "constraints", "-X", LOCATION],
    "modify or create": ["-M", "-c", "-o", "constraints", "-X", LOCATION],
    "delete": ["-D", "-o", "resources", "-X", '<primitive id="d"/>'],
    "delete by id alone": ["-D", "-X", '<primitive id="d"/>'],
    "delete what is missing": ["-D", "-o", "resources", "-X", '<primitive id="zz"/>'],
    "delete by path": ["-D", "--xpath", "//primitive[@id='e']"],
    "delete the first by path": ["-D", "--xpath", "//primitive"],
    "delete nothing by path": ["-D", "--xpath", "//nosuch"],
    "replace a section": ["-R", "-o", "constraints", "-X", f"<constraints>{LOCATION}</constraints>"],
    "replace an element": ["-R", "-o", "resources", "-X", f'<primitive id="e" {DUMMY.replace("Dummy", "Stateful")}/>'],
    "replace with an older CIB": ["-R", "-X", BASE.replace('epoch="5"', 'epoch="4"')],
    "replace with a newer CIB": ["-R", "-X", BASE.replace('epoch="5"', 'epoch="7"').replace('id="e"', 'id="h"')],
    "replace with an equally old CIB": ["-R", "-X", BASE.replace('id="e"', 'id="h"')],
    "replace with itself": ["-R", "-X", BASE],
    "replace with nonsense": ["-R", "-X", BASE.replace('id="e"', 'id="d"')],
    "bump": ["-B"],
    "patch": patch(version(5, 6), root_change(6), created()),
    "patch that leaves the version alone": patch(version(5, 6), created()),
    "patch of an older CIB": patch(version(4, 6), root_change(6), created()),
    "patch of a newer CIB": patch(version(6, 7), root_change(7), created()),
    "patch of another admin epoch": patch(version(5, 6, admin=1), created()),
    "patch that goes nowhere": patch(version(5, 5), created()),
    "patch that goes back": patch(version(5, 4), created()),
    "patch without version": patch(created()),
    "patch that modifies": patch(version(5, 6), root_change(6), MODIFIED),
    "patch at a position": patch(version(5, 6), created(f'<primitive id="n" {DUMMY}/>', "/cib/configuration/resources", 1)),
    "patch deletes": patch(
        version(5, 6), "<change operation=\"delete\" path=\"/cib/configuration/resources/primitive[@id='e']\"/>"
    ),
    "patch deletes what is missing": patch(
        version(5, 6), "<change operation=\"delete\" path=\"/cib/configuration/resources/primitive[@id='zz']\"/>"
    ),
    "patch moves": patch(
        version(5, 6), "<change operation=\"move\" path=\"/cib/configuration/resources/primitive[@id='d']\" position=\"1\"/>"
    ),
    "patch creates nowhere": patch(version(5, 6), created(path="/cib/configuration/nosuch")),
    "patch modifies nothing": patch(version(5, 6), MODIFIED.replace("@id='d'", "@id='zz'")),
    "patch that refers to nothing": patch(version(5, 6), root_change(6), created(LOCATION.replace('rsc="d"', 'rsc="zz"'))),
    "patch with an id twice": patch(version(5, 6), root_change(6), created(LOCATION.replace('id="l1"', 'id="d"'))),
    "patch of two sections": patch(
        version(5, 6), root_change(6), created(f'<primitive id="n" {DUMMY}/>', "/cib/configuration/resources", 3),
        created('<rsc_location id="l1" rsc="n" node="node1" score="100"/>'),
    ),
    "patch that is none": ["--patch", "--xml-text", "<nodiff/>"],
    "patch that is no XML": ["--patch", "--xml-text", "<broken"],
}  # fmt: skip


def simulated(arguments: list[str]) -> tuple[int, str, str, str]:
    cib = Cib(BASE)
    call = Call(Node(World(), "node1"), ("cibadmin", *arguments))
    request: Request = read_request(call)
    given = request.values.get("text")
    answer = perform(cib, request, given.encode() if given is not None else None, live=False)
    return answer.exit_code, answer.stdout.decode(), answer.stderr.decode(), str(cib)


def real(arguments: list[str], folder: Path) -> tuple[int, str, str, str]:
    file = folder / "cib.xml"
    file.write_text(BASE)
    environment = {**os.environ, "CIB_file": str(file)}
    done = subprocess.run(["cibadmin", *arguments], env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr, file.read_text()


@pytest.mark.oracle
@pytest.mark.parametrize("name", COMMANDS)
def test_it_answers_as_the_real_cibadmin(name: str, tmp_path: Path) -> None:
    if not shutil.which("cibadmin"):
        pytest.skip("missing: cibadmin")
    assert simulated(COMMANDS[name]) == real(COMMANDS[name], tmp_path)


def test_a_refused_change_leaves_the_cib_as_it_was() -> None:
    for name, arguments in COMMANDS.items():
        code, _, _, after = simulated(arguments)
        assert code == 0 or after == BASE, name
