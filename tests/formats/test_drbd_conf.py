"""drbd.conf: what people write, what drbdadm dumps, and what drbdadm thinks of what we write."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hastore.formats import drbd_conf
from hastore.model.drbd import DrbdHost, DrbdResource, DrbdVolume
from hastore.model.errors import ParseError, SpecError
from hastore.model.secrets import HIDDEN, Secret
from hastore.model.values import Params
from hastore.testing import strategies_stack
from needs import examples

TESTS = Path(__file__).parents[1]
ARTICLE = TESTS / "article"
RECORDED = TESTS / "recordings" / "drbd84"
ADM_84 = Path("/lib/drbd/drbdadm-84")

OPTIONS = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9-]{0,15}", fullmatch=True).filter(
        lambda name: name not in {"shared-secret", "fence-peer"} and not name.startswith("no-")
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=20),
    max_size=4,
).map(Params)


@st.composite
def any_resources(draw: st.DrawFn) -> DrbdResource:
    """Draw resources that the grammar allows, sensible or not."""
    nodes = draw(st.lists(st.from_regex(r"[a-z][a-z0-9.-]{0,8}", fullmatch=True), unique=True, max_size=3))
    paths = st.from_regex(r"/dev/[a-z0-9/_-]{1,12}", fullmatch=True)
    meta_disks = st.one_of(st.just("internal"), paths, paths.map(lambda path: f"{path} [0]"))
    addresses = st.sampled_from(["10.0.0.1:7788", "[fe80::1]:7789", "sdp 10.0.0.2:7788"])
    volumes = [
        DrbdVolume(
            number,
            f"/dev/drbd{draw(st.integers(0, 99))}",
            draw(paths),
            draw(meta_disks),
            Params({node: draw(paths) for node in nodes if draw(st.booleans())}),
        )
        for number in draw(st.lists(st.integers(0, 9), unique=True, max_size=3))
    ]
    secret = st.from_regex(r"[A-Za-z0-9 #{};$]{1,12}", fullmatch=True).map(Secret.literal)
    return DrbdResource(
        draw(st.from_regex(r"[a-z][a-z0-9 _.-]{0,8}", fullmatch=True)),
        volumes=tuple(volumes),
        hosts=tuple(DrbdHost(node, draw(addresses)) for node in nodes),
        net=draw(OPTIONS),
        disk=draw(OPTIONS),
        options=draw(OPTIONS),
        handlers=draw(OPTIONS),
        startup=draw(OPTIONS),
        syncer=draw(OPTIONS),
        secret=draw(st.none() | secret),
    )


def written(*resources: DrbdResource) -> str:
    return drbd_conf.render_text(resources, conceal=False)


@settings(max_examples=examples(50))
@given(st.lists(any_resources(), max_size=2))
def test_what_is_written_is_read_again(resources: list[DrbdResource]) -> None:
    assert drbd_conf.parse(written(*resources)).resources == tuple(resources)


@settings(max_examples=examples(50))
@given(any_resources())
def test_normalising_twice_changes_nothing(resource: DrbdResource) -> None:
    once = drbd_conf.normalise(resource)
    assert drbd_conf.normalise(once) == once
    assert [volume.disk_on(node) for volume in once.volumes for node in once.nodes] == [
        volume.disk_on(node) for volume in resource.volumes for node in resource.nodes
    ]


def test_the_article() -> None:
    (vg1,) = drbd_conf.parse((ARTICLE / "vg1.res").read_bytes(), source="vg1.res").resources
    assert vg1.volumes == (DrbdVolume(0, "/dev/drbd0", "/dev/sdb"),)
    assert vg1.hosts == (DrbdHost("centos01", "192.168.100.181:7788"), DrbdHost("centos02", "192.168.100.182:7788"))
    assert vg1.syncer == {"rate": "40M"}
    assert vg1.disk == {"on-io-error": "detach", "fencing": "resource-and-stonith"}
    assert vg1.options == {"on-no-data-accessible": "io-error"}, "the line below is a comment"
    assert vg1.handlers["outdate-peer"] == "/usr/lib/heartbeat/drbd-peer-outdater"
    assert vg1.net["max-buffers"] == "8912"
    assert vg1.secret == Secret.literal("secret")
    assert "shared-secret" not in vg1.net


def test_a_recorded_dump_says_what_its_file_says() -> None:
    (from_file,) = drbd_conf.parse((RECORDED / "r0.res").read_text()).resources
    (from_dump,) = drbd_conf.parse((RECORDED / "r0.dump").read_text()).resources
    assert from_dump == drbd_conf.normalise(from_file)
    assert from_dump.net["protocol"] == "C"


def test_the_secret_is_a_piece_of_its_own() -> None:
    resource = DrbdResource("r0", secret=Secret.environment("DRBD_SECRET"))
    pieces = drbd_conf.render(resource)
    assert pieces == (
        b'resource r0 {\n    net {\n        shared-secret "',
        Secret.environment("DRBD_SECRET"),
        b'";\n    }\n}\n',
    )
    assert f'shared-secret "{HIDDEN}";' in drbd_conf.render_text(resource)
    with pytest.raises(SpecError, match=r"Secret\.environment\('DRBD_SECRET'\)"):
        drbd_conf.render_text(resource, conceal=False)


def test_a_secret_that_would_end_its_quotes_is_refused_unshown() -> None:
    with pytest.raises(SpecError) as caught:
        drbd_conf.render(DrbdResource("r0", secret=Secret.literal('tell"me;')))
    assert "tell" not in str(caught.value)


@pytest.mark.parametrize(
    "resource",
    [
        DrbdResource("r0", net=Params({"timeout 60; }": "1"})),
        DrbdResource("r0", hosts=(DrbdHost("a", "10.0.0.1:7788; } }"),)),
        DrbdResource("r0", hosts=(DrbdHost("a", "centos01:7788"),)),
        DrbdResource("r0", net=Params(timeout="60\n")),
        DrbdResource("r0", volumes=(DrbdVolume(0, "/dev/drbd0", "/dev/sdb", disks=Params(elsewhere="/dev/sdc")),)),
    ],
)
def test_what_drbd_conf_cannot_say_is_refused(resource: DrbdResource) -> None:
    with pytest.raises(SpecError):
        drbd_conf.render(resource)


def test_common_fills_in_where_a_resource_is_silent() -> None:
    config = drbd_conf.parse(
        """
        global { usage-count no; }
        common { protocol C; net { timeout 60; shared-secret "both"; } disk { no-disk-barrier; } }
        include "drbd.d/*.res";
        skip resource old { on nowhere { } }
        resource r0 { net { timeout 30; allow-two-primaries; } }
        """
    )
    assert config.includes == ("drbd.d/*.res",)
    assert config.global_options == {"usage-count": "no"}
    (whole,) = config.whole()
    assert whole.net == {"protocol": "C", "timeout": "30", "allow-two-primaries": "yes"}
    assert whole.disk == {"disk-barrier": "no"}
    assert whole.secret == Secret.literal("both")


def test_a_disk_of_its_own_on_one_host() -> None:
    (resource,) = drbd_conf.parse(
        """
        resource r0 {
            device minor 3; disk /dev/sdb; meta-disk /dev/sdz[2];
            on a { address ipv4 10.0.0.1:7788; }
            on b { address ipv6 [fe80::1]:7788; disk /dev/vdb; }
        }
        """
    ).resources
    assert resource.volumes == (DrbdVolume(0, "/dev/drbd3", "/dev/sdb", "/dev/sdz [2]", Params(b="/dev/vdb")),)
    assert resource.hosts[1].address == "[fe80::1]:7788"


DAMAGED = [
    ("resource r0 {\n    net {\n        timeout 60;\n    disk {\n    }\n}\n", 4, 5, "} that closes 'net' of line 2"),
    ("resource r0 {\n", 2, 1, "} that closes 'resource' of line 1"),
    ("resource r0 {\n    net { timeout }\n}\n", 2, 19, "; or { after 'timeout'"),
    ('resource r0 {\n    net { verify-alg "md5;\n}\n', 2, 22, "a closing quote in the same line"),
    ("resource r0 { on a { } }", 1, 15, "an address in the section of a"),
    ("resource r0 { on a { address ; } }", 1, 22, "an address such as 192.168.100.181:7788"),
    ("resource r0 { on a { address 10.0.0.1; } }", 1, 30, "an address such as"),
    ("resource r0 { volume zero { } }", 1, 22, "the volume's number"),
    ("resource r0 { volume 0 { device /dev/drbd0; } }", 1, 15, "a disk for volume 0"),
    ("resource r0 { volume 0 { disk /dev/sdb; } }", 1, 15, "a device for volume 0"),
    ("resource r0 { volume 0 { device /dev/drbd1 minor 0; } }", 1, 33, "a device whose name ends in its minor, 0"),
    ("resource r0 { net { timeout 60 70; } }", 1, 32, "; after the value of timeout"),
    ("resource r0 { net { timeout 60; timeout 70; } }", 1, 33, "timeout only once"),
    ("resource r0 { stacked-on-top-of r1 { } }", 1, 15, "a section (net, disk,"),
    ("resource r0 { connection { } }", 1, 15, "a section (net, disk,"),
    ("resource { }", 1, 10, "the resource's name"),
    ("resource r0 { } }", 1, 17, "resource, common, global or include"),
    ("resuorce r0 { }", 1, 1, "resource, common, global, include or skip"),
]


@pytest.mark.parametrize(("text", "line", "column", "expected"), DAMAGED)
def test_damage_is_pointed_at(text: str, line: int, column: int, expected: str) -> None:
    with pytest.raises(ParseError) as caught:
        drbd_conf.parse(text, source="r0.res")
    assert (caught.value.line, caught.value.column) == (line, column)
    assert expected in caught.value.expected
    assert str(caught.value).startswith(f"r0.res:{line}:{column}: expected ")


def test_the_articles_stored_copy_lost_its_braces() -> None:
    with pytest.raises(ParseError) as caught:
        drbd_conf.parse((ARTICLE / "damaged" / "vg1.res").read_text(), source="vg1.res")
    assert str(caught.value) == "vg1.res:6:5: expected } that closes 'startup' of line 2, found 'syncer'"


@given(st.data())
def test_a_lost_brace_is_never_passed_over(data: st.DataObject) -> None:
    lines = (ARTICLE / "vg1.res").read_text().splitlines(keepends=True)
    text = "".join(line for line in lines if "#" not in line)
    lost = data.draw(st.sampled_from([place for place, mark in enumerate(text) if mark in "{};"]))
    with pytest.raises(ParseError):
        drbd_conf.parse(text[:lost] + text[lost + 1 :])


@given(st.text(alphabet='resource net{};"# \n\\19'))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ParseError):
        drbd_conf.parse(text)


def drbdadm(program: str | Path, file: Path, *command: str) -> str:
    done = subprocess.run(
        [program, "-c", file, *command], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr + file.read_text()
    return done.stdout


@pytest.fixture
def drbdadm_84() -> Path:
    if not ADM_84.exists():
        pytest.skip("missing: drbdadm-84")
    return ADM_84


@pytest.mark.oracle
@pytest.mark.parametrize("file", [ARTICLE / "vg1.res", RECORDED / "r0.res"], ids=lambda file: file.name)
def test_drbdadm_reads_a_file_as_we_do(drbdadm_84: Path, file: Path) -> None:
    (ours,) = drbd_conf.parse(file.read_text()).resources
    (theirs,) = drbd_conf.parse(drbdadm(drbdadm_84, file, "dump")).resources
    assert theirs == drbd_conf.normalise(ours)


def without_secret_reference(resource: DrbdResource) -> DrbdResource:
    return attrs.evolve(resource, secret=resource.secret and Secret.literal("a secret; {of two words}"))


@pytest.mark.oracle
@settings(max_examples=examples(40))
@given(st.data())
def test_drbdadm_84_takes_what_we_write(data: st.DataObject) -> None:
    if not ADM_84.exists():
        pytest.skip("missing: drbdadm-84")
    drawn = [data.draw(strategies_stack.drbd_resources(number)) for number in (1, 2)]
    resources = tuple(map(without_secret_reference, drawn))
    _judge(ADM_84, written(*resources), resources)


@pytest.mark.oracle
def test_drbdadm_9_takes_what_we_write_for_it(tmp_path: Path) -> None:
    drbdadm_9 = shutil.which("drbdadm", path="/usr/sbin:/sbin")
    if drbdadm_9 is None:
        pytest.skip("missing: drbdadm")
    (vg1,) = drbd_conf.parse((ARTICLE / "vg1.res").read_text()).resources
    plain = attrs.evolve(vg1, secret=None)
    file = tmp_path / "vg1.res"
    file.write_bytes(b"".join(piece for piece in drbd_conf.render(plain, generation="9") if isinstance(piece, bytes)))
    dumped = drbdadm(drbdadm_9, file, "dump")
    assert "fencing" in dumped.partition("net {")[2].partition("}")[0]


def _judge(program: Path, text: str, resources: tuple[DrbdResource, ...]) -> None:
    file = Path("/dev/stdin")
    done = subprocess.run([program, "-c", file, "dump"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + text
    assert drbd_conf.parse(done.stdout).resources == tuple(map(drbd_conf.normalise, resources))
