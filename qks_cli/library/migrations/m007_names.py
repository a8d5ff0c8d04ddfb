"""Other names of photos (links), words as they are compared, what a library was tagged with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qks_cli.folding import fold

if TYPE_CHECKING:
    from sqlite_utils import Database

SCHEMA = (
    # Paths that lead to the file of a photo beside its own: symbolic and hard links
    """CREATE TABLE names (
        path TEXT PRIMARY KEY,               -- as photos.path
        photo_id INTEGER NOT NULL REFERENCES photos(id) ON DELETE CASCADE
    ) WITHOUT ROWID""",
    "CREATE INDEX names_by_photo ON names (photo_id)",
    # qks_cli/folding.py of the keyword
    "ALTER TABLE keywords ADD COLUMN folded TEXT",
    "DROP INDEX keywords_by_word",
    "CREATE INDEX keywords_by_word ON keywords (folded)",
    # Cut-off and number of tags that a run was asked for; NULL: the model's own
    "ALTER TABLE runs ADD COLUMN min_score REAL",
    "ALTER TABLE runs ADD COLUMN top INTEGER",
    # 1 where the words were a labels file of the user's, 0 where they were the model's own
    "ALTER TABLE runs ADD COLUMN own_words INTEGER",
    # Every word of a vocabulary, folded, with the label that it names
    """CREATE TABLE words (
        vocabulary_id INTEGER NOT NULL REFERENCES vocabularies(id),
        word TEXT NOT NULL,
        label TEXT NOT NULL,
        PRIMARY KEY (vocabulary_id, word)
    ) WITHOUT ROWID""",
    "DROP VIEW label_counts",
    """CREATE VIEW label_counts AS
        SELECT shown_labels.label, count(DISTINCT tags.photo_id) AS photos,
            count(DISTINCT tags.photo_id) FILTER (WHERE photos.missing_since IS NULL) AS present,
            round(avg(tags.score), 3) AS mean_score
        FROM tags JOIN shown_labels ON shown_labels.id = tags.label_id
            JOIN photos ON photos.id = tags.photo_id
        GROUP BY shown_labels.label_id ORDER BY 2 DESC, 1""",
)


def apply(db: Database) -> None:
    """Add the tables and columns, and fold what is there."""
    for statement in SCHEMA:
        db.execute(statement)
    words = db.execute("SELECT photo_id, keyword FROM keywords").fetchall()
    db.conn.executemany(
        "UPDATE keywords SET folded = ? WHERE photo_id = ? AND keyword = ?",
        [(fold(word), photo_id, word) for photo_id, word in words],
    )
