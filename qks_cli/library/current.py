"""What a library was last tagged with, and the photos that carry just those tags."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from qks_cli.library.database import Database, Row
from qks_cli.library.photos import DETAILS
from qks_cli.library.runs import Chosen


@dataclass(frozen=True, slots=True)
class Current:
    """The model, the words and the selection of most photos of the latest run that tagged."""

    model_id: int
    model: str
    model_version: str
    model_hash: str
    queries: int
    width: int
    vocabulary_id: int
    digest: str
    text: str
    selection: str
    chosen: Chosen


def current(database: Database) -> Current | None:
    """None where no run has tagged."""
    row = database.row(
        "SELECT model_id, vocabulary_id, min_score, top FROM runs "
        "WHERE command IN ('tag', 'retag', 'watch') AND EXISTS (SELECT 1 FROM photos "
        "WHERE photos.vocabulary_id = runs.vocabulary_id AND photos.model_id = runs.model_id) "
        "ORDER BY id DESC LIMIT 1"
    )
    if row is None:
        return None
    model_id, vocabulary_id, min_score, top = row
    model = database.row(
        "SELECT name, version, hash, queries, width FROM models WHERE id = ?", (model_id,)
    )
    words = database.row("SELECT digest, text FROM vocabularies WHERE id = ?", (vocabulary_id,))
    selection = database.value(
        "SELECT selection FROM photos WHERE model_id = ? AND vocabulary_id = ? AND status = 'ok' "
        "GROUP BY selection ORDER BY count(*) DESC LIMIT 1",
        (model_id, vocabulary_id),
    )
    assert model is not None and words is not None
    name, version, digest, queries, width = model
    vocabulary_digest, text = words
    return Current(
        model_id,
        name,
        version,
        digest,
        queries,
        width,
        vocabulary_id,
        vocabulary_digest,
        text,
        str(selection),
        Chosen(None, min_score, top),
    )


def rows(database: Database, current: Current, *, size: int) -> Iterator[list[Row]]:
    """Photos that are there, ``size`` at a time, ids ascending: those with current tags, and those
    that could not be read. Columns: id, path, size, mtime_ns, width, height, fingerprint, status,
    error_kind, error, then ``DETAILS``."""
    details = ", ".join(DETAILS)
    yield from database.parts(
        "SELECT id, path, size, mtime_ns, width, height, fingerprint, status, error_kind, error, "
        f"{details} FROM photos WHERE missing_since IS NULL AND (status != 'ok' OR "
        "(model_id = ? AND vocabulary_id = ? AND selection = ?)) ORDER BY id",
        (current.model_id, current.vocabulary_id, current.selection),
        size=size,
    )


def left_out(database: Database, current: Current) -> int:
    """Photos that are there and carry tags of other words, or of another model."""
    return int(
        database.value(
            "SELECT count(*) FROM photos WHERE missing_since IS NULL AND status = 'ok' "
            "AND NOT (model_id IS ? AND vocabulary_id IS ? AND selection IS ?)",
            (current.model_id, current.vocabulary_id, current.selection),
        )
    )
