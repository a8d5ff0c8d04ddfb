"""What a data set's folder should hold: for `qks datasets check`, and to find it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qks_cli.errors import TrainingError


@dataclass(frozen=True, slots=True)
class Part:
    """A file or folder of a data set: globs below its root, first that is there; what it is; and
    where people get it. ``optional`` parts may be missing."""

    globs: tuple[str, ...]
    what: str
    source: str
    optional: bool = False

    def find(self, root: Path) -> Path | None:
        """Where it is, None where it is missing."""
        for glob in self.globs:
            for found in sorted(root.glob(glob)):
                return found
        return None

    def get(self, root: Path) -> Path:
        """Where it is. Raises ``TrainingError`` that says what is missing."""
        found = self.find(root)
        if found is None:
            raise TrainingError(
                f"{root} lacks {self.globs[0]}: {self.what}", hint=f"it comes from {self.source}"
            )
        return found


@dataclass(frozen=True, slots=True)
class Found:
    """A part and where it was found, '' where it was not."""

    part: str
    what: str
    path: str
    source: str
    missing: bool


def check(parts: Sequence[Part], root: Path) -> list[Found]:
    """What is there and what is missing."""
    rows = []
    for part in parts:
        path = part.find(root)
        rows.append(
            Found(
                part.globs[0],
                part.what,
                "" if path is None else str(path),
                part.source,
                path is None and not part.optional,
            )
        )
    return rows
