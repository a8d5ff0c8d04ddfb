"""Photos that belong together: copies of one file, of one picture, and groups alike in meaning.

Axes: N photos, M query tokens, E label space, K groups.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qks_cli.library.database import PRESENT
from qks_cli.library.paths import key_path
from qks_cli.library.store import Library
from qks_cli.search import compact
from qks_cli.search.scorer import cosine_similarity, mean_token
from qks_cli.types import Float32Array, Int64Array

ROWS = 1024  # photos compared with all others at a time
LOOSE = 0.07  # how far below the wanted similarity a compact vector may put a pair


@dataclass(frozen=True, slots=True)
class Member:
    """A photo of a group."""

    id: int
    path: Path
    width: int | None
    height: int | None


def same_fingerprint(library: Library) -> list[list[Member]]:
    """Photos that are there and agree in size, head and tail; by path within a group."""
    rows = library.rows(
        "SELECT size, fingerprint, id, path, width, height FROM photos WHERE status = 'ok' "
        "AND missing_since IS NULL AND fingerprint IS NOT NULL AND (size, fingerprint) IN "
        "(SELECT size, fingerprint FROM photos WHERE status = 'ok' AND missing_since IS NULL "
        "GROUP BY size, fingerprint HAVING count(*) > 1) ORDER BY path"
    )
    groups: dict[tuple[int, bytes], list[Member]] = {}
    for size, digest, photo_id, key, width, height in rows:
        member = Member(photo_id, key_path(key), width, height)
        groups.setdefault((size, digest), []).append(member)
    return list(groups.values())


def files(found: Iterable[Member]) -> list[Member]:
    """Photos whose files are there and can be read, one for each file: paths to one file are no
    copies, and what cannot be read may be the only copy that is whole."""
    kept: dict[tuple[int, int], Member] = {}
    for one in found:
        try:
            with one.path.open("rb") as stream:
                status = os.fstat(stream.fileno())
                if not stat.S_ISREG(status.st_mode) or not stream.read(1):
                    continue
        except OSError:
            continue
        kept.setdefault((status.st_dev, status.st_ino), one)
    return list(kept.values())


def members(library: Library, photo_ids: list[int]) -> dict[int, Member]:
    """Photos by id."""
    found = {}
    paths = library.photos.paths_of(photo_ids)
    sizes = library.photos.sizes_of(photo_ids)
    for photo_id, path in paths.items():
        found[photo_id] = Member(photo_id, path, *sizes[photo_id])
    return found


def pooled(library: Library, model_id: int) -> tuple[Int64Array, Float32Array]:
    """Ids [N] and mean query tokens [N, E] of one model's photos that are there."""
    here = {
        row[0]
        for row in library.rows(
            f"SELECT photo_id FROM query_tokens WHERE model_id = ? AND {PRESENT}", (model_id,)
        )
    }
    ids, parts = [], []
    for block, _ in compact.blocks(library, model_id):
        rows = [row for row, photo_id in enumerate(block.ids.tolist()) if photo_id in here]
        ids.append(block.ids[rows])
        parts.append(block.mean_NE[rows].astype(np.float32) * block.scales_N2[rows, :1])
    if not ids:
        return np.empty(0, np.int64), np.empty((0, 0), np.float32)
    return np.concatenate(ids), np.concatenate(parts)


def near_pairs(
    library: Library, model_id: int, similarity: float
) -> Iterator[tuple[int, int, float]]:
    """Pairs of ids whose query tokens are at least so similar (cosine, each less the mean token).

    Pairs are chosen by their mean query tokens and judged by all of them."""
    ids_N, mean_NE = pooled(library, model_id)
    if len(ids_N) < 2:
        return
    mean_token_E = mean_token(library, model_id)
    mean_NE -= mean_token_E
    mean_NE /= np.maximum(np.linalg.norm(mean_NE, axis=1, keepdims=True), 1e-6)
    for at in range(0, len(ids_N), ROWS):
        alike = mean_NE[at : at + ROWS] @ mean_NE[at:].T
        one, other = np.nonzero(np.triu(alike >= similarity - LOOSE, 1))
        for row in np.unique(one):
            partners = other[one == row] + at
            own_id = int(ids_N[at + row])
            _, own = library.tokens.of([own_id], model_id)
            have, theirs = library.tokens.of(ids_N[partners].tolist(), model_id)
            if own is None or theirs is None:
                continue
            scores = cosine_similarity(theirs, own[0], mean_token_E)
            for photo_id, score in zip(have, scores.tolist(), strict=True):
                if score >= similarity:
                    yield own_id, photo_id, score


def connected(pairs: list[tuple[int, int]]) -> list[list[int]]:
    """Groups of ids that pairs connect, ids ascending."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    if not pairs:
        return []
    ids, ends = np.unique(np.array(pairs, np.int64), return_inverse=True)
    one, other = ends.reshape(-1, 2).T
    graph = coo_matrix((np.ones(len(one), bool), (one, other)), (len(ids), len(ids)))
    count, group_of = connected_components(graph, directed=False)
    groups: list[list[int]] = [[] for _ in range(count)]
    for photo_id, group in zip(ids.tolist(), group_of.tolist(), strict=True):
        groups[group].append(photo_id)
    return groups
