"""Where a photo's date stands, and the time zone of the clock that it is by."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

SCHEMA = (
    "ALTER TABLE photos ADD COLUMN taken_from TEXT",  # exif, xmp, png, gps, or the file's name
    "ALTER TABLE photos ADD COLUMN taken_offset TEXT",  # +02:00
    # More is read of photos than before, and some of it was read wrongly: once more, when a run
    # next sees them.
    "UPDATE photos SET detailed = 0",
    "DROP VIEW photo_list",
    """CREATE VIEW photo_list AS
        SELECT photos.id, photos.path, photos.taken_at, photos.taken_from, photos.taken_offset,
            photos.camera, photos.lens, photos.iso,
            photos.aperture, photos.exposure, photos.focal, photos.latitude, photos.longitude,
            photos.rating, photos.width, photos.height, photos.size AS bytes,
            (SELECT group_concat(label, ', ') FROM
                (SELECT DISTINCT shown_labels.label FROM tags
                    JOIN shown_labels ON shown_labels.id = tags.label_id
                    WHERE tags.photo_id = photos.id ORDER BY tags.score DESC)) AS tags,
            photos.missing_since, photos.error
        FROM photos""",
)


def apply(db: Database) -> None:
    """Add the columns, and show them."""
    for statement in SCHEMA:
        db.execute(statement)
