"""Editing a whole lvm.conf: what is asked changes, everything else stays, and lvmconfig agrees."""

from __future__ import annotations

import difflib
import os
import re
import subprocess
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_lvm_conf import SETTINGS

from hastore.formats import lvm_conf
from hastore.model.errors import ParseError, SpecError
from hastore.model.lvm import LvmSettings
from needs import examples, find, require

STOCK = Path("/etc/lvm/lvm.conf")

WHOLE = """\
# Settings of this machine.
config {
\tchecks = 1
}
devices {
\tdir = "/dev"
\t# Configuration option devices/filter.
\t# Example
\t# filter = [ "a|loop|", "r|.*|" ]
\t# This one counts where nothing is said:
\t# filter = [ "a|.*|" ]

\t# global_filter = [ "a|.*|",
\t#   "r|/dev/loop.*|" ]
\tscan_lvs = 0
}
allocation/maximise_cling = 1
activation {
    volume_list = [ "vg_centos", "vg1" ] # both
    profile {
        # system_id_source = "none"
        auto_activation_volume_list = "not this one"
    }
}
"""
"""A file as distributions ship it, with what makes editing hard: examples, lists over lines, sections in sections."""

LINES = st.sampled_from(
    [
        'dir = "/dev" # { no section }',
        '# filter = [ "a|.*|" ]',
        '  ## global_filter = [ "a|x|",',
        '#   "r|y|" ]',
        "# use_devicesfile = 0",
        '# system_id_source = "none"',
        'filter = [ "a|old|" ]',
        'filter = "a|alone|"',
        "use_devicesfile = 1",
        'system_id_source = "lvmlocal"',
        'volume_list = [\n  "vg1", # ours\n  "vg2"\n]',
        "inner {\n    # filter = [ ]\n    filter = 3\n}",
        "",
    ]
)
SECTIONS = st.sampled_from(["devices", "global", "activation", "backup"])


@st.composite
def files(draw: st.DrawFn) -> str:
    """Draw an lvm.conf: sections, some twice, with lines of theirs and of others, settings by path, comments."""
    parts: list[str] = []
    for name in draw(st.lists(SECTIONS, max_size=5)):
        indent = draw(st.sampled_from(["", "\t", "    "]))
        lines = [indent + line for line in draw(st.lists(LINES, max_size=4))]
        parts.append("\n".join([f"{name} {{", *lines, "}"]))
        parts += draw(st.lists(st.sampled_from(["# between", "", 'devices/filter = [ "r|by path|" ]']), max_size=1))
    return "\n".join(parts) + draw(st.sampled_from(["", "\n"]))


def readable(text: str) -> LvmSettings | None:
    """Return what a file says, or None where the draw put a setting of another kind into its place."""
    try:
        return lvm_conf.parse(text)
    except ParseError:
        return None


def over(old: LvmSettings, new: LvmSettings) -> LvmSettings:
    """Return the old settings with all that the new ones say."""
    return attrs.evolve(old, **{name: said for name, said in attrs.asdict(new).items() if said is not None})


@settings(max_examples=examples(150), deadline=None)
@given(files(), SETTINGS)
def test_what_is_asked_is_said_and_saying_it_again_changes_nothing(text: str, lvm: LvmSettings) -> None:
    before = readable(text)
    if before is None:
        with pytest.raises(ParseError):
            lvm_conf.edit(text, attrs.evolve(lvm, use_devicesfile=True))
        return
    edited = lvm_conf.edit(text, lvm)
    assert lvm_conf.parse(edited) == over(before, lvm)
    assert lvm_conf.edit(edited, lvm) == edited


@settings(max_examples=examples(150), deadline=None)
@given(files(), SETTINGS)
def test_nothing_else_changes(text: str, lvm: LvmSettings) -> None:
    """No character goes but those of old values, and no line comes but one for a setting that was not there."""
    before = readable(text)
    if before is None:
        return
    edited = lvm_conf.edit(text, lvm)
    spoken = [name for name, said in attrs.asdict(lvm).items() if said is not None]
    changed = [name for name in spoken if getattr(before, name) not in {None, getattr(lvm, name)}]
    gone = [line[2:] for line in difflib.ndiff(text.splitlines(), edited.splitlines()) if line.startswith("- ")]
    old_values = "".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    assert all(any(name in line for name in changed) or line.strip() in old_values for line in gone)
    if not changed:
        rest = iter(edited.splitlines())
        assert all(line in rest for line in text.splitlines()), "a line is gone, or moved"
        fresh = sum(getattr(before, name) is None for name in spoken)
        sections = 3
        assert fresh <= len(edited.splitlines()) - len(text.splitlines()) <= fresh + 2 * sections


def test_a_file_as_distributions_ship_it() -> None:
    lvm = LvmSettings(
        filter=("a|^/dev/drbd[0-9]+$|", "r|.*|"),
        global_filter=(),
        use_devicesfile=False,
        volume_list=("vg_centos",),
        auto_activation_volume_list=(),
        system_id_source="uname",
    )
    edited = lvm_conf.edit(WHOLE, lvm)
    diff = difflib.unified_diff(WHOLE.splitlines(), edited.splitlines(), n=1, lineterm="")
    assert "\n".join(line for line in diff if not line.startswith(("---", "+++", "@@"))) == (
        ' \t# filter = [ "a|.*|" ]\n'
        '+\tfilter = [ "a|^/dev/drbd[0-9]+$|", "r|.*|" ]\n'
        " \n"
        ' \t#   "r|/dev/loop.*|" ]\n'
        "+\tglobal_filter = []\n"
        " \tscan_lvs = 0\n"
        "+\tuse_devicesfile = 0\n"
        " }\n"
        " activation {\n"
        '-    volume_list = [ "vg_centos", "vg1" ] # both\n'
        '+    volume_list = [ "vg_centos" ] # both\n'
        "     profile {\n"
        "     }\n"
        "+    auto_activation_volume_list = []\n"
        " }\n"
        "+global {\n"
        '+    system_id_source = "uname"\n'
        "+}"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 'global {\n    system_id_source = "uname"\n}\n'),
        ("# empty", '# empty\nglobal {\n    system_id_source = "uname"\n}\n'),
        ("global { umask = 63 }\n", 'global { umask = 63 \n    system_id_source = "uname"\n}\n'),
        ("global {\n}\nglobal {\n\tumask = 63\n\t}\n", 'global {\n}\nglobal {\n\tumask = 63\n\t\tsystem_id_source = "uname"\n\t}\n'),
        ("global/system_id_source='none' # here", 'global/system_id_source="uname" # here'),
        ("devices {\n# system_id_source = 1\n}\n", 'devices {\n# system_id_source = 1\n}\nglobal {\n    system_id_source = "uname"\n}\n'),
    ],
)  # fmt: skip
def test_where_a_line_comes(text: str, expected: str) -> None:
    assert lvm_conf.edit(text, LvmSettings(system_id_source="uname")) == expected


def test_a_value_that_would_leave_its_place_is_refused() -> None:
    with pytest.raises(SpecError, match="cannot stand in"):
        lvm_conf.edit(WHOLE, LvmSettings(system_id_source='uname"\n}\nlog { file = "/etc/shadow'))


@pytest.mark.oracle
@settings(max_examples=examples(10), deadline=None)
@given(files() | st.just(WHOLE), SETTINGS)
def test_lvmconfig_reads_what_we_edit(tmp_path_factory: pytest.TempPathFactory, text: str, lvm: LvmSettings) -> None:
    """Without sections in sections, whose names lvmconfig leaves out when it prints what it does not know."""
    require("lvmconfig")
    text = re.sub(r"(profile|inner) \{[^}]*\}", "", text)
    before = readable(text)
    if before is not None:
        assert current(tmp_path_factory.mktemp("lvm"), lvm_conf.edit(text, lvm)) == over(before, lvm)


@pytest.mark.oracle
def test_lvmconfig_reads_the_stock_file_edited(tmp_path: Path) -> None:
    require("lvmconfig")
    lvm = LvmSettings(filter=("a|^/dev/drbd[0-9]+$|",), system_id_source="uname", auto_activation_volume_list=())
    stock = STOCK.read_text(encoding="utf-8")
    edited = lvm_conf.edit(stock, lvm)
    assert current(tmp_path, edited) == over(lvm_conf.parse(stock), lvm)
    assert len(edited.splitlines()) == len(stock.splitlines()) + 3


def current(folder: Path, text: str) -> LvmSettings:
    """Return what LVM itself takes from a file."""
    (folder / "lvm.conf").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [find("lvmconfig") or "lvmconfig", "--typeconfig", "current"],
        env={**os.environ, "LVM_SYSTEM_DIR": str(folder), "LVM_SUPPRESS_FD_WARNINGS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return lvm_conf.parse(done.stdout)
