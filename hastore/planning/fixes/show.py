"""What a fix changes, told in lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from hastore.model.secrets import Secret
from hastore.model.stack import StorageStack

_NAMES = ("id", "name", "iqn", "ip", "host", "number", "node")


def differences(before: StorageStack, after: StorageStack) -> tuple[str, ...]:
    """Return what differs between two stacks, one line each: where, what it was, what it is."""
    return tuple(_between("", before, after))


def _between(where: str, before: object, after: object) -> Iterator[str]:
    if before == after:
        return
    kind = type(before)
    if attrs.has(kind) and kind is type(after) and kind is not Secret:
        for field in attrs.fields(kind):
            yield from _between(f"{where} {field.name}", getattr(before, field.name), getattr(after, field.name))
    elif isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys((*before, *after)):
            yield from _between(f"{where} {key}", before.get(key), after.get(key))
    elif isinstance(before, tuple) and isinstance(after, tuple) and _named(before) and _named(after):
        old, new = {_name(item): item for item in before}, {_name(item): item for item in after}
        for key in dict.fromkeys((*old, *new)):
            if key in old and key in new:
                yield from _between(f"{where} {key}", old[key], new[key])
            else:
                yield f"{where.strip()} {key}: {'added' if key in new else 'dropped'}"
    else:
        yield f"{where.strip()}: {_show(before)} -> {_show(after)}"


def _named(items: tuple[object, ...]) -> bool:
    names = [_name(item) for item in items]
    return all(names) and len(set(names)) == len(names)


def _name(item: object) -> str:
    return next((str(getattr(item, key)) for key in _NAMES if getattr(item, key, "") != ""), "")


def _show(thing: object) -> str:
    if thing is None:
        return "unset"
    if isinstance(thing, tuple) and all(isinstance(item, str) for item in thing):
        return " ".join(thing) or "nothing"
    if attrs.has(type(thing)):
        return _name(thing) or repr(thing)
    return str(thing) if thing != "" else "unset"
