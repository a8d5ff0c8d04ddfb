"""Stacks in what a search finds: each is listed once.

Axes: N photos, S members of stacks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qks_cli.library import stacks
from qks_cli.library.store import Library
from qks_cli.search.scorer import found_among
from qks_cli.types import Float32Array, Int64Array


@dataclass(frozen=True, slots=True)
class Stacked:
    """The stack that a photo is of: what it holds (burst, edited, raw, live, joined), and all its
    members, the main photo first."""

    id: int
    kinds: tuple[str, ...]
    members: tuple[Path, ...]


def fold_stacks(
    library: Library, ids_N: Int64Array, score_N: Float32Array, rows: Int64Array
) -> tuple[Int64Array, Float32Array]:
    """Of the rows of photos that were found, one a stack, ascending: its main photo's, else that of
    the first member in its order. That photo gets the score of the best one of the stack."""
    members_S3 = library.derived("stacks", lambda: _members(library))
    which, at = found_among(ids_N[rows], members_S3[:, 0])
    if not len(which):
        return rows, score_N
    found = rows[at]
    stack, place = members_S3[which, 1], members_S3[which, 2]
    order = np.lexsort((place, stack))
    _, begins = np.unique(stack[order], return_index=True)
    shown = found[order][begins]
    score_N = score_N.copy()
    score_N[shown] = np.maximum.reduceat(score_N[found[order]], begins)
    alone = np.ones(len(rows), np.bool_)
    alone[at] = False
    return np.sort(np.concatenate([rows[alone], shown])), score_N


def stacked(library: Library, photo_ids: Sequence[int]) -> dict[int, Stacked]:
    """The stacks of photos, by photo; those that stand alone are left out."""
    found = stacks.of(library, photo_ids)
    paths = library.photos.paths_of(sorted({x for one in found.values() for x in one.members}))
    return {
        photo_id: Stacked(one.id, one.kinds, tuple(paths[x] for x in one.members))
        for photo_id, one in found.items()
    }


def _members(library: Library) -> Int64Array:
    """Photo, stack and place in it of every member: [S, 3]."""
    return np.array(stacks.places(library), np.int64).reshape(-1, 3)
