"""A stack as plain tables, lists and texts, and back, with every mistake named by its path.

What stands in a spec follows from the classes of the model alone: a field is a key, a field with its
default is left out, `Params` are tables. Secrets are references, one key each: `environment`, `file`,
`command` (a list), and `literal` where it must be.
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, Union

import attrs
import cattrs

from hastore.model.errors import SpecError
from hastore.model.pacemaker import Colocation, Location, Order
from hastore.model.secrets import Secret
from hastore.model.stack import StorageStack
from hastore.model.values import Params

SECRET_KEYS: Final = ("environment", "file", "command", "literal")
CONSTRAINTS: Final = (Location, Colocation, Order)


class Misfit(Exception):
    """Mistakes found in a part of a spec, each with its path from there and what is wrong.

    It stays in this room: `structure` makes a SpecError of it.
    """

    def __init__(self, *mistakes: tuple[str, str]) -> None:
        self.mistakes = mistakes
        super().__init__(mistakes)

    def below(self, step: str) -> list[tuple[str, str]]:
        """Return the mistakes with a step before their paths."""
        return [(f"{step}.{path}" if path and path[0] != "[" else f"{step}{path}", why) for path, why in self.mistakes]


def structure(data: object) -> StorageStack:
    """Return the stack that plain data say; SpecError with the path of each mistake, and a suggestion."""
    try:
        return _CONVERTER.structure(data, StorageStack)
    except Misfit as misfit:
        lines = [f"{path or 'the spec'}: {why}" for path, why in misfit.mistakes]
        msg = lines[0] if len(lines) == 1 else "\n  ".join([f"the spec has {len(lines)} mistakes:", *lines])
        raise SpecError(msg) from None


def unstructure(stack: StorageStack, *, reveal_literals: bool = False) -> dict[str, Any]:
    """Return the stack as plain data; a literal secret is a SpecError unless it may be revealed."""
    converter = _make_converter(reveal_literals=reveal_literals)
    plain: dict[str, Any] = converter.unstructure(stack)
    return plain


def spec_fields(cls: type) -> dict[str, tuple[attrs.Attribute[Any], Any]]:
    """Return the fields of a class that a spec can say, with their types."""
    hints = typing.get_type_hints(cls)
    return {a.name: (a, hints[a.name]) for a in attrs.fields(cls) if a.eq}


# -- reading ------------------------------------------------------------------------------------------


def _structure_class(cls: type) -> Callable[[Any, Any], Any]:
    fields = spec_fields(cls)

    def structure_it(data: Any, _type: Any) -> Any:
        if not isinstance(data, Mapping):
            raise Misfit(("", f"expected a table of {', '.join(fields)}; found {_show(data)}"))
        mistakes = [(str(key), _unknown(str(key), fields)) for key in data if key not in fields]
        known: dict[str, Any] = {}
        for name, (attribute, type_) in fields.items():
            if name in data:
                try:
                    known[name] = _CONVERTER.structure(data[name], type_)
                except Misfit as misfit:
                    mistakes += misfit.below(name)
            elif attribute.default is attrs.NOTHING:
                mistakes.append(("", f"{name!r} is missing"))
        if mistakes:
            raise Misfit(*mistakes)
        try:
            return cls(**known)
        except SpecError as problem:
            raise Misfit(("", str(problem))) from problem

    return structure_it


def _structure_sequence(type_: Any) -> Callable[[Any, Any], tuple[Any, ...]]:
    arguments = typing.get_args(type_)
    any_length = len(arguments) == 2 and arguments[1] is Ellipsis

    def structure_it(data: Any, _type: Any) -> tuple[Any, ...]:
        if not isinstance(data, list | tuple):
            raise Misfit(("", f"expected a list; found {_show(data)}"))
        if not any_length and len(data) != len(arguments):
            raise Misfit(("", f"expected a list of {len(arguments)}; found {_show(data)}"))
        items: list[Any] = []
        mistakes: list[tuple[str, str]] = []
        for number, item in enumerate(data):
            try:
                items.append(_CONVERTER.structure(item, arguments[0] if any_length else arguments[number]))
            except Misfit as misfit:
                mistakes += misfit.below(f"[{number}]")
        if mistakes:
            raise Misfit(*mistakes)
        return tuple(items)

    return structure_it


def _structure_union(type_: Any) -> Callable[[Any, Any], Any]:
    arguments = typing.get_args(type_)
    if set(arguments) == set(CONSTRAINTS):
        return _structure_constraint
    (inner,) = (argument for argument in arguments if argument is not types.NoneType)
    return lambda data, _type: _CONVERTER.structure(data, inner)


def _structure_constraint(data: Any, _type: Any) -> Location | Colocation | Order:
    """Tell the three kinds apart by the key that only one of them has."""
    keys = set(data) if isinstance(data, Mapping) else set()
    if keys & {"first", "then"}:
        return _CONVERTER.structure(data, Order)
    if any(difflib.SequenceMatcher(a="with_resource", b=str(key)).ratio() > 0.8 for key in keys):
        return _CONVERTER.structure(data, Colocation)
    return _CONVERTER.structure(data, Location)


def _structure_params(data: Any, _type: Any) -> Params:
    if not isinstance(data, Mapping):
        raise Misfit(("", f"expected a table of texts; found {_show(data)}"))
    items: dict[str, str] = {}
    mistakes: list[tuple[str, str]] = []
    for key, text in data.items():
        try:
            items[_structure_text(key, str)] = _structure_text(text, str)
        except Misfit as misfit:
            mistakes += misfit.below(str(key))
    if mistakes:
        raise Misfit(*mistakes)
    return Params(items)


def _structure_secret(data: Any, _type: Any) -> Secret:
    if not isinstance(data, Mapping) or len(data) != 1:
        raise Misfit(("", 'expected where the secret lies, such as { environment = "CHAP_PASSWORD" }, file or command'))
    ((source, reference),) = data.items()
    match source:
        case "environment" | "file" | "literal" if isinstance(reference, str):
            return Secret(source, (reference,))
        case "command" if isinstance(reference, list) and reference and all(isinstance(r, str) for r in reference):
            return Secret.command(*reference)
        case "environment" | "file" | "literal":
            raise Misfit((source, "expected a text"))
        case "command":
            raise Misfit((source, 'expected a list of words, such as ["pass", "show", "chap/db7"]'))
        case _:
            raise Misfit((str(source), _unknown(str(source), SECRET_KEYS)))


def _structure_text(data: Any, _type: Any) -> str:
    """Take whole numbers for texts, too; a bare yes or true is not taken, because it has two spellings."""
    if isinstance(data, str):
        return data
    if isinstance(data, int) and not isinstance(data, bool):
        return str(data)
    raise Misfit(("", f"expected a text; found {_show(data)}, put it in quotes"))


def _structure_whole(data: Any, _type: Any) -> int:
    if isinstance(data, int) and not isinstance(data, bool):
        return data
    raise Misfit(("", f"expected a whole number; found {_show(data)}"))


def _structure_switch(data: Any, _type: Any) -> bool:
    if isinstance(data, bool):
        return data
    raise Misfit(("", f"expected true or false; found {_show(data)}"))


def _structure_choice(type_: Any) -> Callable[[Any, Any], Any]:
    choices = typing.get_args(type_)

    def structure_it(data: Any, _type: Any) -> Any:
        if data in choices:
            return data
        known = [choice for choice in choices if choice]
        raise Misfit(("", f"{_show(data)} is none of {', '.join(known)}{_suggestion(str(data), known)}"))

    return structure_it


def _unknown(key: str, known: Iterable[str]) -> str:
    names = list(known)
    return f"unknown key{_suggestion(key, names) or '; known are ' + ', '.join(names)}"


def _suggestion(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _show(data: object) -> str:
    shown = "nothing" if data is None else repr(data)
    return shown if len(shown) <= 60 else f"{shown[:60]}..."


# -- writing ------------------------------------------------------------------------------------------


def _unstructure_class(converter: cattrs.Converter, cls: type) -> Callable[[Any], dict[str, Any]]:
    fields = spec_fields(cls)

    def unstructure_it(said: Any) -> dict[str, Any]:
        return {
            name: converter.unstructure(getattr(said, name))
            for name, (attribute, _) in fields.items()
            if attribute.default is attrs.NOTHING or getattr(said, name) != attribute.default
        }

    return unstructure_it


def _unstructure_secret(secret: Secret, *, reveal_literals: bool) -> dict[str, Any]:
    if secret.source == "literal" and not reveal_literals:
        msg = (
            "a literal secret is not written into a spec: refer to it by Secret.environment, Secret.file or "
            "Secret.command, or render with reveal_literals=True"
        )
        raise SpecError(msg)
    return {secret.source: list(secret.reference) if secret.source == "command" else secret.reference[0]}


def _is_tuple(type_: Any) -> bool:
    return type_ is tuple or typing.get_origin(type_) is tuple


def _is_union(type_: Any) -> bool:
    return typing.get_origin(type_) in {Union, types.UnionType}


def _is_literal(type_: Any) -> bool:
    return typing.get_origin(type_) is Literal


def _make_converter(*, reveal_literals: bool) -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=False)
    converter.register_structure_hook_factory(attrs.has, _structure_class)
    converter.register_structure_hook_factory(_is_tuple, _structure_sequence)
    converter.register_structure_hook_factory(_is_union, _structure_union)
    converter.register_structure_hook_factory(_is_literal, _structure_choice)
    converter.register_structure_hook(Params, _structure_params)
    converter.register_structure_hook(Secret, _structure_secret)
    converter.register_structure_hook(str, _structure_text)
    converter.register_structure_hook(int, _structure_whole)
    converter.register_structure_hook(bool, _structure_switch)
    converter.register_unstructure_hook_factory(attrs.has, lambda cls: _unstructure_class(converter, cls))
    converter.register_unstructure_hook_func(_is_tuple, lambda items: [converter.unstructure(i) for i in items])
    converter.register_unstructure_hook(Params, dict)
    converter.register_unstructure_hook(
        Secret, lambda secret: _unstructure_secret(secret, reveal_literals=reveal_literals)
    )
    return converter


_CONVERTER: Final = _make_converter(reveal_literals=False)
