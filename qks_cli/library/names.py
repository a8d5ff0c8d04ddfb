"""Other names of photos: symbolic and hard links, and paths through linked folders.

Paths that lead to one file are one photo, kept under its real path.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from qks_cli.library.database import Database
from qks_cli.library.paths import below, key_path, path_key


def add(library: Database, names: Iterable[tuple[Path, Path]]) -> None:
    """Keep names: a photo's own path, and another path to its file. What the library held under the
    other one, before it was known to be the same file, is joined to the photo."""
    with library.atomic():
        for own, other in names:
            photo_id = _id(library, own)
            if photo_id is None or own == other:
                continue
            double = _id(library, other)
            if double is not None:
                _join(library, photo_id, double)
            library.execute(
                "INSERT OR REPLACE INTO names VALUES (?, ?)", (path_key(other), photo_id)
            )


def of(library: Database, photo_ids: Sequence[int]) -> dict[int, list[Path]]:
    """Other names by id, in the order of their bytes; photos without any are left out."""
    found: dict[int, list[Path]] = {}
    sql = "SELECT photo_id, path FROM names WHERE photo_id IN ({}) ORDER BY path"
    for photo_id, key in library.rows_in(sql, photo_ids):
        found.setdefault(photo_id, []).append(key_path(key))
    return found


def under(library: Database, root: Path) -> list[tuple[int, Path]]:
    """Photo and name: all other names at or below ``root``."""
    where, values = below(root)
    rows = library.rows(
        f"SELECT photo_id, path FROM names WHERE path = ? OR {where} ORDER BY path",
        [path_key(root), *values],
    )
    return [(int(photo_id), key_path(key)) for photo_id, key in rows]


def drop(library: Database, paths: Iterable[Path]) -> None:
    """Forget names whose links are gone."""
    with library.atomic():
        library.execute_many(
            "DELETE FROM names WHERE path = ?", [(path_key(path),) for path in paths]
        )


def promote(library: Database, renamed: Iterable[tuple[int, Path]]) -> None:
    """Make another name a photo's own path: what it was known by is gone."""
    with library.atomic():
        for photo_id, path in renamed:
            key = path_key(path)
            library.execute("DELETE FROM names WHERE path = ?", (key,))
            library.execute(
                "UPDATE OR IGNORE photos SET path = ?, missing_since = NULL WHERE id = ?",
                (key, photo_id),
            )


def _id(library: Database, path: Path) -> int | None:
    number: int | None = library.value("SELECT id FROM photos WHERE path = ?", (path_key(path),))
    return number


def _join(library: Database, photo_id: int, double: int) -> None:
    """Move the verdicts, keywords, writes and names of ``double`` to the photo, remove its row."""
    both = (photo_id, double)
    for table in ("verdicts", "keywords", "writes", "names"):
        library.execute(f"UPDATE OR IGNORE {table} SET photo_id = ? WHERE photo_id = ?", both)
    library.execute("DELETE FROM photos WHERE id = ?", (double,))
