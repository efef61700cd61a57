"""Hosts that are down, come back, or have each other's name."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

import hastore
from hastore import sim
from hastore.hosts.operations import ReadFile, ReadTree, Run
from hastore.hosts.ssh import SshHost
from hastore.hosts.wrappers import RecordingHost
from hastore.model.state import PacemakerState
from hastore.model.values import Params


def test_a_host_that_is_down_does_not_hide_the_others() -> None:
    down = SshHost("admin@127.0.0.1", port=1)
    cluster = hastore.connect(hastore.local(), down)
    assert [session.name for session in cluster.sessions] == [hastore.local().name, "127.0.0.1"]
    assert "Connection refused" in cluster.explain()
    state = cluster.observe()
    assert isinstance(state.hosts["127.0.0.1"].drbd, hastore.Unknown)
    assert "127.0.0.1 can't be looked at" in str(cluster.look())


def test_a_host_that_comes_back_is_looked_at_again() -> None:
    lab = sim.article()
    lab.world.nodes["centos02"].power_off()
    cluster = hastore.connect(*lab.hosts.values())
    assert isinstance(cluster.observe().hosts["centos02"].drbd, hastore.Unknown)
    lab.world.nodes["centos02"].boot()
    cluster.clock.sleep(60)
    assert not isinstance(cluster.observe().hosts["centos02"].lvm, hastore.Absent | hastore.Unknown)


def test_two_hosts_of_one_name_are_refused() -> None:
    lab = sim.article()
    with pytest.raises(hastore.SpecError, match="two hosts are called centos01"):
        hastore.connect(*lab.hosts.values(), lab.hosts["centos01"])


def test_a_transcript_has_no_secret_that_a_host_shows(tmp_path: Path) -> None:
    """They were not sent by us, so nobody told the recorder of them."""
    canary = "canary-of-a-secret-77"
    target = tmp_path / "iqn.2026-01.example:x"
    target.mkdir()
    (target / "IncomingUser").write_text(f"db7 {canary}\n[key]\n")
    (target / "OutgoingUser1").write_text(f"db7 {canary}\n[key]\n")
    (tmp_path / "vg1.res").write_text(f'resource vg1 {{ net {{ shared-secret "{canary}"; }} }}\n')
    (tmp_path / "record").write_text(f"node.session.auth.username = db7\nnode.session.auth.password = {canary}\n")
    nvpair = (
        f'<nvpair id="f-passwd" name="passwd" value="{canary}"/><nvpair id="p" name="password_script" value="/etc/p"/>'
    )
    (tmp_path / "cib.xml").write_text(nvpair)
    written = io.StringIO()
    host = RecordingHost(hastore.local(), written)
    host.perform(
        (
            ReadTree(str(tmp_path)),
            ReadFile(str(target / "IncomingUser")),
            Run(("cat", str(tmp_path / "cib.xml"), str(tmp_path / "record")), reads=True),
        )
    )
    assert canary not in written.getvalue()
    tree, user, run = (json.loads(line)["outcome"] for line in written.getvalue().splitlines())
    assert user["stdout"] == "db7 ********\n[key]\n"
    assert tree["tree"]["vg1.res"]["content"] == 'resource vg1 { net { shared-secret "********"; } }\n'
    assert 'name="password_script" value="/etc/p"' in run["stdout"]


def test_the_state_does_not_show_the_passwords_of_a_cib() -> None:
    canary = "canary-of-a-secret-78"
    seen = PacemakerState(hastore.Cib(), cib_xml=f'<nvpair name="passwd" value="{canary}"/>')
    assert canary not in repr(seen)


def test_numbers_are_taken_for_text_and_nothing_else_is() -> None:
    device = hastore.ScstDevice("d", "/dev/sdb", attributes={"threads_num": 4})  # type: ignore[arg-type]  # as people write
    assert device.attributes == {"threads_num": "4"}
    for wrong in (None, True, 1.5, ["4"]):
        with pytest.raises(TypeError, match="threads_num="):
            Params({"threads_num": wrong})  # type: ignore[arg-type]  # the mistake itself
