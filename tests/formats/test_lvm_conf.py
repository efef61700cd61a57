"""lvm.conf: the settings that matter here, and lvmconfig's opinion."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hastore.formats import lvm_conf
from hastore.model.errors import ParseError
from hastore.model.lvm import LvmSettings
from hastore.testing import strategies_stack
from needs import examples, find, require

ARTICLE = Path(__file__).parents[1] / "article"

TEXTS = st.lists(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=12), max_size=3)
SETTINGS = st.builds(
    LvmSettings,
    filter=st.none() | TEXTS,
    global_filter=st.none() | TEXTS,
    write_cache_state=st.none() | st.booleans(),
    use_devicesfile=st.none() | st.booleans(),
    volume_list=st.none() | TEXTS,
    auto_activation_volume_list=st.none() | TEXTS,
    system_id_source=st.none() | st.sampled_from(["uname", "none", "machineid"]),
)


@given(SETTINGS)
def test_what_is_written_is_read_again(lvm: LvmSettings) -> None:
    assert lvm_conf.parse(lvm_conf.render(lvm)) == lvm


def test_the_article() -> None:
    assert lvm_conf.parse((ARTICLE / "lvm.conf.fragment").read_bytes(), source="lvm.conf") == LvmSettings(
        filter=("a|/dev/sda*|", "a|/dev/drbd*|", "r|.*|"),
        write_cache_state=False,
        volume_list=("vg_centos", "vg1", "vg2"),
    )


def test_a_setting_by_its_path_and_those_of_other_names() -> None:
    text = """# a comment with { and "
    devices/filter = "a|.*|" # a lone text is a list of one
    devices { dir = "/dev" scan = [ "/dev" ] md_component_detection = 1 pv_min_size = 2048 issue_discards=0.5 }
    global { system_id_source = 'uname' }
    """
    assert lvm_conf.parse(text) == LvmSettings(filter=("a|.*|",), system_id_source="uname")


@pytest.mark.parametrize(
    ("text", "line", "column", "expected"),
    [
        ('devices {\n    filter = [ "a|x|", "r|.*|"\n}\n', 3, 1, ", or ] that closes [ of line 2"),
        ("devices {\n    write_cache_state = 0\n", 3, 1, "} that closes 'devices' of line 1"),
        ('devices {\n    filter = [ "a|x|\n}\n', 2, 16, "a closing quote in the same line"),
        ("devices {\n    filter = [ 1 ]\n}\n", 2, 14, "a list of quoted texts for filter"),
        ('devices {\n    write_cache_state = "no"\n}\n', 2, 25, "0 or 1 for write_cache_state"),
        ("global { system_id_source = 1 }", 1, 29, "a quoted text for system_id_source"),
        ("devices {\n    filter [ ]\n}\n", 2, 12, "= or { after filter"),
        ("devices { filter = yes }", 1, 20, "a value"),
        ("}", 1, 1, "a setting or a section"),
    ],
)
def test_damage_is_pointed_at(text: str, line: int, column: int, expected: str) -> None:
    with pytest.raises(ParseError) as caught:
        lvm_conf.parse(text, source="lvm.conf")
    assert (caught.value.line, caught.value.column) == (line, column)
    assert expected in caught.value.expected


@given(st.text(alphabet="devics/ ={}[],\"'#01\n\\"))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ParseError):
        lvm_conf.parse(text)


@pytest.mark.oracle
@settings(max_examples=examples(10))
@given(strategies_stack.lvm_settings() | SETTINGS)
def test_lvmconfig_reads_what_we_write(tmp_path_factory: pytest.TempPathFactory, lvm: LvmSettings) -> None:
    require("lvmconfig")
    folder = tmp_path_factory.mktemp("lvm")
    (folder / "lvm.conf").write_text(lvm_conf.render(lvm))
    done = subprocess.run(
        [find("lvmconfig") or "lvmconfig", "--typeconfig", "current"],
        env={**os.environ, "LVM_SYSTEM_DIR": str(folder), "LVM_SUPPRESS_FD_WARNINGS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert lvm_conf.parse(done.stdout) == lvm
