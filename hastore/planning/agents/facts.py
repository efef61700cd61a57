"""Facts: a storage object told in texts, as agents tell it, and back.

| kind | reference | facts |
|---|---|---|
| target | `target:<iqn>` | iqn, portals, parameters |
| lun | `lun:<iqn>/<number>` | iqn, number, device, path, handler, attributes |
| vg, drbd | `vg:<name>`, `drbd:<name>` | name |
| vip | `vip:<ip>` | ip, prefix, nic |
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn

import attrs

from hastore.model.drbd import DrbdResource
from hastore.model.errors import SpecError
from hastore.model.lvm import VolumeGroup
from hastore.model.scsi import Lun, ScstDevice, Target, Vip
from hastore.model.stack import StorageStack
from hastore.model.values import Params
from hastore.planning.agents.table import Kind

Facts = Mapping[str, str]


def facts_of(reference: str, stack: StorageStack) -> Facts:
    """Return the facts of the object that a reference names; SpecError where the stack has none such."""
    kind, _, name = reference.partition(":")
    tell = _TELL.get(kind)
    if tell is None:
        _refuse(reference, "is no kind of object", kind, _TELL)
    return tell(name, stack)


def reference_of(kind: Kind, facts: Facts) -> str:
    """Return the reference to the object that facts tell of; SpecError where they do not name it."""
    identity = {"target": ("iqn",), "lun": ("iqn", "number"), "vip": ("ip",)}.get(kind, ("name",))
    for fact in identity:
        if not facts.get(fact):
            msg = f"it does not say the {fact} of its {kind}"
            raise SpecError(msg)
    return f"{kind}:{'/'.join(facts[fact] for fact in identity)}"


def add_object(kind: Kind, facts: Facts, stack: StorageStack) -> StorageStack:
    """Return the stack with what the facts tell added, where it is not there yet.

    Raises SpecError where they tell something that cannot be, or a DRBD resource that the stack lacks.
    """
    return _ADD[kind](facts, stack)


def show_pairs(pairs: Mapping[str, str]) -> str:
    """Return `key=value` separated by blanks, as the agents of SCST take them."""
    return " ".join(f"{key}={text}" for key, text in pairs.items())


def read_pairs(text: str) -> Params:
    """Return what `key=value` separated by blanks say; a word without `=` is a SpecError."""
    for word in text.split():
        if "=" not in word:
            msg = f"{word!r} is no key=value"
            raise SpecError(msg)
    return Params(tuple(word.split("=", 1)) for word in text.split())  # type: ignore[misc]  # two parts: it has a =


# -- objects to facts ---------------------------------------------------------------------------------


def _tell_target(iqn: str, stack: StorageStack) -> Facts:
    target = stack.target(iqn)
    if target is None:
        _refuse(f"target:{iqn}", "is no target of the stack", iqn, (t.iqn for t in stack.targets))
    return {"iqn": iqn, "portals": " ".join(target.portals), "parameters": show_pairs(target.parameters)}


def _tell_lun(name: str, stack: StorageStack) -> Facts:
    iqn, _, number = name.rpartition("/")
    target = stack.target(iqn)
    if target is None:
        _refuse(f"lun:{name}", "names no target of the stack", iqn, (t.iqn for t in stack.targets))
    lun = next((lun for lun in target.luns if str(lun.number) == number), None)
    if lun is None:
        _refuse(f"lun:{name}", "is no LUN of that target", number, (str(lun.number) for lun in target.luns))
    device = stack.device(lun.device)
    if device is None:
        _refuse(f"lun:{name}", f"shows device {lun.device!r}, which is not there", lun.device, _names(stack.devices))
    return {
        "iqn": iqn,
        "number": number,
        "device": device.name,
        "path": device.path,
        "handler": device.handler,
        "attributes": show_pairs(device.attributes),
    }


def _tell_group(name: str, stack: StorageStack) -> Facts:
    if stack.volume_group(name) is None:
        _refuse(f"vg:{name}", "is no volume group of the stack", name, _names(stack.volume_groups))
    return {"name": name}


def _tell_drbd(name: str, stack: StorageStack) -> Facts:
    if stack.drbd_resource(name) is None:
        _refuse(f"drbd:{name}", "is no DRBD resource of the stack", name, _names(stack.drbd))
    return {"name": name}


def _tell_vip(ip: str, stack: StorageStack) -> Facts:
    vip = next((vip for vip in stack.vips if vip.ip == ip), None)
    if vip is None:
        _refuse(f"vip:{ip}", "is no address of the stack", ip, (vip.ip for vip in stack.vips))
    return {"ip": ip, "prefix": str(vip.prefix) if vip.prefix else "", "nic": vip.nic}


# -- facts to objects ---------------------------------------------------------------------------------


def _add_target(facts: Facts, stack: StorageStack) -> StorageStack:
    told = Target(
        facts["iqn"],
        portals=tuple(facts.get("portals", "").split()),
        parameters=_pairs_or_none(facts.get("parameters", "")),
    )
    known = stack.target(told.iqn)
    if known is None:
        return attrs.evolve(stack, targets=(*stack.targets, told))
    if known.portals or known.parameters:
        return stack
    # LUNs told before their target made a bare one.
    return _put_target(stack, attrs.evolve(known, portals=told.portals, parameters=told.parameters))


def _add_lun(facts: Facts, stack: StorageStack) -> StorageStack:
    if not facts.get("path") or not facts.get("device"):
        msg = "it does not say the path and the device of its LUN"
        raise SpecError(msg)
    lun = Lun(_number("LUN", facts["number"]), facts["device"])
    device = ScstDevice(
        lun.device,
        facts["path"],
        handler=facts.get("handler") or "vdisk_fileio",
        attributes=_pairs_or_none(facts.get("attributes", "")),
    )
    target = stack.target(facts["iqn"]) or Target(facts["iqn"])
    if all(lun.number != other.number for other in target.luns):
        target = attrs.evolve(target, luns=(*target.luns, lun))
    if stack.device(device.name) is None:
        stack = attrs.evolve(stack, devices=(*stack.devices, device))
    return _put_target(stack, target)


def _add_group(facts: Facts, stack: StorageStack) -> StorageStack:
    if stack.volume_group(facts["name"]):
        return stack
    return attrs.evolve(stack, volume_groups=(*stack.volume_groups, VolumeGroup(facts["name"])))


def _add_drbd(facts: Facts, stack: StorageStack) -> StorageStack:
    # A resource is its file; a name alone is not enough to make one.
    _tell_drbd(facts["name"], stack)
    return stack


def _add_vip(facts: Facts, stack: StorageStack) -> StorageStack:
    prefix = facts.get("prefix", "")
    told = Vip(facts["ip"], prefix=_number("prefix length", prefix) if prefix else 0, nic=facts.get("nic", ""))
    known = next((vip for vip in stack.vips if vip.ip == told.ip), None)
    if known is None:
        return attrs.evolve(stack, vips=(*stack.vips, told))
    if known.prefix or known.nic:
        return stack
    # A port block named the address before its own agent told the rest.
    return attrs.evolve(stack, vips=tuple(told if vip is known else vip for vip in stack.vips))


def _put_target(stack: StorageStack, target: Target) -> StorageStack:
    if stack.target(target.iqn) is None:
        return attrs.evolve(stack, targets=(*stack.targets, target))
    return attrs.evolve(stack, targets=tuple(target if t.iqn == target.iqn else t for t in stack.targets))


def _pairs_or_none(text: str) -> Params:
    """Return the pairs where the text is made of nothing else; what cannot be told stays the resource's own."""
    words = text.split()
    return read_pairs(text) if all("=" in word for word in words) else Params()


def _number(what: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and text == str(int(text))):
        msg = f"{what} {text!r} is no plain number"
        raise SpecError(msg)
    return int(text)


def _names(items: Iterable[ScstDevice | VolumeGroup | DrbdResource]) -> Iterable[str]:
    return (item.name for item in items)


def _refuse(reference: str, why: str, word: str, known: Iterable[str]) -> NoReturn:
    close = difflib.get_close_matches(word, tuple(known), n=1)
    msg = f"serves {reference!r}: {word!r} {why}" + (f"; did you mean {close[0]!r}?" if close else "")
    raise SpecError(msg)


_TELL: Mapping[str, Callable[[str, StorageStack], Facts]] = {
    "target": _tell_target,
    "lun": _tell_lun,
    "vg": _tell_group,
    "drbd": _tell_drbd,
    "vip": _tell_vip,
}
_ADD: Mapping[Kind, Callable[[Facts, StorageStack], StorageStack]] = {
    "target": _add_target,
    "lun": _add_lun,
    "vg": _add_group,
    "drbd": _add_drbd,
    "vip": _add_vip,
}
