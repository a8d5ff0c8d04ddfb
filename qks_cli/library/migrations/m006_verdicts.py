"""What the user said of single tags: right, or wrong.

Triggers keep to it whoever writes tags: a rejected one never comes back, a confirmed one never
goes. ``verdicts`` remembers what the model says, so that a verdict can be taken back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

# A tag that the user alone gives: of no query token, and implied by no other.
BY_HAND = "1.0, -1, 0"

SCHEMA = (
    """CREATE TABLE verdicts (
        photo_id INTEGER NOT NULL REFERENCES photos(id) ON DELETE CASCADE,
        label_id INTEGER NOT NULL REFERENCES labels(id),
        confirmed INTEGER NOT NULL,          -- 1 right, 0 wrong
        score REAL,                          -- what the model says; NULL where it does not
        token INTEGER,
        implied INTEGER,
        fresh INTEGER NOT NULL DEFAULT 0,    -- 1 while a photo is tagged: the model said so again
        made_at TEXT NOT NULL,
        PRIMARY KEY (photo_id, label_id)
    ) WITHOUT ROWID""",
    """CREATE TRIGGER verdict_on_new_tag AFTER INSERT ON tags
        WHEN (NEW.token >= 0 OR NEW.implied) AND EXISTS (
            SELECT 1 FROM verdicts WHERE photo_id = NEW.photo_id AND label_id = NEW.label_id)
        BEGIN
            DELETE FROM tags WHERE photo_id = NEW.photo_id AND label_id = NEW.label_id AND EXISTS (
                SELECT 1 FROM verdicts WHERE photo_id = NEW.photo_id
                    AND label_id = NEW.label_id AND NOT confirmed);
            UPDATE tags SET score = 1.0, token = -1, implied = 0
                WHERE photo_id = NEW.photo_id AND label_id = NEW.label_id;
            UPDATE verdicts
                SET score = NEW.score, token = NEW.token, implied = NEW.implied, fresh = 1
                WHERE photo_id = NEW.photo_id AND label_id = NEW.label_id;
        END""",
    """CREATE TRIGGER verdict_on_old_tag AFTER DELETE ON tags
        WHEN EXISTS (
            SELECT 1 FROM verdicts WHERE photo_id = OLD.photo_id AND label_id = OLD.label_id)
        BEGIN
            UPDATE verdicts SET score = NULL, token = NULL, implied = NULL
                WHERE photo_id = OLD.photo_id AND label_id = OLD.label_id;
        END""",
    f"""CREATE TRIGGER verdict_on_tagged_photo AFTER UPDATE OF tagged_at ON photos
        WHEN EXISTS (SELECT 1 FROM verdicts WHERE photo_id = NEW.id)
        BEGIN
            UPDATE verdicts SET score = NULL, token = NULL, implied = NULL
                WHERE photo_id = NEW.id AND NOT fresh;
            UPDATE verdicts SET fresh = 0 WHERE photo_id = NEW.id;
            INSERT OR IGNORE INTO tags
                SELECT photo_id, label_id, {BY_HAND} FROM verdicts
                WHERE photo_id = NEW.id AND confirmed;
        END""",
    """CREATE VIEW verdict_list AS
        SELECT photos.path, shown_labels.label, verdicts.confirmed, verdicts.score,
            verdicts.made_at
        FROM verdicts JOIN photos ON photos.id = verdicts.photo_id
            JOIN shown_labels ON shown_labels.id = verdicts.label_id""",
)


def apply(db: Database) -> None:
    """Add the table, its triggers and its view."""
    for statement in SCHEMA:
        db.execute(statement)
