"""Text that was read in photos, with a full-text index over its words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

SCHEMA = (
    """CREATE TABLE texts (
        photo_id INTEGER PRIMARY KEY REFERENCES photos(id) ON DELETE CASCADE,
        fingerprint BLOB,                    -- of the file that was read
        reader TEXT NOT NULL,                -- what read it, with its version
        read_at TEXT NOT NULL,
        text TEXT NOT NULL,                  -- a line each; '' where the photo shows none
        words TEXT NOT NULL                  -- the same, as words are compared
    )""",
    # Words are parted and folded before they come here: this tokenizer only splits at blanks.
    "CREATE VIRTUAL TABLE texts_fts USING fts5("
    "words, content='texts', content_rowid='photo_id', tokenize='unicode61 remove_diacritics 0')",
    "CREATE TRIGGER texts_fts_insert AFTER INSERT ON texts BEGIN "
    "INSERT INTO texts_fts (rowid, words) VALUES (NEW.photo_id, NEW.words); END",
    "CREATE TRIGGER texts_fts_delete AFTER DELETE ON texts BEGIN INSERT INTO texts_fts "
    "(texts_fts, rowid, words) VALUES ('delete', OLD.photo_id, OLD.words); END",
    "CREATE TRIGGER texts_fts_update AFTER UPDATE OF words ON texts BEGIN INSERT INTO texts_fts "
    "(texts_fts, rowid, words) VALUES ('delete', OLD.photo_id, OLD.words); "
    "INSERT INTO texts_fts (rowid, words) VALUES (NEW.photo_id, NEW.words); END",
    # The text of a file that has changed since is left out until it is read again.
    """CREATE VIEW text_list AS
        SELECT photos.id, photos.path, texts.text, texts.words, texts.reader, texts.read_at
        FROM texts JOIN photos ON photos.id = texts.photo_id
        WHERE texts.text != '' AND texts.fingerprint IS photos.fingerprint""",
)


def apply(db: Database) -> None:
    """Add the table, its index and a view."""
    for statement in SCHEMA:
        db.execute(statement)
