"""Docstrings need no reStructuredText: whatever plain text stands there, docutils reads it without a complaint."""

import inspect
import runpy
from pathlib import Path

import pytest

docutils = pytest.importorskip("docutils.core", reason="the docs session brings it")
plain_to_rst = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "plain_docstrings.py"))["plain_to_rst"]


def read(text: str) -> str:
    """Return the document as docutils' pseudo-XML; a complaint of any level raises."""
    settings = {"halt_level": 1, "report_level": 1, "warning_stream": False}
    return str(docutils.publish_doctree(text, settings_overrides=settings).pformat())


@pytest.mark.parametrize(
    "lines",
    [
        ["Two `Cib`s, |bar|, star* and *star, under_ and _x_, a ` alone, back\\slash, `a|*b_`."],
        ["Table:", "", "| a | b |", "|---|---|", "| 1 | 2 |"],
        ["Tree:", "", "HastoreError", "  SpecError", "  HostError"],
        ["- one `item`s", "- another_", "", "Text."],
    ],
)
def test_plain_text_is_read_without_complaint(lines: list[str]) -> None:
    read("\n".join(plain_to_rst(lines)))


def test_code_is_code_and_signs_are_signs() -> None:
    found = read("\n".join(plain_to_rst(["Two `Cib`s and a * of name_."])))
    assert "<literal>\n            Cib" in found
    assert "s and a * of name_." in found


def test_doctests_and_announced_literals_stay() -> None:
    text = inspect.cleandoc(
        """
        So::

            a  *b

        >>> 1 + 1
        2
        """
    )
    found = read("\n".join(plain_to_rst(text.splitlines())))
    assert "<doctest_block" in found
    assert "a  *b" in found
