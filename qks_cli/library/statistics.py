"""How many photos of a library there are, by this and that. Missing ones do not count."""

from __future__ import annotations

import os
from collections import Counter

from qks_cli.library import labels
from qks_cli.library.database import Database

_HERE = "missing_since IS NULL"


def _place(column: str) -> str:
    return f"(SELECT nullif({column}, '') FROM places WHERE places.id = place_id)"


_COLUMNS = {
    "year": "substr(taken_at, 1, 4)",
    "month": "substr(taken_at, 1, 7)",
    "camera": "camera",
    "lens": "lens",
    "rating": "rating",
    "status": "status",
    "place": _place("name"),
    "country": _place("country"),
}


def count_by(library: Database, what: str) -> list[tuple[str, int]]:
    """Names and photos, most first; years and months in order. '' where a photo has none."""
    if what == "label":
        rows = [(x.label, x.present) for x in labels.counts(library) if x.present]
        return sorted(rows, key=lambda row: (-row[1], row[0]))
    if what == "folder":
        paths = library.rows(f"SELECT path FROM photos WHERE {_HERE}")
        folders = Counter(os.fsdecode(path).rpartition("/")[0] or "/" for (path,) in paths)
        return sorted(folders.items(), key=lambda item: (-item[1], item[0]))
    order = "1" if what in ("year", "month") else "2 DESC, 1"
    found = library.rows(
        f"SELECT {_COLUMNS[what]}, count(*) FROM photos WHERE {_HERE} GROUP BY 1 ORDER BY {order}"
    )
    return [("" if name is None else str(name), int(count)) for name, count in found]
