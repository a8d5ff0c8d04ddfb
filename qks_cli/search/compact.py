"""A small stand-in for every photo's query tokens, for the first pass of a search.

Of a photo's M query tokens it keeps their mean, and how each differs from the mean in the few
directions in which tokens differ most, as 8-bit numbers: 448 bytes instead of 1,952. A phrase is
first judged by these; the best photos are judged again by their query tokens. Blocks of 4,096
photos are rows of the library, dropped by triggers when a photo in them changes, and made anew when
next needed.

Axes: N photos, M query tokens, E label space, D directions, K phrases.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qks_cli.library.store import Library
from qks_cli.search.derived import data_version, keep
from qks_cli.similarity import max_similarity
from qks_cli.types import Float32Array, Int64Array

EXACT = 4000  # photos that are judged by their query tokens at once, without a first pass
BLOCK = 4096  # photo ids of one block; the triggers of m003_search divide by it too
DIRECTIONS = 24
PART = 1024  # photos widened at a time
SAMPLE = 4096  # photos that the directions are learnt from
Int8Array = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Block:
    """``ids`` int64 [N], ascending; ``mean_NE`` and ``rest_NMD`` int8 with their scales [N]."""

    ids: Int64Array
    mean_NE: Int8Array
    rest_NMD: Int8Array
    scales_N2: Float32Array


def blocks(library: Library, model_id: int) -> Iterator[tuple[Block, Float32Array]]:
    """Every block of one model's photos, ids ascending, with the directions [E, D].

    Blocks that are missing are made, and stored where the library can be written.
    """
    shape = library.tokens.shape(model_id)
    basis_ED = _basis(library, model_id)
    if shape is None or basis_ED is None:
        return
    # Looking for the blocks that have photos would read every query token of the library.
    first, last = (
        library.value(f"SELECT {end}(photo_id) FROM query_tokens") for end in ("min", "max")
    )
    if first is None:
        return
    for number in range(first // BLOCK, last // BLOCK + 1):
        block = _stored(library, model_id, number, *shape)
        if block is None:
            block = _make(library, model_id, number, basis_ED)
        if len(block.ids):
            yield block, basis_ED


def refresh(library: Library, model_id: int) -> None:
    """Make the blocks that are missing now, so that the next search need not.

    A small library is searched without them."""
    if library.photos.count() <= EXACT:
        return
    for _ in blocks(library, model_id):
        pass


def contiguous(block: Block) -> Block:
    """The same block for whoever keeps it: its numbers side by side, which are read sooner."""
    mean_NE, rest_NMD = map(np.ascontiguousarray, (block.mean_NE, block.rest_NMD))
    return Block(block.ids, mean_NE, rest_NMD, block.scales_N2)


def raw_scores(block: Block, basis_ED: Float32Array, queries_KE: Float32Array) -> Float32Array:
    """About the ``max_similarity`` of the photos' query tokens: [N, K].

    The mean tokens are widened a few hundred photos at a time into a buffer that the processor's
    cache holds: fresh memory is slow to touch."""
    count, width = block.mean_NE.shape
    buffer = np.empty((PART, width), np.float32)
    scores_NK = max_similarity(block.rest_NMD, queries_KE @ basis_ED)
    scores_NK *= block.scales_N2[:, 1:]
    for at in range(0, count, PART):
        rows = slice(at, at + PART)
        mean = buffer[: len(block.mean_NE[rows])]
        np.copyto(mean, block.mean_NE[rows])
        scores_NK[rows] += (mean @ queries_KE.T) * block.scales_N2[rows, :1]
    return scores_NK


def cosine_similarity(
    block: Block, basis_ED: Float32Array, tokens_ME: Float32Array, mean_token_E: Float32Array
) -> Float32Array:
    """About the cosine of all query tokens together, each less ``mean_token_E``: [N]."""
    mean_NE = block.mean_NE.astype(np.float32)
    mean_NE *= block.scales_N2[:, :1]
    mean_NE -= mean_token_E
    rest_NMD = block.rest_NMD.astype(np.float32)
    rest_NMD *= block.scales_N2[:, 1:, None]
    own_E = tokens_ME.mean(0) - mean_token_E
    own_MD = (tokens_ME - tokens_ME.mean(0)) @ basis_ED
    queries = len(tokens_ME)
    dots_N = queries * (mean_NE @ own_E) + np.einsum("nmd,md->n", rest_NMD, own_MD)
    lengths_N = np.sqrt(queries * (mean_NE**2).sum(1) + np.einsum("nmd,nmd->n", rest_NMD, rest_NMD))
    length = np.sqrt(queries * (own_E**2).sum() + (own_MD**2).sum())
    return np.asarray(dots_N / np.maximum(lengths_N * length, 1e-6), np.float32)


def pack(ids: list[int], tokens_NME: Float32Array, basis_ED: Float32Array) -> Block:
    """The block of these photos."""
    mean_NE = tokens_NME.mean(axis=1)
    rest_NMD = (tokens_NME - mean_NE[:, None]) @ basis_ED
    mean_scale = np.maximum(np.abs(mean_NE).max(1) / 127, 1e-9)
    rest_scale = np.maximum(np.abs(rest_NMD).max((1, 2)) / 127, 1e-9)
    return Block(
        np.array(ids, np.int64),
        np.round(mean_NE / mean_scale[:, None]).astype(np.int8),
        np.round(rest_NMD / rest_scale[:, None, None]).astype(np.int8),
        np.stack([mean_scale, rest_scale], axis=1).astype(np.float32),
    )


def directions(tokens_NME: Float32Array) -> Float32Array:
    """The directions [E, D] in which tokens differ most from their photo's mean."""
    wide_NME = tokens_NME - tokens_NME.mean(axis=1, keepdims=True)
    flat = wide_NME.reshape(-1, wide_NME.shape[2])
    _, vectors_EE = np.linalg.eigh(flat.T @ flat)
    return np.ascontiguousarray(vectors_EE[:, ::-1][:, :DIRECTIONS], np.float32)


def _basis(library: Library, model_id: int) -> Float32Array | None:
    row = library.row("SELECT basis FROM compact_bases WHERE model_id = ?", (model_id,))
    if row is not None:
        _, width = library.tokens.shape(model_id) or (0, 0)
        basis: Float32Array = np.frombuffer(row[0], "<f4").reshape(width, -1)
        return basis
    _, tokens_NME = library.tokens.of(library.tokens.sample_ids(model_id, SAMPLE), model_id)
    if tokens_NME is None:
        return None
    basis = directions(tokens_NME)
    keep(
        library,
        "INSERT OR IGNORE INTO compact_bases VALUES (?, ?)",
        (model_id, basis.astype("<f4").tobytes()),
    )
    return basis


def _stored(library: Library, model_id: int, number: int, queries: int, width: int) -> Block | None:
    """A block as it is stored; one without photos of this model is empty."""
    row = library.row(
        "SELECT ids, vectors, scales FROM compact WHERE model_id = ? AND block = ?",
        (model_id, number),
    )
    if row is None:
        return None
    try:
        ids = np.frombuffer(row[0], "<i8")
        if not len(ids):
            return _empty(queries, width)
        vectors = np.frombuffer(row[1], np.int8).reshape(len(ids), -1)
        rest_NMD = vectors[:, width:].reshape(len(ids), queries, -1)
        scales_N2 = np.frombuffer(row[2], "<f4").reshape(len(ids), 2)
    except ValueError:  # damaged; what it was made of may be whole
        return None
    return Block(ids, vectors[:, :width], rest_NMD, scales_N2)


def _make(library: Library, model_id: int, number: int, basis_ED: Float32Array) -> Block:
    version = data_version(library)
    rows = library.rows(
        "SELECT photo_id FROM query_tokens WHERE model_id = ? AND photo_id >= ? AND photo_id < ? "
        "ORDER BY photo_id",
        (model_id, number * BLOCK, (number + 1) * BLOCK),
    )
    ids, tokens_NME = library.tokens.of([row[0] for row in rows], model_id)
    if tokens_NME is None:
        block = _empty(*(library.tokens.shape(model_id) or (0, 0)))
    else:
        block = pack(ids, tokens_NME, basis_ED)
    parts = [x.reshape(len(ids), x[:1].size) for x in (block.mean_NE, block.rest_NMD)]
    vectors = np.concatenate(parts, axis=1)
    keep(
        library,
        "INSERT OR REPLACE INTO compact VALUES (?, ?, ?, ?, ?)",
        (
            model_id,
            number,
            block.ids.astype("<i8").tobytes(),
            vectors.tobytes(),
            block.scales_N2.astype("<f4").tobytes(),
        ),
        version=version,
    )
    return block


def _empty(queries: int, width: int) -> Block:
    return Block(
        np.empty(0, np.int64),
        np.empty((0, width), np.int8),
        np.empty((0, queries, DIRECTIONS), np.int8),
        np.empty((0, 2), np.float32),
    )
