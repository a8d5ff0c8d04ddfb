"""Stacks: files that are one photo to whoever took it, and what the user said of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

# What the rule looks at (qks_cli/photos/stacking.py), and what members share.
_LOOKED_AT = (
    "path size taken_at taken_from camera exposure rating fingerprint status missing_since model_id"
).split()
_OTHERWISE = " OR ".join(f"NEW.{column} IS NOT OLD.{column}" for column in _LOOKED_AT)

SCHEMA = (
    "ALTER TABLE photos ADD COLUMN stacked INTEGER NOT NULL DEFAULT 0",  # 1: looked at as it is
    "CREATE INDEX photos_not_stacked ON photos (id) WHERE stacked = 0",
    f"""CREATE TRIGGER stacked_before AFTER UPDATE OF {", ".join(_LOOKED_AT)} ON photos
        WHEN NEW.stacked AND ({_OTHERWISE})
        BEGIN UPDATE photos SET stacked = 0 WHERE id = NEW.id; END""",
    # A stack is two rows or more with one number, the lowest id of its photos.
    """CREATE TABLE stack_members (
        photo_id INTEGER PRIMARY KEY REFERENCES photos(id) ON DELETE CASCADE,
        stack_id INTEGER NOT NULL,
        place INTEGER NOT NULL,              -- the lowest one is the main photo's
        role TEXT NOT NULL,                  -- photo, burst, edited, raw, live, joined
        lead_id INTEGER REFERENCES photos(id) ON DELETE SET NULL, -- whose tags it shares
        shared INTEGER NOT NULL DEFAULT 0    -- 1: it does
    )""",
    "CREATE INDEX stack_members_by_stack ON stack_members (stack_id, place)",
    "CREATE INDEX stack_members_by_lead ON stack_members (lead_id)",
    """CREATE TRIGGER stack_of_one AFTER DELETE ON stack_members
        WHEN (SELECT count(*) FROM stack_members WHERE stack_id = OLD.stack_id) = 1
        BEGIN DELETE FROM stack_members WHERE stack_id = OLD.stack_id; END""",
    """CREATE TABLE stack_choices (
        photo_id INTEGER PRIMARY KEY REFERENCES photos(id) ON DELETE CASCADE,
        joined INTEGER,                      -- photos with one number are one stack; NULL: alone
        place INTEGER NOT NULL               -- in the order in which they were named
    )""",
    """CREATE VIEW stack_list AS
        SELECT stack_id AS stack, photos.path, role,
            place = (SELECT min(place) FROM stack_members AS others
                WHERE others.stack_id = stack_members.stack_id) AS main,
            leads.path AS shares_tags_of
        FROM stack_members JOIN photos ON photos.id = photo_id
            LEFT JOIN photos AS leads ON leads.id = lead_id
        ORDER BY stack_id, place""",
)


def apply(db: Database) -> None:
    """Add the column, the tables, their triggers and the view."""
    for statement in SCHEMA:
        db.execute(statement)
