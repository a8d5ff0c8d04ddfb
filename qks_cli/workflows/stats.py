"""What a library holds, counted."""

from __future__ import annotations

from qks_cli.library import statistics
from qks_cli.library.store import Library
from qks_cli.workflows.places import name_places
from qks_cli.workflows.stacks import group


def stats(
    library: Library, by: str, limit: int, *, every_file: bool = False
) -> list[tuple[str, int]]:
    """Names and numbers of photos, the most first (years and months in order), at most ``limit``;
    '' where a photo has none. ``by`` is label, folder, year, month, camera, lens, rating,
    status, place or country. A stack counts once, unless ``every_file``."""
    group(library)
    if by in ("place", "country"):
        name_places(library)
    return statistics.count_by(library, by, every_file=every_file)[:limit]
