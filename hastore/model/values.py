"""The two tools that every value in the house is made with: `value` and `Params`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import attrs
from attrs import field

if TYPE_CHECKING:
    # Type checkers know attrs.frozen by name; at run time `value` is the same with kinder converters.
    from attrs import frozen as value
else:

    def _as_tuple(items: object) -> tuple[object, ...]:
        """Freeze a sequence; a bare string is refused, because it would become its letters."""
        if isinstance(items, str | bytes) or not isinstance(items, Iterable):
            msg = f"expected a sequence, got {items!r}; write ({items!r},) for one item"
            raise TypeError(msg)
        return tuple(items)

    def _as_tuple_or_none(items: object) -> tuple[object, ...] | None:
        return None if items is None else _as_tuple(items)

    def _freeze_sequences(_cls: type, fields: list[attrs.Attribute]) -> list[attrs.Attribute]:
        return [
            field.evolve(converter=_as_tuple_or_none if str(field.type).endswith("| None") else _as_tuple)
            if field.converter is None and str(field.type).startswith("tuple[")
            else field
            for field in fields
        ]

    def value(cls=None, /, **options):
        """Make a frozen attrs class whose tuple fields also take lists and generators."""
        options.setdefault("field_transformer", _freeze_sequences)
        return attrs.frozen(cls, **options) if cls is not None else lambda inner: value(inner, **options)


__all__ = ["NO_PARAMS", "Params", "as_params", "field", "value"]


class Params(Mapping[str, str]):
    """A frozen, hashable, ordered mapping of text to text: options, attributes, parameters.

    A whole number is taken as its digits; TypeError for whatever else is no text.
    Equality ignores the order, as the programs that read such options do; iteration keeps it,
    so that what was read can be written again as it stood.
    """

    __slots__ = ("_items",)
    _items: dict[str, str]

    def __init__(self, items: Mapping[str, str] | Iterable[tuple[str, str]] = (), /, **more: str) -> None:
        object.__setattr__(self, "_items", {key: _as_text(key, text) for key, text in (dict(items) | more).items()})

    def __getitem__(self, key: str) -> str:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __setattr__(self, name: str, _value: object) -> None:
        msg = f"Params are frozen; make new ones with .with_({name}=...)"
        raise AttributeError(msg)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Mapping):
            return self._items == dict(other)
        return NotImplemented

    def __repr__(self) -> str:
        return f"Params({self._items!r})"

    def __reduce__(self) -> tuple[type[Params], tuple[dict[str, str]]]:
        return Params, (self._items,)

    def with_(self, changes: Mapping[str, str | None] | None = None, /, **more: str | None) -> Params:
        """Return a copy with the changes in place; None takes a key away."""
        merged: dict[str, str | None] = {**self._items, **(changes or {}), **more}
        return Params({key: text for key, text in merged.items() if text is not None})


def _as_text(key: str, text: object) -> str:
    if isinstance(text, str):
        return text
    if isinstance(text, int) and not isinstance(text, bool):
        return str(text)
    msg = f"{key}={text!r} is no text: write it as the program reads it, such as {key}='1'"
    raise TypeError(msg)


def as_params(items: Mapping[str, str] | Iterable[tuple[str, str]]) -> Params:
    """Convert a mapping or pairs to Params; used as the converter of attrs fields."""
    return items if isinstance(items, Params) else Params(items)


NO_PARAMS = Params()
"""The empty Params, the default of many fields."""
