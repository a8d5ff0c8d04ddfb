"""What tells photos apart that agree in size, head and tail."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

SCHEMA = (
    # BLAKE2 of the whole file (photos/digests.py), where another photo has the same fingerprint
    "ALTER TABLE photos ADD COLUMN full_hash BLOB",
    "CREATE INDEX photos_by_fingerprint ON photos (fingerprint) WHERE fingerprint IS NOT NULL",
)


def apply(db: Database) -> None:
    """Add the column and its index."""
    for statement in SCHEMA:
        db.execute(statement)
