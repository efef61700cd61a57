"""The crm shell's language (`crm configure show`), read and written.

`parse` builds the XML that the text means and reads it as `cib_xml` does, so that both dialects agree about
what a `Cib` is. Where crm guesses (`primitve` is taken for `primitive`; recording crm-errors/syntax-typo-fuzzy),
hastore refuses and says what it would have guessed. Rules are read in locations alone; resource sets, tickets,
ACLs, alerts and bundles have to be written as crm shows what it has no words for itself: `xml <element .../>`.
So does `render`.

Sources: `crm configure help`, crmsh 4.4.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Final

import attrs
from lxml import etree

from hastore.formats import cib_xml
from hastore.formats.cib_words import (
    OPERATION_DEFAULTS_SET,
    PROPERTY_SET,
    RESOURCE_DEFAULTS_SET,
    ROLES,
)
from hastore.formats.crmsh_lexer import SOURCE, Statement, Word, statements
from hastore.formats.crmsh_parts import (
    RESOURCE_PARTS,
    Parts,
    Words,
    agent_of,
    fencing_level,
    nvset,
    option,
    read_rules,
    rename_set,
    score_of,
    suggest,
)
from hastore.formats.crmsh_write import render
from hastore.formats.xml_text import elements, make, read_xml
from hastore.model.cib_edits import safe_id
from hastore.model.errors import ParseError
from hastore.model.pacemaker import Cib

__all__ = ["check", "parse", "render"]

_ACTIONS: Final = ("start", "stop", "promote", "demote")
_KINDS: Final = {"mandatory": "Mandatory", "optional": "Optional", "serialize": "Serialize"}
_UNSUPPORTED: Final = ("rsc_ticket", "bundle", "user", "role", "acl_target", "acl_group", "alert")
_XML_SECTIONS: Final = {
    "primitive": "resources", "group": "resources", "clone": "resources", "master": "resources",
    "template": "resources", "bundle": "resources", "rsc_location": "constraints", "rsc_colocation": "constraints",
    "rsc_order": "constraints", "rsc_ticket": "constraints", "node": "nodes", "tag": "tags",
    "fencing-level": "fencing-topology", "cluster_property_set": "crm_config", "acls": "", "alerts": "",
}  # fmt: skip


def parse(text: str | bytes) -> Cib:
    """Read crm's language.

    Raises ParseError with line and column of the first thing that is wrong; `check` tells them all.
    """
    reader, problems = _read(text)
    if problems:
        raise problems[0]
    return reader.cib()


def check(text: str | bytes) -> tuple[ParseError, ...]:
    """Return everything that is wrong with a text, one error a statement, in the order of the lines."""
    return tuple(_read(text)[1])


def _read(text: str | bytes) -> tuple[_Reader, list[ParseError]]:
    reader = _Reader()
    problems: list[ParseError] = []
    for statement in statements(text.decode() if isinstance(text, bytes) else text):
        if isinstance(statement, ParseError):
            problems.append(statement)
            continue
        try:
            reader.read(statement)
        except ParseError as error:
            problems.append(error)
    # What a group or clone holds is looked up at the end, and only where all that could define it was read.
    return reader, problems or reader.nest()


@attrs.define
class _Reader:
    """Builds the configuration's XML, statement by statement."""

    sections: dict[str, list[etree._Element]] = attrs.field(factory=dict)
    resources: dict[str, etree._Element] = attrs.field(factory=dict)
    holding: list[tuple[str, tuple[Word, ...]]] = attrs.field(factory=list)
    defined: dict[str, int] = attrs.field(factory=dict)
    everywhere: list[tuple[int, str]] = attrs.field(factory=list)

    def cib(self) -> Cib:
        configuration = etree.Element("configuration")
        for name in (
            "crm_config",
            "nodes",
            "resources",
            "constraints",
            "fencing-topology",
            "tags",
            "rsc_defaults",
            "op_defaults",
        ):
            configuration.append(make(name, {}, self.sections.get(name, ())))
        for section in self.sections.get("", ()):
            configuration.append(section)
        nodes = [node.get("uname", "") for node in self.sections.get("nodes", ())]
        levels = configuration.find("fencing-topology")
        if levels is not None:
            levels.extend([fencing_level(node, index, devices) for node in nodes for index, devices in self.everywhere])
        return cib_xml.parse(etree.tostring(configuration))

    def add(self, section: str, element: etree._Element) -> None:
        self.sections.setdefault(section, []).append(element)

    def define(self, word: Word, text: str = "") -> str:
        """Remember an id, or refuse one that was there before."""
        id = text or word.text
        if id in self.defined:
            raise word.wrong(expected=f"an id of its own ({id!r} is defined in line {self.defined[id]})")
        if word.pair or not id or safe_id(id) != id or not (id[0].isalpha() or id[0] == "_"):
            raise word.wrong(expected="an id (letters, digits, '_', '-', '.'; a letter first)")
        self.defined[id] = word.line
        return id

    def nest(self) -> list[ParseError]:
        """Put what groups and clones hold inside them; return what is missing."""
        problems = []
        held: set[str] = set()
        for holder, members in self.holding:
            for member in members:
                if member.text not in self.resources:
                    known = difflib.get_close_matches(member.text, self.resources, 1)
                    hint = f"; did you mean {known[0]!r}?" if known else ""
                    problems.append(member.wrong(expected=f"a resource that this text defines, for {holder!r}{hint}"))
                elif member.text in held:
                    problems.append(
                        member.wrong(expected=f"a resource that no other group or clone holds, for {holder!r}")
                    )
                else:
                    held.add(member.text)
                    self.resources[holder].append(self.resources[member.text])
        self.sections["resources"] = [e for id, e in self.resources.items() if id not in held]
        return problems

    # -- statements -----------------------------------------------------------------------------------

    def read(self, statement: Statement) -> None:
        keyword = statement.words[0]
        reader = _KEYWORDS.get(keyword.text)
        if reader is not None:
            reader(self, Words(statement))
            return
        if keyword.text in _UNSUPPORTED:
            raise keyword.wrong(expected=f"xml <{keyword.text} ...> (hastore does not read crm's {keyword.text})")
        raise keyword.wrong(suggest("a keyword", keyword.text, _KEYWORDS))

    def read_node(self, words: Words) -> None:
        first = words.next("a node's name")
        number = ""
        if first.pair and first.pair[0] in ("$id", "id"):
            number, first = first.pair[1], words.next("a node's name")
        elif first.text.endswith(":"):
            number, first = first.text[:-1], words.next("a node's name")
        name, _, kind = first.text.partition(":")
        if first.pair or not name:
            raise first.wrong(expected="a node's name")
        sets = Parts(
            number or name, {"attributes": "instance_attributes", "utilization": "utilization"}, f"node {name!r}"
        )
        sets.read(words)
        node = make("node", {"id": number or name, "uname": name, "type": kind, **sets.said}, sets.elements())
        for made in node:
            rename_set(made, f"nodes-{number or name}" + ("-utilization" if made.tag == "utilization" else ""))
        self.add("nodes", node)

    def read_primitive(self, words: Words, tag: str = "primitive") -> None:
        id = self.define(words.next("an id"))
        agent = words.next(f"the agent of {id!r}, such as ocf:heartbeat:IPaddr2")
        named = (
            {"template": agent.text[1:]} if agent.text.startswith("@") and tag == "primitive" else agent_of(agent, id)
        )
        sets = Parts(id, RESOURCE_PARTS, f"{tag} {id!r}", implied="params")
        sets.read(words)
        self.resources[id] = make(tag, {"id": id, **named, **sets.said}, sets.elements())

    def read_template(self, words: Words) -> None:
        self.read_primitive(words, "template")

    def read_group(self, words: Words) -> None:
        id = self.define(words.next("an id"))
        members = []
        while (word := words.peek()) is not None and not word.pair and word.text not in ("params", "meta"):
            members.append(words.next(""))
        if not members:
            raise (words.peek() or words.statement.end).wrong(expected=f"the members of group {id!r}")
        self.hold("group", id, tuple(members), words)

    def read_clone(self, words: Words, tag: str = "clone") -> None:
        id = self.define(words.next("an id"))
        self.hold(tag, id, (words.next(f"the resource that {id!r} clones"),), words)

    def read_master(self, words: Words) -> None:
        self.read_clone(words, "master")

    def hold(self, tag: str, id: str, members: tuple[Word, ...], words: Words) -> None:
        sets = Parts(id, {"params": "instance_attributes", "meta": "meta_attributes"}, f"{tag} {id!r}", implied="meta")
        sets.read(words)
        self.resources[id] = make(tag, {"id": id, **sets.said}, sets.elements())
        self.holding.append((id, members))

    def read_location(self, words: Words) -> None:
        id = self.define(words.next("an id"))
        about = words.next(f"the resource that {id!r} is about")
        if about.pair or about.text.startswith(("{", "(")):
            raise about.wrong(expected=f"one resource's id (write a set of them as: xml <rsc_location id={id!r} ...>)")
        pattern = len(about.text) > 2 and about.text.startswith("/") and about.text.endswith("/")
        element = make(
            "rsc_location", {"id": id, **({"rsc-pattern": about.text[1:-1]} if pattern else {"rsc": about.text})}
        )
        while (word := words.peek()) is not None and word.pair:
            element.set(*option(words.next(""), f"location {id!r}"))
        if (word := words.peek()) is not None and word.text == "rule":
            read_rules(element, words, id)
            return self.add("constraints", element)
        element.set("score", score_of(words.next("a score, such as inf:"), id))
        element.set("node", words.next(f"the node of {id!r}").text)
        words.end(f"the end of location {id!r}")
        return self.add("constraints", element)

    def read_colocation(self, words: Words) -> None:
        id = self.define(words.next("an id"))
        score = score_of(words.next("a score, such as inf:"), id)
        ends, options = self.read_ends(words, "rsc_colocation", id)
        attributes = {"id": id, "score": score}
        for word, name in zip(ends, ("rsc", "with-rsc"), strict=True):
            resource, _, role = word.text.partition(":")
            if role not in ROLES:
                raise word.wrong(suggest("a role", role, [r for r in ROLES if r]))
            attributes |= {name: resource, f"{name}-role": ROLES[role]}
        self.add("constraints", make("rsc_colocation", attributes | options))

    def read_order(self, words: Words) -> None:
        id = self.define(words.next("an id"))
        attributes = {"id": id}
        first = words.peek()
        if first is not None and first.text.endswith(":"):
            words.next("")
            kind = _KINDS.get(first.text[:-1].lower())
            attributes |= {"kind": kind} if kind else {"score": score_of(first, id)}
        ends, options = self.read_ends(words, "rsc_order", id)
        for word, name in zip(ends, ("first", "then"), strict=True):
            resource, _, action = word.text.partition(":")
            if action and action not in _ACTIONS:
                raise word.wrong(suggest("an action", action, _ACTIONS))
            attributes |= {name: resource, f"{name}-action": action}
        self.add("constraints", make("rsc_order", attributes | options))

    def read_ends(self, words: Words, tag: str, id: str) -> tuple[tuple[Word, Word], dict[str, str]]:
        """Return the two resources of a constraint, and its further attributes."""
        advice = f"(write a set of resources as: xml <{tag} id={id!r} ...>)"
        ends = (words.next(f"the first resource of {id!r}"), words.next(f"the second resource of {id!r}"))
        rest = words.rest()
        for word in (*ends, *(word for word in rest if not word.pair)):
            if word in rest or word.pair or word.bare[0] in "([{":
                raise word.wrong(expected=f"two resources of {id!r} {advice}")
        return ends, dict(option(word, id) for word in rest)

    def read_tag(self, words: Words) -> None:
        word = words.next("an id")
        id = self.define(word, word.text.removesuffix(":"))
        members = words.rest()
        if not members:
            raise words.statement.end.wrong(expected=f"the ids that tag {id!r} names")
        self.add("tags", make("tag", {"id": id}, [make("obj_ref", {"id": member.text}) for member in members]))

    def read_fencing_topology(self, words: Words) -> None:
        target, index = "", 0
        for word in words.rest():
            if word.text.endswith(":"):
                target, index = word.text[:-1], 0
                continue
            index += 1
            if word.pair or "pattern:" in word.text or "attr:" in word.text:
                raise word.wrong(expected="a node and its devices (write others as: xml <fencing-level ...>)")
            if target:
                self.add("fencing-topology", fencing_level(target, index, word.text))
            else:
                self.everywhere.append((index, word.text))

    def read_options(self, words: Words, section: str, tag: str, usual: str) -> None:
        word = words.peek()
        id = usual
        if word is not None and word.pair and word.pair[0] in ("$id", "id"):
            _, id = option(words.next(""), section)
        elif word is not None and not word.pair:
            id = words.next("").text.removesuffix(":")
        where = f"{section} {id!r}"
        pairs = dict(option(word, where) for word in words.rest())
        standing = next((s for s in self.sections.get(section, ()) if s.get("id") == id), None)
        if standing is None:
            self.add(section, nvset(tag, id, pairs))
        else:
            standing.extend(nvset(tag, id, pairs))

    def read_xml(self, words: Words) -> None:
        first = words.statement.words[0]
        text = words.statement.text[len("xml") :].strip()
        if words.peek() is not None and words.statement.words[1].bare.startswith("\0"):
            text = text[1:-1]
        try:
            element = read_xml(text, SOURCE)
        except ParseError as error:
            shift = first.column + len("xml") if error.line == 1 else 0
            raise ParseError(
                error.expected, line=first.line + error.line - 1, column=error.column + shift, source=SOURCE
            ) from error
        if element.tag in ("rsc_defaults", "op_defaults"):
            for child in elements(element):
                self.add(str(element.tag), child)
            return None
        section = _XML_SECTIONS.get(str(element.tag))
        if section is None:
            raise first.wrong(suggest("an element of a CIB after xml", str(element.tag), _XML_SECTIONS))
        if section != "resources":
            return self.add(section, element)
        self.resources[self.define(first, element.get("id", ""))] = element
        return None


_KEYWORDS: Final[Mapping[str, Callable[[_Reader, Words], None]]] = {
    "node": _Reader.read_node,
    "primitive": _Reader.read_primitive,
    "rsc_template": _Reader.read_template,
    "group": _Reader.read_group,
    "clone": _Reader.read_clone,
    "ms": _Reader.read_master,
    "master": _Reader.read_master,
    "location": _Reader.read_location,
    "colocation": _Reader.read_colocation,
    "collocation": _Reader.read_colocation,
    "order": _Reader.read_order,
    "tag": _Reader.read_tag,
    "fencing_topology": _Reader.read_fencing_topology,
    "property": lambda reader, words: reader.read_options(words, "crm_config", "cluster_property_set", PROPERTY_SET),
    "rsc_defaults": lambda r, words: r.read_options(words, "rsc_defaults", "meta_attributes", RESOURCE_DEFAULTS_SET),
    "op_defaults": lambda r, words: r.read_options(words, "op_defaults", "meta_attributes", OPERATION_DEFAULTS_SET),
    "xml": _Reader.read_xml,
}
