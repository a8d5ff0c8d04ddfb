"""How many of a label's photos are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

SCHEMA = (
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
    """Add the tables."""
    for statement in SCHEMA:
        db.execute(statement)
