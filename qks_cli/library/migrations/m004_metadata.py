"""What was written into photos and sidecars, so that exactly that can be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

SCHEMA = (
    """CREATE TABLE writes (
        id INTEGER PRIMARY KEY,
        photo_id INTEGER NOT NULL REFERENCES photos(id) ON DELETE CASCADE,
        run_id INTEGER NOT NULL REFERENCES runs(id),
        kind TEXT NOT NULL,                  -- sidecar, embed
        file TEXT NOT NULL,                  -- as photos.path
        existed INTEGER NOT NULL,            -- whether the file was there before
        xmp BLOB,                            -- what stood there: a packet, or a whole sidecar
        other BLOB,                          -- what else it takes to restore the bytes
        sha_before BLOB,                     -- SHA-256 of the whole file
        sha_after BLOB NOT NULL,
        labels TEXT NOT NULL,                -- JSON: ours, after this write
        written_at TEXT NOT NULL
    )""",
    "CREATE INDEX writes_by_file ON writes (file, id)",
    "CREATE INDEX writes_by_photo ON writes (photo_id)",
    """CREATE TABLE journal (
        id INTEGER PRIMARY KEY,
        file TEXT NOT NULL,
        temporary TEXT NOT NULL,
        size INTEGER,
        mtime_ns INTEGER,
        inode INTEGER,
        sha256 BLOB,
        write_id INTEGER,
        begun_at TEXT NOT NULL
    )""",
    """CREATE TABLE keywords (
        photo_id INTEGER NOT NULL REFERENCES photos(id) ON DELETE CASCADE,
        keyword TEXT NOT NULL,               -- the user's own, as it stands in the file
        source TEXT NOT NULL,                -- file, sidecar
        PRIMARY KEY (photo_id, keyword)
    ) WITHOUT ROWID""",
    "CREATE INDEX keywords_by_word ON keywords (keyword COLLATE NOCASE)",
    """CREATE VIEW written_files AS
        SELECT photos.path, writes.file, writes.kind, writes.labels, writes.written_at,
            writes.run_id AS run
        FROM writes JOIN photos ON photos.id = writes.photo_id ORDER BY writes.id DESC""",
)


def apply(db: Database) -> None:
    """Add the tables."""
    for statement in SCHEMA:
        db.execute(statement)
