"""Which photos pass a condition. For whoever asks often, each part of a condition is looked up once
for every state of the library, and paths are read once.

Axes: N photos.
"""

from __future__ import annotations

from functools import reduce

import numpy as np

from qks_cli.library.paths import fold_key
from qks_cli.library.store import Library
from qks_cli.search.filters import Condition
from qks_cli.search.scorer import found_among, ids_of
from qks_cli.types import Int64Array

FILTERS = 16  # parts of conditions whose photos stay in memory


def passing(library: Library, where: Condition) -> Int64Array:
    """Ids of all photos that pass a condition, ascending, missing ones too."""
    if not library.remembers:
        return _asked(library, where)
    parts = [passing(library, part) for part in where.parts]
    if where.joined == "AND":
        return reduce(_both, parts)
    if where.joined == "OR":
        return reduce(np.union1d, parts)
    if where.joined == "NOT":
        every_N = library.derived("every id", lambda: ids_of(library, "SELECT id FROM photos"))
        return np.setdiff1d(every_N, parts[0], assume_unique=True)
    key = ("condition", where.sql, where.values)
    return library.derived(key, lambda: _found(library, where), most=FILTERS)


def _found(library: Library, where: Condition) -> Int64Array:
    told = where.on_path
    if told is None:
        return _asked(library, where)
    ids, paths = library.derived("folded paths", lambda: _folded_paths(library))
    kept = np.fromiter(map(told, paths), bool, len(paths))
    return np.unique(ids[kept])


def _folded_paths(library: Library) -> tuple[Int64Array, list[str]]:
    """Photos' ids and their paths, folded; the links that lead to them too."""
    rows = library.rows("SELECT id, path FROM photos UNION ALL SELECT photo_id, path FROM names")
    ids = np.fromiter((photo_id for photo_id, _ in rows), np.int64, len(rows))
    return ids, [fold_key(path) or "" for _, path in rows]


def _asked(library: Library, where: Condition) -> Int64Array:
    return ids_of(library, f"SELECT id FROM photos WHERE {where.sql}", where.values)


def _both(one_N: Int64Array, other_N: Int64Array) -> Int64Array:
    rows, _ = found_among(one_N, other_N)
    return other_N[rows]
