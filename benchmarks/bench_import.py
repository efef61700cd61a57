"""How long a fresh interpreter takes to import hastore, beside the libraries that it builds on."""

from __future__ import annotations

import subprocess
import sys

from sizes import seconds, shown

STATEMENTS = (
    "pass",
    "import hastore",
    "from hastore import StorageStack",
    "from hastore import connect",
    "import plumbum",
    "import sh",
)


def main() -> None:
    """Print the seconds of each import, the interpreter's own start taken off."""
    print("importing, in a fresh interpreter")
    start = 0.0
    for statement in STATEMENTS:
        taken = seconds(lambda text=statement: subprocess.run([sys.executable, "-c", text], check=True), rounds=7)  # type: ignore[misc]  # noqa: S603
        print(f"  {statement:34} {shown(taken - start)}" + ("   the interpreter itself" if not start else ""))
        start = start or taken


if __name__ == "__main__":
    main()
