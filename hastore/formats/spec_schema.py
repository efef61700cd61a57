"""The JSON Schema of a spec, made from the classes of the model, for editors to complete and check by."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
import types
import typing
from typing import Any, Final, Literal, Union

import attrs

from hastore.formats.spec_convert import spec_fields
from hastore.model.secrets import Secret
from hastore.model.stack import StorageStack
from hastore.model.values import Params

_TEXT: Final[dict[str, Any]] = {"type": ["string", "integer"]}
_PLAIN: Final[dict[type, dict[str, Any]]] = {str: _TEXT, int: {"type": "integer"}, bool: {"type": "boolean"}}
_SECRET: Final = {
    "description": "Where a secret lies; only applying asks there.",
    "oneOf": [
        {"type": "object", "properties": {key: said}, "required": [key], "additionalProperties": False}
        for key, said in {
            "environment": {"type": "string", "description": "Name of an environment variable."},
            "file": {"type": "string", "description": "Path of a file."},
            "command": {"type": "array", "items": {"type": "string"}, "minItems": 1, "description": "An argv."},
            "literal": {"type": "string", "description": "The secret itself; better avoided."},
        }.items()
    ],
}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a spec, as YAML, JSON and TOML editors take it."""
    definitions: dict[str, Any] = {}
    whole = _schema(StorageStack, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "hastore storage stack",
        **whole,
        "$defs": definitions,
    }


def _schema(type_: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if type_ is Secret:
        definitions.setdefault("Secret", _SECRET)
        return {"$ref": "#/$defs/Secret"}
    if attrs.has(type_):
        if type_.__name__ not in definitions:
            definitions[type_.__name__] = {}
            definitions[type_.__name__] = _class_schema(type_, definitions)
        return {"$ref": f"#/$defs/{type_.__name__}"}
    if type_ is Params:
        return {"type": "object", "additionalProperties": _TEXT}
    arguments = typing.get_args(type_)
    origin = typing.get_origin(type_)
    if origin in {Union, types.UnionType}:
        choices = [_schema(argument, definitions) for argument in arguments if argument is not types.NoneType]
        return choices[0] if len(choices) == 1 else {"anyOf": choices}
    if origin is tuple and arguments[-1] is Ellipsis:
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    if origin is tuple:
        items = [_schema(argument, definitions) for argument in arguments]
        return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items)}
    if origin is Literal:
        return {"enum": list(arguments)}
    return _PLAIN[type_]


def _class_schema(cls: type, definitions: dict[str, Any]) -> dict[str, Any]:
    fields = spec_fields(cls)
    notes = _notes(cls)
    schema: dict[str, Any] = {
        "type": "object",
        "description": _plain_words(cls.__doc__ or ""),
        "properties": {name: _schema(type_, definitions) | notes.get(name, {}) for name, (_, type_) in fields.items()},
        "additionalProperties": False,
    }
    required = [name for name, (attribute, _) in fields.items() if attribute.default is attrs.NOTHING]
    return {**schema, "required": required} if required else schema


def _notes(cls: type) -> dict[str, dict[str, str]]:
    """Return the text below each field, which editors show; only the class's source has it."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    return {
        line.target.id: {"description": _plain_words(note.value.value)}
        for line, note in itertools.pairwise(body)
        if isinstance(line, ast.AnnAssign)
        and isinstance(line.target, ast.Name)
        and isinstance(note, ast.Expr)
        and isinstance(note.value, ast.Constant)
        and isinstance(note.value.value, str)
    }


def _plain_words(text: str) -> str:
    """Return the first paragraph of a docstring, in one line."""
    return inspect.cleandoc(text).partition("\n\n")[0].replace("\n", " ")
