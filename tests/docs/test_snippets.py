"""What the documentation shows is run as it stands: every Python block of every page, in its page's order.

A `pycon` block is a doctest, a `python` block is run as a script. Blocks of one page share their names. A block
that cannot run here says why in a comment line right above it: `<!-- not run: needs two machines -->`.
"""

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"^(?P<skip><!-- not run: .+ -->\n+)?```(?P<kind>pycon|python)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


def runnable(page: str) -> list[tuple[int, str, str]]:
    """Return (line, kind, text) of the blocks that run."""
    return [
        (page.count("\n", 0, block.start("text")), block["kind"], block["text"])
        for block in BLOCK.finditer(page)
        if not block["skip"]
    ]


PAGES_WITH_CODE = [page for page in PAGES if "_build" not in page.parts and runnable(page.read_text())]


@pytest.mark.parametrize("path", PAGES_WITH_CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_page_runs_as_it_stands(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    for line, kind, text in runnable(path.read_text()):
        if kind == "python":
            exec(compile("\n" * line + text, str(path), "exec"), names)  # noqa: S102  our own documentation
        else:
            assert_doctest_holds(text, names, path, line)


def assert_doctest_holds(text: str, names: dict[str, object], path: Path, line: int) -> None:
    test = doctest.DocTestParser().get_doctest(text, names, path.name, str(path), line)
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(test, out=said.append, clear_globs=False)
    names.update(test.globs)
    assert test.examples, f"{path.name}:{line}: a pycon block without a >>> line"
    assert runner.failures == 0, "".join(said)


def test_blocks_are_found_and_skips_need_a_reason() -> None:
    page = "```python\na = 1\n```\n\n<!-- not run: needs a moon -->\n```python\nb\n```\n\n```pycon\n>>> a\n1\n\n```\n"
    assert runnable(page) == [(1, "python", "a = 1\n"), (10, "pycon", ">>> a\n1\n\n")]


def test_a_false_example_is_noticed() -> None:
    with pytest.raises(AssertionError, match="Expected"):
        assert_doctest_holds(">>> 1 + 1\n3\n", {}, Path("page.md"), 1)
