"""Plain data as TOML that a person would write: short tables inline, long ones under their own heading."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any, Final

import tomlkit
from tomlkit.items import SingleKey

_WIDTH: Final = 110
_WIDTH_OF_NESTED: Final = 90


def render(data: Mapping[str, Any]) -> str:
    """Return the TOML text of nested tables, lists, texts, whole numbers and switches."""
    return "\n".join(_table((), data)).strip() + "\n"


def _table(path: tuple[str, ...], data: Mapping[str, Any]) -> Iterator[str]:
    """Yield a table's own lines, then the tables in it, because TOML lets none of its keys follow those."""
    headed = {key: _headed(key, item) for key, item in data.items()}
    for key, item in data.items():
        if not headed[key]:
            yield from _entry(key, item)
    for key, item in data.items():
        inner = (*path, key)
        if headed[key] and isinstance(item, Mapping):
            yield from ("", f"[{_dotted(inner)}]")
            yield from _table(inner, item)
        elif headed[key]:
            for element in item:
                yield from ("", f"[[{_dotted(inner)}]]")
                yield from _table(inner, element)


def _headed(key: str, item: Any) -> bool:
    """True where an item stands under a heading of its own."""
    if isinstance(item, Mapping):
        return not _flat(item) or len(key) + len(_inline(item)) > _WIDTH
    if isinstance(item, list) and item and all(isinstance(element, Mapping) for element in item):
        return not all(_fits(element) for element in item)
    return False


def _fits(element: Mapping[str, Any]) -> bool:
    """True where a table of a list reads well in one line."""
    return len(_inline(element)) <= (_WIDTH if _flat(element) else _WIDTH_OF_NESTED)


def _flat(item: Mapping[str, Any]) -> bool:
    return not any(isinstance(inner, Mapping) or _has_tables(inner) for inner in item.values())


def _has_tables(item: Any) -> bool:
    return isinstance(item, list) and any(isinstance(inner, Mapping) for inner in item)


def _entry(key: str, item: Any) -> Iterator[str]:
    line = f"{_key(key)} = {_inline(item)}"
    if isinstance(item, list) and (_has_tables(item) or len(line) > _WIDTH):
        yield f"{_key(key)} = ["
        yield from (f"    {_inline(element)}," for element in item)
        yield "]"
    else:
        yield line


def _inline(item: Any) -> str:
    if isinstance(item, Mapping):
        inside = ", ".join(f"{_key(key)} = {_inline(inner)}" for key, inner in item.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(item, list):
        return f"[{', '.join(map(_inline, item))}]"
    return _scalar(item)


@functools.lru_cache(maxsize=4096, typed=True)
def _scalar(item: str | int) -> str:
    """Return a text, number or switch; 1 and true are not the same key of the cache."""
    text: str = tomlkit.item(item).as_string()
    return text


@functools.lru_cache(maxsize=1024)
def _key(key: str) -> str:
    return SingleKey(key).as_string()


def _dotted(path: tuple[str, ...]) -> str:
    return ".".join(map(_key, path))
