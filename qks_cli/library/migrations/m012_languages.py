"""Keywords that were written in another language than English."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

SCHEMA = (
    # What stands in the file for each label, a JSON list; NULL where it is the label itself.
    "ALTER TABLE writes ADD COLUMN words TEXT",
    "ALTER TABLE writes ADD COLUMN language TEXT NOT NULL DEFAULT 'en'",
)


def apply(db: Database) -> None:
    """Add the columns."""
    for statement in SCHEMA:
        db.execute(statement)
