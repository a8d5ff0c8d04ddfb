"""How well photos fit phrases and other photos, by their query tokens or by compact vectors.

numpy only. Axes: N photos, R moments of videos, M query tokens, E label space, K phrases.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from qks_cli.library import moments
from qks_cli.library.store import Library
from qks_cli.search import compact
from qks_cli.search.grammar import Node
from qks_cli.similarity import max_similarity
from qks_cli.types import Float32Array, Int64Array

BLOCK = 64  # photos compared at a time
CHUNK = 4000  # photos whose query tokens are read at a time
THREADS = 2  # that score compact vectors
SAMPLE = 512  # photos that the mean query token is taken over

Part: TypeAlias = Node | None
"""A part of a query; None where there is no query."""

RawScores: TypeAlias = dict[Part, Float32Array]
"""By part of a query: raw scores [N], -inf where a photo has no query tokens."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What photos are compared with: ``vectors`` [E] of phrases and ``tokens`` [M, E] of other
    photos, by the part of a query that asks for them. ``mean_token_E`` is the library's own."""

    model_id: int
    vectors: Mapping[Part, Float32Array] = field(default_factory=dict)
    tokens: Mapping[Part, Float32Array] = field(default_factory=dict)
    mean_token_E: Float32Array = field(default_factory=lambda: np.empty(0, np.float32))

    def stacked(self) -> Float32Array | None:
        """The vectors of all phrases [K, E], in their order; None where there is none."""
        return np.stack(list(self.vectors.values())) if self.vectors else None


def cosine_similarity(
    tokens_NME: Float32Array, tokens_ME: Float32Array, mean_token_E: Float32Array
) -> Float32Array:
    """Cosine [N], -1 to 1, of all query tokens of photos with those of one, each less
    ``mean_token_E``."""
    own = (tokens_ME - mean_token_E).ravel()
    found = np.empty(len(tokens_NME), np.float32)
    for at in range(0, len(tokens_NME), BLOCK):
        part = tokens_NME[at : at + BLOCK] - mean_token_E
        flat = part.reshape(len(part), -1)
        lengths = np.linalg.norm(flat, axis=1) * np.linalg.norm(own)
        found[at : at + BLOCK] = flat @ own / np.maximum(lengths, 1e-6)
    return found


def mean_token(library: Library, model_id: int) -> Float32Array:
    """The mean query token [E] over a fixed sample of one model's photos."""
    return library.derived(("mean token", model_id), lambda: _mean_token(library, model_id))


def _mean_token(library: Library, model_id: int) -> Float32Array:
    _, tokens_NME = library.tokens.of(library.tokens.sample_ids(model_id, SAMPLE), model_id)
    assert tokens_NME is not None
    width = tokens_NME.shape[2]
    return np.asarray(tokens_NME.reshape(-1, width).mean(0), np.float32)


def exact_scores(library: Library, compared: Compared, ids_N: Int64Array) -> RawScores:
    """Raw scores of these photos (ids ascending) by their query tokens."""
    raw = _unknown(compared, len(ids_N))
    vectors_KE = compared.stacked()
    for at in range(0, len(ids_N), CHUNK):
        chunk, alike = ids_N[at : at + CHUNK].tolist(), {}
        if vectors_KE is not None and not compared.tokens:
            have, raw_NK = library.tokens.similarity(chunk, compared.model_id, vectors_KE)
        else:
            have, tokens_NME = library.tokens.of(chunk, compared.model_id)
            if tokens_NME is None:
                continue
            raw_NK = np.empty((len(have), 0), np.float32)
            if vectors_KE is not None:
                raw_NK = max_similarity(tokens_NME, vectors_KE)
            alike = {
                node: cosine_similarity(tokens_NME, tokens_ME, compared.mean_token_E)
                for node, tokens_ME in compared.tokens.items()
            }
        rows, places = found_among(ids_N, np.array(have, np.int64))
        for column, node in enumerate(compared.vectors):
            raw[node][places] = raw_NK[rows, column]
        for node, alike_N in alike.items():
            raw[node][places] = alike_N[rows]
    for photo_id, own in moment_scores(library, compared, ids_N).items():
        place = int(np.searchsorted(ids_N, photo_id))
        for node, raw_K in own.raw.items():
            raw[node][place] = max(raw[node][place], raw_K.max())
    return raw


@dataclass(frozen=True, slots=True)
class MomentScores:
    """Raw scores, one a moment of a video, by part of a query."""

    seconds: tuple[float, ...]
    raw: RawScores


def moment_scores(
    library: Library, compared: Compared, ids_N: Int64Array
) -> dict[int, MomentScores]:
    """Raw scores of the moments of the videos among these photos (ids ascending), by id."""
    if not moments.any_moments(library):
        return {}
    everything = moments.of(library, None, compared.model_id)
    here = np.isin(np.fromiter(everything, np.int64, len(everything)), ids_N)
    kept = [one for one, wanted in zip(everything.items(), here, strict=True) if wanted]
    if not kept:
        return {}
    tokens_RME = np.concatenate([own.tokens_KME for _, own in kept])
    raw: RawScores = {}
    vectors_KE = compared.stacked()
    if vectors_KE is not None:
        raw_RK = max_similarity(tokens_RME, vectors_KE)
        raw = {node: raw_RK[:, column] for column, node in enumerate(compared.vectors)}
    for node, tokens_ME in compared.tokens.items():
        raw[node] = cosine_similarity(tokens_RME, tokens_ME, compared.mean_token_E)
    found, at = {}, 0
    for photo_id, own in kept:
        rows = slice(at, at + len(own.seconds))
        found[photo_id] = MomentScores(
            own.seconds, {node: raw_R[rows] for node, raw_R in raw.items()}
        )
        at = rows.stop
    return found


def compact_scores(library: Library, compared: Compared, ids_N: Int64Array) -> RawScores:
    """About the same, by compact vectors: for a first choice among many photos."""
    raw = _unknown(compared, len(ids_N))
    vectors_KE = compared.stacked()

    def score(block: compact.Block, basis_ED: Float32Array) -> None:
        rows, places = _slices_among(ids_N, block.ids)
        if not len(block.ids[rows]):
            return
        if vectors_KE is not None:
            raw_NK = compact.raw_scores(block, basis_ED, vectors_KE)
            for column, node in enumerate(compared.vectors):
                raw[node][places] = raw_NK[rows, column]
        for node, tokens_ME in compared.tokens.items():
            alike_N = compact.cosine_similarity(block, basis_ED, tokens_ME, compared.mean_token_E)
            raw[node][places] = alike_N[rows]

    if library.remembers:
        for block, basis_ED in _remembered(library, compared.model_id):
            score(block, basis_ED)
        return raw
    # Blocks are scored on threads while the next are read: numpy and SQLite let others run.
    with ThreadPoolExecutor(THREADS) as threads:
        waiting: deque[Future[None]] = deque()
        for block, basis_ED in compact.blocks(library, compared.model_id):
            waiting.append(threads.submit(score, block, basis_ED))
            if len(waiting) > 2 * THREADS:
                waiting.popleft().result()
        for one in waiting:
            one.result()
    return raw


def _remembered(library: Library, model_id: int) -> list[tuple[compact.Block, Float32Array]]:
    """Compact vectors from memory, where they are scored sooner than threads begin."""

    def read() -> list[tuple[compact.Block, Float32Array]]:
        return [
            (compact.contiguous(one), basis) for one, basis in compact.blocks(library, model_id)
        ]

    return library.derived(("compact", model_id), read)


def ids_of(library: Library, sql: str, values: tuple[object, ...] = ()) -> Int64Array:
    """The ids of all rows of a query for ``id``, ascending.

    As one text, which SQLite makes in a third of the time that 100,000 rows take to fetch."""
    text = library.value(f"SELECT group_concat(id) FROM ({sql})", values)
    return np.sort(np.fromstring(text or "", np.int64, sep=","))


def _slices_among(
    ids_N: Int64Array, others: Int64Array
) -> tuple[Int64Array | slice, Int64Array | slice]:
    """The same as ``found_among``, quicker where all of ``others`` follow one another there."""
    at = int(np.searchsorted(ids_N, others[0])) if len(others) else 0
    if np.array_equal(ids_N[at : at + len(others)], others):
        return slice(None), slice(at, at + len(others))
    return found_among(ids_N, others)


def found_among(ids_N: Int64Array, others: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Rows of ``others`` that are among ``ids_N`` (ascending), and where they stand there."""
    if not len(ids_N):
        none = np.empty(0, np.int64)
        return none, none
    places = np.searchsorted(ids_N, others)
    places[places == len(ids_N)] = 0
    rows = np.flatnonzero(ids_N[places] == others)
    return rows, places[rows]


def _unknown(compared: Compared, size: int) -> RawScores:
    nodes = (*compared.vectors, *compared.tokens)
    return {node: np.full(size, -np.inf, np.float32) for node in nodes}
