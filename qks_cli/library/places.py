"""Where photos of a library were taken, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qks_cli.library.database import Database
from qks_cli.types import Place

_COLUMNS = "places.name, county, region, country, code"
_UNNAMED = "latitude IS NOT NULL AND longitude IS NOT NULL AND place_id IS NULL"


def unnamed(library: Database) -> list[tuple[int, float, float]]:
    """Photos with coordinates and no place yet: id, latitude, longitude in degrees."""
    return library.rows(f"SELECT id, latitude, longitude FROM photos WHERE {_UNNAMED}")


def save(library: Database, found: Iterable[tuple[int, Place]]) -> None:
    """Store the places of photos, by photo id, in one transaction."""
    ids: dict[Place, int] = {}
    rows: list[tuple[int, int]] = []
    with library.atomic():
        for photo_id, place in found:
            if place not in ids:
                ids[place] = _id_of(library, place)
            rows.append((ids[place], photo_id))
        library.execute_many("UPDATE photos SET place_id = ? WHERE id = ?", rows)


def of(library: Database, photo_ids: Sequence[int]) -> dict[int, Place]:
    """The places of photos that have one, by id."""
    sql = (
        f"SELECT photos.id, {_COLUMNS} FROM photos JOIN places ON places.id = place_id "
        "WHERE photos.id IN ({})"
    )
    return {photo_id: Place(*values) for photo_id, *values in library.rows_in(sql, photo_ids)}


def counts(library: Database) -> list[tuple[Place, int]]:
    """Places with the photos that are there, the most first."""
    rows = library.rows(
        f"SELECT {_COLUMNS}, count(*) FROM photos JOIN places ON places.id = place_id "
        "WHERE missing_since IS NULL GROUP BY places.id ORDER BY 6 DESC, 1, 4, 3, 2"
    )
    return [(Place(*values), int(count)) for *values, count in rows]


def _id_of(library: Database, place: Place) -> int:
    values = (place.code, place.region, place.county, place.name, place.country)
    library.execute(
        "INSERT OR IGNORE INTO places (code, region, county, name, country) VALUES (?, ?, ?, ?, ?)",
        values,
    )
    return int(
        library.value(
            "SELECT id FROM places WHERE code = ? AND region = ? AND county = ? AND name = ? "
            "AND country = ?",
            values,
        )
    )
