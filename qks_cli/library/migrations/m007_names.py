"""Other names of photos (links), words as they are compared, what a library was tagged with."""

from __future__ import annotations

import re
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
    # The labels file of a run, as it was named; '' for the model's own, NULL where nobody knows
    "ALTER TABLE runs ADD COLUMN labels TEXT",
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


# The default labels that qks 0.1 came with, in all their editions
DEFAULTS = (
    "7983787900b6435784c265942711143f62b398706ea905453f0d0af08a7fc356",
    "869a0628cc0ce67cb9745e5ba5250a88ad776734afd84f216aaba9c51b3b9c36",
    "575ea6c6951f52bedb970f1327a00d1aa90c994f952efbf27c8932824a473728",
    "4e4024d09be4069a3f9021d0f143b560f4b7109a9120422ca6e6e95f1e10dfd8",
    "dcfd456b645afbf21bfad3afed5da637f48eb508154e3d3e5c5ee575efbb9218",
    "e7e78c3c60782e73f501d32705111f4e95c8347d0beadb7ab634c4ad5cacf824",
)
CUTOFF = 0.5  # of the models that came with it


def apply(db: Database) -> None:
    """Add the tables and columns, and fold what is there."""
    for statement in SCHEMA:
        db.execute(statement)
    db.execute(
        "UPDATE runs SET labels = '' WHERE vocabulary_id IN (SELECT id FROM vocabularies "
        f"WHERE digest IN ({', '.join('?' * len(DEFAULTS))}))",
        DEFAULTS,
    )
    row = db.execute("SELECT selection FROM photos ORDER BY tagged_at DESC LIMIT 1").fetchone()
    found = re.fullmatch(r"min-score ([\d.]+), top (\d+)", (row and row[0]) or "")
    if found is not None and float(found[1]) != CUTOFF:
        db.execute(
            "UPDATE runs SET min_score = ?, top = ? WHERE id = "
            "(SELECT max(id) FROM runs WHERE command IN ('tag', 'retag', 'watch'))",
            (float(found[1]), int(found[2])),
        )
    words = db.execute("SELECT photo_id, keyword FROM keywords").fetchall()
    db.conn.executemany(
        "UPDATE keywords SET folded = ? WHERE photo_id = ? AND keyword = ?",
        [(fold(word), photo_id, word) for photo_id, word in words],
    )
