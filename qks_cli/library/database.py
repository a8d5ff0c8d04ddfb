"""The SQLite library: what is known of every photo. Knows nothing of models or pixels.

Axes: N photos, M query tokens, E label space.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np

from qks_cli.errors import LibraryError
from qks_cli.library.migrations import MIGRATIONS
from qks_cli.types import Details, Float16Array, PhotoFailure, Tag, TaggedPhoto

if TYPE_CHECKING:
    from sqlite_utils import Database

T = TypeVar("T")

CHUNK = 500  # SQL parameters at a time
BUSY_SECONDS = 30
DETAILS = tuple(field.name for field in fields(Details))  # columns of ``photos``
PRESENT = "photo_id NOT IN (SELECT id FROM photos WHERE missing_since IS NOT NULL)"


@dataclass(frozen=True, slots=True)
class KnownPhoto:
    """What the library holds of one path; ``model_hash`` and the digest as of its last tagging."""

    id: int
    size: int
    mtime_ns: int
    status: str
    error: str | None
    model_hash: str | None
    vocabulary_digest: str | None
    selection: str | None
    detailed: bool


class Library:
    """An open library. Use ``with Library.open(path) as library``."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection = connection
        self.path = path
        self._labels: dict[str, int] = {}

    @classmethod
    def open(cls, path: Path, *, create: bool = True) -> Library:
        """Open, and bring an older library up to date.

        Raises ``LibraryError``: not there (unless ``create``), not a library, newer than this
        program, locked, or not writable.
        """
        if not create and not path.is_file():
            raise LibraryError(
                f"no library at {path}", hint="run `qks tag FOLDER` first, or give --db"
            )
        with explained(path):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise LibraryError(
                    f"cannot make the folder {path.parent}: {error.strerror}", hint="give --db"
                ) from error
            # Autocommit, so that transactions begin and end only where atomic() says.
            connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute("PRAGMA foreign_keys = ON")
                library = cls(connection, path)
                library._migrate()
            except BaseException:
                connection.close()
                raise
        return library

    @cached_property
    def db(self) -> Database:
        """The library through sqlite-utils, for its structure; it takes 0.1 s to import."""
        from sqlite_utils import Database

        return Database(self.connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; what was not committed is gone."""
        self.connection.close()

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """One transaction: all of it or nothing. Waits for another writer up to 30 s."""
        with explained(self.path):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                # A rolled-back insert took its label ids with it.
                self._labels.clear()
                raise
            self.connection.execute("COMMIT")

    def _migrate(self) -> None:
        found = self._version()
        if found > len(MIGRATIONS):
            raise LibraryError(
                f"{self.path} was written by a newer qks (schema {found}, this one knows "
                f"{len(MIGRATIONS)})",
                hint="update qks; nothing was changed",
            )
        if found == 0 and self.db.table_names():
            raise LibraryError(
                f"{self.path} is an SQLite file of another program",
                hint="give --db another name; nothing was changed",
            )
        if found < len(MIGRATIONS):
            with self.atomic():
                for migration in MIGRATIONS[self._version() :]:
                    migration(self.db)
                self.connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _version(self) -> int:
        return int(self.connection.execute("PRAGMA user_version").fetchone()[0])

    # Who tagged, and with which words

    def model_id(self, name: str, version: str, digest: str, queries: int, width: int) -> int:
        """The row of a model, made where it is new."""
        row = {"name": name, "version": version, "queries": queries, "width": width}
        return self._id("models", {"hash": digest}, row)

    def vocabulary_id(self, digest: str, text: str) -> int:
        """The row of a vocabulary, made where it is new. ``text`` parses to it."""
        return self._id("vocabularies", {"digest": digest}, {"text": text, "created_at": now()})

    def latest_vocabulary(self) -> str | None:
        """The text of the vocabulary that the latest run used."""
        row = self.connection.execute(
            "SELECT text FROM vocabularies WHERE id = "
            "(SELECT vocabulary_id FROM runs WHERE vocabulary_id NOT NULL ORDER BY id DESC LIMIT 1)"
        ).fetchone()
        return None if row is None else str(row[0])

    def begin_run(self, command: str, model_id: int | None, vocabulary_id: int | None) -> int:
        """A new row of ``runs``, in the state ``running``."""
        with self.atomic():
            cursor = self.connection.execute(
                "INSERT INTO runs (started_at, command, model_id, vocabulary_id, status) "
                "VALUES (?, ?, ?, ?, 'running')",
                (now(), command, model_id, vocabulary_id),
            )
        return int(cursor.lastrowid or 0)

    def latest_run(self) -> tuple[int | None, int | None]:
        """Rows of the model and the vocabulary of the latest run that tagged."""
        row = self.connection.execute(
            "SELECT model_id, vocabulary_id FROM runs WHERE vocabulary_id NOT NULL "
            "ORDER BY id DESC LIMIT 1"
        ).fetchone()
        return (None, None) if row is None else (int(row[0]), int(row[1]))

    def latest_model(self) -> tuple[str, str]:
        """Name and version of the model of the latest run that tagged; '' where none did."""
        row = self.connection.execute(
            "SELECT name, version FROM models WHERE id = ?", (self.latest_run()[0],)
        ).fetchone()
        return ("", "") if row is None else (str(row[0]), str(row[1]))

    def finish_run(self, run: int, *, tagged: int, failed: int, status: str) -> None:
        """Close a run as ``done`` or ``interrupted``."""
        with self.atomic():
            self.connection.execute(
                "UPDATE runs SET finished_at = ?, tagged = ?, failed = ?, status = ? WHERE id = ?",
                (now(), tagged, failed, status, run),
            )

    # Photos and tags

    def known(self, paths: Sequence[Path]) -> dict[Path, KnownPhoto]:
        """What is stored of these paths; paths that are not stored are left out."""
        found: dict[Path, KnownPhoto] = {}
        by_key = {path_key(path): path for path in paths}
        for keys in in_chunks(list(by_key)):
            rows = self.connection.execute(
                "SELECT path, photos.id, size, mtime_ns, status, error, models.hash, digest, "
                "selection, detailed FROM photos LEFT JOIN models ON models.id = model_id "
                "LEFT JOIN vocabularies ON vocabularies.id = vocabulary_id "
                f"WHERE path IN ({marks(keys)})",
                keys,
            )
            for key, *values in rows:
                found[by_key[key]] = KnownPhoto(*values)
        return found

    def save(
        self,
        tagged: Sequence[TaggedPhoto],
        failures: Sequence[PhotoFailure],
        *,
        model_id: int,
        vocabulary_id: int,
        selection: str,
    ) -> None:
        """Store photos with their tokens and tags, and failures, in one transaction.

        Tags and tokens of an earlier tagging are replaced. A failed photo that has changed since
        loses them: they were of other pixels.
        """
        with self.atomic():
            ids = []
            for photo in tagged:
                photo_id = self._photo(photo)
                ids.append(photo_id)
                self.connection.execute(
                    "INSERT OR REPLACE INTO query_tokens VALUES (?, ?, ?)",
                    (photo_id, model_id, np.ascontiguousarray(photo.tokens_ME, "<f2").tobytes()),
                )
            self._save_details(
                (photo_id, photo.details or Details())
                for photo_id, photo in zip(ids, tagged, strict=True)
            )
            tags = [(photo_id, photo.tags) for photo_id, photo in zip(ids, tagged, strict=True)]
            self._tag(tags, model_id, vocabulary_id, selection)
            for failure in failures:
                self._fail(failure)

    def save_details(self, details: Iterable[tuple[int, Details]]) -> None:
        """Store what cameras noted, by photo id, in one transaction."""
        with self.atomic():
            self._save_details(details)

    def _save_details(self, details: Iterable[tuple[int, Details]]) -> None:
        columns = ", ".join(f"{column} = ?" for column in DETAILS)
        self.connection.executemany(
            f"UPDATE photos SET detailed = 1, {columns} WHERE id = ?",
            [(*astuple(one), photo_id) for photo_id, one in details],
        )

    def retag(
        self,
        tags: Iterable[tuple[int, Sequence[Tag]]],
        *,
        model_id: int,
        vocabulary_id: int,
        selection: str,
    ) -> None:
        """Replace the tags of stored photos in one transaction."""
        with self.atomic():
            self._tag(list(tags), model_id, vocabulary_id, selection)

    def tags_of(self, photo_ids: Sequence[int]) -> dict[int, list[Tag]]:
        """The stored tags, best first; every id has an entry."""
        found: dict[int, list[Tag]] = {photo_id: [] for photo_id in photo_ids}
        for ids in in_chunks(list(photo_ids)):
            rows = self.connection.execute(
                # Of labels that are shown as one, the best score stands (SQLite takes the other
                # columns from the row of the maximum).
                "SELECT photo_id, label, max(score), token, implied FROM tags "
                "JOIN shown_labels ON shown_labels.id = tags.label_id "
                f"WHERE photo_id IN ({marks(ids)}) GROUP BY photo_id, shown_labels.label_id "
                "ORDER BY 3 DESC, label",
                ids,
            )
            for photo_id, name, score, token, implied in rows:
                found[photo_id].append(Tag(name, score, token, bool(implied)))
        return found

    def tokens_of(
        self, photo_ids: Sequence[int], model_id: int
    ) -> tuple[list[int], Float16Array | None]:
        """Ids that have this model's query tokens, and those [N, M, E]."""
        found: dict[int, bytes] = {}
        for ids in in_chunks(list(photo_ids)):
            rows = self.connection.execute(
                "SELECT photo_id, tokens FROM query_tokens "
                f"WHERE model_id = ? AND photo_id IN ({marks(ids)})",
                [model_id, *ids],
            )
            found.update(rows.fetchall())
        have = [photo_id for photo_id in photo_ids if photo_id in found]
        if not have:
            return [], None
        return have, self._array([found[photo_id] for photo_id in have], model_id)

    def iter_tokens(
        self, model_id: int, *, chunk: int = 2048
    ) -> Iterator[tuple[list[int], Float16Array]]:
        """Query tokens of one model's photos that are there, in chunks, ids ascending: ids and
        [N, M, E]."""
        rows = self.connection.execute(
            f"SELECT photo_id, tokens FROM query_tokens WHERE model_id = ? AND {PRESENT} "
            "ORDER BY photo_id",
            (model_id,),
        )
        while part := rows.fetchmany(chunk):
            yield [row[0] for row in part], self._array([row[1] for row in part], model_id)

    def tagged_with(self, label: str) -> list[tuple[int, float]]:
        """Ids and scores of the photos that carry this label, under whatever name it is shown, and
        are there. An id may come twice."""
        rows = self.connection.execute(
            "SELECT photo_id, score FROM tags WHERE label_id IN (SELECT id FROM shown_labels WHERE "
            "label_id = (SELECT coalesce(shown_as, id) FROM labels WHERE name = ?)) "
            f"AND {PRESENT} "
            # A keyword of the user's own is certain.
            f"UNION ALL SELECT photo_id, 1.0 FROM keywords WHERE keyword = ? COLLATE NOCASE "
            f"AND {PRESENT}",
            (label, label),
        )
        return [(int(photo_id), float(score)) for photo_id, score in rows]

    def paths_of(self, photo_ids: Sequence[int]) -> dict[int, Path]:
        """Paths by id."""
        found: dict[int, Path] = {}
        for ids in in_chunks(list(photo_ids)):
            rows = self.connection.execute(
                f"SELECT id, path FROM photos WHERE id IN ({marks(ids)})", ids
            )
            found.update((photo_id, key_path(path)) for photo_id, path in rows)
        return found

    def tagged_ids(self) -> list[int]:
        """Photos that were tagged and are there, ascending."""
        rows = self.connection.execute(
            "SELECT id FROM photos WHERE status = 'ok' AND missing_since IS NULL ORDER BY id"
        )
        return [int(photo_id) for (photo_id,) in rows]

    def vocabulary_text(self, version: int) -> str | None:
        """The text of one vocabulary version, None where there is none."""
        row = self.connection.execute(
            "SELECT text FROM vocabularies WHERE id = ?", (version,)
        ).fetchone()
        return None if row is None else str(row[0])

    def vocabulary_versions(self) -> list[tuple[int, str, str, int]]:
        """Version, when it was first used, its text, and how many photos carry its tags."""
        rows = self.connection.execute(
            "SELECT id, created_at, text, "
            "(SELECT count(*) FROM photos WHERE vocabulary_id = vocabularies.id) "
            "FROM vocabularies ORDER BY id"
        )
        return [(int(row[0]), str(row[1]), str(row[2]), int(row[3])) for row in rows]

    def sizes_of(self, photo_ids: Sequence[int]) -> dict[int, tuple[int | None, int | None]]:
        """Upright width and height by id, in pixels."""
        found: dict[int, tuple[int | None, int | None]] = {}
        for ids in in_chunks(list(photo_ids)):
            rows = self.connection.execute(
                f"SELECT id, width, height FROM photos WHERE id IN ({marks(ids)})", ids
            )
            found.update((photo_id, (width, height)) for photo_id, width, height in rows)
        return found

    def sample_paths(self, limit: int) -> list[Path]:
        """Tagged photos from all over the library, the same ones every time."""
        rows = self.connection.execute(
            "SELECT path FROM photos WHERE status = 'ok' ORDER BY id * 2654435761 % 4294967296 "
            "LIMIT ?",
            (limit,),
        )
        return [key_path(path) for (path,) in rows]

    def sample_ids(self, model_id: int, limit: int) -> list[int]:
        """Photos with this model's tokens from all over the library, the same ones every time."""
        last = self.connection.execute(
            "SELECT max(photo_id) FROM query_tokens WHERE model_id = ?", (model_id,)
        ).fetchone()[0]
        if last is None:
            return []
        # Evenly over the ids: ordering all photos at random would read every row.
        step = max(1, last // limit)
        rows = self.connection.execute(
            "WITH RECURSIVE wanted(id) AS (VALUES (1) UNION ALL SELECT id + ? FROM wanted "
            "WHERE id + ? <= ?) SELECT photo_id FROM wanted JOIN query_tokens ON photo_id = id "
            "WHERE model_id = ? LIMIT ?",
            (step, step, last, model_id, limit),
        )
        return [int(photo_id) for (photo_id,) in rows]

    def first_by_path(self, photo_ids: Sequence[int], limit: int) -> list[int]:
        """Of these photos, the first ``limit`` by path."""
        rows = self.connection.execute(
            "SELECT id FROM photos WHERE id IN (SELECT value FROM json_each(?)) "
            "ORDER BY path LIMIT ?",
            (json.dumps(list(photo_ids)), limit),
        )
        return [int(photo_id) for (photo_id,) in rows]

    def token_shape(self, model_id: int) -> tuple[int, int] | None:
        """Query tokens a photo, and their width, of a model; None where it is not known."""
        row = self.connection.execute(
            "SELECT queries, width FROM models WHERE id = ?", (model_id,)
        ).fetchone()
        return None if row is None else (int(row[0]), int(row[1]))

    def label_names(self) -> list[str]:
        """Every label that a tag was stored with or is shown as, and the user's keywords."""
        rows = self.connection.execute(
            "SELECT DISTINCT keyword FROM keywords UNION ALL SELECT name FROM labels"
        )
        return [str(name) for (name,) in rows]

    def shown_name(self, label: str) -> str | None:
        """What a stored label is shown as; None where it is not shown."""
        row = self.connection.execute(
            "SELECT label FROM shown_labels WHERE id = (SELECT id FROM labels WHERE name = ?)",
            (label,),
        ).fetchone()
        return None if row is None else str(row[0])

    def photo_count(self) -> int:
        """Photos that have been tagged."""
        row = self.connection.execute("SELECT count(*) FROM photos WHERE status = 'ok'").fetchone()
        return int(row[0])

    def stale_ids(self, model_id: int, vocabulary_id: int, selection: str) -> list[int]:
        """Photos of this model whose tags were chosen otherwise, missing ones too, ascending."""
        rows = self.connection.execute(
            "SELECT id FROM photos WHERE status = 'ok' AND model_id = ? "
            "AND (vocabulary_id IS NOT ? OR selection IS NOT ?) ORDER BY id",
            (model_id, vocabulary_id, selection),
        )
        return [int(photo_id) for (photo_id,) in rows]

    def failure_count(self) -> int:
        """Photos that could not be read."""
        row = self.connection.execute("SELECT count(*) FROM photos WHERE status != 'ok'").fetchone()
        return int(row[0])

    def stored_model(self, digest: str) -> int | None:
        """The row of a model that tagged photos here, None where none of its tokens are stored."""
        row = self.connection.execute(
            "SELECT id FROM models WHERE hash = ? AND EXISTS "
            "(SELECT 1 FROM query_tokens WHERE model_id = models.id)",
            (digest,),
        ).fetchone()
        return None if row is None else int(row[0])

    def _array(self, blobs: list[bytes], model_id: int) -> Float16Array:
        queries, width = self.connection.execute(
            "SELECT queries, width FROM models WHERE id = ?", (model_id,)
        ).fetchone()
        joined = np.frombuffer(b"".join(blobs), "<f2")
        return joined.reshape(len(blobs), queries, width)

    def _id(self, table: str, key: dict[str, str], row: dict[str, object]) -> int:
        (column, value), *_ = key.items()
        select = f"SELECT id FROM {table} WHERE {column} = ?"
        found = self.connection.execute(select, (value,)).fetchone()
        if found is None:
            with self.atomic():
                self.db[table].insert(key | row, ignore=True)  # type: ignore[union-attr]
            found = self.connection.execute(select, (value,)).fetchone()
        return int(found[0])

    def _photo(self, tagged: TaggedPhoto) -> int:
        photo = tagged.photo
        width, height = tagged.size or (None, None)
        row = self.connection.execute(
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
        ).fetchone()
        return int(row[0])

    def _fail(self, failure: PhotoFailure) -> None:
        photo = failure.photo
        key = path_key(photo.path)
        changed = self.connection.execute(
            "SELECT id FROM photos WHERE path = ? AND (size != ? OR mtime_ns != ?)",
            (key, photo.size, photo.mtime_ns),
        ).fetchone()
        if changed is not None:
            self.connection.execute("DELETE FROM tags WHERE photo_id = ?", changed)
            self.connection.execute("DELETE FROM query_tokens WHERE photo_id = ?", changed)
        self.connection.execute(
            "INSERT INTO photos (path, size, mtime_ns, status, error_kind, error) "
            "VALUES (?, ?, ?, 'failed', ?, ?) ON CONFLICT (path) DO UPDATE SET "
            "size = excluded.size, mtime_ns = excluded.mtime_ns, status = 'failed', "
            "error_kind = excluded.error_kind, error = excluded.error",
            (key, photo.size, photo.mtime_ns, failure.kind, failure.reason),
        )

    def _tag(
        self,
        tags: Sequence[tuple[int, Sequence[Tag]]],
        model_id: int,
        vocabulary_id: int,
        selection: str,
    ) -> None:
        many = self.connection.executemany
        many("DELETE FROM tags WHERE photo_id = ?", [(photo_id,) for photo_id, _ in tags])
        many(
            "INSERT INTO tags VALUES (?, ?, ?, ?, ?)",
            [
                (photo_id, self._label(tag.label), tag.score, tag.token, tag.implied)
                for photo_id, own in tags
                for tag in own
            ],
        )
        tagged_at = now()
        many(
            "UPDATE photos SET model_id = ?, vocabulary_id = ?, selection = ?, tagged_at = ? "
            "WHERE id = ?",
            [(model_id, vocabulary_id, selection, tagged_at, photo_id) for photo_id, _ in tags],
        )

    def _label(self, name: str) -> int:
        if name not in self._labels:
            self.connection.execute("INSERT OR IGNORE INTO labels (name) VALUES (?)", (name,))
            row = self.connection.execute(
                "SELECT id FROM labels WHERE name = ?", (name,)
            ).fetchone()
            self._labels[name] = int(row[0])
        return self._labels[name]


def path_key(path: Path) -> str | bytes:
    """How a path is stored: text, or its bytes where the name is not UTF-8."""
    text = str(path)
    try:
        text.encode()
    except UnicodeEncodeError:
        return os.fsencode(text)
    return text


def base_name(key: str | bytes) -> str:
    """The file name of a stored path."""
    return os.fsdecode(key).rpartition("/")[2]


def key_path(key: str | bytes) -> Path:
    """The path that ``path_key`` stored."""
    return Path(os.fsdecode(key))


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """SQLite's errors as ``LibraryError`` with what can be done."""
    try:
        yield
    except sqlite3.Error as error:
        text = str(error)
        if "locked" in text:
            hint = "another qks is writing to it: wait for it to end, or give --db another name"
        elif "full" in text:
            hint = "the disk is full; everything committed before is kept"
        elif "readonly" in text or "unable to open" in text:
            hint = "check that the file and its folder can be written, or give --db"
        elif isinstance(error, sqlite3.DatabaseError) and (
            "not a database" in text or "malformed" in text
        ):
            hint = "it is damaged or not a library: restore a copy, or give --db another name"
        else:
            hint = ""
        raise LibraryError(f"the library {path}: {text}", hint=hint) from error


def in_chunks(values: list[T]) -> Iterator[list[T]]:
    """Parts of at most ``CHUNK`` values: what one SQL statement takes."""
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]


def marks(values: Sequence[object]) -> str:
    """Question marks for an SQL list of these values."""
    return ",".join("?" * len(values))


def now() -> str:
    """The time as it is stored: UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
