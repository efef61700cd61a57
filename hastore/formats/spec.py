"""Specs: a StorageStack as TOML, YAML or JSON, the same in all three, and the schema for editors.

Keys are the fields of the model's classes; a field with its default is left out; `Params` are tables
whose whole numbers may stand without quotes. A constraint with `first` and `then` is an order, with
`with_resource` a colocation, else a location.
"""

from __future__ import annotations

import io
import json
import re
import tomllib
from typing import Any, Literal, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.representer import SafeRepresenter

from hastore.formats import spec_toml
from hastore.formats.spec_convert import structure, unstructure
from hastore.formats.spec_schema import json_schema
from hastore.model.errors import ParseError, SpecError
from hastore.model.stack import StorageStack

__all__ = ["Form", "json_schema", "parse", "render"]

Form: TypeAlias = Literal["toml", "yaml", "json"]


def parse(text: str | bytes, *, form: Form = "toml", source: str = "") -> StorageStack:
    """Read a spec.

    Raises ParseError where the text is not of its form, and SpecError, with the path of each mistake and
    a suggestion, where it says something that a stack cannot be.
    """
    plain = text.decode() if isinstance(text, bytes) else text
    return structure(_LOAD[form](plain, source))


def render(stack: StorageStack, *, form: Form = "toml", reveal_literals: bool = False) -> str:
    """Write a spec; `parse` reads the same stack back.

    Raises SpecError for a literal secret, unless `reveal_literals` lets it stand in the text.
    """
    return _DUMP[form](unstructure(stack, reveal_literals=reveal_literals))


def _load_toml(text: str, source: str) -> Any:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at line (\d+), column (\d+)", str(error))
        line, column = (int(place[1]), int(place[2])) if place else (text.count("\n") + 1, 1)
        why = re.sub(r" \(at .*\)$", "", str(error))
        wanted = f"TOML ({why})"
        raise ParseError(wanted, line=line, column=column, source=source) from error


def _load_yaml(text: str, source: str) -> Any:
    try:
        return YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        wanted = f"YAML ({error.problem or error.context})"
        raise ParseError(wanted, line=line, column=column, source=source) from error
    except YAMLError as error:
        wanted = f"YAML ({error})"
        raise ParseError(wanted, line=1, source=source) from error


def _load_json(text: str, source: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        wanted = f"JSON ({error.msg})"
        raise ParseError(wanted, line=error.lineno, column=error.colno, source=source) from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that stands twice, as TOML and YAML do."""
    table = dict(pairs)
    if len(table) < len(pairs):
        twice = next(key for key, _ in pairs if sum(other == key for other, _ in pairs) > 1)
        msg = f"{twice!r} stands twice in one table"
        raise SpecError(msg)
    return table


class _Representer(SafeRepresenter):
    """Quotes what a reader of YAML 1.1 would take for true or false, and escapes what nobody sees."""

    def represent_text(self, text: str) -> Any:
        """Represent a text so that every reader takes it for the same text."""
        style = "'" if text.lower() in {"yes", "no", "on", "off", "y", "n"} else None
        # YAML folds line ends that are not LF, in all styles but this one.
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style if text.isprintable() else '"')


_Representer.add_representer(str, _Representer.represent_text)


def _dump_yaml(data: dict[str, Any]) -> str:
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _Representer
    yaml.default_flow_style = False
    yaml.width = 120
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # the same
    text = io.StringIO()
    yaml.dump(data, text)
    return text.getvalue()


def _dump_json(data: dict[str, Any]) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


_LOAD = {"toml": _load_toml, "yaml": _load_yaml, "json": _load_json}
_DUMP = {"toml": spec_toml.render, "yaml": _dump_yaml, "json": _dump_json}
