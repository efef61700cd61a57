"""The parts of a statement in the crm shell's language: nvsets, operations, agents, scores, rules."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import attrs
from lxml import etree

from hastore.formats.cib_words import ROLES, normal_score, pair_id, set_id
from hastore.formats.crmsh_lexer import Statement, Word
from hastore.formats.xml_text import make
from hastore.model.cib_edits import safe_id

_CLASSES: Final = ("lsb", "systemd", "service", "stonith", "upstart", "nagios", "heartbeat")
_OP_WORDS: Final = (
    "id", "interval", "timeout", "role", "on-fail", "start-delay", "enabled", "record-pending", "interval-origin",
    "description", "requires",
)  # fmt: skip
RESOURCE_PARTS: Final = {"params": "instance_attributes", "meta": "meta_attributes", "utilization": "utilization"}


@attrs.define
class Words:
    """The words of a statement that are still to be read."""

    statement: Statement
    at: int = 1

    def peek(self) -> Word | None:
        """Return the next word without taking it; None at the end."""
        return self.statement.words[self.at] if self.at < len(self.statement.words) else None

    def next(self, expected: str) -> Word:
        """Take the next word; raise ParseError where there is none."""
        word = self.peek()
        if word is None:
            raise self.statement.end.wrong(expected)
        self.at += 1
        return word

    def rest(self) -> tuple[Word, ...]:
        """Take all that is left."""
        words = self.statement.words[self.at :]
        self.at = len(self.statement.words)
        return words

    def end(self, expected: str) -> None:
        """Raise ParseError where something is left."""
        word = self.peek()
        if word is not None:
            raise word.wrong(expected)


@attrs.define
class Parts:
    """The `params`, `meta`, `op` ... of one resource or node, as they come."""

    owner: str
    kinds: Mapping[str, str]
    where: str
    implied: str = ""
    said: dict[str, str] = attrs.field(factory=dict)
    sets: list[tuple[str, dict[str, str]]] = attrs.field(factory=list)
    operations: etree._Element | None = None

    def read(self, words: Words) -> None:
        """Read up to the end of the statement."""
        current: tuple[str, dict[str, str]] | None = None
        has_ops = self.implied == "params"
        while (word := words.peek()) is not None:
            if word.text in self.kinds:
                words.next("")
                current = (self.kinds[word.text], {})
                self.sets.append(current)
            elif has_ops and word.text in ("op", "operations"):
                self.read_op(words)
                current = None
            elif word.pair is None:
                raise word.wrong(
                    suggest(
                        f"name=value or a part of {self.where}", word.text, [*self.kinds, *(["op"] if has_ops else [])]
                    )
                )
            elif current is None and word.pair[0] == "description":
                self.said["description"] = words.next("").text.partition("=")[2]
            else:
                if current is None:
                    current = (self.kinds.get(self.implied, "instance_attributes"), {})
                    self.sets.append(current)
                _add_option(current[1], words.next(""), self.where)

    def read_op(self, words: Words) -> None:
        """Read one `op`, or the options of `operations`."""
        if self.operations is None:
            self.operations = etree.Element("operations")
        keyword = words.next("")
        if keyword.text == "operations":
            while (word := words.peek()) is not None and word.pair:
                key, id = option(words.next(""), self.where)
                self.operations.set(key.lstrip("$"), id)
            return
        name = words.next(f"an operation's name after op of {self.where}")
        if name.pair:
            raise name.wrong(expected=f"an operation's name (monitor, start ...) before its options, in {self.where}")
        where = f"op {name.text} of {self.where}"
        said: dict[str, str] = {}
        extra: dict[str, str] = {}
        into = said
        while (word := words.peek()) is not None and (word.pair or word.text in ("op_params", "op_meta")):
            words.next("")
            if word.text == "op_meta":
                raise word.wrong(expected=f"no op_meta (write {self.where} as: xml <primitive ...>)")
            if word.text == "op_params":
                into = extra
                continue
            is_said = into is said and word.text.partition("=")[0].lstrip("$") in _OP_WORDS
            _add_option(said if is_said else extra, word, where)
        if said.get("role", "") not in ROLES:
            raise name.wrong(suggest(f"a role in {where}", said["role"], [role for role in ROLES if role]))
        interval = said.pop("interval", "0")
        id = said.pop("$id", said.pop("id", "")) or safe_id(f"{self.owner}-{name.text}-{interval}")
        op = make("op", {"id": id, "name": name.text, "interval": interval, **said})
        if extra:
            op.append(nvset("instance_attributes", set_id(id, "instance_attributes"), extra))
        self.operations.append(op)

    def elements(self) -> list[etree._Element]:
        """Return nvsets and operations as the CIB has them."""
        made = []
        seen: dict[str, int] = {}
        for kind, pairs in self.sets:
            count = seen[kind] = seen.get(kind, -1) + 1
            made.append(nvset(kind, set_id(self.owner, kind) + (f"-{count}" if count else ""), pairs))
        return made if self.operations is None else [*made, self.operations]


def option(word: Word, where: str) -> tuple[str, str]:
    """Return name and value; a value that is missing, quotes and all, is refused."""
    if word.pair is None:
        raise word.wrong(expected=f"name=value in {where}")
    name, text = word.pair
    if not text and "\0" not in word.bare:
        raise word.wrong(expected=f'a value of {name} in {where} (write {name}="" if it is to be empty)', at_value=True)
    return name, text


def _add_option(options: dict[str, str], word: Word, where: str) -> None:
    name, text = option(word, where)
    if name in options:
        raise word.wrong(expected=f"{name} only once in {where}")
    options[name] = text


def nvset(tag: str, id: str, pairs: Mapping[str, str]) -> etree._Element:
    """Make an nvset with the usual ids."""
    nvset = make(tag, {"id": id})
    for name, text in pairs.items():
        etree.SubElement(nvset, "nvpair", id=pair_id(id, name), name=name, value=text)
    return nvset


def rename_set(nvset: etree._Element, id: str) -> None:
    """Give an nvset another id, and its nvpairs the ids that go with it."""
    nvset.set("id", id)
    for pair in nvset:
        pair.set("id", pair_id(id, pair.get("name", "")))


def fencing_level(target: str, index: int, devices: str) -> etree._Element:
    """Make a fencing level with the usual id."""
    return make(
        "fencing-level", {"id": f"fl-{target}-{index}", "target": target, "index": str(index), "devices": devices}
    )


def agent_of(word: Word, id: str) -> dict[str, str]:
    """Return class, provider and type; a bare type is ocf:heartbeat's, as crm has it."""
    parts = word.text.split(":")
    if word.pair or not all(parts) or word.text in (*RESOURCE_PARTS, "op"):
        raise word.wrong(expected=f"the agent of {id!r}, such as ocf:heartbeat:IPaddr2")
    if len(parts) == 1:
        return {"class": "ocf", "provider": "heartbeat", "type": parts[0]}
    if parts[0] in _CLASSES:
        return {"class": parts[0], "type": ":".join(parts[1:])}
    if parts[0] == "ocf" and len(parts) == 3:
        return {"class": "ocf", "provider": parts[1], "type": parts[2]}
    raise word.wrong(suggest(f"the agent of {id!r} as ocf:provider:type or class:type", parts[0], ("ocf", *_CLASSES)))


def score_of(word: Word, id: str) -> str:
    """Return the score that a word `100:` says, in Pacemaker's words."""
    text = normal_score(word.text.removesuffix(":"))
    bare = text.removeprefix("-")
    if not word.text.endswith(":") or not (bare == "INFINITY" or bare.removeprefix("+").isdecimal()):
        raise word.wrong(expected=f"a score of {id!r} with its colon, such as inf: or 100:")
    return text


def read_rules(element: etree._Element, words: Words, id: str) -> None:
    """Read `rule [$id=..] [$role=..] score: attribute op value [and|or ...]`, once or more."""
    count = 0
    while (word := words.peek()) is not None:
        if word.text != "rule":
            raise word.wrong(expected=f"rule, and, or, or the end of location {id!r}")
        words.next("")
        rule_id = f"{id}-rule" + (f"-{count}" if count else "")
        rule = etree.SubElement(element, "rule", id=rule_id)
        while (word := words.peek()) is not None and word.pair:
            name, text = option(words.next(""), f"a rule of {id!r}")
            rule.set(name.lstrip("$"), text)
        rule.set("score", score_of(words.next("a score, such as -inf:"), id))
        _read_expressions(rule, words, id)
        count += 1


def _read_expressions(rule: etree._Element, words: Words, id: str) -> None:
    joints: set[str] = set()
    while True:
        first = words.next(f"an expression of a rule of {id!r}")
        if first.text == "date":
            raise first.wrong(expected=f"an attribute (write rules with dates as: xml <rsc_location id={id!r} ...>)")
        expression = etree.SubElement(
            rule, "expression", id=f"{rule.get('id')}-expression" + (f"-{len(rule)}" if len(rule) else "")
        )
        if first.text in ("defined", "not_defined"):
            expression.set("operation", first.text)
            expression.set("attribute", words.next(f"the attribute after {first.text}").text)
        else:
            operation = words.next(f"an operation after {first.text!r}")
            kind, _, plain = operation.text.rpartition(":")
            if plain not in ("lt", "gt", "lte", "gte", "eq", "ne"):
                raise operation.wrong(suggest("an operation", plain, ("lt", "gt", "lte", "gte", "eq", "ne")))
            expression.set("attribute", first.text)
            expression.set("operation", plain)
            expression.set("value", words.next(f"a value after {first.text} {plain}").text)
            if kind:
                expression.set("type", kind)
        joint = words.peek()
        if joint is None or joint.text not in ("and", "or"):
            break
        joints.add(words.next("").text)
        if len(joints) > 1:
            raise joint.wrong(expected="only `and` or only `or` in one rule")
    if joints:
        rule.set("boolean-op", joints.pop())


def suggest(expected: str, found: str, known: Iterable[str]) -> str:
    """Return what was expected, with the likeliest word for what was found, or all of them."""
    names: Sequence[str] = sorted(known)
    close = difflib.get_close_matches(found, names, 1)
    return f"{expected}; did you mean {close[0]!r}?" if close else f"{expected} ({', '.join(names)})"
