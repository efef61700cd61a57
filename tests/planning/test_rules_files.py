"""The rules judge files: the article's own, and those that the mended stack becomes."""

from pathlib import Path

import attrs
import pytest
from test_rules_article import FOUND, mended

from hastore.cluster.adopt import adopt
from hastore.formats import cib_xml, cib_xml_write, corosync_conf, crmsh_write, drbd_conf, lvm_conf
from hastore.model.findings import Severity
from hastore.model.secrets import Secret
from hastore.model.stack import StorageStack
from hastore.planning.compose import compose
from hastore.planning.fixes import PLATFORMS, apply_fixes, fencing_device, replication_secret, suggest_fixes
from hastore.planning.rules import judge

ARTICLE = Path(__file__).parents[1] / "article"
LEFT_OUT_BY_ADOPT = {"properties-of-the-cluster"}
"""adopt says by itself that the cluster writes these, and leaves them out."""


def adopted() -> StorageStack:
    return adopt(
        crm=ARTICLE / "configure.crm",
        drbd=[ARTICLE / "vg1.res"],
        corosync=ARTICLE / "corosync.conf",
        lvm=ARTICLE / "lvm.conf.fragment",
        hosts=ARTICLE / "hosts",
    ).stack


def codes(stack: StorageStack) -> set[str]:
    return {finding.code for finding in judge(stack)}


def written_and_read(stack: StorageStack, *, as_crm: bool) -> StorageStack:
    assert stack.corosync is not None
    assert stack.lvm is not None
    cib = compose(stack)
    pacemaker = {"crm": crmsh_write.render(cib)} if as_crm else {"cib": cib_xml_write.render(cib)}
    return adopt(
        **pacemaker,
        drbd=[drbd_conf.render_text(stack.drbd, conceal=False)],
        corosync=corosync_conf.render(stack.corosync),
        lvm=lvm_conf.render(stack.lvm),
        hosts=ARTICLE / "hosts",
    ).stack


def test_the_files_show_what_the_stack_said_by_hand_shows() -> None:
    assert codes(adopted()) == set(FOUND) - LEFT_OUT_BY_ADOPT


@pytest.mark.parametrize("as_crm", [True, False], ids=["crm", "xml"])
@pytest.mark.parametrize("platform", sorted(PLATFORMS))
def test_what_is_mended_in_the_stack_is_mended_in_its_files(platform: str, as_crm: bool) -> None:
    fixes = suggest_fixes(adopted(), platform=platform)
    fixed = apply_fixes(adopted(), fixes)
    again = written_and_read(fixed, as_crm=as_crm)
    assert codes(again) == codes(fixed)
    assert not {code for fix in fixes for code in fix.mends} & codes(again)
    assert suggest_fixes(again, platform=platform) == ()


@pytest.mark.parametrize("as_crm", [True, False], ids=["crm", "xml"])
def test_a_person_finishes_it_and_nothing_blocks_in_the_files(as_crm: bool) -> None:
    stack = apply_fixes(adopted(), suggest_fixes(adopted()))
    fences = {"centos01": {"ip": "10.0.0.1"}, "centos02": {"ip": "10.0.0.2"}}
    fencing = fencing_device(stack, agent="fence_ipmilan", per_node_params=fences, delay_on="centos01")
    stack = apply_fixes(stack, (fencing, replication_secret("vg1", Secret.literal("a secret of our own"))))
    heaviest = judge(written_and_read(stack, as_crm=as_crm))[0]
    assert heaviest.severity is Severity.WARNING, heaviest


def test_the_stack_said_by_hand_survives_its_files() -> None:
    stack = mended()
    drbd = attrs.evolve(stack.drbd[0], secret=Secret.literal("a secret of our own"))
    stack = attrs.evolve(stack, drbd=(drbd,))
    assert codes(written_and_read(stack, as_crm=False)) == codes(stack) | {"volume-size-unknown"}
    assert cib_xml.parse(cib_xml_write.render(compose(stack))) == compose(stack)
