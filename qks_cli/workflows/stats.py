"""What a library holds, counted."""

from __future__ import annotations

from qks_cli.library import statistics
from qks_cli.library.store import Library


def stats(library: Library, by: str, limit: int) -> list[tuple[str, int]]:
    """Names and numbers of photos, the most first (years and months in order), at most ``limit``;
    '' where a photo has none. ``by`` is label, folder, year, month, camera, lens, rating or
    status."""
    return statistics.count_by(library, by)[:limit]
