"""By whose scores a run put the labels in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database


def apply(db: Database) -> None:
    """Add the column: a method of `qks tag --scoring`, NULL for the model's own scores."""
    db.execute("ALTER TABLE runs ADD COLUMN scoring TEXT")
