"""lvm.conf by the driver: what was read is what is edited, kept beside it, and never written over somebody else's edit."""

from __future__ import annotations

from test_contract_storage import lab

from hastore.drivers.base import Verdict
from hastore.drivers.lvm_lvm2 import Lvm2Driver
from hastore.hosts.operations import Expect, ReadFile, WriteFile
from hastore.model.lvm import LvmSettings
from hastore.model.state import LvmState, Unknown
from hastore.planning.steps_lvm import ConfigureLvm, CreatePv, CreateVg
from hastore.sim import Lab
from hastore.testing.workbench import Bench, Workbench

CONF = "/etc/lvm/lvm.conf"
STEP = ConfigureLvm("node1", LvmSettings(filter=("r|^/dev/sda$|",), system_id_source="uname"))


def bench(text: str | None = None) -> tuple[Workbench, Lab]:
    made = lab()
    if text is not None:
        made.world.nodes["node1"].files.add(CONF, text)
    return Workbench(Bench(made.hosts, "node1"), Lvm2Driver), made


def file(made: Lab, path: str = CONF) -> bytes:
    return made.world.nodes["node1"].files.read(path)


def seen(work: Workbench) -> LvmState:
    state = work.state.hosts["node1"].lvm
    assert isinstance(state, LvmState)
    return state


def test_the_file_is_edited_and_the_old_one_kept() -> None:
    work, made = bench()
    before = file(made)
    assert work.do(STEP) == Verdict("done")
    after = file(made)
    assert after != before
    assert file(made, f"{CONF}.before-hastore") == before
    added = set(after.decode().splitlines()) - set(before.decode().splitlines())
    assert added == {'\tfilter = [ "r|^/dev/sda$|" ]', '\tsystem_id_source = "uname"'}
    assert seen(work).settings == STEP.settings
    assert seen(work).config_text == after.decode()


def test_a_file_that_somebody_wrote_meanwhile_is_not_written_over() -> None:
    work, made = bench()
    operations = work.render(STEP)
    theirs = 'devices { filter = [ "a|x|" ] volume_list = [ "filter" ] }\n'
    made.world.nodes["node1"].files.add(CONF, theirs)
    verdict = work.perform(STEP, operations)
    assert (verdict.result, CONF in verdict.reason) == ("stale", True)
    assert file(made) == theirs.encode()


def test_a_missing_file_is_made_and_only_where_it_is_missing_still() -> None:
    work, made = bench()
    made.world.nodes["node1"].files.remove(CONF)
    made.world.nodes["node1"].files.add("/etc/lvm/lvmlocal.conf", "")
    work.observe()
    assert seen(work).config_text is None
    operations = work.render(STEP)
    assert work.perform(STEP, operations).result == "done"
    assert work.perform(STEP, operations).result == "stale"
    assert seen(work).settings == STEP.settings


def test_bytes_that_are_no_text_survive() -> None:
    work, made = bench()
    made.world.nodes["node1"].files.add(CONF, b"# caf\xe9\r\nglobal {\r\n\tumask = 63\r\n}\r\n")
    work.observe()
    assert work.do(STEP).result == "done"
    assert file(made).startswith(b"# caf\xe9\r\nglobal {\r\n\tumask = 63\r\n\tsystem_id_source")


def test_settings_that_hold_are_not_rendered_into_a_change() -> None:
    work, _made = bench('devices { filter = "r|^/dev/sda$|" }\nglobal { system_id_source = "uname" }\n')
    expect, write = work.render(STEP)
    assert isinstance(expect, Expect)
    assert isinstance(expect.probe, ReadFile)
    assert isinstance(write, WriteFile)
    assert write.content == (seen(work).config_text or "").encode()
    assert STEP.ensures(work.state)


def test_a_file_that_is_no_lvm_configuration_makes_lvm_unknown() -> None:
    work, _made = bench("devices { filter = \n")
    unknown = work.state.hosts["node1"].lvm
    assert isinstance(unknown, Unknown)
    assert CONF in unknown.reason
    assert "node1" in STEP.requires(work.state)


def test_a_group_made_afterwards_has_the_hosts_system_id() -> None:
    work, _made = bench()
    for step in (STEP, CreatePv("node1", "/dev/sdb"), CreateVg("node1", "vg1", ("/dev/sdb",))):
        assert work.do(step).result == "done"
    assert seen(work).groups["vg1"].system_id == "node1"
