"""Query tokens in half the room. Those that are stored stay as they are, and are read as they are;
`qks doctor --repair` packs them, some thousand photos at a time, so that a large library need not
be rewritten in one transaction before it can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

SCHEMA = (
    # 1: as packing.py packs them; 0: float16, little-endian, [queries, width]
    "ALTER TABLE query_tokens ADD COLUMN packed INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX query_tokens_unpacked ON query_tokens (photo_id) WHERE packed = 0",
)


def apply(db: Database) -> None:
    """Add the column, and an index that holds what is not packed yet."""
    for statement in SCHEMA:
        db.execute(statement)
