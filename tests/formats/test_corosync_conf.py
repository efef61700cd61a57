"""corosync.conf of every generation, and what corosync itself thinks of ours."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hastore.formats import corosync_conf
from hastore.model.corosync import Corosync, CorosyncNode, CorosyncRing
from hastore.model.errors import ParseError, SpecError
from hastore.model.values import Params
from hastore.testing import strategies_stack
from needs import examples, find, require

ARTICLE = Path(__file__).parents[1] / "article"


@given(strategies_stack.corosync_configurations())
def test_what_is_written_is_read_again(corosync: Corosync) -> None:
    assert corosync_conf.parse(corosync_conf.render(corosync)) == corosync


NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
PARAMS = st.dictionaries(NAMES, st.from_regex(r"[a-zA-Z0-9:|./-]{1,8}", fullmatch=True), max_size=3).map(Params)


@given(st.lists(st.tuples(st.lists(NAMES, min_size=1, max_size=3).map(".".join), PARAMS), max_size=4))
def test_sections_without_words_stay(other: list[tuple[str, Params]]) -> None:
    text = corosync_conf.render(Corosync(other=tuple(other)))
    read = corosync_conf.parse(text)
    assert corosync_conf.parse(corosync_conf.render(read)) == read


def test_the_article() -> None:
    corosync = corosync_conf.parse((ARTICLE / "corosync.conf").read_bytes(), source="corosync.conf")
    assert corosync.generation == 1
    assert corosync.rings == (
        CorosyncRing(0, "192.168.100.0", 5404, ("192.168.100.181", "192.168.100.182")),
        CorosyncRing(1, "192.168.200.0", 5405, ("192.168.200.181", "192.168.200.182")),
    )
    assert corosync.totem["rrp_mode"] == "active"
    assert corosync.service == {"ver": "1", "name": "pacemaker"}
    assert [name for name, _ in corosync.other] == ["logging.logger_subsys", "amf", "aisexec"]
    assert corosync_conf.parse(corosync_conf.render(corosync)) == corosync


def test_a_nodelist() -> None:
    corosync = corosync_conf.parse(
        """
        totem {
            version: 2
            transport: knet
            interface {
                linknumber: 1
                knet_link_priority: 10
            }
        }
        nodelist {
            node {
                ring0_addr: 192.168.100.181
                ring1_addr: fe80::1
                name: centos01
                nodeid: 1
                quorum_votes: 2
            }
        }
        quorum {
            provider: corosync_votequorum
            device {
                model: net
                net {
                    host: qnetd
                }
            }
        }
        """
    )
    assert corosync.generation == 2
    assert corosync.nodes == (CorosyncNode("centos01", 1, ("192.168.100.181", "fe80::1"), Params(quorum_votes="2")),)
    assert corosync.rings[0].number == 1
    assert corosync.other == (("quorum.device", Params(model="net")), ("quorum.device.net", Params(host="qnetd")))
    assert corosync_conf.parse(corosync_conf.render(corosync)) == corosync


@pytest.mark.parametrize(
    ("text", "line", "column", "expected"),
    [
        (
            "totem {\n  version: 2\n  interface {\n    member {\n    member {\n",
            5,
            5,
            "} that closes 'member' of line 4",
        ),
        ("totem {\n  version: 2\nquorum {\n}\n", 3, 1, "} that closes 'totem' of line 1 before quorum"),
        ("totem {\n  version: 2\n", 3, 1, "} that closes 'totem' of line 1"),
        ("totem {\n  version 2\n}\n", 2, 3, "key: value, name {, or }"),
        ("version: 2\n", 1, 1, "a section, such as totem {"),
        ("totem {\n}\n}\n", 3, 1, "a section, such as totem {"),
        ("totem {\n interface {\n  ringnumber: one\n }\n}\n", 3, 1, "a whole number for ringnumber"),
        ("totem {\n interface {\n  member {\n  }\n }\n}\n", 3, 1, "member { memberaddr: ... }"),
    ],
)
def test_damage_is_pointed_at(text: str, line: int, column: int, expected: str) -> None:
    with pytest.raises(ParseError) as caught:
        corosync_conf.parse(text, source="corosync.conf")
    assert (caught.value.line, caught.value.column) == (line, column)
    assert expected in caught.value.expected


def test_the_articles_stored_copy_lost_its_braces() -> None:
    with pytest.raises(ParseError) as caught:
        corosync_conf.parse((ARTICLE / "damaged" / "corosync.conf").read_text(), source="corosync.conf")
    assert caught.value.line == 29
    assert "'member' of line 28" in str(caught.value)


@given(st.text(alphabet="totem interface{}: \n#1"))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ParseError):
        corosync_conf.parse(text)


@pytest.mark.parametrize(
    "corosync",
    [Corosync(totem=Params({"a: b\nc": "1"})), Corosync(other=(("a {\nb", Params()),))],
    ids=["key", "section"],
)
def test_a_name_that_is_none_is_refused(corosync: Corosync) -> None:
    with pytest.raises(SpecError):
        corosync_conf.render(corosync)


def test_a_value_that_would_leave_its_line_is_refused() -> None:
    with pytest.raises(SpecError, match="no way to write token"):
        corosync_conf.render(Corosync(totem=Params(token="1\n}")))  # noqa: S106  # corosync's token, no password


@pytest.mark.oracle
@settings(max_examples=examples(10))
@given(strategies_stack.corosync_configurations().filter(lambda corosync: corosync.generation == 2))
def test_corosync_takes_what_we_write(corosync: Corosync) -> None:
    require("corosync")
    loopback = tuple(
        attrs.evolve(node, addresses=tuple(f"127.0.{ring}.{node.id}" for ring in range(len(node.addresses))))
        for node in corosync.nodes
    )
    text = corosync_conf.render(attrs.evolve(corosync, nodes=loopback, totem=corosync.totem.with_(secauth="off")))
    done = subprocess.run(
        [find("corosync") or "corosync", "-t", "-c", "/dev/stdin"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + text
