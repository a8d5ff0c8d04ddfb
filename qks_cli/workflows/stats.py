"""What a library holds, counted."""

from __future__ import annotations

from qks_cli.library import statistics
from qks_cli.library.store import Library
from qks_cli.workflows.places import name_places


def stats(library: Library, by: str, limit: int) -> list[tuple[str, int]]:
    """Names and numbers of photos, the most first (years and months in order), at most ``limit``;
    '' where a photo has none. ``by`` is label, folder, year, month, camera, lens, rating,
    status, place or country."""
    if by in ("place", "country"):
        name_places(library)
    return statistics.count_by(library, by)[:limit]
