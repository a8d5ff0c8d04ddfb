"""The query tokens that are kept of every photo.

Axes: N photos, M query tokens, E label space.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from qks_cli.errors import LibraryError
from qks_cli.library.database import DAMAGED, PRESENT, Database
from qks_cli.types import Float16Array


class Tokens:
    """Rows of ``query_tokens``: float16, little-endian."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, photo_ids: Sequence[int], model_id: int) -> tuple[list[int], Float16Array | None]:
        """Ids that have this model's query tokens, in the order given, and those [N, M, E]."""
        sql = "SELECT photo_id, tokens FROM query_tokens WHERE model_id = ? AND photo_id IN ({})"
        found: dict[int, bytes] = dict(self._database.rows_in(sql, photo_ids, before=[model_id]))
        have = [photo_id for photo_id in photo_ids if photo_id in found]
        if not have:
            return [], None
        return have, self._array([found[photo_id] for photo_id in have], model_id)

    def iterate(
        self, model_id: int, *, chunk: int = 2048
    ) -> Iterator[tuple[list[int], Float16Array]]:
        """Query tokens of one model's photos that are there, in chunks, ids ascending: ids and
        [N, M, E]."""
        sql = (
            f"SELECT photo_id, tokens FROM query_tokens WHERE model_id = ? AND {PRESENT} "
            "ORDER BY photo_id"
        )
        for part in self._database.parts(sql, (model_id,), size=chunk):
            yield [row[0] for row in part], self._array([row[1] for row in part], model_id)

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

    # Within a transaction of the caller's

    def put(self, photo_id: int, model_id: int, tokens_ME: Float16Array) -> None:
        """Enter or replace a photo's query tokens [M, E]."""
        self._database.execute(
            "INSERT OR REPLACE INTO query_tokens VALUES (?, ?, ?)",
            (photo_id, model_id, np.ascontiguousarray(tokens_ME, "<f2").tobytes()),
        )

    def _array(self, blobs: list[bytes], model_id: int) -> Float16Array:
        shape = self.shape(model_id)
        whole = b"".join(blobs)
        if shape is None or len(whole) != len(blobs) * shape[0] * shape[1] * 2:
            raise LibraryError(
                f"the library {self._database.path}: query tokens are not as they were stored",
                hint=DAMAGED,
            )
        return np.frombuffer(whole, "<f2").reshape(len(blobs), *shape)
