"""The photos of a library: where they are, what cameras noted, which of them failed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from qks_cli.library.database import Database
from qks_cli.library.paths import key_path, path_key, text_key
from qks_cli.types import Details, Photo, PhotoFailure, TaggedPhoto

DETAILS = tuple(field.name for field in fields(Details))  # columns of ``photos``
_ORDERS = {"date": "taken_at DESC NULLS LAST, ", "rating": "rating DESC NULLS LAST, "}


@dataclass(frozen=True, slots=True)
class KnownPhoto:
    """What the library holds of one file; ``model_hash`` and the digest as of its last tagging.

    ``path`` is its own one, wherever it was asked by another name."""

    id: int
    path: Path
    size: int
    mtime_ns: int
    status: str
    error: str | None
    model_hash: str | None
    vocabulary_digest: str | None
    selection: str | None
    detailed: bool


class Photos:
    """Rows of ``photos``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, paths: Sequence[Path]) -> dict[Path, KnownPhoto]:
        """What is stored of these paths, the names of links among them; paths that are not stored
        are left out."""
        by_key = {path_key(path): path for path in paths}
        found = self._known(by_key, "photos.path", "photos")
        rest = {key: path for key, path in by_key.items() if path not in found}
        if rest and self._database.row("SELECT 1 FROM names LIMIT 1"):
            names = "names JOIN photos ON photos.id = names.photo_id"
            found |= self._known(rest, "names.path", names)
        return found

    def unchanged(
        self, photos: Sequence[Photo], model_id: int, vocabulary_id: int, selection: str
    ) -> dict[str, int]:
        """Ids of those photos, by their path as text, that are stored just so: of this size and
        time, with their details, and tags of this model, chosen this way. What is asked by another
        name than its own is left out."""
        wanted: dict[str | bytes, Photo] = {}
        for photo in photos:
            if photo.found_as is None:
                wanted[text_key(photo.text)] = photo
        rows = self._database.rows_in(
            # "+" keeps SQLite from an index that nearly all photos share.
            "SELECT path, id, size, mtime_ns FROM photos WHERE +model_id = ? "
            "AND +vocabulary_id = ? AND +selection = ? "
            "AND +status = 'ok' AND +detailed AND path IN ({})",
            list(wanted),
            before=[model_id, vocabulary_id, selection],
        )
        found = {}
        for key, photo_id, size, mtime_ns in rows:
            photo = wanted[key]
            if photo.size == size and photo.mtime_ns == mtime_ns:
                found[photo.text] = photo_id
        return found

    def _known(
        self, by_key: Mapping[str | bytes, Path], column: str, table: str
    ) -> dict[Path, KnownPhoto]:
        rows = self._database.rows_in(
            f"SELECT {column}, photos.id, photos.path, size, mtime_ns, status, error, models.hash, "
            f"digest, selection, detailed FROM {table} LEFT JOIN models ON models.id = model_id "
            "LEFT JOIN vocabularies ON vocabularies.id = vocabulary_id "
            f"WHERE {column} IN ({{}})",
            list(by_key),
        )
        return {
            by_key[key]: KnownPhoto(
                # Making a path takes as long as all the rest of a row.
                photo_id,
                by_key[key] if own == key else key_path(own),
                *values,
            )
            for key, photo_id, own, *values in rows
        }

    def paths_of(self, photo_ids: Sequence[int]) -> dict[int, Path]:
        """Paths by id."""
        sql = "SELECT id, path FROM photos WHERE id IN ({})"
        return {x: key_path(key) for x, key in self._database.rows_in(sql, photo_ids)}

    def sizes_of(self, photo_ids: Sequence[int]) -> dict[int, tuple[int | None, int | None]]:
        """Upright width and height by id, in pixels."""
        sql = "SELECT id, width, height FROM photos WHERE id IN ({})"
        return {x: (width, height) for x, width, height in self._database.rows_in(sql, photo_ids)}

    def tagged_ids(self) -> list[int]:
        """Photos that were tagged and are there, ascending."""
        rows = self._database.rows(
            "SELECT id FROM photos WHERE status = 'ok' AND missing_since IS NULL ORDER BY id"
        )
        return [photo_id for (photo_id,) in rows]

    def stale_ids(self, model_id: int, vocabulary_id: int, selection: str) -> list[int]:
        """Photos of this model whose tags were chosen otherwise, missing ones too, ascending."""
        rows = self._database.rows(
            "SELECT id FROM photos WHERE status = 'ok' AND model_id = ? "
            "AND (vocabulary_id IS NOT ? OR selection IS NOT ?) ORDER BY id",
            (model_id, vocabulary_id, selection),
        )
        return [photo_id for (photo_id,) in rows]

    def sample_paths(self, limit: int) -> list[Path]:
        """Tagged photos from all over the library, the same ones every time."""
        rows = self._database.rows(
            "SELECT path FROM photos WHERE status = 'ok' ORDER BY id * 2654435761 % 4294967296 "
            "LIMIT ?",
            (limit,),
        )
        return [key_path(key) for (key,) in rows]

    def first_by_path(self, photo_ids: Sequence[int], limit: int) -> list[int]:
        """Of these photos, the first ``limit`` by path."""
        rows = self._database.rows(
            "SELECT id FROM photos WHERE id IN (SELECT value FROM json_each(?)) "
            "ORDER BY path LIMIT ?",
            (json.dumps(list(photo_ids)), limit),
        )
        return [photo_id for (photo_id,) in rows]

    def all_in_order(self, column: str) -> list[int]:
        """All photos that were tagged and are there, ordered as by ``in_order``."""
        rows = self._database.rows(
            "SELECT id FROM photos WHERE status = 'ok' AND missing_since IS NULL "
            f"ORDER BY {_ORDERS.get(column, '')}path"
        )
        return [photo_id for (photo_id,) in rows]

    def in_order(self, photo_ids: Sequence[int], column: str) -> list[int]:
        """These photos by ``date`` (newest first), ``rating`` (highest first) or ``name``, ties by
        path; those of which it is not known are last."""
        rows = self._database.rows(
            "SELECT id FROM photos WHERE id IN (SELECT value FROM json_each(?)) "
            f"ORDER BY {_ORDERS.get(column, '')}path",
            (json.dumps(list(photo_ids)),),
        )
        return [photo_id for (photo_id,) in rows]

    def dates_of(self, photo_ids: Sequence[int]) -> dict[int, tuple[str | None, str | None]]:
        """When photos were taken and with which camera, by id."""
        sql = "SELECT id, taken_at, camera FROM photos WHERE id IN ({})"
        return {x: (taken, camera) for x, taken, camera in self._database.rows_in(sql, photo_ids)}

    def details_of(self, photo_ids: Sequence[int]) -> dict[int, Details]:
        """What cameras and owners noted, by id."""
        sql = f"SELECT id, {', '.join(DETAILS)} FROM photos WHERE id IN ({{}})"
        return {x: Details(*values) for x, *values in self._database.rows_in(sql, photo_ids)}

    def count(self) -> int:
        """Photos that have been tagged."""
        return int(self._database.value("SELECT count(*) FROM photos WHERE status = 'ok'"))

    def failure_count(self) -> int:
        """Photos that could not be read."""
        return int(self._database.value("SELECT count(*) FROM photos WHERE status != 'ok'"))

    def save_details(self, details: Iterable[tuple[int, Details]]) -> None:
        """Store what cameras noted, by photo id, in one transaction."""
        with self._database.atomic():
            self.put_details(details)

    # Within a transaction of the caller's

    def touch(self, photo_id: int, status: os.stat_result, fingerprint: bytes | None) -> None:
        """Note the size, time and fingerprint of a photo that we wrote to: its pixels are the
        same, and so is the text in it."""
        self._database.execute(
            "UPDATE texts SET fingerprint = ? WHERE photo_id = ? "
            "AND fingerprint IS (SELECT fingerprint FROM photos WHERE id = photo_id)",
            (fingerprint, photo_id),
        )
        self._database.execute(
            "UPDATE photos SET size = ?, mtime_ns = ?, fingerprint = ?, full_hash = NULL "
            "WHERE id = ?",
            (status.st_size, status.st_mtime_ns, fingerprint, photo_id),
        )

    def put(self, tagged: TaggedPhoto) -> int:
        """Enter a photo that was read, or replace what is known of its path; returns its id."""
        photo = tagged.photo
        # A link that became a file of its own.
        self._database.execute("DELETE FROM names WHERE path = ?", (path_key(photo.path),))
        width, height = tagged.size or (None, None)
        row = self._database.row(
            "INSERT INTO photos (path, size, mtime_ns, width, height, fingerprint, status) "
            "VALUES (?, ?, ?, ?, ?, ?, 'ok') ON CONFLICT (path) DO UPDATE SET "
            "size = excluded.size, mtime_ns = excluded.mtime_ns, width = excluded.width, "
            "height = excluded.height, fingerprint = excluded.fingerprint, full_hash = NULL, "
            "missing_since = NULL, "
            "status = 'ok', error_kind = NULL, error = NULL "
            "RETURNING id",
            (
                path_key(photo.path),
                photo.size,
                photo.mtime_ns,
                width,
                height,
                tagged.fingerprint,
            ),
        )
        assert row is not None
        return int(row[0])

    def put_details(self, details: Iterable[tuple[int, Details]]) -> None:
        """Enter what cameras noted, by photo id."""
        columns = ", ".join(f"{column} = ?" for column in DETAILS)
        self._database.execute_many(
            f"UPDATE photos SET detailed = 1, {columns} WHERE id = ?",
            [(*astuple(one), photo_id) for photo_id, one in details],
        )

    def put_failure(self, failure: PhotoFailure) -> None:
        """Enter a photo that could not be read. One that has changed since it was tagged loses its
        tags: they were of other pixels."""
        photo, key = failure.photo, path_key(failure.photo.path)
        changed = self._database.row(
            "SELECT id FROM photos WHERE path = ? AND (size != ? OR mtime_ns != ?)",
            (key, photo.size, photo.mtime_ns),
        )
        if changed is not None:
            self._database.execute("DELETE FROM tags WHERE photo_id = ?", changed)
            self._database.execute("DELETE FROM query_tokens WHERE photo_id = ?", changed)
            self._database.execute("DELETE FROM moments WHERE photo_id = ?", changed)
            self._database.execute("DELETE FROM moment_tags WHERE photo_id = ?", changed)
        self._database.execute(
            "INSERT INTO photos (path, size, mtime_ns, status, error_kind, error) "
            "VALUES (?, ?, ?, 'failed', ?, ?) ON CONFLICT (path) DO UPDATE SET "
            "size = excluded.size, mtime_ns = excluded.mtime_ns, status = 'failed', "
            "error_kind = excluded.error_kind, error = excluded.error",
            (key, photo.size, photo.mtime_ns, failure.kind, failure.reason),
        )
