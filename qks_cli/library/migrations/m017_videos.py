"""Videos: how long they are, and the moments of which frames were looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

SCHEMA = (
    "ALTER TABLE photos ADD COLUMN duration REAL",  # seconds; NULL of photos
    """CREATE TABLE moments (
        photo_id INTEGER NOT NULL REFERENCES photos(id) ON DELETE CASCADE,
        model_id INTEGER NOT NULL REFERENCES models(id),
        number INTEGER NOT NULL,             -- from 0, in their order
        seconds REAL NOT NULL,               -- from the beginning
        tokens BLOB NOT NULL,                -- as packing.py packs them
        PRIMARY KEY (photo_id, model_id, number)
    ) WITHOUT ROWID""",
    """CREATE TABLE moment_tags (
        photo_id INTEGER NOT NULL REFERENCES photos(id) ON DELETE CASCADE,
        label_id INTEGER NOT NULL REFERENCES labels(id),
        seconds REAL NOT NULL,
        score REAL NOT NULL,
        PRIMARY KEY (photo_id, label_id, seconds)
    ) WITHOUT ROWID""",
    """CREATE VIEW moment_list AS
        SELECT photos.path, shown_labels.label, moment_tags.seconds, moment_tags.score
        FROM moment_tags JOIN photos ON photos.id = moment_tags.photo_id
            JOIN shown_labels ON shown_labels.id = moment_tags.label_id""",
)


def apply(db: Database) -> None:
    """Add the column, both tables and a view."""
    for statement in SCHEMA:
        db.execute(statement)
