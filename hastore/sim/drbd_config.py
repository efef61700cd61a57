"""The simulator's own small reader of DRBD's configuration, and `drbdadm dump`'s way of writing it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from hastore.sim.world import Node

CONFIG_FOLDER = "/etc/drbd.d"
MAIN_CONFIG = "/etc/drbd.conf"
OPTION_SECTIONS = ("options", "net", "disk", "startup", "handlers", "syncer")


class ConfigError(Exception):
    """What drbdadm says of a configuration that it does not take."""


@dataclass
class Section:
    """A block `keyword name { ... }` with its options and inner blocks, in order."""

    keyword: str
    name: str = ""
    options: dict[str, list[str]] = field(default_factory=dict)
    sections: list[Section] = field(default_factory=list)
    place: str = ""

    def option(self, name: str, default: str = "") -> str:
        """Return an option's words as one text."""
        return " ".join(self.options.get(name, [default]))

    def inner(self, keyword: str) -> list[Section]:
        """Return the inner blocks of a kind."""
        return [section for section in self.sections if section.keyword == keyword]


@dataclass(frozen=True)
class VolumeConfig:
    """One volume as one host sees it."""

    number: int
    minor: int
    device: str
    disk: str
    meta_disk: str


@dataclass(frozen=True)
class HostConfig:
    """One host's part of a resource."""

    name: str
    address: str
    """`ip:port`."""
    volumes: tuple[VolumeConfig, ...]
    explicit: bool
    """Whether volumes were written as `volume N { }`."""

    @property
    def ip(self) -> str:
        """The address without its port."""
        return self.address.rpartition(":")[0]


@dataclass
class ResourceConfig:
    """A resource as the files say it."""

    name: str
    hosts: dict[str, HostConfig]
    options: dict[str, dict[str, str]]
    """Section -> option -> text, the common section's included."""
    own: dict[str, dict[str, str]]
    """The same without the common section's."""
    place: str

    def option(self, section: str, name: str, default: str = "") -> str:
        """Return an option's text."""
        return self.options.get(section, {}).get(name, default)

    def peer_of(self, host: str) -> HostConfig | None:
        """Return the other host's part."""
        return next((part for name, part in self.hosts.items() if name != host), None)


def read_config(node: Node) -> dict[str, ResourceConfig]:
    """Read every resource of a node's configuration; ConfigError says what drbdadm would say."""
    files = node.files.files
    paths = [path for path in sorted(files) if path.startswith(f"{CONFIG_FOLDER}/")]
    paths = [path for path in paths if path.endswith((".res", "global_common.conf"))]
    found: dict[str, ResourceConfig] = {}
    sections = [section for path in paths for section in parse(files[path].decode(), path)]
    common = [section for section in sections if section.keyword == "common"]
    for section in sections:
        if section.keyword == "resource":
            found[section.name] = _resource(section, common)
    return found


def parse(text: str, path: str) -> list[Section]:
    """Parse a file into its outer blocks."""
    return list(_blocks(_Tokens(text, path)))


class _Tokens:
    def __init__(self, text: str, path: str) -> None:
        self.path = path
        found = re.finditer(r'#[^\n]*|"([^"]*)"|([{};])|([^\s{};"#]+)|(\n)', text)
        self.items: list[tuple[str, int]] = []
        line = 1
        for match in found:
            if match[4]:
                line += 1
            elif match[1] is not None:
                self.items.append((match[1], line))
            elif match[2] or match[3]:
                self.items.append((match[2] or match[3], line))
        self.place = 0

    def take(self) -> tuple[str, int]:
        if self.place >= len(self.items):
            line = self.items[-1][1] if self.items else 1
            msg = f"{self.path}:{line}: Parse error: '}}' expected,\n\tbut got end of file"
            raise ConfigError(msg)
        self.place += 1
        return self.items[self.place - 1]

    @property
    def at_end(self) -> bool:
        return self.place >= len(self.items)


def _blocks(tokens: _Tokens) -> Iterator[Section]:
    while not tokens.at_end:
        yield _statement(tokens, None)


def _statement(tokens: _Tokens, parent: Section | None) -> Section:
    words: list[str] = []
    while True:
        word, line = tokens.take()
        if word == "{":
            section = Section(words[0] if words else "", " ".join(words[1:]), place=f"{tokens.path}:{line}")
            _fill(tokens, section)
            return section
        if word in {";", "}"}:
            if word == "}" or parent is None:
                msg = f"{tokens.path}:{line}: Parse error: 'resource | common | global' expected,\n\tbut got '{word}'"
                raise ConfigError(msg)
            if words:
                parent.options[words[0]] = words[1:]
            return parent
        words.append(word)


def _fill(tokens: _Tokens, section: Section) -> None:
    while True:
        if tokens.place < len(tokens.items) and tokens.items[tokens.place][0] == "}":
            tokens.place += 1
            return
        found = _statement(tokens, section)
        if found is not section:
            section.sections.append(found)


def _resource(section: Section, common: list[Section]) -> ResourceConfig:
    own = _options([section])
    options = _options([*common, section])
    protocol = options.get("net", {}).get("protocol", "C")
    if protocol not in {"A", "B", "C"}:
        msg = f"unknown protocol '{protocol}', should be one of A,B,C"
        raise ConfigError(msg)
    shared = {inner.name: inner for inner in section.inner("volume")}
    hosts = {name: _host(name, part, section, shared) for part in section.inner("on") for name in part.name.split()}
    return ResourceConfig(section.name, hosts, options, own, section.place)


def _options(sources: list[Section]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for source in sources:
        if "protocol" in source.options:
            found.setdefault("net", {})["protocol"] = source.option("protocol")
        for keyword, options in _section_options(source).items():
            found.setdefault(keyword, {}).update(options)
    return found


def _section_options(source: Section) -> dict[str, dict[str, str]]:
    """Return one block's options; of two that mean the same the first wins (recorded: `outdate-peer` after `fence-peer`)."""
    found: dict[str, dict[str, str]] = {}
    for inner in source.sections:
        if inner.keyword in OPTION_SECTIONS:
            for name, words in inner.options.items():
                keyword, renamed = _modern(inner.keyword, name)
                found.setdefault(keyword, {}).setdefault(renamed, " ".join(words) or "yes")
    return found


def _modern(section: str, option: str) -> tuple[str, str]:
    """Return where an option belongs today: 8.3's `syncer` is `disk` and `net` (recorded: r83syncer-84-dump)."""
    if section != "syncer":
        return section, {"outdate-peer": "fence-peer"}.get(option, option)
    if option in {"verify-alg", "csums-alg", "use-rle"}:
        return "net", option
    return "disk", {"rate": "resync-rate"}.get(option, option)


def _host(name: str, part: Section, resource: Section, shared: dict[str, Section]) -> HostConfig:
    own = {inner.name: inner for inner in part.inner("volume")}
    explicit = bool(shared or own)
    numbers = sorted({*shared, *own}, key=int) if explicit else ["0"]
    volumes = []
    for number in numbers:
        merged: dict[str, list[str]] = {}
        for source in (resource, part) if not explicit else (shared.get(number), own.get(number)):
            merged |= source.options if source else {}
        volumes.append(_volume(int(number), merged))
    return HostConfig(name, part.option("address").split()[-1], tuple(volumes), explicit)


def _volume(number: int, options: dict[str, list[str]]) -> VolumeConfig:
    words = options.get("device", ["/dev/drbd0"])
    minor = int(words[words.index("minor") + 1]) if "minor" in words else int(re.sub(r"\D", "", words[0]) or 0)
    device = words[0] if words[0].startswith("/") else f"/dev/drbd{minor}"
    return VolumeConfig(
        number, minor, device, " ".join(options.get("disk", [])), " ".join(options.get("meta-disk", ["internal"]))
    )


def dump(config: ResourceConfig, host: str) -> str:
    """Return what `drbdadm dump` shows of a resource (recorded: drbd84/02, r84-84-dump)."""
    lines = [f"# resource {config.name} on {host}: not ignored, not stacked", f"# defined at {config.place}"]
    lines.append(f"resource {config.name} {{")
    for part in config.hosts.values():
        lines.append(f"    on {part.name} {{")
        for volume in part.volumes:
            lines += _dump_volume(volume, part.explicit)
        lines += [f"        address          ipv4 {part.address};", "    }"]
    for section in OPTION_SECTIONS:
        if section in config.own:
            lines.append(f"    {section} {{")
            lines += [f"        {name:<16} {text:>3};" for name, text in config.own[section].items()]
            lines.append("    }")
    return "\n".join(lines) + "\n}\n\n"


def _dump_volume(volume: VolumeConfig, explicit: bool) -> list[str]:
    indent, width = ("            ", 12) if explicit else ("        ", 16)
    lines = [
        f"{indent}{'device':<{width}} {volume.device} minor {volume.minor};",
        f"{indent}{'disk':<{width}} {volume.disk};",
        f"{indent}{'meta-disk':<{width}} {volume.meta_disk};",
    ]
    return [f"        volume {volume.number} {{", *lines, "        }"] if explicit else lines
