"""What a library knows of single photos beside their tags, as reports show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qks_cli.library.database import Database
from qks_cli.library.paths import key_path


@dataclass(frozen=True, slots=True)
class Described:
    """``taken_at`` is ISO 8601 by the camera's clock; degrees are south and west negative; None
    where nothing is known."""

    id: int
    path: Path
    taken_at: str | None
    camera: str | None
    latitude: float | None
    longitude: float | None


def described(library: Database, photo_ids: Sequence[int]) -> list[Described]:
    """Photos by date, those without one last, then by path."""
    rows = library.rows_in(
        "SELECT id, path, taken_at, camera, latitude, longitude FROM photos WHERE id IN ({})",
        photo_ids,
    )
    found = [Described(photo_id, key_path(key), *rest) for photo_id, key, *rest in rows]
    return sorted(found, key=lambda x: (x.taken_at is None, x.taken_at or "", str(x.path)))
