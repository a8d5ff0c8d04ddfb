"""Where photos are: below which folder, moved, missing, back, or forgotten."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qks_cli.library.database import Database, now
from qks_cli.library.paths import below, key_path, path_key
from qks_cli.types import Photo


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stored photo that one of the same size may be, under a new name."""

    id: int
    path: Path
    mtime_ns: int
    fingerprint: bytes
    full_hash: bytes | None = None


def paths_under(library: Database, root: Path | None) -> Iterator[tuple[int, str | bytes, bool]]:
    """Id, stored path and whether it is marked missing: all photos at or below ``root``, by their
    own path or by another name, or all.

    A ``Path`` is made of a stored path by ``key_path``; making one for each of many takes long."""
    select = "SELECT id, path, missing_since IS NOT NULL FROM photos"
    if root is None:
        rows = library.rows(select)
    else:
        where, values = below(root)
        here, own = f"(path = ? OR {where})", [path_key(root), *values]
        real = Path(os.path.realpath(root))
        where, values = below(real)
        there, reals = f"(path = ? OR {where})", [path_key(real), *values]
        rows = library.rows(
            f"{select} WHERE {here} OR {there} OR id IN (SELECT photo_id FROM names WHERE {here})",
            [*own, *reals, *own],
        )
    for photo_id, key, missing in rows:
        yield photo_id, key, bool(missing)


def of_sizes(library: Database, sizes: Collection[int]) -> dict[int, list[Candidate]]:
    """Stored photos with a fingerprint, by their size in bytes."""
    found: dict[int, list[Candidate]] = {}
    rows = library.rows_in(
        "SELECT size, id, path, mtime_ns, fingerprint, full_hash FROM photos "
        "WHERE status = 'ok' AND fingerprint IS NOT NULL AND size IN ({})",
        list(sizes),
    )
    for size, photo_id, key, mtime_ns, digest, full_hash in rows:
        candidate = Candidate(photo_id, key_path(key), mtime_ns, digest, full_hash)
        found.setdefault(size, []).append(candidate)
    return found


def unhashed_lookalikes(
    library: Database, fingerprints: Collection[bytes]
) -> list[tuple[int, Path]]:
    """Photos that share one of these fingerprints with another and have no full hash yet."""
    rows = library.rows_in(
        "SELECT id, path FROM photos WHERE full_hash IS NULL AND fingerprint IN "
        "(SELECT fingerprint FROM photos WHERE fingerprint IN ({}) "
        "GROUP BY fingerprint HAVING count(*) > 1)",
        list(fingerprints),
    )
    return [(int(photo_id), key_path(key)) for photo_id, key in rows]


def keep_hashes(library: Database, hashes: Iterable[tuple[int, bytes]]) -> None:
    """Store hashes of whole files, by photo id."""
    with library.atomic():
        library.execute_many(
            "UPDATE photos SET full_hash = ? WHERE id = ?",
            [(full_hash, photo_id) for photo_id, full_hash in hashes],
        )


def move(library: Database, moves: Sequence[tuple[int, Photo]]) -> None:
    """Give stored photos their new paths; tags and tokens stay theirs."""
    with library.atomic():
        library.execute_many(
            # Another run may have stored the new path meanwhile: then that row stands.
            "UPDATE OR IGNORE photos SET path = ?, mtime_ns = ?, missing_since = NULL WHERE id = ?",
            [(path_key(photo.path), photo.mtime_ns, photo_id) for photo_id, photo in moves],
        )
        library.execute_many(
            "DELETE FROM names WHERE path = ?", [(path_key(photo.path),) for _, photo in moves]
        )


def mark(library: Database, *, gone: Iterable[int], back: Iterable[int]) -> None:
    """Mark photos as missing, and others as there again. Nothing of them is removed."""
    with library.atomic():
        library.execute_many(
            "UPDATE photos SET missing_since = ? WHERE id = ? AND missing_since IS NULL",
            [(now(), photo_id) for photo_id in gone],
        )
        library.execute_many(
            "UPDATE photos SET missing_since = NULL WHERE id = ?", [(x,) for x in back]
        )


def forget(library: Database, photo_ids: Iterable[int]) -> None:
    """Remove photos with their tags and tokens from the library, never from the disk."""
    with library.atomic():
        library.execute_many(
            "DELETE FROM photos WHERE id = ?", [(photo_id,) for photo_id in photo_ids]
        )
