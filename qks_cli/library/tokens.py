"""The query tokens that are kept of every photo.

Axes: N photos, M query tokens, E label space.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from qks_cli.errors import LibraryError
from qks_cli.library.database import DAMAGED, PRESENT, Database
from qks_cli.packing import pack, packed_similarity, size_of, unpack
from qks_cli.similarity import FEW, max_similarity
from qks_cli.types import Float32Array, UInt8Array

_Stored: TypeAlias = tuple[bytes, int]
"""What a row holds, and whether it is packed."""


class Tokens:
    """Rows of ``query_tokens``: packed (packing.py), or float16 from before schema 14."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, photo_ids: Sequence[int], model_id: int) -> tuple[list[int], Float32Array | None]:
        """Ids that have this model's query tokens, in the order given, and those [N, M, E]."""
        have, unpacked = self.waiting(photo_ids, model_id)
        return have, unpacked() if have else None

    def waiting(
        self, photo_ids: Sequence[int], model_id: int
    ) -> tuple[list[int], Callable[[], Float32Array]]:
        """The same as they are stored, and what unpacks them: on any thread, for the library is not
        asked again."""
        have, stored = self._stored(photo_ids, model_id)
        return have, partial(self._array, stored, self.shape(model_id) or (0, 0))

    def similarity(
        self, photo_ids: Sequence[int], model_id: int, vectors_KE: Float32Array
    ) -> tuple[list[int], Float32Array]:
        """Ids that have this model's query tokens, in the order given, and how well those fit
        vectors: ``max_similarity`` [N, K]."""
        have, stored = self._stored(photo_ids, model_id)
        if len(vectors_KE) < FEW and have and all(packed for _, packed in stored):
            queries, width = self.shape(model_id) or (0, 0)
            raw_NS = self._bytes([blob for blob, _ in stored], size_of(queries, width), queries)
            return have, packed_similarity(raw_NS, vectors_KE, queries, width)
        if not have:
            return [], np.empty((0, len(vectors_KE)), np.float32)
        shape = self.shape(model_id) or (0, 0)
        return have, max_similarity(self._array(stored, shape), vectors_KE)

    def iterate(
        self, model_id: int, *, chunk: int = 2048
    ) -> Iterator[tuple[list[int], Float32Array]]:
        """Query tokens of one model's photos that are there, in chunks, ids ascending: ids and
        [N, M, E]."""
        sql = (
            "SELECT photo_id, tokens, packed FROM query_tokens "
            f"WHERE model_id = ? AND {PRESENT} ORDER BY photo_id"
        )
        shape = self.shape(model_id) or (0, 0)
        for part in self._database.parts(sql, (model_id,), size=chunk):
            yield [row[0] for row in part], self._array([row[1:] for row in part], shape)

    def shape(self, model_id: int) -> tuple[int, int] | None:
        """Query tokens a photo, and their width, of a model; None where it is not known."""
        row = self._database.row("SELECT queries, width FROM models WHERE id = ?", (model_id,))
        return None if row is None else (int(row[0]), int(row[1]))

    def sample_ids(self, model_id: int, limit: int) -> list[int]:
        """Photos with this model's tokens from all over the library, the same ones every time."""
        last = self._database.value(
            "SELECT max(photo_id) FROM query_tokens WHERE model_id = ?", (model_id,)
        )
        if last is None:
            return []
        # Evenly over the ids: ordering all photos at random would read every row.
        step = max(1, last // limit)
        rows = self._database.rows(
            "WITH RECURSIVE wanted(id) AS (VALUES (1) UNION ALL SELECT id + ? FROM wanted "
            "WHERE id + ? <= ?) SELECT photo_id FROM wanted JOIN query_tokens ON photo_id = id "
            "WHERE model_id = ? LIMIT ?",
            (step, step, last, model_id, limit),
        )
        return [int(photo_id) for (photo_id,) in rows]

    def unpacked(self) -> int:
        """How many photos' query tokens are still stored as qks 0.1 stored them."""
        return int(self._database.value("SELECT count(*) FROM query_tokens WHERE packed = 0"))

    # Within a transaction of the caller's

    def put(
        self, photo_ids: Sequence[int], model_id: int, tokens: Sequence[npt.NDArray[np.floating]]
    ) -> None:
        """Enter or replace photos' query tokens, [M, E] each."""
        if photo_ids:
            packed_NS = pack(np.stack(tokens).astype(np.float32, copy=False))
            self._database.execute_many(
                "INSERT OR REPLACE INTO query_tokens (photo_id, model_id, tokens, packed) "
                "VALUES (?, ?, ?, 1)",
                [
                    (photo_id, model_id, packed_S.tobytes())
                    for photo_id, packed_S in zip(photo_ids, packed_NS, strict=True)
                ],
            )

    def pack_some(self, most: int) -> int:
        """Pack the query tokens of some photos that are stored as qks 0.1 stored them; returns of
        how many."""
        rows = self._database.rows(
            "SELECT photo_id, model_id FROM query_tokens WHERE packed = 0 LIMIT ?", (most,)
        )
        for model_id in {row[1] for row in rows}:
            ids = [photo_id for photo_id, own in rows if own == model_id]
            have, tokens_NME = self.of(ids, model_id)
            if tokens_NME is not None:
                self.put(have, model_id, list(tokens_NME))
        return len(rows)

    def _stored(self, photo_ids: Sequence[int], model_id: int) -> tuple[list[int], list[_Stored]]:
        sql = (
            "SELECT photo_id, tokens, packed FROM query_tokens "
            "WHERE model_id = ? AND photo_id IN ({})"
        )
        rows = self._database.rows_in(sql, photo_ids, before=[model_id])
        found: dict[int, _Stored] = {photo_id: (blob, packed) for photo_id, blob, packed in rows}
        have = [photo_id for photo_id in photo_ids if photo_id in found]
        return have, [found[photo_id] for photo_id in have]

    def _bytes(self, blobs: Sequence[bytes], size: int, queries: int) -> UInt8Array:
        """What rows of ``size`` bytes hold [N, S]. Raises ``LibraryError`` for other ones."""
        whole = b"".join(blobs)
        if not queries or len(whole) != len(blobs) * size:
            raise LibraryError(
                f"the library {self._database.path}: query tokens are not as they were stored",
                hint=DAMAGED,
            )
        return np.frombuffer(whole, np.uint8).reshape(len(blobs), size)

    def _array(self, stored: Sequence[_Stored], shape: tuple[int, int]) -> Float32Array:
        queries, width = shape
        tokens_NME = np.empty((len(stored), queries, width), np.float32)
        for packed, size in ((1, size_of(queries, width)), (0, 2 * queries * width)):
            rows = [row for row, one in enumerate(stored) if one[1] == packed]
            if not rows:
                continue
            raw_NS = self._bytes([stored[row][0] for row in rows], size, queries)
            if packed:
                some_NME = unpack(raw_NS, queries, width)
            else:
                some_NME = raw_NS.view("<f2").reshape(-1, queries, width).astype(np.float32)
            if len(rows) == len(stored):
                return some_NME
            tokens_NME[rows] = some_NME
        return tokens_NME
