"""drbd.conf of DRBD 8.4: files as people write them and as `drbdadm dump` prints them.

What drbdadm rewrites while it reads is left as it was written; `normalise` does the same rewriting
(recorded with drbd-utils 9.22: `syncer` becomes `disk`, `net` and `options`). Options keep their text,
units included. A flag without a value is `yes`, as the dump has it, and `no-<flag>` is `<flag> no`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias

import attrs

from hastore.formats.drbd_lexer import statements
from hastore.formats.drbd_reader import ADDRESS, SECTIONS, DrbdCommon, DrbdConfig, FileReader, SectionName
from hastore.model.drbd import DrbdHost, DrbdResource, DrbdVolume
from hastore.model.errors import SpecError
from hastore.model.secrets import HIDDEN, Secret
from hastore.model.values import NO_PARAMS, Params

Pieces: TypeAlias = tuple[bytes | Secret, ...]
"""The content of a file with its secrets in their places, still sealed."""


_SYNCER_MOVES: Final[Mapping[str, tuple[Literal["net", "disk", "options"], str]]] = {
    "rate": ("disk", "resync-rate"),
    "after": ("disk", "resync-after"),
    "verify-alg": ("net", "verify-alg"),
    "csums-alg": ("net", "csums-alg"),
    "use-rle": ("net", "use-rle"),
    "cpu-mask": ("options", "cpu-mask"),
    "on-no-data-accessible": ("options", "on-no-data-accessible"),
}
"""Where drbdadm-84 moves options of `syncer`; the others go to `disk` under their own names."""

_OPTION: Final = re.compile(r"^[a-z][a-z0-9-]*\Z")
_META_DISK: Final = re.compile(r"^(.*?)( \[\d+\])?\Z", re.DOTALL)
_PLAIN_WORD: Final = re.compile(r"^[A-Za-z0-9/._:-]+\Z")


def parse(text: str | bytes, *, source: str = "") -> DrbdConfig:
    """Read a drbd.conf, a .res file or the output of `drbdadm dump`.

    Raises ParseError, pointing at the place, for what DRBD's grammar does not allow and for what the
    model has no words for (stacked resources, connections of DRBD 9).
    """
    plain = text.decode() if isinstance(text, bytes) else text
    return FileReader(source).read(statements(plain, source))


def normalise(resource: DrbdResource) -> DrbdResource:
    """Return the resource as drbdadm-84 understands it, so that a file and its dump compare equal."""
    moved: dict[str, dict[str, str]] = {name: {} for name in SECTIONS}
    for option, text in resource.syncer.items():
        section, name = _SYNCER_MOVES.get(option, ("disk", option))
        moved[section][name] = text
    volumes = tuple(_with_plain_disks(volume, resource.nodes) for volume in resource.volumes)
    return attrs.evolve(
        resource,
        volumes=volumes,
        net=Params(moved["net"] | dict(resource.net)),
        disk=Params(moved["disk"] | dict(resource.disk)),
        options=Params(moved["options"] | dict(resource.options)),
        syncer=NO_PARAMS,
    )


def render(resources: DrbdResource | Iterable[DrbdResource], *, generation: Literal["8.4", "9"] = "8.4") -> Pieces:
    """Return the file of one or several resources, each secret a piece of its own.

    No one file suits both generations: that of 9 has no `syncer`, and `fencing` in `net` instead of
    `disk` (drbd-utils 9.22 refuses the other form). Raises SpecError for what drbd.conf cannot say.
    """
    listed = (resources,) if isinstance(resources, DrbdResource) else tuple(resources)
    pieces: list[bytes | Secret] = []
    for resource in listed:
        for piece in _Writer(_for_nine(resource) if generation == "9" else resource).pieces():
            if isinstance(piece, bytes) and pieces and isinstance(pieces[-1], bytes):
                pieces[-1] += piece
            else:
                pieces.append(piece)
    return tuple(pieces)


def render_text(resources: DrbdResource | Iterable[DrbdResource], *, conceal: bool = True) -> str:
    """Return the file for eyes; with `conceal=False` a literal secret stands in it.

    Raises SpecError where a secret that is not a literal should be shown: only execution resolves it.
    """
    return "".join(
        piece.decode() if isinstance(piece, bytes) else _shown(piece, conceal=conceal) for piece in render(resources)
    )


def _for_nine(resource: DrbdResource) -> DrbdResource:
    plain = normalise(resource)
    fencing = plain.disk.get("fencing")
    if fencing is None:
        return plain
    return attrs.evolve(plain, disk=plain.disk.with_(fencing=None), net=plain.net.with_(fencing=fencing))


def _shown(secret: Secret, *, conceal: bool) -> str:
    if conceal:
        return HIDDEN
    if secret.source != "literal":
        msg = f"{secret} is only resolved when it is written to a host; show it with conceal=True"
        raise SpecError(msg)
    return secret.reference[0]


def _with_plain_disks(volume: DrbdVolume, nodes: tuple[str, ...]) -> DrbdVolume:
    if not nodes:
        return volume
    first = volume.disk_on(nodes[0])
    others = {node: volume.disk_on(node) for node in nodes if volume.disk_on(node) != first}
    return attrs.evolve(volume, disk=first, disks=Params(others))


class _Writer:
    """Writes one resource."""

    def __init__(self, resource: DrbdResource) -> None:
        self._resource = resource
        strangers = {node for volume in resource.volumes for node in volume.disks} - set(resource.nodes)
        secret = resource.secret
        if secret is not None and secret.source == "literal" and re.search(r'["\\\n]', secret.reference[0]):
            msg = f"drbd:{resource.name}: a shared secret with a quote, a backslash or a line end is not written"
            raise SpecError(msg)
        if strangers:
            msg = f"drbd:{resource.name}: disks are named for {', '.join(sorted(strangers))}, which are no hosts of it"
            raise SpecError(msg)

    def pieces(self) -> Iterable[bytes | Secret]:
        """Yield the resource's lines, and its secret between them."""
        yield f"resource {_quoted(self._resource.name)} {{\n".encode()
        for section in SECTIONS:
            yield from self._section(section)
        for volume in self._resource.volumes:
            yield _block(f"    volume {volume.number}", self._volume(volume))
        for host in self._resource.hosts:
            yield _block(f"    on {_quoted(host.node)}", self._host(host))
        yield b"}\n"

    def _section(self, name: SectionName) -> Iterable[bytes | Secret]:
        options: Params = getattr(self._resource, name)
        secret = self._resource.secret if name == "net" else None
        if not options and secret is None:
            return
        yield f"    {name} {{\n".encode()
        for option, text in options.items():
            if not _OPTION.match(option):
                msg = f"drbd:{self._resource.name}: {option!r} is no name of an option"
                raise SpecError(msg)
            yield f"        {option} {_quoted(text)};\n".encode()
        if secret is not None:
            yield b'        shared-secret "'
            yield secret
            yield b'";\n'
        yield b"    }\n"

    def _volume(self, volume: DrbdVolume) -> Iterable[str]:
        yield f"device {_quoted(volume.device)}"
        yield f"disk {_quoted(volume.disk)}"
        yield f"meta-disk {_meta_disk_words(volume.meta_disk)}"

    def _host(self, host: DrbdHost) -> Iterable[str]:
        if not ADDRESS.match(host.address.rpartition(" ")[2]):
            msg = f"drbd:{self._resource.name}: {host.node} needs an address such as 192.168.100.181:7788, not {host.address!r}"
            raise SpecError(msg)
        yield f"address {'ipv6 ' if host.address.startswith('[') else ''}{host.address}"
        for volume in self._resource.volumes:
            if host.node in volume.disks:
                yield f"volume {volume.number} {{ disk {_quoted(volume.disks[host.node])}; }}"


def _block(head: str, lines: Iterable[str]) -> bytes:
    inner = "".join(f"        {line}{'' if line.endswith('}') else ';'}\n" for line in lines)
    return f"{head} {{\n{inner}    }}\n".encode()


def _meta_disk_words(meta_disk: str) -> str:
    disk, index = _META_DISK.findall(meta_disk)[0]
    return f"{_quoted(disk)}{index}"


def _quoted(text: str) -> str:
    if _PLAIN_WORD.match(text):
        return text
    if "\n" in text:
        msg = f"drbd.conf has no way to write {text!r}: a value ends with its line"
        raise SpecError(msg)
    escaped = text.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'


__all__ = ["DrbdCommon", "DrbdConfig", "Pieces", "normalise", "parse", "render", "render_text"]
