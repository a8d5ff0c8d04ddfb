"""What was learned from verdicts: versions of heads, one a label and model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

SCHEMA = (
    # The latest version holds; undoing removes it. A version holds all heads, also older ones.
    """CREATE TABLE learned_versions (
        id INTEGER PRIMARY KEY,
        vocabulary_id INTEGER REFERENCES vocabularies(id), -- the words that it was learned beside
        labels TEXT NOT NULL,                              -- JSON: those that were learned anew
        made_at TEXT NOT NULL
    )""",
    """CREATE TABLE learned_heads (
        version_id INTEGER NOT NULL REFERENCES learned_versions(id) ON DELETE CASCADE,
        label TEXT NOT NULL,
        model_id INTEGER NOT NULL REFERENCES models(id),
        alone INTEGER NOT NULL,              -- 1: known by examples, by no words
        from_keywords INTEGER NOT NULL,      -- 1: the user's own keywords were examples too
        head BLOB NOT NULL,                  -- float32, little-endian: gain, bias, weights
        PRIMARY KEY (version_id, label, model_id)
    ) WITHOUT ROWID""",
)


def apply(db: Database) -> None:
    """Add both tables."""
    for statement in SCHEMA:
        db.execute(statement)
