"""Specs: the same stack in TOML, YAML and JSON, mistakes with their place, and the schema that editors use."""

from __future__ import annotations

import functools
import json
import types
import typing
from typing import Any, Literal

import attrs
import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hastore.formats import spec
from hastore.formats.spec import Form
from hastore.formats.spec_convert import spec_fields
from hastore.model.client import Initiator
from hastore.model.errors import ParseError, SpecError
from hastore.model.lvm import LvmSettings
from hastore.model.pacemaker import Cib, Colocation, Location, Order
from hastore.model.scsi import Lun, Target, Vip
from hastore.model.secrets import Secret
from hastore.model.stack import StorageStack
from hastore.model.values import Params
from hastore.testing.strategies_stack import stacks
from needs import examples

FORMS: list[Form] = ["toml", "yaml", "json"]
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    [
        "yes",
        "off",
        "null",
        "~",
        "1",
        "0x1",
        "1e3",
        "true",
        "2016-03-01",
        "12:30",
        " lead",
        "trail ",
        "a: b",
        "# c",
        "'\"",
    ]
)
CHECKED = {
    (Target, "iqn"): st.sampled_from(["iqn.2016-02.local.virtual:virtual.vg1", "eui.0123456789ABCDEF"]),
    (Vip, "ip"): st.sampled_from(["192.168.100.180", "fe80::1"]),
    (Lun, "number"): st.integers(0, 16383),
}


def values(type_: Any) -> st.SearchStrategy[Any]:
    """Draw any value that a field of this type takes, however odd its texts."""
    arguments = typing.get_args(type_)
    if type_ is Secret:
        return st.builds(Secret.literal, TEXTS) | st.builds(Secret.command, TEXTS, TEXTS)
    if attrs.has(type_):
        return instances(type_)
    if type_ is Params:
        return st.dictionaries(TEXTS, TEXTS, max_size=2).map(Params)
    if typing.get_origin(type_) in {typing.Union, types.UnionType}:
        return st.one_of(*map(values, arguments))
    if typing.get_origin(type_) is Literal:
        return st.sampled_from(arguments)
    if typing.get_origin(type_) is tuple:
        if arguments[-1] is Ellipsis:
            return st.lists(values(arguments[0]), max_size=1).map(tuple)
        return st.tuples(*map(values, arguments))
    return {str: TEXTS, int: st.integers(-(2**53), 2**53), bool: st.booleans(), types.NoneType: st.none()}[type_]


@functools.cache
def instances(cls: type) -> st.SearchStrategy[Any]:
    fields = {name: CHECKED.get((cls, name), values(type_)) for name, (_, type_) in spec_fields(cls).items()}
    required = {name for name, (a, _) in spec_fields(cls).items() if a.default is attrs.NOTHING}
    return st.fixed_dictionaries(
        {name: fields[name] for name in required},
        optional={name: fields[name] for name in fields if name not in required},
    ).map(lambda said: cls(**said))


@settings(max_examples=examples(100))
@given(instances(StorageStack), st.sampled_from(FORMS))
def test_any_stack_is_the_same_after_loading(stack: StorageStack, form: Form) -> None:
    assert spec.parse(spec.render(stack, form=form, reveal_literals=True), form=form) == stack


@settings(max_examples=examples(30))
@given(stacks())
def test_plausible_stacks_are_equal_in_all_forms_and_fit_the_schema(stack: StorageStack) -> None:
    for form in FORMS:
        assert spec.parse(spec.render(stack, form=form), form=form) == stack
    SCHEMA.validate(json.loads(spec.render(stack, form="json")))


SCHEMA = jsonschema.Draft202012Validator(spec.json_schema())


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(spec.json_schema())
    assert json.loads(json.dumps(spec.json_schema())) == spec.json_schema()


def test_the_schema_tells_what_the_model_tells() -> None:
    definitions = spec.json_schema()["$defs"]
    assert definitions["Vip"]["description"] == "A service address that moves with the storage."
    assert definitions["DrbdHost"]["properties"]["address"]["description"].startswith("`ip:port`, as DRBD writes it")
    assert definitions["Target"]["required"] == ["iqn"]


def keys(data: Any) -> list[dict[str, Any]]:
    """Return every table of a spec whose keys are a class's fields."""
    found = [data] if isinstance(data, dict) else []
    for name, inner in data.items() if isinstance(data, dict) else ():
        free = name in {"params", "meta", "options", "attributes", "addresses", "properties", "disks", "parameters"}
        free = free or name in {"settings", "net", "disk", "handlers", "startup", "syncer", "totem", "quorum"}
        free = free or name in {"logging", "service", "resource_defaults", "operation_defaults", "utilization"}
        if not free or isinstance(inner, list):
            found += keys(inner)
    for inner in data if isinstance(data, list) else ():
        found += keys(inner)
    return found


@settings(max_examples=examples(30))
@given(stacks(), st.data())
def test_a_misspelt_key_anywhere_is_refused_by_parser_and_schema(stack: StorageStack, data: st.DataObject) -> None:
    said = json.loads(spec.render(stack, form="json"))
    table = data.draw(st.sampled_from([table for table in keys(said) if table]))
    key = data.draw(st.sampled_from(sorted(table)))
    table[f"{key}x"] = table.pop(key)
    with pytest.raises(SpecError, match=f"{key}x: unknown key; did you mean '{key}'"):
        spec.parse(json.dumps(said), form="json")
    assert not SCHEMA.is_valid(said)


TARGET = '[[targets]]\niqn = "iqn.2016-02.local.virtual:virtual.vg1"\n'

MISTAKES = [
    ('nmae = "x"', "nmae: unknown key; did you mean 'name'?"),
    (
        f"{TARGET}luns = [{{ number = 0, devcie = 'a' }}]",
        "targets[0].luns[0].devcie: unknown key; did you mean 'device'?",
    ),
    (f"{TARGET}luns = [{{ number = 0 }}]", "targets[0].luns[0]: 'device' is missing"),
    (
        f"{TARGET}luns = [{{ number = '0', device = 'a' }}]",
        "targets[0].luns[0].number: expected a whole number; found '0'",
    ),
    (f"{TARGET}luns = [{{ number = 16384, device = 'a' }}]", "targets[0].luns[0]: LUN 16384 is outside 0 to 16383"),
    (f"{TARGET}luns = 0", "targets[0].luns: expected a list; found 0"),
    (f"{TARGET}enabled = 'yes'", "targets[0].enabled: expected true or false; found 'yes'"),
    (f"{TARGET}parameters = {{ InitialR2T = true }}", "targets[0].parameters.InitialR2T: expected a text; found True"),
    ('[[targets]]\niqn = "db7"', "targets[0]: 'db7' is no iSCSI name"),
    ('[[targets]]\niqn = "iqn.2016-02.local.virtual:a\\n"', "is no iSCSI name"),
    ('[[vips]]\nip = "10.0.0.300"', "vips[0]: '10.0.0.300' is no IP address"),
    (
        '[[pacemaker.resources]]\nid = "a"\nagent = "b"\nops = [{ name = "monitor", role = "Promotd" }]',
        "did you mean 'Promoted'?",
    ),
    ('[[pacemaker.constraints]]\nid = "c"\nresource = "a"\nwith_resuorce = "b"', "did you mean 'with_resource'?"),
    ('[[pacemaker.constraints]]\nid = "o"\nfrist = "a"\nthen = "b"', "did you mean 'first'?"),
    ('[[clients]]\nhost = "a"\nchap_secret = "x"', "clients[0].chap_secret: expected where the secret lies"),
    ('[[clients]]\nhost = "a"\nchap_secret = { enviroment = "x" }', "did you mean 'environment'?"),
    ('[[clients]]\nhost = "a"\nchap_secret = { command = "pass" }', "chap_secret.command: expected a list of words"),
    ("nodes = [1]", "nodes[0]: expected a table of name, addresses; found 1"),
]


@pytest.mark.parametrize(("text", "said"), MISTAKES)
def test_a_mistake_is_named_by_its_path(text: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        spec.parse(text)
    assert said in str(caught.value)


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        spec.parse('nmae = "x"\n[[nodes]]\naddresses = 1\n')
    assert str(caught.value).splitlines() == [
        "the spec has 3 mistakes:",
        "  nmae: unknown key; did you mean 'name'?",
        "  nodes[0]: 'name' is missing",
        "  nodes[0].addresses: expected a table of texts; found 1",
    ]


@pytest.mark.parametrize(
    ("text", "form", "line", "column"),
    [
        ('name = "a"\nname = \n', "toml", 2, 8),
        ('name = "a"\nnodes = [', "toml", 2, 1),
        ("name: a\nnodes: [\n", "yaml", 3, 1),
        ("name: a\nname: b\n", "yaml", 2, 1),
        ('{\n"name": }', "json", 2, 9),
    ],
)
def test_a_text_that_is_not_of_its_form(text: str, form: Form, line: int, column: int) -> None:
    with pytest.raises(ParseError) as caught:
        spec.parse(text, form=form, source="stack")
    assert (caught.value.line, caught.value.column, caught.value.source) == (line, column, "stack")


def test_a_json_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(SpecError, match="'name' stands twice"):
        spec.parse('{"name": "a", "name": "b"}', form="json")


def test_whole_numbers_may_stand_without_quotes() -> None:
    stack = spec.parse(f"{TARGET}parameters = {{ MaxSessions = 8 }}")
    assert stack.targets[0].parameters == {"MaxSessions": "8"}


def test_an_empty_list_is_not_the_same_as_silence() -> None:
    stack = StorageStack(lvm=LvmSettings(filter=()))
    assert "filter = []" in spec.render(stack)
    assert spec.parse(spec.render(stack)) == stack != StorageStack(lvm=LvmSettings())


def test_constraints_are_told_apart_by_their_keys() -> None:
    constraints = (Order("o", "a", "b"), Colocation("c", "a", "b"), Location("l", "a", "node"))
    stack = StorageStack(pacemaker=Cib(constraints=constraints))
    assert '{ id = "o", first = "a", then = "b" }' in spec.render(stack)
    assert spec.parse(spec.render(stack)) == stack


def test_secrets_are_references_and_literals_stay_out() -> None:
    stack = StorageStack(clients=(Initiator("db7", chap_secret=Secret.command("pass", "show", "chap/db7")),))
    assert 'chap_secret = { command = ["pass", "show", "chap/db7"] }' in spec.render(stack)
    literal = StorageStack(clients=(Initiator("db7", chap_secret=Secret.literal("correct horse")),))
    with pytest.raises(SpecError, match="literal secret") as caught:
        spec.render(literal)
    assert "correct horse" not in str(caught.value)
    assert spec.parse(spec.render(literal, reveal_literals=True)) == literal


@pytest.mark.parametrize("mistake", ['"correct horse"', '{ literl = "correct horse" }', '{ file = ["correct horse"] }'])
def test_a_misplaced_secret_is_not_shown(mistake: str) -> None:
    with pytest.raises(SpecError) as caught:
        spec.parse(f'[[clients]]\nhost = "db7"\nchap_secret = {mistake}\n')
    assert "correct horse" not in str(caught.value)
