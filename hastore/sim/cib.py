"""The cluster's information base: XML with a version, changed by create, modify, delete, replace and patch.

Behaviour (which version is bumped, which exit code and text a refusal has) was tried side by side with
`cibadmin` 2.1.5 on a file; tests/sim/test_pacemaker_cib.py repeats the comparison.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

from lxml import etree

from hastore.sim.cib_schema import faults
from hastore.sim.cluster_xml import Element, detach, parse_xml, print_xml, select

VERSION = ("admin_epoch", "epoch", "num_updates")
SECTIONS = ("crm_config", "nodes", "resources", "constraints", "rsc_defaults", "op_defaults", "tags", "alerts", "acls")
FEATURE_SET = "3.16.1"
EMPTY = (
    f'<cib crm_feature_set="{FEATURE_SET}" validate-with="pacemaker-3.9" epoch="0" num_updates="0" admin_epoch="0">'
    "<configuration><crm_config/><nodes/><resources/><constraints/></configuration><status/></cib>"
)

OLD = (103, "Update was older than existing configuration")
RESYNC = (1, "Application of update diff failed, requesting full refresh")
DIFF_FAILED = (1, "Application of update diff failed")
MISSING = (105, "No such device or address")
EXISTS = (108, "File exists")
ARGUMENT = (70, "Invalid argument")
INVALID = (78, "Update does not conform to the configured schema")


class CibRefusal(Exception):
    """A change that the CIB refuses, as `cibadmin` tells it: exit code, reason, further output."""

    def __init__(self, refusal: tuple[int, str], *, stdout: str = "", stderr: str = "") -> None:
        self.exit_code, self.reason = refusal
        self.stdout = stdout
        self.stderr = stderr
        super().__init__(self.reason)


class Cib:
    """One state of the information base; a refused change leaves it as it was."""

    def __init__(self, text: str | bytes = EMPTY) -> None:
        root = parse_xml(text)
        if root is None or root.tag != "cib":
            msg = "a CIB is an XML document with the root element <cib>"
            raise ValueError(msg)
        self.root: Element = root

    def __str__(self) -> str:
        return print_xml(self.root)

    @property
    def version(self) -> tuple[int, int, int]:
        """admin_epoch, epoch, num_updates."""
        return version_of(self.root)

    @property
    def configuration(self) -> Element:
        """The <configuration> element."""
        return _only(self.root, "configuration")

    @property
    def status(self) -> Element:
        """The <status> element, made where it is missing."""
        status = self.root.find("status")
        return status if status is not None else etree.SubElement(self.root, "status")

    def section(self, name: str) -> Element | None:
        """Return a section by name; the whole CIB for a name that is no section, as cibadmin does."""
        if name == "configuration":
            return self.configuration
        if name == "status":
            return self.status
        return self.configuration.find(name) if name in SECTIONS else self.root

    def find(self, id: str, tag: str = "*") -> Element | None:
        """Return the element of the configuration with this id, or None."""
        return next((e for e in self.configuration.iter(tag) if e.get("id") == id), None)

    def query(self, path: str) -> list[Element]:
        """Return what an XPath selects; raise CibRefusal where that is nothing."""
        elements = select(self.root, path)
        if not elements:
            raise CibRefusal(MISSING)
        return elements

    # Changes

    def create(self, section: str, given: Element) -> None:
        """Add an element below a section; an id that is there already is refused with 108."""

        def act() -> None:
            parent = self._home(section)
            for child in _contents(given, section):
                if parent is None:
                    raise CibRefusal(ARGUMENT, stdout=_failed_update(child, "cib_create", ARGUMENT[1]))
                if any(e.tag == child.tag and e.get("id") == child.get("id") for e in parent):
                    raise CibRefusal(EXISTS, stdout=_failed_update(child, "cib_create", EXISTS[1]))
                parent.append(copy.deepcopy(child))

        self._change(act)

    def modify(self, section: str, given: Element, *, may_create: bool = False, path: str = "") -> None:
        """Merge attributes and children into the element that is there; 105 where none is."""

        def act() -> None:
            target = self.query(path)[0] if path else self._counterpart(section, given)
            if target is not None:
                _merge(target, given)
            elif may_create:
                self._require_home(section).append(copy.deepcopy(given))
            else:
                raise CibRefusal(MISSING)

        created = not path and self._counterpart(section, given) is None
        self._change(act, quiet=created)

    def delete(self, section: str, given: Element) -> None:
        """Remove the element; one that is not there is no error."""

        def act() -> None:
            target = self._counterpart(section, given)
            if target is not None:
                detach(target)

        self._change(act)

    def delete_path(self, path: str, *, every: bool = False) -> None:
        """Remove the first element an XPath selects, or every one; nothing found is no error."""

        def act() -> None:
            found = select(self.root, path)
            for element in found if every else found[:1]:
                detach(element)

        self._change(act)

    def replace(self, section: str, given: Element) -> None:
        """Put a whole CIB, section or element in the place of the one there; an older CIB is refused with 103."""

        def act() -> None:
            if given.tag == "cib":
                if version_of(given) < self.version:
                    raise CibRefusal(OLD)
                self.root = copy.deepcopy(given)
                return
            target = self._counterpart(section, given)
            if target is None:
                raise CibRefusal(MISSING)
            parent = target.getparent()
            if parent is None:
                raise CibRefusal(MISSING)
            parent.replace(target, copy.deepcopy(given))

        self._change(act)

    def patch(self, diff: Element) -> None:
        """Apply a patchset of format 2 whose source version must be the CIB's own."""
        if diff.tag != "diff":
            return

        def act() -> None:
            self._check_version(diff)
            for change in diff.findall("change"):
                _apply(self.root, change)

        self._change(act)

    def bump(self) -> None:
        """Raise the epoch without changing anything (`cibadmin --bump`)."""
        self.root.set("epoch", str(self.version[1] + 1))
        self.root.set("num_updates", "1")

    def touch(self) -> None:
        """Count a change of the status section."""
        self.root.set("num_updates", str(self.version[2] + 1))

    def _change(self, act: Callable[[], None], *, quiet: bool = False) -> None:
        before = copy.deepcopy(self.root)
        try:
            act()
            self._count(before, quiet=quiet)
            self._check()
        except CibRefusal:
            self.root = before
            raise

    def _count(self, before: Element, *, quiet: bool) -> None:
        if _configuration_text(before) != _configuration_text(self.root) and not quiet:
            self.root.set("epoch", str(self.version[1] + 1))
            self.root.set("num_updates", "0")
        elif _whole_text(before) != _whole_text(self.root):
            self.touch()

    def _check(self) -> None:
        if faults(self.root):
            raise CibRefusal(INVALID, stderr=_numbered(self.root))

    def _check_version(self, diff: Element) -> None:
        source, target = diff.find("version/source"), diff.find("version/target")
        if source is None or target is None:
            return
        # what the source leaves out is taken as it is (seen with a live Pacemaker: tests/cluster/test_patch_guard)
        given = tuple(int(source.get(name, mine)) for name, mine in zip(VERSION, map(str, self.version), strict=True))
        if given > self.version:
            raise CibRefusal(RESYNC)
        if given < self.version or version_of(target) <= given:
            raise CibRefusal(OLD)

    def _home(self, section: str) -> Element | None:
        """Return the section, None where the CIB has none of this name yet; 105 where none was named."""
        if not section:
            raise CibRefusal(MISSING)
        return self.section(section)

    def _require_home(self, section: str) -> Element:
        home = self._home(section)
        if home is None:
            raise CibRefusal(ARGUMENT)
        return home

    def _counterpart(self, section: str, given: Element) -> Element | None:
        root = self.root if not section else self.section(section)
        if root is None:
            return None
        if root.tag == given.tag and root.get("id") == given.get("id"):
            return root
        return next((e for e in root.iter(given.tag) if e.get("id") == given.get("id")), None)


def version_of(element: Element) -> tuple[int, int, int]:
    """Return admin_epoch, epoch and num_updates of an element; missing ones count as 0."""
    admin, epoch, updates = (int(element.get(name, "0")) for name in VERSION)
    return admin, epoch, updates


def _only(root: Element, tag: str) -> Element:
    found = root.find(tag)
    return found if found is not None else etree.SubElement(root, tag)


def _contents(given: Element, section: str) -> list[Element]:
    return list(given) if given.tag == section else [given]


def _merge(target: Element, given: Element) -> None:
    for name, text in given.items():
        target.set(name, text)
    for child in given:
        counterpart = next((e for e in target if e.tag == child.tag and e.get("id") == child.get("id")), None)
        if counterpart is None:
            target.append(copy.deepcopy(child))
        else:
            _merge(counterpart, child)


def _apply(root: Element, change: Element) -> None:
    """Apply one change of a patchset; what is not there need not be deleted or moved."""
    path, operation = change.get("path", ""), change.get("operation")
    target = _at(root, path)
    if target is None:
        if operation in {"delete", "move"}:
            return
        raise CibRefusal(DIFF_FAILED)
    if operation == "delete":
        detach(target)
    elif operation == "create":
        target.insert(int(change.get("position", "-1")), copy.deepcopy(change[0]))
    elif operation == "move":
        parent = target.getparent()
        if parent is None:
            raise CibRefusal(DIFF_FAILED)
        parent.remove(target)
        parent.insert(int(change.get("position", "0")), target)
    elif operation == "modify":
        result = change.find("change-result")
        if result is None or not len(result):
            raise CibRefusal(DIFF_FAILED)
        target.attrib.clear()
        for name, text in result[0].items():
            target.set(name, text)
    else:
        raise CibRefusal(DIFF_FAILED)


def _at(root: Element, path: str) -> Element | None:
    return root if path == "/cib" else next(iter(select(root, path)), None)


def _failed_update(element: Element, operation: str, reason: str) -> str:
    failed = etree.Element("failed")
    update = etree.SubElement(
        failed,
        "failed_update",
        id=element.get("id", ""),
        object_type=str(element.tag),
        operation=operation,
        reason=reason,
    )
    update.append(copy.deepcopy(element))
    return print_xml(failed)


def _numbered(root: Element) -> str:
    lines = [*print_xml(root).splitlines(), ""]
    return "".join(f"{number:4d} {line}\n" for number, line in enumerate(lines, 1))


def _configuration_text(root: Element) -> bytes:
    found = root.find("configuration")
    header = repr([(k, v) for k, v in root.attrib.items() if k in {"validate-with", "crm_feature_set", *VERSION[:2]}])
    return header.encode() + (etree.tostring(found, method="c14n") if found is not None else b"")


def _whole_text(root: Element) -> bytes:
    return bytes(etree.tostring(root, method="c14n"))
