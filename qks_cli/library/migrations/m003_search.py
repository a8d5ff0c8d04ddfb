"""What searches need: details of photos, compact vectors, renamed labels, views for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

SCHEMA = (
    "ALTER TABLE photos ADD COLUMN taken_at TEXT",  # the camera's clock, ISO 8601
    "ALTER TABLE photos ADD COLUMN camera TEXT",
    "ALTER TABLE photos ADD COLUMN lens TEXT",
    "ALTER TABLE photos ADD COLUMN iso INTEGER",
    "ALTER TABLE photos ADD COLUMN aperture REAL",  # f-number
    "ALTER TABLE photos ADD COLUMN exposure REAL",  # seconds
    "ALTER TABLE photos ADD COLUMN focal REAL",  # mm
    "ALTER TABLE photos ADD COLUMN latitude REAL",  # degrees, south negative
    "ALTER TABLE photos ADD COLUMN longitude REAL",  # degrees, west negative
    "ALTER TABLE photos ADD COLUMN rating INTEGER",  # -1 rejected, 0 to 5
    # 1 once a file was asked for the details above
    "ALTER TABLE photos ADD COLUMN detailed INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX photos_present ON photos (status, missing_since, id)",
    "CREATE INDEX photos_by_time ON photos (taken_at) WHERE taken_at IS NOT NULL",
    # How a label is shown: under another one's name, or not at all. What was found stays stored.
    "ALTER TABLE labels ADD COLUMN shown_as INTEGER REFERENCES labels(id)",
    "ALTER TABLE labels ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0",
    """CREATE TABLE label_edits (
        id INTEGER PRIMARY KEY,
        made_at TEXT NOT NULL,
        command TEXT NOT NULL,               -- as the user would type it
        before TEXT NOT NULL                 -- JSON: [label id, shown_as, hidden] of each touched
    )""",
    """CREATE TABLE compact_bases (
        model_id INTEGER PRIMARY KEY REFERENCES models(id),
        basis BLOB NOT NULL                  -- float32 [width, directions]
    )""",
    """CREATE TABLE compact (
        model_id INTEGER NOT NULL REFERENCES models(id),
        block INTEGER NOT NULL,              -- photo_id / 4096
        ids BLOB NOT NULL,                   -- int64 [photos]
        vectors BLOB NOT NULL,               -- int8 [photos, width + queries * directions]
        scales BLOB NOT NULL,                -- float32 [photos, 2]
        PRIMARY KEY (model_id, block)
    )""",
    # A block of which any photo changed is made anew when it is next needed.
    "CREATE TRIGGER compact_insert AFTER INSERT ON query_tokens BEGIN "
    "DELETE FROM compact WHERE block = NEW.photo_id / 4096; END",
    "CREATE TRIGGER compact_update AFTER UPDATE ON query_tokens BEGIN "
    "DELETE FROM compact WHERE block = NEW.photo_id / 4096; END",
    "CREATE TRIGGER compact_delete AFTER DELETE ON query_tokens BEGIN "
    "DELETE FROM compact WHERE block = OLD.photo_id / 4096; END",
    # Words of labels, for MATCH
    "CREATE VIRTUAL TABLE labels_fts USING fts5(name, content='labels', content_rowid='id')",
    "INSERT INTO labels_fts (labels_fts) VALUES ('rebuild')",
    "CREATE TRIGGER labels_fts_insert AFTER INSERT ON labels BEGIN "
    "INSERT INTO labels_fts (rowid, name) VALUES (NEW.id, NEW.name); END",
    "CREATE TRIGGER labels_fts_delete AFTER DELETE ON labels BEGIN "
    "INSERT INTO labels_fts (labels_fts, rowid, name) VALUES ('delete', OLD.id, OLD.name); END",
    """CREATE VIEW shown_labels AS
        SELECT labels.id, coalesce(other.id, labels.id) AS label_id,
            coalesce(other.name, labels.name) AS label
        FROM labels LEFT JOIN labels other ON other.id = labels.shown_as
        WHERE labels.hidden = 0""",
    "DROP VIEW photo_tags",
    """CREATE VIEW photo_tags AS
        SELECT photos.path, shown_labels.label, max(tags.score) AS score,
            min(tags.implied) AS implied
        FROM tags JOIN photos ON photos.id = tags.photo_id
            JOIN shown_labels ON shown_labels.id = tags.label_id
        GROUP BY photos.id, shown_labels.label_id""",
    """CREATE VIEW photo_list AS
        SELECT photos.id, photos.path, photos.taken_at, photos.camera, photos.lens, photos.iso,
            photos.aperture, photos.exposure, photos.focal, photos.latitude, photos.longitude,
            photos.rating, photos.width, photos.height, photos.size AS bytes,
            (SELECT group_concat(label, ', ') FROM
                (SELECT DISTINCT shown_labels.label FROM tags
                    JOIN shown_labels ON shown_labels.id = tags.label_id
                    WHERE tags.photo_id = photos.id ORDER BY tags.score DESC)) AS tags,
            photos.missing_since, photos.error
        FROM photos""",
    """CREATE VIEW label_counts AS
        SELECT shown_labels.label, count(DISTINCT tags.photo_id) AS photos,
            round(avg(tags.score), 3) AS mean_score
        FROM tags JOIN shown_labels ON shown_labels.id = tags.label_id
        GROUP BY shown_labels.label_id ORDER BY photos DESC""",
    """CREATE VIEW run_list AS
        SELECT runs.id, runs.started_at, runs.finished_at, runs.command, runs.status, runs.tagged,
            runs.failed, models.name AS model, models.version AS model_version,
            runs.vocabulary_id AS vocabulary
        FROM runs LEFT JOIN models ON models.id = runs.model_id ORDER BY runs.id DESC""",
)


def apply(db: Database) -> None:
    """Add columns, tables and views."""
    for statement in SCHEMA:
        db.execute(statement)
