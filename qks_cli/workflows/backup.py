"""A checked copy of a library, and back."""

from __future__ import annotations

from pathlib import Path

from qks_cli import settings
from qks_cli.library import backups
from qks_cli.library.store import Library


def back_up(library: Library, file: Path, *, replace: bool = False) -> int:
    """Write a whole, checked copy, also while another run writes; how many photos are in it.

    Raises ``UsageError`` where ``file`` exists (unless ``replace``) or cannot be written."""
    backups.back_up(library, file, force=replace)
    return library.photos.count()


def place(db: Path | None) -> Path:
    """Where a backup is put back to: ``db``, by default the user's own library."""
    return db or settings.index_path()


def restore(file: Path, db: Path | None = None) -> Path | None:
    """Put a backup in the library's place; where the library that was there is kept.

    Raises ``LibraryError`` for what is no whole library."""
    return backups.restore(file, place(db))
