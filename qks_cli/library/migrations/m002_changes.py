"""What is needed to follow photos through changing folders: fingerprints, and when one went."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

SCHEMA = (
    # blake2b over size, head and tail (photos/fingerprint.py); NULL until a photo is read again
    "ALTER TABLE photos ADD COLUMN fingerprint BLOB",
    # when its file was first found gone; NULL while it is there
    "ALTER TABLE photos ADD COLUMN missing_since TEXT",
    "CREATE INDEX photos_by_size ON photos (size)",
    "CREATE INDEX photos_missing ON photos (id) WHERE missing_since IS NOT NULL",
)


def apply(db: Database) -> None:
    """Add the columns."""
    for statement in SCHEMA:
        db.execute(statement)
