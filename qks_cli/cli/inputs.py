"""What a user names on the command line: paths, on it or on stdin."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

STDIN = Path("-")


def from_stdin(paths: Sequence[Path]) -> bool:
    """Whether some of the paths come on stdin."""
    return STDIN in paths


def named(paths: Sequence[Path]) -> list[Path]:
    """The paths on the command line itself."""
    return [path for path in paths if path != STDIN]


def given(paths: Sequence[Path], *, nul: bool) -> Iterator[Path]:
    """What the user named, then the paths on stdin (NUL-ended where ``nul``) where ``-`` asks for
    them, as they come."""
    if not from_stdin(paths):
        return iter(paths)
    from qks_cli.photos.walk import read_paths

    return chain(named(paths), read_paths(sys.stdin.buffer, nul=nul))
