"""A library through the years: moved, missing and forgotten photos, and copies of the whole."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from qks_cli.errors import LibraryError, UsageError
from qks_cli.index.store import Library, explained, in_chunks, key_path, marks, now, path_key
from qks_cli.types import Photo


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stored photo that one of the same size may be, under a new name."""

    id: int
    path: Path
    mtime_ns: int
    fingerprint: bytes
    full_hash: bytes | None = None


def paths_under(library: Library, root: Path | None) -> Iterator[tuple[int, str | bytes, bool]]:
    """Id, stored path and whether it is marked missing: all photos at or below ``root``, or all.

    A ``Path`` is made of a stored path by ``key_path``; making one for each of many takes long."""
    select = "SELECT id, path, missing_since IS NOT NULL FROM photos"
    if root is None:
        rows = library.connection.execute(select)
    else:
        # All names below a folder lie between "folder/" and "folder0", the sign that follows "/".
        low = os.fsencode(root).rstrip(b"/") + b"/"
        high = low[:-1] + b"0"
        ranges: list[str | bytes] = [path_key(root), low, high]
        where = "path = ? OR (path >= ? AND path < ?)"
        try:
            ranges += [low.decode(), high.decode()]
            where += " OR (path >= ? AND path < ?)"
        except UnicodeDecodeError:
            pass  # then no name below it is text either
        rows = library.connection.execute(f"{select} WHERE {where}", ranges)
    for photo_id, key, missing in rows:
        yield photo_id, key, bool(missing)


def of_sizes(library: Library, sizes: Collection[int]) -> dict[int, list[Candidate]]:
    """Stored photos with a fingerprint, by their size in bytes."""
    found: dict[int, list[Candidate]] = {}
    for part in in_chunks(list(sizes)):
        rows = library.connection.execute(
            "SELECT size, id, path, mtime_ns, fingerprint, full_hash FROM photos "
            "WHERE status = 'ok' "
            f"AND fingerprint IS NOT NULL AND size IN ({marks(part)})",
            part,
        )
        for size, photo_id, key, mtime_ns, digest, full_hash in rows:
            candidate = Candidate(photo_id, key_path(key), mtime_ns, digest, full_hash)
            found.setdefault(size, []).append(candidate)
    return found


def unhashed_lookalikes(
    library: Library, fingerprints: Collection[bytes]
) -> list[tuple[int, Path]]:
    """Photos that share one of these fingerprints with another and have no full hash yet."""
    found = []
    for part in in_chunks(list(fingerprints)):
        rows = library.connection.execute(
            "SELECT id, path FROM photos WHERE full_hash IS NULL AND fingerprint IN "
            f"(SELECT fingerprint FROM photos WHERE fingerprint IN ({marks(part)}) "
            "GROUP BY fingerprint HAVING count(*) > 1)",
            part,
        )
        found += [(int(photo_id), key_path(key)) for photo_id, key in rows]
    return found


def keep_hashes(library: Library, hashes: Iterable[tuple[int, bytes]]) -> None:
    """Store hashes of whole files, by photo id."""
    with library.atomic():
        library.connection.executemany(
            "UPDATE photos SET full_hash = ? WHERE id = ?",
            [(full_hash, photo_id) for photo_id, full_hash in hashes],
        )


def move(library: Library, moves: Sequence[tuple[int, Photo]]) -> None:
    """Give stored photos their new paths; tags and tokens stay theirs."""
    with library.atomic():
        library.connection.executemany(
            # Another run may have stored the new path meanwhile: then that row stands.
            "UPDATE OR IGNORE photos SET path = ?, mtime_ns = ?, missing_since = NULL WHERE id = ?",
            [(path_key(photo.path), photo.mtime_ns, photo_id) for photo_id, photo in moves],
        )


def mark(library: Library, *, gone: Iterable[int], back: Iterable[int]) -> None:
    """Mark photos as missing, and others as there again. Nothing of them is removed."""
    with library.atomic():
        library.connection.executemany(
            "UPDATE photos SET missing_since = ? WHERE id = ? AND missing_since IS NULL",
            [(now(), photo_id) for photo_id in gone],
        )
        library.connection.executemany(
            "UPDATE photos SET missing_since = NULL WHERE id = ?", [(x,) for x in back]
        )


def forget(library: Library, photo_ids: Iterable[int]) -> None:
    """Remove photos with their tags and tokens from the library, never from the disk."""
    with library.atomic():
        library.connection.executemany(
            "DELETE FROM photos WHERE id = ?", [(photo_id,) for photo_id in photo_ids]
        )


def back_up(library: Library, file: Path, *, force: bool = False) -> None:
    """A whole, checked copy in ``file``, also while another run writes (SQLite's online backup).

    Raises ``UsageError`` where ``file`` exists and not ``force``, or is the library itself, and
    ``LibraryError`` where the copy fails; ``file`` is then as it was before.
    """
    if file.exists() and (not force or file.samefile(library.path)):
        raise UsageError(f"{file} exists", hint="give another name, or --force")
    partial = file.with_name(file.name + ".partial")
    try:
        with explained(partial), closing(sqlite3.connect(partial)) as copy:
            library.connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            _check(copy, partial)
        partial.replace(file)
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)


def restore(file: Path, path: Path) -> Path | None:
    """Put the backup ``file`` in the place of the library ``path``.

    The library that was there is kept beside it; its new path is returned. Raises ``LibraryError``
    where ``file`` is damaged or no library, or where a run is writing to ``path``.
    """
    if not file.is_file():
        raise LibraryError(f"no backup at {file}")
    with (
        explained(file),
        closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as copy,
    ):
        if not copy.execute("SELECT 1 FROM sqlite_schema WHERE name = 'query_tokens'").fetchone():
            raise LibraryError(f"{file} is no library of qks", hint="nothing was changed")
        _check(copy, file)
        kept = None
        if path.exists():
            kept = _keep(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with explained(path), closing(sqlite3.connect(path, timeout=5)) as target:
            copy.backup(target)
            target.execute("PRAGMA journal_mode = WAL")
    return kept


def check(library: Library) -> list[str]:
    """What SQLite finds wrong with the file; empty where it is whole."""
    with explained(library.path):
        rows = library.connection.execute("PRAGMA integrity_check(20)").fetchall()
        rows += library.connection.execute("PRAGMA foreign_key_check").fetchmany(20)
    return [str(row[0]) for row in rows if row[0] != "ok"]


def _check(copy: sqlite3.Connection, path: Path) -> None:
    (found,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        raise LibraryError(f"{path} is damaged: {found}", hint="nothing was changed")


def _keep(path: Path) -> Path:
    """A copy of the library at ``path``; a damaged one is set aside as it is."""
    kept = _free_name(path)
    try:
        with Library.open(path) as current:
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
