"""Changing live CIB XML: typed edits that touch nothing else, and patchsets for `cibadmin --patch`.

`edit` renders the configuration before and after the edits and does the difference to the XML as it stands,
so that comments, ids, orders and whatever hastore has no words for stay as they were. `patchset` writes the
difference of two such texts in the form of `crm_diff` (Pacemaker 1.1.12 and later), guarded by the version it
was made for: where another changed the CIB in between, cibadmin refuses it with 103 ("Update was older than
existing configuration"; recording pacemaker/offline).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from lxml import etree

from hastore.formats import cib_xml
from hastore.formats.xml_text import attributes, canonical, elements, make, read_xml, wrong
from hastore.model.cib_edits import Edit, apply_edits

_SOURCE: Final = "CIB"
_GUARDED: Final = ("admin_epoch", "epoch")
_Key = tuple[str, str]


def edit(live_xml: str | bytes, edits: Iterable[Edit]) -> str:
    """Return the CIB with the edits done and nothing else touched; its version stays as it was.

    Raises ParseError where the text is no CIB, SpecError where `apply_edits` does.
    """
    live = read_xml(live_xml, _SOURCE)
    before = cib_xml.parse(live_xml)
    after = apply_edits(before, edits)
    old, new = (_configuration(etree.fromstring(cib_xml.render(cib))) for cib in (before, after))
    _merge(_configuration(live), old, new)
    return etree.tostring(live, encoding="unicode")


def patchset(old_xml: str | bytes, new_xml: str | bytes) -> str:
    """Return the difference of two CIBs' configurations as a patchset of format 2; empty where there is none.

    Its source is the old text's epoch, its target the next one. `num_updates` is left out of the source: it
    counts changes of status, too, which no patch of the configuration has to fear, while any other change of the
    configuration moves the epoch and makes the patch stale (seen with a live Pacemaker 2.1.5: test_patch_guard).
    Raises ParseError where a text is no CIB.
    """
    old, new = (read_xml(text, _SOURCE) for text in (old_xml, new_xml))
    for root in (old, new):
        _strip_white_space(root)
    changes = list(_changes(_configuration(old), _configuration(new), "/cib/configuration"))
    if not changes:
        return ""
    source = {name: old.get(name, "0") for name in _GUARDED}
    target = {**source, "epoch": str(int(source["epoch"]) + 1), "num_updates": "0"}
    version = make("version", {}, [make("source", source), make("target", target)])
    diff = make("diff", {"format": "2"}, [version, *changes])
    etree.indent(diff)
    return etree.tostring(diff, encoding="unicode") + "\n"


def _configuration(root: etree._Element) -> etree._Element:
    configuration = root.find("configuration") if root.tag == "cib" else root
    if configuration is None or configuration.tag != "configuration":
        raise wrong(root, "<cib> with a <configuration>, or a <configuration>", _SOURCE)
    return configuration


def _strip_white_space(root: etree._Element) -> None:
    for node in root.iter():
        node.tail = None
        if len(node):
            node.text = None


def _keyed(parent: etree._Element) -> dict[_Key, etree._Element]:
    """Return the child elements by tag and id; one without an id is the only one of its tag in its parent."""
    return {(str(child.tag), child.get("id", "")): child for child in elements(parent)}


def _is_keyed(parent: etree._Element) -> bool:
    return len(_keyed(parent)) == len(list(elements(parent)))


# -- editing ------------------------------------------------------------------------------------------


def _merge(live: etree._Element, old: etree._Element, new: etree._Element) -> None:
    """Do to `live` what makes `new` of `old`."""
    for name in {*old.keys(), *new.keys()}:
        text = new.get(name)
        if text is None and name in live.attrib:
            del live.attrib[name]
        elif text is not None and text != old.get(name):
            live.set(name, text)
    there, before, after = _keyed(live), _keyed(old), _keyed(new)
    for key in before.keys() - after.keys():
        if key in there:
            _drop(there.pop(key))
    for key, wanted in after.items():
        if key in there:
            _merge(there[key], before.get(key, etree.Element(wanted.tag)), wanted)
    _arrange(live, there, before, after)


def _drop(element: etree._Element) -> None:
    """Remove an element, leaving the text after it."""
    parent, before, tail = element.getparent(), element.getprevious(), element.tail or ""
    if parent is None:
        return
    if before is not None:
        before.tail = (before.tail or "") + tail
    else:
        parent.text = (parent.text or "") + tail
    parent.remove(element)


def _arrange(
    live: etree._Element,
    there: dict[_Key, etree._Element],
    before: dict[_Key, etree._Element],
    after: dict[_Key, etree._Element],
) -> None:
    """Insert what is new behind its neighbour, and bring what stayed into the new order if that changed."""
    stayed = [key for key in after if key in before and key in there]
    if stayed != [key for key in before if key in after and key in there]:
        slots = [live.index(element) for element in map(there.__getitem__, stayed)]
        for slot, key in zip(sorted(slots), stayed, strict=True):
            live.insert(slot, there[key])
    previous: etree._Element | None = None
    for key, wanted in after.items():
        if key not in there:
            there[key] = etree.fromstring(etree.tostring(wanted, with_tail=False))
            live.insert(0 if previous is None else live.index(previous) + 1, there[key])
        previous = there[key]


# -- patchsets ----------------------------------------------------------------------------------------


def _changes(old: etree._Element, new: etree._Element, path: str) -> Iterator[etree._Element]:
    """Yield deletions and modifications, then creations and moves, as Pacemaker does them."""
    if canonical(old) == canonical(new):
        return
    changes = list(_differences(old, new, path))
    yield from (change for change in changes if change.get("operation") in ("delete", "modify"))
    yield from (change for change in changes if change.get("operation") in ("create", "move"))


def _differences(old: etree._Element, new: etree._Element, path: str) -> Iterator[etree._Element]:
    if attributes(old) != attributes(new):
        yield _modification(path, old, new)
    before, after = _keyed(old), _keyed(new)
    replaced = {key for key in before.keys() & after.keys() if not (_is_keyed(before[key]) and _is_keyed(after[key]))}
    replaced = {key for key in replaced if canonical(before[key]) != canonical(after[key])}
    for key in before:
        if key not in after or key in replaced:
            yield make("change", {"operation": "delete", "path": _step(path, key)})
        else:
            yield from _differences(before[key], after[key], _step(path, key))
    # Pacemaker does creations and moves in the order of their positions: each finds all before it in place.
    standing = [key for key in before if key in after and key not in replaced]
    for position, key in enumerate(after):
        if key not in standing:
            created = etree.fromstring(etree.tostring(after[key], with_tail=False))
            yield make("change", {"operation": "create", "path": path, "position": str(position)}, [created])
            standing.insert(position, key)
        elif standing[position] != key:
            yield make("change", {"operation": "move", "path": _step(path, key), "position": str(position)})
            standing.remove(key)
            standing.insert(position, key)


def _step(path: str, key: _Key) -> str:
    tag, id = key
    return f"{path}/{tag}[@id='{id}']" if id else f"{path}/{tag}"


def _modification(path: str, old: etree._Element, new: etree._Element) -> etree._Element:
    was, becomes = attributes(old), attributes(new)
    set_ = [
        etree.Element("change-attr", name=name, operation="set", value=text)
        for name, text in becomes.items()
        if was.get(name) != text
    ]
    unset = [make("change-attr", {"name": name, "operation": "unset"}) for name in was if name not in becomes]
    result = etree.Element(new.tag, becomes)
    lists = [make("change-list", {}, [*set_, *unset]), make("change-result", {}, [result])]
    return make("change", {"operation": "modify", "path": path}, lists)
