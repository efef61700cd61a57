"""Compile a batch of operations into one POSIX sh script that travels on standard input.

The script is pure ASCII: data stands in it as octal printf formats and single-quoted words, so that nothing
of it, secrets least of all, is ever in an argv. All of it stands within one function that is called on the
last line: a script that was cut off on its way runs nothing. The functions it calls are in `script.sh`; the
frames it answers with are read by `hastore.hosts.frames`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import Final

from hastore.hosts.operations import (
    Await,
    Bracket,
    Condition,
    Expect,
    Operation,
    Probe,
    ReadFile,
    ReadTree,
    Run,
    WriteAttribute,
    WriteFile,
    expose,
)

BOOTSTRAP: Final = 'eval "$(cat)"'
"""All that stands in an argv: read the script whole, then do what it says."""

ONE_LINE: Final = 'IFS= read -r line; eval "$line"'
"""The same for scripts of one line, after which standard input stays open: its end tells that we are gone."""

_PLAIN: Final = frozenset(b'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 _./:;,=+@#<>(){}[]\n\t"')
_OCTAL: Final = tuple(chr(byte) if byte in _PLAIN else f"\\{byte:03o}" for byte in range(256))
_SETTING: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def compile_batch(batch: Sequence[Operation], token: str, amendments: str = "") -> bytes:
    """Return the script that performs the batch and frames every outcome with the token.

    `amendments` is shell text put after the common functions; tests replace get, put and walk with it.
    Raises TypeError where a Secret was not resolved, ValueError where a word cannot be said in sh (a NUL in a
    path or argument, a setting whose name is no identifier).
    """
    leaves: list[str] = []
    steps = [line for place, operation in enumerate(batch) for line in _compile(operation, str(place), leaves)]
    text = "\n".join(
        [
            f"token={token}",
            _functions(),
            amendments,
            *leaves,
            "batch() {",
            "arrive",
            *steps,
            "say over",
            "}",
            "batch",
            "",
        ]
    )
    return text.encode("utf-8", "surrogateescape")


def compile_stream(run: Run) -> bytes:
    """Return one line that runs a program, its standard output ours, and ends it when standard input does."""
    settings = "".join(f" export {_setting(name, text)};" for name, text in run.env.items())
    words = " ".join(map(_word, run.argv))
    fed = (
        f"printf {_format(expose(run.stdin))} | exec $group {words}" if run.stdin else f"exec $group {words} </dev/null"
    )
    line = (
        f"PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; export LC_ALL=C PATH;{settings} group=;"
        ' [ -z "$(command -v setsid)" ] || group=setsid; exec 3<&0;'
        f" {fed} 3<&- & program=$!;"
        ' { cat <&3; kill -- "-$program" || kill "$program"; } >/dev/null 2>&1 & watch=$!;'
        ' exec 3<&-; wait "$program"; code=$?; kill "$watch"; exit "$code"'
    )
    return _one_line(line)


def compile_hold(name: str, holder: str) -> bytes:
    """Return one line that takes a lock, says `held` or who holds it, and keeps it until standard input ends."""
    line = (
        "umask 077; for folder in /run/lock/hastore /tmp/hastore-lock;"
        ' do mkdir -p "$folder" 2>/dev/null; [ -w "$folder" ] && break; done;'
        f' lock="$folder"/{_word(name)}; exec 9>>"$lock" || exit 1;'
        ' command -v flock >/dev/null || { echo "it has no flock, which is of util-linux"; exit 1; };'
        ' flock -n 9 || { printf "it is held by "; cat "$lock"; exit 1; };'
        f' printf "%s\\n" {_word(holder)} >"$lock"; echo held; exec cat >/dev/null'
    )
    return _one_line(line)


def _one_line(line: str) -> bytes:
    """Return the line on its way; newlines within its words are said by printf."""
    if "\n" in line:
        octal = _format(line.encode("utf-8", "surrogateescape")).replace("\n", "\\012")
        line = f'eval "$(printf {octal})"'
    return f"{line}\n".encode("utf-8", "surrogateescape")


@cache
def _functions() -> str:
    return files("hastore.hosts").joinpath("script.sh").read_text("utf-8")


def _compile(operation: Operation, place: str, leaves: list[str]) -> Iterator[str]:
    """Yield the lines of one operation; functions that a bracket's watchdog needs too go to `leaves`."""
    kind = "read" if operation.reads else "change"
    yield f"if begin {place} {kind}; then"
    match operation:
        case Run():
            yield from _feed(operation)
            codes = " ".join(map(str, operation.ok))
            yield f"run {place} {kind} '{codes}' {_attempt(operation)}"
        case ReadFile():
            yield f"read_file {place} {_path(operation.path)}"
        case ReadTree():
            yield f"read_tree {place} {_path(operation.path)} {_left_out(operation.skip)}"
        case WriteFile():
            backup = _path(operation.backup) if operation.backup else "''"
            yield f"feed {_format(expose(operation.content))}"
            yield f"write_file {place} {_path(operation.path, with_folder=True)} {operation.mode:o} {backup}"
        case WriteAttribute():
            result = _path(operation.result_path) if operation.result_path else "''"
            yield f"feed {_format(expose(operation.content))}"
            yield f"write_attribute {place} {_path(operation.path)} {result} {_seconds(operation.deadline)}"
        case Expect():
            yield from _question(operation.probe, operation.condition, place)
            yield f"expect {place} ask_{place} holds_{place}"
        case Await():
            yield from _question(operation.probe, operation.condition, place)
            limits = f"{_seconds(operation.deadline)} {_seconds(operation.interval)}"
            yield f"await {place} ask_{place} holds_{place} {limits}"
        case Bracket():
            yield from _bracket(operation, place, leaves)
    yield "fi"


def _bracket(bracket: Bracket, place: str, leaves: list[str]) -> Iterator[str]:
    before = (*bracket.enter, *bracket.body)
    leave = [f"leave_{place}() {{", ":"]
    for index, operation in enumerate(bracket.leave, len(before)):
        leave += ["stopped=0", *_compile(operation, f"{place}_{index}", leaves)]
        leave += [f"failed_{place}=$failed_{place}$stopped"]
    leaves += [*leave, "}"]
    yield f"open_bracket {place} {_seconds(bracket.deadline)}"
    for index, operation in enumerate(before):
        yield from _compile(operation, f"{place}_{index}", leaves)
    yield f"close_bracket {place}"


def _question(probe: Probe, condition: Condition, place: str) -> Iterator[str]:
    """Yield two functions: one asks, the other says whether the condition holds of the answer."""
    yield f"ask_{place}() {{"
    match probe:
        case Run():
            yield from _feed(probe)
            yield f"attempt {_attempt(probe)}"
        case ReadFile():
            yield f"peek {_path(probe.path)}"
    yield "}"
    yield f"holds_{place}() {{"
    yield from _holds(condition)
    yield "}"


def _holds(condition: Condition) -> Iterator[str]:
    if condition.missing:
        yield '[ "$trouble" = ENOENT ]'
        return
    yield '[ -z "$trouble" ] || return 1'
    if condition.exit_codes:
        yield f"case $code in {'|'.join(map(str, condition.exit_codes))}) ;; *) return 1 ;; esac"
    if condition.contains or condition.lacks:
        yield "load_text"
    for text in condition.contains:
        yield f"case $text in *{_word(text)}*) ;; *) return 1 ;; esac"
    for text in condition.lacks:
        yield f"case $text in *{_word(text)}*) return 1 ;; esac"
    if condition.equals is not None:
        yield 'text=$(cat "$scratch/out")'
        yield f'[ "$text" = {_word(condition.equals.rstrip(chr(10)))} ] || return 1'
    yield "return 0"


def _feed(run: Run) -> Iterator[str]:
    content = expose(run.stdin)
    if content:
        yield f"feed {_format(content)}"


def _attempt(run: Run) -> str:
    if not run.argv:
        msg = "Run needs at least the program's name in argv"
        raise ValueError(msg)
    settings = [_setting(name, text) for name, text in run.env.items()]
    words = [_word(run.argv[0]), str(len(settings)), *settings, *map(_word, run.argv)]
    return " ".join([_seconds(run.timeout), *words])


def _setting(name: str, text: str) -> str:
    if not _SETTING.fullmatch(name):
        msg = f"{name!r} cannot be set in a program's environment: letters, digits and _ only"
        raise ValueError(msg)
    return _word(f"{name}={text}")


def _left_out(patterns: Sequence[str]) -> str:
    """Return find's words that leave out what matches; find knows the backslash, Python's fnmatch does not."""
    if not patterns:
        return ""
    tests = " -o ".join(f"-path {_word('./' + pattern.replace(chr(92), chr(92) * 2))}" for pattern in patterns)
    return rf"\( {tests} \) -prune -o"


def _path(path: str, *, with_folder: bool = False) -> str:
    """Return a path as a word that no tool takes for an option; with its folder where sh cuts that off."""
    if not path:
        msg = "an operation's path is empty"
        raise ValueError(msg)
    bare = path.startswith("-") or (with_folder and "/" not in path)
    return _word(f"./{path}" if bare else path)


def _word(text: str) -> str:
    if "\0" in text:
        msg = f"{text!r} holds a NUL, which no path and no argument can"
        raise ValueError(msg)
    return "'" + text.replace("'", "'\\''") + "'"


def _format(content: bytes) -> str:
    """Return bytes as a format for printf; the dash is octal too, so that none looks like an option."""
    return "'" + "".join(map(_OCTAL.__getitem__, content)) + "'"


def _seconds(seconds: float) -> str:
    return f"{max(seconds, 0):.3f}".rstrip("0").rstrip(".")
