"""The real crm, cibadmin and crm_verify judge what we read, write and patch."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from canonical import canonical_cib
from hastore.formats import cib_xml, crmsh
from hastore.formats.cib_patch import edit, patchset
from hastore.model.cib_edits import (
    Edit,
    Put,
    Remove,
    SetNodeAttribute,
    SetProperty,
    SetResourceDefault,
    apply_edits,
)
from hastore.model.errors import SpecError
from hastore.model.pacemaker import Cib, Group, PacemakerResource
from hastore.testing.strategies_cib import cibs, edits, plain_values
from needs import examples, find, require

pytestmark = pytest.mark.oracle

ARTICLE = Path(__file__).parents[1] / "article" / "configure.crm"
RECORDED = Path(__file__).parents[1] / "recordings" / "pacemaker" / "stack-10-healthy.node2.cib.xml"
EMPTY = cib_xml.render(
    attrs.evolve(Cib(), version=(0, 0, 0), header={"crm_feature_set": "3.0.7"}), schema="pacemaker-3.9"
)
WRITTEN_BY_THE_CLUSTER = ("dc-version", "cluster-infrastructure", "expected-quorum-votes")
STALE = 103

Sandbox = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cib_file(tmp_path: Path) -> Path:
    return tmp_path / "cib.xml"


@pytest.fixture
def run(cib_file: Path, tmp_path: Path) -> Sandbox:
    """Return a function that runs a tool of Pacemaker on the file."""

    def run_(*argv: str, text: str = "") -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "CIB_file": str(cib_file), "HOME": str(tmp_path), "TERM": "dumb"}
        program = find(argv[0]) or argv[0]
        return subprocess.run(
            [program, *argv[1:]], input=text, env=environment, text=True, capture_output=True, timeout=60, check=False
        )

    return run_


def start_from(path: Path, xml: str) -> None:
    """Put a CIB there, without the signature that cibadmin keeps beside it."""
    path.with_name(f"{path.name}.sig").unlink(missing_ok=True)
    path.write_text(xml)


def content(run: Sandbox) -> str:
    query = run("cibadmin", "--query")
    assert query.returncode == 0, query.stderr
    return query.stdout


def loaded_by_crm(run: Sandbox, cib_file: Path, text: str) -> str:
    """Return the CIB after the real crm loaded the text; -F because storage agents are missing here."""
    start_from(cib_file, EMPTY)
    source = cib_file.with_name("load.crm")
    source.write_text(text)
    load = run("crm", "-F", "configure", "load", "replace", str(source))
    assert "syntax" not in load.stderr, load.stderr
    return content(run)


def loaded_by_cibadmin(run: Sandbox, cib_file: Path, xml: str) -> str:
    start_from(cib_file, EMPTY)
    replaced = run("cibadmin", "--replace", "--xml-pipe", text=xml)
    assert replaced.returncode == 0, replaced.stderr
    return content(run)


def article() -> str:
    """Return the article's text without what the cluster writes itself, which the real tools refuse."""
    lines = ARTICLE.read_text().splitlines(keepends=True)
    return "".join(line for line in lines if not re.match(rf"\s+({'|'.join(WRITTEN_BY_THE_CLUSTER)})=", line))


def test_crm_verify_passes_the_article(run: Sandbox, cib_file: Path) -> None:
    require("crm_verify")
    cib_file.write_text(cib_xml.render(crmsh.parse(article()), schema="pacemaker-3.9", kinds=True))
    verified = run("crm_verify", "--xml-file", str(cib_file))
    assert verified.returncode == 0, verified.stderr


def test_crm_reads_the_article_as_we_do(run: Sandbox, cib_file: Path) -> None:
    require("crm", "cibadmin")
    theirs = loaded_by_crm(run, cib_file, article())
    ours = loaded_by_cibadmin(run, cib_file, cib_xml.render(crmsh.parse(article()), schema="pacemaker-3.9"))
    assert len(crmsh.parse(article()).resources) == len(re.findall("<primitive ", theirs)) == 11
    assert canonical_cib(ours) == canonical_cib(theirs)


def test_crm_reads_what_we_write_of_the_article(run: Sandbox, cib_file: Path) -> None:
    require("crm", "cibadmin")
    theirs = loaded_by_crm(run, cib_file, article())
    assert canonical_cib(loaded_by_crm(run, cib_file, crmsh.render(crmsh.parse(article())))) == canonical_cib(theirs)
    shown = run("crm", "configure", "show")
    assert canonical_cib(cib_xml.render(crmsh.parse(shown.stdout), schema="pacemaker-3.9")) == canonical_cib(theirs)


# ASCII in one line: Pacemaker 2.1.5 writes line breaks in attributes as spaces, and failed to read back some
# CIBs with other letters that it had taken.
ENOUGH = settings(
    max_examples=examples(10),
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@ENOUGH
@given(cib=cibs(texts=plain_values, schemas=["pacemaker-3.9"]))
def test_cibadmin_takes_what_we_render(run: Sandbox, cib_file: Path, cib: Cib) -> None:
    require("cibadmin")
    xml = cib_xml.render(cib)
    kept = loaded_by_cibadmin(run, cib_file, xml)
    assert canonical_cib(kept) == canonical_cib(xml)
    assert cib_xml.parse(kept) == cib


@ENOUGH
@given(cib=cibs(texts=plain_values, schemas=["pacemaker-3.9"], with_foreign=False))
def test_crm_takes_what_we_render(run: Sandbox, cib_file: Path, cib: Cib) -> None:
    require("crm", "cibadmin")
    cib = attrs.evolve(cib, levels=())  # crm has no words for levels with gaps in their indexes
    theirs = loaded_by_crm(run, cib_file, crmsh.render(cib))
    # crm's own checks (constraints inside groups, colocation with itself ...) refuse a text as a whole.
    assume(canonical_cib(theirs) != canonical_cib(EMPTY) or cib == attrs.evolve(Cib(), schema=cib.schema))
    assert canonical_cib(theirs) == canonical_cib(cib_xml.render(cib))


@ENOUGH
@given(data=st.data())
def test_a_patchset_is_taken_once(run: Sandbox, cib_file: Path, data: st.DataObject) -> None:
    require("cibadmin")
    live = cib_xml.render(data.draw(cibs(texts=plain_values, schemas=["pacemaker-3.9"])))
    cib = cib_xml.parse(live)
    wanted = data.draw(edits(cib, texts=plain_values))
    assume(_allowed(cib, wanted))
    edited = edit(live, wanted)
    patch = patchset(live, edited)
    assume(patch)
    start_from(cib_file, live)
    first = run("cibadmin", "--patch", "--xml-pipe", text=patch)
    assert first.returncode == 0, first.stderr
    assert canonical_cib(content(run)) == canonical_cib(edited)
    again = run("cibadmin", "--patch", "--xml-pipe", text=patch)
    assert again.returncode == STALE, again.stderr


def _allowed(cib: Cib, wanted: list[Edit]) -> bool:
    try:
        apply_edits(cib, wanted)
    except SpecError:
        return False
    return True


def test_a_patchset_is_refused_after_anothers_change(run: Sandbox, cib_file: Path) -> None:
    require("cibadmin")
    live = RECORDED.read_text()
    start_from(cib_file, live)
    patch = patchset(live, edit(live, [SetProperty("stonith-enabled", "true")]))
    other = run("cibadmin", "--modify", "--xml-text", '<nvpair id="rsc-options-migration-threshold" value="9"/>')
    assert other.returncode == 0, other.stderr
    assert run("cibadmin", "--patch", "--xml-pipe", text=patch).returncode == STALE
    assert cib_xml.parse(content(run)).properties["stonith-enabled"] == "false"


def test_a_day_of_changes_on_the_recorded_cib(run: Sandbox, cib_file: Path) -> None:
    require("cibadmin")
    live = RECORDED.read_text()
    start_from(cib_file, live)
    days: list[list[Edit]] = [
        [Put(PacemakerResource("p_new", "ocf:heartbeat:Dummy", {"state": "/run/x"}))],
        [Put(Group("g_iscsi", ("p_new", "p_ip", "p_target", "p_lvm_vg1", "p_lun1")))],
        [SetNodeAttribute("node2", "standby", "on"), SetResourceDefault("resource-stickiness", None)],
        [Remove("p_new"), Remove("c_iscsi_on_drbd")],
        [Remove("ms_drbd_r0")],
    ]
    for wanted in days:
        before = content(run)
        edited = edit(before, wanted)
        patched = run("cibadmin", "--patch", "--xml-pipe", text=patchset(before, edited))
        assert patched.returncode == 0, patched.stderr
        assert canonical_cib(content(run)) == canonical_cib(edited)
        assert cib_xml.parse(content(run)) == apply_edits(cib_xml.parse(before), wanted)
