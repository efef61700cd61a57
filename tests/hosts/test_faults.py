"""What comes back when the link, the script, the disk or the far side breaks, and that nothing is done unseen."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from host_contract import only, statuses

from hastore.hosts.host import Host
from hastore.hosts.local import LocalHost
from hastore.hosts.operations import (
    Await,
    Bracket,
    Condition,
    Expect,
    Operation,
    Outcome,
    ReadFile,
    Run,
    Status,
    WriteAttribute,
    WriteFile,
)
from hastore.hosts.script import BOOTSTRAP, compile_batch
from hastore.hosts.ssh import SshHost
from hastore.model.errors import ConnectError
from hastore.model.secrets import Revealed, Secret

SHELLS = [("dash",), ("bash",), ("busybox", "sh")]


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    found: tuple[str, ...] = request.param
    if shutil.which(found[0]) is None:
        pytest.skip(f"missing: {found[0]}")
    return found


@pytest.fixture
def ssh_host(sshd: object) -> Iterator[SshHost]:
    with sshd.host() as host:  # type: ignore[attr-defined]  # the fixture's class lives in conftest
        yield host


def sh(text: str, **fields: object) -> Run:
    return Run(("sh", "-c", text), **fields)  # type: ignore[arg-type]  # Run's own


def appears(path: Path, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if path.exists():
            return True
        time.sleep(0.02)
    return False


# --- the link


def cut(host: SshHost) -> None:
    """Kill the master connection, as a broken network would in the end."""
    assert host._connection is not None
    host._connection.process.kill()


def cut_once(host: SshHost, sign: Path) -> None:
    if appears(sign):
        cut(host)


def test_a_link_lost_in_mid_batch_leaves_unknown_what_was_not_reported(ssh_host: SshHost, tmp_path: Path) -> None:
    batch: list[Operation] = [
        WriteFile(f"{tmp_path}/before", b""),
        sh(f"touch {tmp_path}/began; sleep 1"),
        WriteFile(f"{tmp_path}/never", b""),
        ReadFile(f"{tmp_path}/before"),
    ]
    threading.Thread(target=cut_once, args=(ssh_host, tmp_path / "began")).start()
    told: list[int] = []
    outcomes = ssh_host.perform(batch, on_outcome=lambda place, _outcome: told.append(place))
    assert statuses(outcomes) == [Status.DONE, *[Status.UNKNOWN] * 3]
    assert told == [0, 1, 2, 3]
    assert not appears(tmp_path / "never", 1.5), "the script went on though nobody heard it"


def test_a_lost_link_is_opened_again(ssh_host: SshHost) -> None:
    assert only(ssh_host, Run(("true",))).done
    cut(ssh_host)
    time.sleep(0.2)
    assert only(ssh_host, Run(("true",))).done


def test_leave_runs_when_the_link_is_lost(ssh_host: SshHost, tmp_path: Path) -> None:
    bracket = Bracket(
        (),
        (sh(f"touch {tmp_path}/began; sleep 0.5"), WriteFile(f"{tmp_path}/never", b"")),
        (WriteFile(f"{tmp_path}/left", b""),),
        deadline=20,
    )
    threading.Thread(target=cut_once, args=(ssh_host, tmp_path / "began")).start()
    outcome = only(ssh_host, bracket)
    assert outcome.status is Status.UNKNOWN
    assert statuses(outcome.parts) == [Status.UNKNOWN] * 3
    assert appears(tmp_path / "left", 3)
    assert not (tmp_path / "never").exists()


def test_a_lock_is_gone_with_its_link(ssh_host: SshHost, sshd: object) -> None:
    with ssh_host.hold("hastore-fault"):
        cut(ssh_host)
        time.sleep(0.5)
        with sshd.host() as another, another.hold("hastore-fault"):  # type: ignore[attr-defined]  # see conftest
            pass


def test_a_host_that_does_not_answer_is_a_connect_error() -> None:
    with pytest.raises(ConnectError, match=r"127\.0\.0\.1: .*refused"):
        SshHost("127.0.0.1", port=1, config="/dev/null").perform([Run(("true",))])


def test_a_key_that_is_not_known_is_a_connect_error(sshd: object, tmp_path: Path) -> None:
    options = {
        "IdentityFile": str(tmp_path / "none"),
        "IdentitiesOnly": "yes",
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": str(tmp_path / "hosts"),
    }
    host = SshHost("127.0.0.1", port=sshd.port, options=options, config="/dev/null")  # type: ignore[attr-defined]  # see conftest
    with pytest.raises(ConnectError, match="Permission denied"):
        host.perform([Run(("true",))])


def test_a_destination_is_never_an_option() -> None:
    with pytest.raises(ValueError, match="no destination"):
        SshHost("-oProxyCommand=touch /pwned")


@pytest.mark.parametrize(("argv", "why"), [(("hastore-no-sh",), "cannot start"), (("false",), "exit code 1")])
def test_a_shell_that_is_none_is_a_connect_error(argv: tuple[str, ...], why: str) -> None:
    with pytest.raises(ConnectError, match=why):
        LocalHost(shell=argv).perform([Run(("true",))])


# --- the script


def test_a_script_that_was_cut_off_runs_nothing(shell: tuple[str, ...], tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    script = compile_batch([sh(f"touch {marker}"), WriteFile(str(marker), b"x")], "0" * 32)
    start = script.index(b"\nbatch() {")
    for end in [100, start // 2, *range(start, len(script) - 1, 13), *range(len(script) - 8, len(script) - 1)]:
        subprocess.run([*shell, "-c", BOOTSTRAP], input=script[:end], capture_output=True, check=False)
        assert not marker.exists(), script[:end][-80:]
    subprocess.run([*shell, "-c", BOOTSTRAP], input=script, capture_output=True, check=True)
    assert marker.exists()


def test_a_script_that_is_killed_leaves_one_unknown_and_the_rest_not_run(
    shell: tuple[str, ...], tmp_path: Path
) -> None:
    outcomes = LocalHost(shell=shell).perform(
        [Run(("true",)), sh("kill -KILL $PPID"), WriteFile(f"{tmp_path}/never", b""), ReadFile("/etc/hostname")]
    )
    assert statuses(outcomes) == [Status.DONE, Status.UNKNOWN, Status.NOT_RUN, Status.NOT_RUN]
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize("name", ["KILL", "TERM", "HUP"])
def test_leave_runs_when_the_script_is_killed(shell: tuple[str, ...], tmp_path: Path, name: str) -> None:
    left = tmp_path / "left"
    bracket = Bracket((), (sh(f"kill -{name} $PPID; sleep 0.3"),), (WriteFile(str(left), b"x"),), deadline=20)
    assert only(LocalHost(shell=shell), bracket).status is Status.UNKNOWN
    assert appears(left, 5)


def test_the_watchdog_leaves_at_the_deadline_and_the_body_goes_no_further(
    shell: tuple[str, ...], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    bracket = Bracket(
        (sh(f"echo enter >>{log}"),),
        (sh(f"sleep 1.5; echo body >>{log}"), sh(f"echo never >>{log}")),
        (sh(f"echo leave >>{log}; echo said"),),
        deadline=0.4,
    )
    outcome, after = LocalHost(shell=shell).perform([bracket, sh(f"echo after >>{log}")])
    assert log.read_text() == "enter\nleave\nbody\n"
    assert (outcome.status, outcome.error, after.status) == (Status.UNKNOWN, "TIMEOUT", Status.NOT_RUN)
    assert statuses(outcome.parts) == [Status.DONE, Status.DONE, Status.NOT_RUN, Status.DONE]
    assert outcome.parts[-1].stdout == b"said\n"


def test_when_the_caller_stops_listening_the_script_stops(shell: tuple[str, ...], tmp_path: Path) -> None:
    def stop(_place: int, _outcome: Outcome) -> None:
        raise KeyboardInterrupt

    batch: list[Operation] = [Run(("true",)), Run(("sleep", "0.3")), WriteFile(f"{tmp_path}/never", b"")]
    with pytest.raises(KeyboardInterrupt):
        LocalHost(shell=shell).perform(batch, on_outcome=stop)
    assert not appears(tmp_path / "never", 0.6)


def test_a_program_that_stays_behind_does_not_hold_up_the_batch(shell: tuple[str, ...]) -> None:
    began = time.monotonic()
    outcomes = LocalHost(shell=shell).perform([sh("sleep 3 & echo started"), Run(("true",))])
    assert statuses(outcomes) == [Status.DONE, Status.DONE]
    assert time.monotonic() - began < 2


# --- time


def test_a_program_that_ignores_the_signal_is_killed_with_its_children(shell: tuple[str, ...], tmp_path: Path) -> None:
    stubborn = sh(f"trap '' TERM; (sleep 1.6; touch {tmp_path}/late) & sleep 1.6; touch {tmp_path}/late", timeout=0.2)
    began = time.monotonic()
    assert only(LocalHost(shell=shell), stubborn).error == "TIMEOUT"
    assert time.monotonic() - began < 2.5
    assert not appears(tmp_path / "late", 0.8)


@pytest.mark.parametrize("code", [124, 137, 143])
def test_an_exit_code_is_no_timeout(shell: tuple[str, ...], code: int) -> None:
    outcome = only(LocalHost(shell=shell), sh(f"exit {code}", ok=(code,)))
    assert (outcome.status, outcome.exit_code, outcome.error) == (Status.DONE, code, "")


# --- disks


def test_a_full_disk_is_named(shell: tuple[str, ...]) -> None:
    outcome = only(LocalHost(shell=shell), WriteAttribute("/dev/full", b"x"))
    assert (outcome.status, outcome.error) == (Status.FAILED, "ENOSPC")


def test_a_write_to_a_full_disk_keeps_the_old_file(shell: tuple[str, ...], tmp_path: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("missing: permission to mount")
    try:
        path = tmp_path / "file"
        _, outcome = LocalHost(shell=shell).perform(
            [WriteFile(str(path), b"old"), WriteFile(str(path), b"x" * 200_000)]
        )
        assert (outcome.status, outcome.error) == (Status.FAILED, "ENOSPC")
        assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("file", b"old")]
    finally:
        subprocess.run(["umount", tmp_path], check=True)


# --- SCST's EAGAIN: put and get are replaced, as they would be by a pretended sysfs

QUEUED = """
put() { cat "$1" >"$2.given"; echo "dd: error writing '$2': Resource temporarily unavailable" >&2; return 1; }
get() {
    case $1 in
    */result)
        echo x >>"$1.asked"
        if [ "$(wc -l <"$1.asked")" -lt 3 ]; then %s; else %s; fi ;;
    *) cat "$1" ;;
    esac
}
"""
REFUSES_TO_BE_READ = '{ echo "cat: $1: Resource temporarily unavailable" >&2; return 1; }'


@pytest.mark.parametrize(
    ("pending", "then", "status", "error"),
    [
        ("echo -11", "echo 0", Status.DONE, ""),
        (REFUSES_TO_BE_READ, "echo 0", Status.DONE, ""),
        ("echo -11", "echo -17", Status.FAILED, "EEXIST"),
        ("echo -11", "echo -57", Status.FAILED, "EBADSLT"),
        ("echo -11", "echo -11", Status.UNKNOWN, "TIMEOUT"),
        ("echo -11", "cat /nowhere", Status.UNKNOWN, "ENOENT"),
    ],
)
def test_eagain_is_waited_for_on_the_host(
    shell: tuple[str, ...], tmp_path: Path, pending: str, then: str, status: Status, error: str
) -> None:
    attribute = tmp_path / "mgmt"
    attribute.touch()
    host = LocalHost(shell=shell, amendments=QUEUED % (pending, then))
    write = WriteAttribute(str(attribute), b"add_target x", result_path=str(tmp_path / "result"), deadline=1)
    outcome, after = host.perform([write, WriteFile(str(tmp_path / "after"), b"")])
    assert (outcome.status, outcome.error) == (status, error)
    assert after.status is (Status.DONE if status is Status.DONE else Status.NOT_RUN)
    assert (tmp_path / "mgmt.given").read_bytes() == b"add_target x"


def test_eagain_without_a_result_to_wait_for_is_a_refusal(tmp_path: Path) -> None:
    attribute = tmp_path / "mgmt"
    attribute.touch()
    outcome = only(LocalHost(amendments=QUEUED % ("echo 0", "echo 0")), WriteAttribute(str(attribute), b"x"))
    assert (outcome.status, outcome.error) == (Status.FAILED, "EAGAIN")


def test_a_write_that_does_not_return_is_unknown_after_its_deadline(shell: tuple[str, ...], tmp_path: Path) -> None:
    attribute = tmp_path / "mgmt"
    attribute.touch()
    host = LocalHost(shell=shell, amendments="put() { exec sleep 20; }")
    began = time.monotonic()
    outcome = only(host, WriteAttribute(str(attribute), b"x", deadline=0.3))
    assert (outcome.status, outcome.error) == (Status.UNKNOWN, "TIMEOUT")
    assert time.monotonic() - began < 4


# --- secrets

SECRET = b"correct horse battery staple"


def everything_that_ps_sees() -> bytes:
    seen = []
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                seen.append((process / name).read_bytes())
            except OSError:
                continue
    return b"\n".join(seen)


@pytest.mark.parametrize("way", ["local", "ssh"])
def test_no_argv_ever_holds_a_secret(way: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    host: Host = LocalHost() if way == "local" else request.getfixturevalue("ssh_host")
    content = (b"IncomingUser joe ", Revealed(SECRET))
    attribute = tmp_path / "attribute"
    attribute.touch()
    dump = "cat >/dev/null; for p in /proc/[0-9]*; do cat $p/cmdline $p/environ; done 2>/dev/null; exit 0"
    batch: list[Operation] = [
        WriteFile(f"{tmp_path}/file", content),
        WriteAttribute(str(attribute), content),
        sh(dump, stdin=content),
        Expect(sh(dump, stdin=content), Condition(lacks=(SECRET.decode(),)), "no secret is seen"),
        Run(("sleep", "0.3"), stdin=content),
    ] * 2
    seen: list[bytes] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.append(everything_that_ps_sees())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        outcomes = host.perform(batch)
    finally:
        done.set()
        watcher.join()
    assert {outcome.status for outcome in outcomes} == {Status.DONE}
    assert SECRET not in outcomes[2].stdout
    assert b"sleep" in outcomes[2].stdout or len(outcomes[2].stdout) > 1000
    assert any(b"sleep\x000.3" in sample for sample in seen)
    assert not any(SECRET in sample for sample in seen)
    assert (tmp_path / "file").read_bytes().endswith(SECRET)


def test_an_unresolved_secret_reaches_no_host() -> None:
    with pytest.raises(TypeError, match="not resolved"):
        LocalHost().perform([Run(("true",)), Run(("cat",), stdin=(Secret.literal("hush"),))])


def test_what_was_fed_is_gone_before_the_program_ends(shell: tuple[str, ...]) -> None:
    """A secret on its way lies in a file that only root reads, and only until the program has opened it."""
    look = sh("cat >/dev/null; ls -l /proc/$$/fd/0 /proc/$PPID/fd 2>&1; exit 0", stdin=b"x")
    assert b"(deleted)" in only(LocalHost(shell=shell), look).stdout


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Run(("a\0b",)), "NUL"),
        (lambda: Run(()), "program's name"),
        (lambda: Run(("true",), env={"A B": "x"}), "environment"),
        (lambda: ReadFile(""), "empty"),
    ],
)
def test_what_cannot_be_said_is_refused_before_anything_runs(
    make: Callable[[], Operation], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=said):
        LocalHost().perform([WriteFile(f"{tmp_path}/never", b""), make()])
    assert not (tmp_path / "never").exists()


def test_a_killed_sshd_session_is_found_out(ssh_host: SshHost) -> None:
    """The far shell's death without a word, as an out-of-memory kill brings it, is ssh's exit code 255."""
    first, second, _ = ssh_host.perform([Run(("true",)), sh("kill -KILL $PPID; sleep 0.2"), Run(("true",))])
    assert (first.status, second.status) == (Status.DONE, Status.UNKNOWN)


def test_a_probe_that_hangs_does_not_hold_await_for_ever(shell: tuple[str, ...]) -> None:
    hanging = Await(Run(("sleep", "9"), timeout=0.2), Condition(), "it answers", deadline=0.5, interval=0.05)
    outcome = only(LocalHost(shell=shell), hanging)
    assert (outcome.status, outcome.error) == (Status.FAILED, "TIMEOUT")
