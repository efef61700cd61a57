"""Who looks on: a terminal that rich can colour, or a file, a pipe, a log."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TextIO


def is_rich(stream: TextIO) -> bool:
    """True where rich is installed (the extra `display`) and the stream is a terminal that understands it."""
    return stream.isatty() and os.environ.get("TERM", "") not in {"", "dumb"} and find_spec("rich") is not None
