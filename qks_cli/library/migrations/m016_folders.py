"""The folders that photos lie in, so that a search for one need not read every path."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

SCHEMA = (
    # One row with a JSON list; none where a photo has come, gone or moved since.
    "CREATE TABLE folders (held TEXT NOT NULL)",
    *(
        f"CREATE TRIGGER folders_{table}_{event.split()[0].lower()} AFTER {event} ON {table} "
        "BEGIN DELETE FROM folders; END"
        for table in ("photos", "names")
        for event in ("INSERT", "DELETE", "UPDATE OF path")
    ),
)


def apply(db: Database) -> None:
    """Create the table, and triggers that empty it."""
    for statement in SCHEMA:
        db.execute(statement)
