"""How many photos of a library there are, by this and that. Missing ones do not count, and the
files of a stack are one photo."""

from __future__ import annotations

import os

from qks_cli.library.database import Database

# What counts as one: a stack, or a photo that stands alone.
_STACK = "coalesce((SELECT -stack_id FROM stack_members WHERE photo_id = photos.id), photos.id)"
_FILE = "photos.id"


def _place(column: str) -> str:
    return f"(SELECT nullif({column}, '') FROM places WHERE places.id = place_id)"


_COLUMNS = {
    "year": "substr(taken_at, 1, 4)",
    "month": "substr(taken_at, 1, 7)",
    "camera": "camera",
    "lens": "lens",
    "rating": "rating",
    "status": "status",
    "folder": "path",
    "place": _place("name"),
    "country": _place("country"),
}


def count_by(library: Database, what: str, *, every_file: bool = False) -> list[tuple[str, int]]:
    """Names and photos, most first; years and months in order. '' where a photo has none.

    A stack counts once for every name that one of its files has, as a search for that name finds
    it; with ``every_file`` each file counts."""
    one = _FILE if every_file else _STACK
    if what == "label":
        return library.rows(
            f"SELECT label, count(DISTINCT {one}) FROM tags "
            "JOIN shown_labels ON shown_labels.id = tags.label_id "
            "JOIN photos ON photos.id = tags.photo_id WHERE missing_since IS NULL "
            "GROUP BY shown_labels.label_id ORDER BY 2 DESC, 1"
        )
    rows = library.rows(f"SELECT {_COLUMNS[what]}, {one} FROM photos WHERE missing_since IS NULL")
    ones_of: dict[str, set[int]] = {}
    for value, number in rows:
        name = _folder(value) if what == "folder" else "" if value is None else str(value)
        ones_of.setdefault(name, set()).add(number)
    if "" in ones_of and len(ones_of) > 1:  # a copy without a date is of no other stack
        named = set().union(*(own for name, own in ones_of.items() if name))
        ones_of[""] -= named
    counts = [(name, len(own)) for name, own in ones_of.items() if own]
    if what in ("year", "month"):
        return sorted(counts)
    return sorted(counts, key=lambda row: (-row[1], row[0]))


def _folder(key: str | bytes) -> str:
    return os.fsdecode(key).rpartition("/")[0] or "/"
