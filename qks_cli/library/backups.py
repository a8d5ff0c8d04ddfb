"""Copies of a whole library, and whether one is sound."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from qks_cli.errors import LibraryError, UsageError
from qks_cli.library.database import (
    Database,
    connect_for_reading,
    explained,
    files_explained,
)


def back_up(library: Database, file: Path, *, force: bool = False) -> None:
    """A whole, checked copy in ``file``, also while another run writes (SQLite's online backup).

    Raises ``UsageError`` where ``file`` exists and not ``force``, or is the library itself, and
    ``LibraryError`` where the copy fails; ``file`` is then as it was before.
    """
    with files_explained("write", file):
        if file.exists() and (not force or file.samefile(library.path)):
            raise UsageError(f"{file} exists", hint="give another name, or --force")
        if not file.parent.is_dir():
            raise UsageError(f"cannot write {file}: there is no folder {file.parent}")
        partial = file.with_name(file.name + ".partial")
        try:
            with explained(partial), closing(sqlite3.connect(partial)) as copy:
                library.copy_to(copy)
                copy.execute("PRAGMA journal_mode = DELETE")
                _check(copy, partial)
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)


def restore(file: Path, path: Path) -> Path | None:
    """Put the backup ``file`` in the place of the library ``path``.

    The library that was there is kept beside it; its new path is returned. Raises ``LibraryError``
    where ``file`` is damaged or no library, or where a run is writing to ``path``.
    """
    with files_explained("restore", file):
        if not file.is_file():
            raise LibraryError(f"no backup at {file}")
    with explained(file), closing(connect_for_reading(file)) as copy:
        if not _is_library(copy):
            raise LibraryError(f"{file} is not a qks library", hint="nothing was changed")
        _check(copy, file)
        with files_explained("replace", path):
            kept = _keep(path) if path.exists() else None
            path.parent.mkdir(parents=True, exist_ok=True)
            with explained(path), closing(sqlite3.connect(path, timeout=5)) as target:
                copy.backup(target)
                target.execute("PRAGMA journal_mode = WAL")
    return kept


def check(library: Database) -> list[str]:
    """What SQLite finds wrong with the file; empty where it is whole."""
    rows = library.rows("PRAGMA integrity_check(20)")
    rows += library.rows("PRAGMA foreign_key_check")[:20]
    return [str(row[0]) for row in rows if row[0] != "ok"]


def _is_library(copy: sqlite3.Connection) -> bool:
    try:
        row = copy.execute("SELECT 1 FROM sqlite_schema WHERE name = 'query_tokens'").fetchone()
    except sqlite3.DatabaseError as error:
        if "not a database" in str(error):
            return False
        raise
    return row is not None


def _check(copy: sqlite3.Connection, path: Path) -> None:
    (found,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        raise LibraryError(f"{path} is damaged: {found}", hint="nothing was changed")


def _keep(path: Path) -> Path:
    """A copy of the library at ``path``; a damaged one is set aside as it is."""
    kept = _free_name(path)
    try:
        with Database.open(path) as current:
            back_up(current, kept)
    except LibraryError as error:
        if "locked" in error.message:
            raise
        for ending in ("", "-wal", "-shm"):
            part = path.with_name(path.name + ending)
            if part.exists():
                part.replace(kept.with_name(kept.name + ending))
    return kept


def _free_name(path: Path) -> Path:
    for number in range(1, 10_000):
        name = path.with_name(f"{path.stem}.before-restore-{number}{path.suffix}")
        if not name.exists():
            return name
    raise LibraryError(f"too many copies beside {path}", hint="remove some of them")
