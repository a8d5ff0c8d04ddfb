"""Photos in the desktop's own viewer."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from qks_cli.errors import UsageError

MOST = 20  # windows that nobody wants more of


def open_viewer(paths: Sequence[Path]) -> None:
    """Hand photos to the desktop, the first ``MOST`` of them. Raises ``UsageError`` where there is
    no desktop that takes them."""
    program = "open" if sys.platform == "darwin" else "xdg-open"
    found = shutil.which(program)
    if found is None:
        raise UsageError(f"--open needs {program}, which is not installed")
    together = [list(paths[:MOST])] if program == "open" else [[path] for path in paths[:MOST]]
    for some in together:
        done = subprocess.run([found, *map(str, some)], stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise UsageError(f"{program} could not show {some[0].name}")
