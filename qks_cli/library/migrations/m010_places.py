"""Names of the places where photos were taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

SCHEMA = (
    """CREATE TABLE places (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL, -- '' far from any town
        county TEXT NOT NULL,
        region TEXT NOT NULL,
        country TEXT NOT NULL,
        code TEXT NOT NULL, -- of the country, ISO 3166-1
        UNIQUE (code, region, county, name, country)
    )""",
    "ALTER TABLE photos ADD COLUMN place_id INTEGER REFERENCES places(id)",
    # Other coordinates are another place: it is named when it is next asked for.
    """CREATE TRIGGER moved_elsewhere AFTER UPDATE OF latitude, longitude ON photos
        WHEN NEW.place_id IS NOT NULL
            AND (NEW.latitude IS NOT OLD.latitude OR NEW.longitude IS NOT OLD.longitude)
        BEGIN UPDATE photos SET place_id = NULL WHERE id = NEW.id; END""",
    "DROP VIEW photo_list",
    """CREATE VIEW photo_list AS
        SELECT photos.id, photos.path, photos.taken_at, photos.taken_from, photos.taken_offset,
            photos.camera, photos.lens, photos.iso,
            photos.aperture, photos.exposure, photos.focal, photos.latitude, photos.longitude,
            places.name AS place, places.region, places.country, places.code AS country_code,
            photos.rating, photos.width, photos.height, photos.size AS bytes,
            (SELECT group_concat(label, ', ') FROM
                (SELECT DISTINCT shown_labels.label FROM tags
                    JOIN shown_labels ON shown_labels.id = tags.label_id
                    WHERE tags.photo_id = photos.id ORDER BY tags.score DESC)) AS tags,
            photos.missing_since, photos.error
        FROM photos LEFT JOIN places ON places.id = photos.place_id""",
)


def apply(db: Database) -> None:
    """Add the table and the column, and show them."""
    for statement in SCHEMA:
        db.execute(statement)
