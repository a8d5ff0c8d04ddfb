"""What every part of the API's library stands on: the open file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qks_cli.closing import Closing
from qks_cli.workflows import session

if TYPE_CHECKING:
    from qks_cli.library.store import Library as Store

Paths = Sequence[Path | str]
"""Photos and folders."""


class Opened(Closing):
    """An open library. Closing it twice does no harm."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def close(self) -> None:
        """Close the file; a closed library cannot be used any more."""
        self._store.close()

    def __len__(self) -> int:
        """The number of photos in the library, also missing ones."""
        return self._store.photos.count()

    @property
    def path(self) -> Path:
        """The SQLite file; its schema is described in docs/schema.md."""
        return self._store.path

    def _selected(self, paths: Paths, *, everything: bool = False) -> list[tuple[int, Path]]:
        return session.selected(self._store, whole(paths), everything=everything)


def whole(paths: Paths) -> list[Path]:
    """Paths of text and of ``pathlib`` alike."""
    return [Path(path) for path in paths]
