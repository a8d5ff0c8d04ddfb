"""Stored query tokens of a data set, scored as a Ray Data job: against other words, or for a
search. No photo is read.

A partition is one task's work, and what a lost worker costs. Axes: N photos, M query tokens, E
label space, K phrases (one).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from qks_cli.distributed.cluster import Sizes, failures_told
from qks_cli.distributed.dataset import DataSet
from qks_cli.distributed.table import LIGHT, path_of, tags_of
from qks_cli.distributed.tagging import opened
from qks_cli.search import compact
from qks_cli.search.ranking import ROOTS
from qks_cli.similarity import max_similarity
from qks_cli.types import Float32Array, Tag


class Rescore:
    """An actor that chooses tags anew: numbers of partitions to how many rows it wrote of each."""

    def __init__(self, source: str, target: str, model: str) -> None:
        self.source, self.target = DataSet.open(source), DataSet.open(target)
        self.files = self.source.partitions()
        _, self.tagger = opened(target, self.target.manifest, model)

    def __call__(self, rows: pa.Table) -> pa.Table:
        """A partition is there once it is whole."""
        numbers = rows.column("partition").to_pylist()
        return pa.table({"rows": [self.target.write(n, self._tables(n)) for n in numbers]})

    def _tables(self, partition: int) -> Iterator[pa.Table]:
        for path in self.files[partition]:
            for table in self.source.read(path):
                entries = list(self.source.shape.entries(table))
                tokens = {
                    row: one.tokens_ME
                    for row, one in enumerate(entries)
                    if one.tokens_ME is not None
                }
                if tokens:
                    tags = self.tagger(np.stack(list(tokens.values())))
                    for row, own in zip(tokens, tags, strict=True):
                        entries[row] = replace(entries[row], tags=own)
                yield self.target.shape.table(entries)


@dataclass(frozen=True, slots=True)
class Found:
    """A photo that a search found: how well it fits (any scale), its path or URL, its tags."""

    raw: float
    path: str
    tags: tuple[Tag, ...]


class Find:
    """Names of files of rows to the ``limit`` best photos of each. Compact vectors choose which
    photos are judged by their query tokens."""

    def __init__(self, source: str, vector_E: Sequence[float], limit: int, photos: int) -> None:
        self.source = DataSet.open(source)
        self.query_KE = np.array([vector_E], np.float32)
        self.limit = limit
        self.handed_on = max(limit, math.ceil(ROOTS * math.sqrt(photos)))

    def __call__(self, rows: pa.Table) -> pa.Table:
        """Columns ``raw``, ``LIGHT``."""
        parts = [self._best(path) for path in rows.column("file").to_pylist()]
        return pa.concat_tables(parts)

    def _best(self, path: str) -> pa.Table:
        groups = self._chosen(path)
        found = [
            self._judged(table.take(pa.array(groups[number])))
            for number, table in self.source.groups(path, (*LIGHT, "tokens"), groups)
        ]
        if not found:
            light = [self.source.shape.schema.field(name) for name in LIGHT]
            return pa.schema([("raw", pa.float32()), *light]).empty_table()
        best = pa.concat_tables(found).sort_by([("raw", "descending"), ("path", "ascending")])
        return best.slice(0, self.limit)

    def _chosen(self, path: str) -> dict[int, list[int]]:
        """Rows that the first pass hands on, by row group."""
        best: list[tuple[float, int, int]] = []
        for number, table in self.source.groups(path, ("compact",)):
            stored = table.column("compact").to_pylist()
            there = [row for row, one in enumerate(stored) if one is not None]
            if there:
                block = self.source.shape.blocks([stored[row] for row in there])
                raw_NK = compact.raw_scores(block, self.source.shape.basis_ED, self.query_KE)
                scored = zip(raw_NK[:, 0].tolist(), there, strict=True)
                best += [(raw, number, row) for raw, row in scored]
                best = heapq.nlargest(self.handed_on, best)
        chosen: dict[int, list[int]] = {}
        for _, number, row in best:
            chosen.setdefault(number, []).append(row)
        return {number: sorted(rows) for number, rows in chosen.items()}

    def _judged(self, rows: pa.Table) -> pa.Table:
        tokens_NME = self.source.shape.tokens(rows.column("tokens").to_pylist())
        raw_NK = max_similarity(tokens_NME, self.query_KE)
        light = rows.select(list(LIGHT))
        return light.add_column(0, "raw", pa.array(raw_NK[:, 0], pa.float32()))


def retag(source: DataSet, target: DataSet, model: str, sizes: Sizes) -> int:
    """Write every partition of ``source`` that ``target`` lacks, with its words; how many rows."""
    import ray

    have = target.partitions()
    todo = [number for number in source.partitions() if number not in have]
    if not todo:
        return 0
    rows = ray.data.from_arrow([pa.table({"partition": [number]}) for number in todo])
    rows = rows.map_batches(
        Rescore,
        batch_size=None,
        batch_format="pyarrow",
        fn_constructor_args=(_url(source), _url(target), model),
        concurrency=max(1, sizes.cpus),
        num_cpus=0.9,
    )
    with failures_told():
        return sum(row["rows"] for row in rows.take_all())


def search(
    source: DataSet, vector_E: Float32Array, sizes: Sizes, *, limit: int, photos: int
) -> list[Found]:
    """The ``limit`` photos of a data set that fit best, best first. ``photos`` are how many it
    has, about."""
    import ray

    files = [file for files in source.partitions().values() for file in files]
    if not files:
        return []
    rows = ray.data.from_arrow([pa.table({"file": [file]}) for file in files])
    rows = rows.map_batches(
        Find,
        batch_size=None,
        batch_format="pyarrow",
        fn_constructor_args=(_url(source), vector_E.tolist(), limit, photos),
        concurrency=max(1, min(sizes.cpus, len(files))),
        num_cpus=0.9,
    )
    with failures_told():
        found: list[dict[str, Any]] = rows.take_all()
    every = [Found(row["raw"], path_of(row), tags_of(row)) for row in found]
    return sorted(every, key=lambda one: (-one.raw, one.path))[:limit]


def _url(data: DataSet) -> str:
    """What a data set is called on every machine."""
    return str(data.files.unstrip_protocol(data.root))
