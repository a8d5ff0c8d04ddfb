"""Rows of photos as Arrow tables: the schema of a Parquet data set, and both ways across.

A row holds what a library holds of one photo: where it is, what its camera noted, its query tokens
(packed as a library packs them), its tags, or why it could not be read. docs/scale.md describes the
columns.

Axes: N photos, M query tokens, E label space, D directions.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa

from qks_cli.packing import pack, size_of, unpack
from qks_cli.search import compact
from qks_cli.types import Details, Float32Array, Tag

PATHS = ("path", "path_bytes")
LIGHT = (*PATHS, "tags")  # what a search shows of a photo
_DETAILS = {
    "taken_at": pa.string(),
    "camera": pa.string(),
    "lens": pa.string(),
    "iso": pa.int64(),
    "aperture": pa.float64(),
    "exposure": pa.float64(),
    "focal": pa.float64(),
    "latitude": pa.float64(),
    "longitude": pa.float64(),
    "rating": pa.int64(),
    "taken_from": pa.string(),
    "taken_offset": pa.string(),
}
_TAG = pa.struct(
    [
        pa.field("label", pa.string(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),
        pa.field("token", pa.int16(), nullable=False),
        pa.field("implied", pa.bool_(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One row. ``path`` is an absolute path or a URL; undecodable names keep surrogates.

    ``size`` is in bytes, ``picture`` upright (width, height). A photo that could not be read has no
    ``tokens_ME``, and an ``error``: kind and reason as of ``PhotoError``."""

    path: str
    size: int | None
    mtime_ns: int | None
    tokens_ME: Float32Array | None = None
    tags: Sequence[Tag] = ()
    picture: tuple[int, int] | None = None
    fingerprint: bytes | None = None
    details: Details | None = None
    error: tuple[str, str] | None = None
    warning: str | None = None


@dataclass(frozen=True)
class Shape:
    """How the rows of one model are laid out: M ``queries`` of E ``width``, and the directions
    ``basis_ED`` of the compact vectors (search/compact.py)."""

    queries: int
    width: int
    basis_ED: Float32Array

    @property
    def schema(self) -> pa.Schema:
        """The columns. ``tokens`` are packed (packing.py); ``compact`` is int8: the mean token [E]
        and the rest in the directions [M, D], then their two scales, float32."""
        compact_bytes = self.width + self.queries * self.basis_ED.shape[1] + 8
        return pa.schema(
            [
                pa.field("path", pa.string(), nullable=False),
                ("path_bytes", pa.binary()),
                ("size", pa.int64()),
                ("mtime_ns", pa.int64()),
                ("width", pa.int32()),
                ("height", pa.int32()),
                ("fingerprint", pa.binary(16)),
                *_DETAILS.items(),
                ("error_kind", pa.string()),
                ("error", pa.string()),
                ("warning", pa.string()),
                ("tags", pa.list_(_TAG)),
                ("tokens", pa.binary(size_of(self.queries, self.width))),
                ("compact", pa.binary(compact_bytes)),
            ]
        )

    def table(self, entries: Sequence[Entry]) -> pa.Table:
        """Rows as a table."""
        rows: dict[str, list[Any]] = {name: [] for name in self.schema.names}
        read = [one.tokens_ME for one in entries if one.tokens_ME is not None]
        packed = pack(np.stack(read)) if read else ()
        tokens, vectors = iter(packed), iter(self._compact(read))
        for one in entries:
            width, height = one.picture or (None, None)
            kind, reason = one.error or (None, None)
            known = one.tokens_ME is not None
            text, raw = stored_path(one.path)
            values: dict[str, Any] = {
                "path": text,
                "path_bytes": raw,
                "size": one.size,
                "mtime_ns": one.mtime_ns,
                "width": width,
                "height": height,
                "fingerprint": one.fingerprint,
                "error_kind": kind,
                "error": reason,
                "warning": one.warning,
                "tags": [_tag_row(tag) for tag in one.tags] if known else None,
                "tokens": next(tokens).tobytes() if known else None,
                "compact": next(vectors) if known else None,
            }
            noted = one.details or Details()
            values |= {field.name: getattr(noted, field.name) for field in fields(Details)}
            for name, column in rows.items():
                column.append(values[name])
        return pa.table(rows, schema=self.schema)

    def entries(self, table: pa.Table) -> Iterator[Entry]:
        """The rows of a table, or of some of its columns; what is not there is None."""
        for row in table.to_pylist():
            tokens = row.get("tokens")
            width, kind = row.get("width"), row.get("error_kind")
            yield Entry(
                path_of(row),
                row.get("size"),
                row.get("mtime_ns"),
                None if tokens is None else self.tokens([tokens])[0],
                tags_of(row),
                None if width is None else (width, row["height"]),
                row.get("fingerprint"),
                Details(**{name: row.get(name) for name in _DETAILS}),
                None if kind is None else (kind, row["error"]),
                row.get("warning"),
            )

    def tokens(self, stored: Sequence[bytes]) -> Float32Array:
        """Query tokens [N, M, E] of values of the column ``tokens``."""
        packed_NS = np.frombuffer(b"".join(stored), np.uint8).reshape(len(stored), -1)
        return unpack(packed_NS, self.queries, self.width)

    def blocks(self, stored: Sequence[bytes]) -> compact.Block:
        """Compact vectors of values of the column ``compact``; their ids count from 0."""
        count = len(stored)
        rows = np.frombuffer(b"".join(stored), np.uint8).reshape(count, -1)
        vectors: compact.Int8Array = np.ascontiguousarray(rows[:, :-8]).view(np.int8)
        return compact.Block(
            np.arange(count),
            vectors[:, : self.width],
            vectors[:, self.width :].reshape(count, self.queries, -1),
            np.ascontiguousarray(rows[:, -8:]).view("<f4"),
        )

    def _compact(self, tokens: Sequence[Float32Array]) -> list[bytes]:
        if not tokens:
            return []
        block = compact.pack(list(range(len(tokens))), np.stack(tokens), self.basis_ED)
        scales = block.scales_N2.astype("<f4")
        return [
            mean_E.tobytes() + rest_MD.tobytes() + both.tobytes()
            for mean_E, rest_MD, both in zip(block.mean_NE, block.rest_NMD, scales, strict=True)
        ]


def path_of(row: dict[str, Any]) -> str:
    """The path or URL of a row with the columns ``PATHS``."""
    raw, path = row.get("path_bytes"), row["path"]
    if raw is None and isinstance(path, bytes):  # of another program's list
        raw = path
    return str(path) if raw is None else os.fsdecode(raw)


def tags_of(row: dict[str, Any]) -> tuple[Tag, ...]:
    """The tags of a row, best first."""
    return tuple(Tag(**one) for one in row.get("tags") or ())


def tag_column(tags: Iterable[Sequence[Tag] | None]) -> pa.Array:
    """The column ``tags`` of photos; None where a photo could not be read."""
    rows = [None if own is None else [_tag_row(tag) for tag in own] for own in tags]
    return pa.array(rows, pa.list_(_TAG))


def is_url(path: str) -> bool:
    """Whether this is no path of this machine, but a URL (``s3://bucket/photo.jpg``)."""
    scheme, found, _ = path.partition("://")
    return bool(found) and scheme.replace("+", "").isalnum()


def _tag_row(tag: Tag) -> dict[str, Any]:
    return {"label": tag.label, "score": tag.score, "token": tag.token, "implied": tag.implied}


def stored_path(path: str) -> tuple[str, bytes | None]:
    """How a path is stored: text, and its bytes beside it where the name is not UTF-8."""
    raw = os.fsencode(path)
    try:
        return raw.decode(), None
    except UnicodeDecodeError:
        return raw.decode(errors="replace"), raw
