"""What the statements of a drbd.conf mean: resources, volumes, hosts, sections of options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias

import attrs

from hastore.formats.drbd_lexer import Statement, Token, expected
from hastore.model.drbd import DrbdHost, DrbdResource, DrbdVolume
from hastore.model.errors import ParseError
from hastore.model.secrets import Secret
from hastore.model.values import NO_PARAMS, Params, as_params, field, value

SectionName = Literal["net", "disk", "options", "handlers", "startup", "syncer"]
SECTIONS: Final[tuple[SectionName, ...]] = ("net", "disk", "options", "handlers", "startup", "syncer")

ADDRESS: Final = re.compile(r"^([0-9.]+|\[[0-9a-fA-F:.]+(%\w+)?\]):\d+\Z")


@value
class DrbdCommon:
    """What `common` says for every resource."""

    net: Params = field(default=NO_PARAMS, converter=as_params)
    disk: Params = field(default=NO_PARAMS, converter=as_params)
    options: Params = field(default=NO_PARAMS, converter=as_params)
    handlers: Params = field(default=NO_PARAMS, converter=as_params)
    startup: Params = field(default=NO_PARAMS, converter=as_params)
    syncer: Params = field(default=NO_PARAMS, converter=as_params)
    secret: Secret | None = None


@value
class DrbdConfig:
    """A file: its resources, what it says for all of them, and what else it would have read."""

    resources: tuple[DrbdResource, ...] = ()
    common: DrbdCommon = DrbdCommon()
    global_options: Params = field(default=NO_PARAMS, converter=as_params)
    includes: tuple[str, ...] = ()
    """Patterns of `include`, as written; they are not followed."""

    def whole(self) -> tuple[DrbdResource, ...]:
        """Return the resources with what `common` says filled in where they are silent."""
        return tuple(_with_common(resource, self.common) for resource in self.resources)


def _with_common(resource: DrbdResource, common: DrbdCommon) -> DrbdResource:
    return attrs.evolve(
        resource,
        net=Params({**common.net, **resource.net}),
        disk=Params({**common.disk, **resource.disk}),
        options=Params({**common.options, **resource.options}),
        handlers=Params({**common.handlers, **resource.handlers}),
        startup=Params({**common.startup, **resource.startup}),
        syncer=Params({**common.syncer, **resource.syncer}),
        secret=resource.secret or common.secret,
    )


@value
class _Place:
    """What a volume block says, for the resource or for one host; empty where it is silent."""

    at: Statement
    device: str = ""
    disk: str = ""
    meta_disk: str = ""


_Places: TypeAlias = dict[int, _Place]


class FileReader:
    """Reads the statements of a file; `source` names it in errors."""

    def __init__(self, source: str) -> None:
        self._source = source

    def read(self, found: Iterable[Statement]) -> DrbdConfig:
        """Return what the statements of a file mean."""
        config = DrbdConfig()
        for statement in found:
            match statement.keyword:
                case "resource":
                    config = attrs.evolve(config, resources=(*config.resources, self._resource(statement)))
                case "common":
                    config = attrs.evolve(config, common=self._common(statement))
                case "global":
                    options = self._options(self._body(statement), config.global_options)
                    config = attrs.evolve(config, global_options=Params(options))
                case "include":
                    config = attrs.evolve(config, includes=(*config.includes, self._one_word(statement)))
                case "skip":
                    pass  # DRBD's way to comment out a block
                case _:
                    raise self._wrong(statement.words[0], "resource, common, global, include or skip")
        return config

    def _common(self, statement: Statement) -> DrbdCommon:
        sections, secret, others = self._sections(self._body(statement))
        for other in others:
            raise self._wrong(other.words[0], f"a section of common ({', '.join(SECTIONS)})")
        return DrbdCommon(**sections, secret=secret)

    def _resource(self, statement: Statement) -> DrbdResource:
        name = self._one_word(statement, "the resource's name")
        sections, secret, others = self._sections(self._body(statement))
        places: _Places = {}
        hosts: dict[str, tuple[DrbdHost, _Places]] = {}
        for other in others:
            match other.keyword:
                case "on":
                    host, own = self._host(other)
                    if host.node in hosts:
                        raise self._wrong(other.words[1], f"one section for {host.node}")
                    hosts[host.node] = (host, own)
                case "volume":
                    number, place = self._volume(other)
                    self._put(places, number, place)
                case "device" | "disk" | "meta-disk" | "flexible-meta-disk":
                    places[0] = self._placed(places.get(0) or _Place(statement), other)
                case _:
                    wanted = f"a section ({', '.join(SECTIONS)}, on, volume), or }} that closes resource {name}"
                    raise self._wrong(other.words[0], wanted)
        numbers = dict.fromkeys([*places, *(number for _, own in hosts.values() for number in own)])
        return DrbdResource(
            name,
            volumes=tuple(self._join(number, places, hosts, statement) for number in numbers),
            hosts=tuple(host for host, _ in hosts.values()),
            secret=secret,
            **sections,
        )

    def _sections(self, body: tuple[Statement, ...]) -> tuple[dict[str, Params], Secret | None, tuple[Statement, ...]]:
        """Return the option sections, the secret among them, and the statements that are none."""
        read: dict[str, dict[str, str]] = {name: {} for name in SECTIONS}
        others: list[Statement] = []
        for statement in body:
            section = next((name for name in SECTIONS if name == statement.keyword), None)
            if statement.keyword == "protocol" and statement.body is None:
                read["net"]["protocol"] = self._one_word(statement)
            elif section is None or statement.body is None:
                others.append(statement)
            elif statement.texts:
                raise self._wrong(statement.words[1], f"{{ after {section}")
            else:
                read[section] = self._options(statement.body, read[section], inside=statement)
        literal = read["net"].pop("shared-secret", None)
        secret = Secret.literal(literal) if literal is not None else None
        return {name: Params(options) for name, options in read.items()}, secret, tuple(others)

    def _options(
        self, body: tuple[Statement, ...], known: Mapping[str, str] = NO_PARAMS, inside: Statement | None = None
    ) -> dict[str, str]:
        options = dict(known)
        for statement in body:
            if statement.body is not None:
                opened = f"{inside.keyword!r} of line {inside.words[0].line}" if inside else "the section"
                raise self._wrong(statement.words[0], f"an option, or }} that closes {opened}")
            name, text = self._option(statement)
            if inside and inside.keyword == "handlers" and name == "fence-peer" and name in options:
                # drbdadm reads the old name outdate-peer as fence-peer, and dumps it so, a second time.
                name = "outdate-peer"
            if options.get(name, text) != text:
                raise self._wrong(statement.words[0], f"{name} only once")
            options[name] = text
        return options

    def _option(self, statement: Statement) -> tuple[str, str]:
        match statement.texts:
            case ():
                name = statement.keyword
                return (name.removeprefix("no-"), "no") if name.startswith("no-") else (name, "yes")
            case (text,):
                return statement.keyword, text
            case _:
                raise self._wrong(statement.words[2], f"; after the value of {statement.keyword}")

    def _host(self, statement: Statement) -> tuple[DrbdHost, _Places]:
        node = self._one_word(statement, "the host's name")
        places: _Places = {}
        address = ""
        for inner in self._body(statement):
            match inner.keyword:
                case "address" if inner.body is None:
                    address = self._address(inner)
                case "volume":
                    number, place = self._volume(inner)
                    self._put(places, number, place)
                case "device" | "disk" | "meta-disk" | "flexible-meta-disk" if inner.body is None:
                    places[0] = self._placed(places.get(0) or _Place(statement), inner)
                case _:
                    wanted = f"address, device, disk, meta-disk or volume, or }} that closes on {node}"
                    raise self._wrong(inner.words[0], wanted)
        if not address:
            raise self._wrong(statement.words[0], f"an address in the section of {node}")
        return DrbdHost(node, address), places

    def _address(self, statement: Statement) -> str:
        match statement.texts:
            case ("ipv4" | "ipv6", address) | (address,) if ADDRESS.match(address):
                return address
            case (family, address) if family in {"sdp", "ssocks"} and ADDRESS.match(address):
                return f"{family} {address}"
            case _:
                raise self._wrong(statement.words[-1], "an address such as 192.168.100.181:7788")

    def _volume(self, statement: Statement) -> tuple[int, _Place]:
        number = self._one_word(statement, "the volume's number")
        if not number.isdecimal():
            raise self._wrong(statement.words[1], "the volume's number")
        place = _Place(statement)
        for inner in self._body(statement):
            if inner.body is not None or inner.keyword not in {"device", "disk", "meta-disk", "flexible-meta-disk"}:
                wanted = f"device, disk or meta-disk, or }} that closes volume {number}"
                raise self._wrong(inner.words[0], wanted)
            place = self._placed(place, inner)
        return int(number), place

    def _placed(self, place: _Place, statement: Statement) -> _Place:
        name = statement.keyword.removeprefix("flexible-").replace("-", "_")
        if getattr(place, name):
            raise self._wrong(statement.words[0], f"{statement.keyword} only once")
        if name == "device":
            return attrs.evolve(place, device=self._device(statement))
        if name == "meta_disk":
            return attrs.evolve(place, meta_disk=self._meta_disk(statement))
        return attrs.evolve(place, disk=self._one_word(statement))

    def _device(self, statement: Statement) -> str:
        match statement.texts:
            case ("minor", minor):
                return f"/dev/drbd{minor}"
            case (device,) if device.startswith("/dev/"):
                return device
            case (device, "minor", minor) if device[len(device.rstrip("0123456789")) :] == minor:
                return device
            case (_, "minor", minor):
                raise self._wrong(statement.words[1], f"a device whose name ends in its minor, {minor}")
            case _:
                raise self._wrong(statement.words[-1], "a device such as /dev/drbd0")

    def _meta_disk(self, statement: Statement) -> str:
        match statement.texts:
            case (disk,):
                return re.sub(r"\[(\d+)\]$", r" [\1]", disk)
            case (disk, index) if re.fullmatch(r"\[\d+\]", index):
                return f"{disk} {index}"
            case _:
                raise self._wrong(statement.words[-1], "internal, a device, or a device and [index]")

    def _put(self, places: _Places, number: int, place: _Place) -> None:
        if number in places:
            raise self._wrong(place.at.words[1], f"volume {number} only once")
        places[number] = place

    def _join(
        self, number: int, places: _Places, hosts: Mapping[str, tuple[DrbdHost, _Places]], resource: Statement
    ) -> DrbdVolume:
        """Make one volume of what the resource and its hosts say of it."""
        general = places.get(number) or _Place(resource)
        own = {node: placed.get(number) or _Place(resource) for node, (_, placed) in hosts.items()}
        devices = dict.fromkeys(place.device for place in (general, *own.values()) if place.device)
        metas = dict.fromkeys(place.meta_disk for place in (general, *own.values()) if place.meta_disk)
        for name, said in (("device", devices), ("meta-disk", metas)):
            if len(said) > 1:
                raise self._wrong(resource.words[0], f"the same {name} of volume {number} on every host")
        if not devices:
            raise self._wrong(general.at.words[0], f"a device for volume {number}")
        disks = {node: place.disk for node, place in own.items() if place.disk}
        silent = [node for node in own if node not in disks]
        if not general.disk and (silent or not disks):
            where = f" on {silent[0]}" if silent else ""
            raise self._wrong(general.at.words[0], f"a disk for volume {number}{where}")
        disk = general.disk or next(iter(disks.values()))
        if not general.disk:
            disks = {node: path for node, path in disks.items() if path != disk}
        return DrbdVolume(number, next(iter(devices)), disk, next(iter(metas), "internal"), Params(disks))

    def _wrong(self, at: Token, wanted: str) -> ParseError:
        return expected(at, wanted, self._source)

    def _body(self, statement: Statement) -> tuple[Statement, ...]:
        if statement.body is None:
            raise self._wrong(statement.end, f"{{ after {statement.keyword}")
        return statement.body

    def _one_word(self, statement: Statement, what: str = "a value") -> str:
        match statement.texts:
            case (word,):
                return word
            case (word, *_):
                raise self._wrong(statement.words[2], f"; or {{ after {word}")
            case _:
                raise self._wrong(statement.end, f"{what} after {statement.keyword}")
