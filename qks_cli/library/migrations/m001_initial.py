"""Photos, query tokens, vocabularies, labels, tags, runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

SCHEMA = """
CREATE TABLE models (
    id INTEGER PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    queries INTEGER NOT NULL,
    width INTEGER NOT NULL
);
CREATE TABLE vocabularies (
    id INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    text TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE TABLE photos (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,           -- a BLOB where the name is not UTF-8
    size INTEGER NOT NULL,               -- bytes
    mtime_ns INTEGER NOT NULL,
    width INTEGER,                       -- upright pixels
    height INTEGER,
    status TEXT NOT NULL,                -- ok, failed
    error_kind TEXT,
    error TEXT,
    model_id INTEGER REFERENCES models(id),
    vocabulary_id INTEGER REFERENCES vocabularies(id),
    selection TEXT,                      -- cut-off and limit that the tags were chosen with
    tagged_at TEXT
);
CREATE TABLE query_tokens (
    photo_id INTEGER PRIMARY KEY REFERENCES photos(id) ON DELETE CASCADE,
    model_id INTEGER NOT NULL REFERENCES models(id),
    tokens BLOB NOT NULL                 -- float16, little-endian, [queries, width]
);
CREATE TABLE labels (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
CREATE TABLE tags (
    photo_id INTEGER NOT NULL REFERENCES photos(id) ON DELETE CASCADE,
    label_id INTEGER NOT NULL REFERENCES labels(id),
    score REAL NOT NULL,                 -- calibrated, 0 to 1
    token INTEGER NOT NULL,              -- winning query token, -1 where implied
    implied INTEGER NOT NULL,            -- 1: added because a child label fired
    PRIMARY KEY (photo_id, label_id)
) WITHOUT ROWID;
CREATE INDEX tags_by_label ON tags (label_id, score);
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    started_at TEXT NOT NULL,
    finished_at TEXT,
    command TEXT NOT NULL,
    model_id INTEGER REFERENCES models(id),
    vocabulary_id INTEGER REFERENCES vocabularies(id),
    tagged INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    status TEXT NOT NULL                 -- running, done, interrupted
);
CREATE VIEW photo_tags AS
    SELECT photos.path, labels.name AS label, tags.score, tags.implied
    FROM tags JOIN photos ON photos.id = tags.photo_id JOIN labels ON labels.id = tags.label_id;
"""


def apply(db: Database) -> None:
    """Create the first schema."""
    for statement in SCHEMA.split(";\n"):
        if statement.strip():
            db.execute(statement)
