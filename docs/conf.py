"""How the documentation is built: `./with-nox docs`. Warnings are errors, so every reference resolves."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "hastore"
author = "The hastore authors"
project_copyright = "2026, the hastore authors"
version = release = installed_version("hastore")

extensions = [
    "myst_parser",
    "sphinx.ext.apidoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "plain_docstrings",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

apidoc_modules = [
    {
        "path": "../hastore",
        "destination": "reference/modules",
        "separate_modules": True,
        "module_first": True,
        "automodule_options": {"members", "undoc-members"},
    },
]
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"ignore-module-all": True}  # a name is described where it is defined
autodoc_class_signature = "separated"

nitpicky = True
nitpick_ignore_regex = [
    # Type variables have no page; other projects' pages are not reached while building.
    (r"py:.*", r"(.*\.)?[A-Z]$"),
    (
        r"py:.*",
        r"(attr|attrs|abc|collections|concurrent|contextlib|enum|hypothesis|lxml|pathlib|subprocess|types|typing)\..*",
    ),
]
default_role = "code"

html_theme = "furo"
html_title = "hastore"
