"""Photos to rows with tags, as a Ray Data job: decoding in tasks, the model in a pool of actors.

Rows come in batches, each a block of Ray: what a lost worker had in hand is done again, and no
more. Axes: N photos, S image side, M query tokens, E label space.
"""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from qks_cli.distributed.cluster import Sizes, failures_told
from qks_cli.distributed.dataset import ROW_GROUP, WRITING, DataSet, parquet_file, told
from qks_cli.distributed.manifest import Manifest
from qks_cli.distributed.reading import Read
from qks_cli.distributed.sources import list_of
from qks_cli.distributed.table import PATHS, Entry, path_of
from qks_cli.errors import ModelError
from qks_cli.model.model import Model
from qks_cli.model.selection import TOP
from qks_cli.model.tagger import Tagger
from qks_cli.vocabulary.labels_file import parse_labels

BATCH = 64  # photos of a block: what a lost worker costs, 10 MB of pixels
ROUND = 1 << 20  # photos that are handed to Ray at a time: their paths lie in its memory
FILE = 32 << 20  # bytes of a written file, about


def opened(url: str, made: Manifest, model: str, device: str = "cpu") -> tuple[Model, Tagger]:
    """The model and tagger of an actor that writes the data set at ``url``. Raises ``ModelError``
    where this machine has another model under that name."""
    found = Model.open(model, device=device, threads=1)
    vocabulary, _ = parse_labels(made.vocabulary, f"the labels of {url}")
    top = TOP if made.top is None else made.top
    tagger = found.tagger(vocabulary, min_score=made.min_score, top=top)
    if found.hash != made.model_hash or tagger.selection != made.selection:
        raise ModelError(f"the model {model} on this machine is another one")
    return found, tagger


class TagPixels:
    """An actor that holds the model: rows of ``reading.Read`` to rows of a data set."""

    def __init__(self, url: str, model: str, device: str) -> None:
        # Small arguments: larger ones would be lost with the machine that holds them.
        made = DataSet.open(url).manifest
        self.shape = made.shape
        self.model, self.tagger = opened(url, made, model, device)

    def __call__(self, rows: pa.Table) -> pa.Table:
        """Photos that could not be read pass by the model."""
        entries: list[Entry] = [pickle.loads(one) for one in rows.column("entry").to_pylist()]
        side = self.model.bundle.image_size
        whole = rows.column("pixels").combine_chunks()
        data = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
        at = data.offset * side * side * 3
        flat = np.frombuffer(data.buffers()[1], np.uint8)[at:]
        pixels_NSS3 = flat[: len(rows) * side * side * 3].reshape(-1, side, side, 3)
        read = [row for row, one in enumerate(entries) if one.error is None]
        if read:
            tokens_NME = self.model.query_tokens(pixels_NSS3[read])
            tags = self.tagger(tokens_NME)
            for row, tokens_ME, own in zip(read, tokens_NME, tags, strict=True):
                entries[row] = replace(entries[row], tokens_ME=tokens_ME, tags=own)
        table = self.shape.table(entries)
        return table.append_column("partition", rows.column("partition"))


def tag(target: DataSet, model: Model, sizes: Sizes, batch: int = BATCH) -> int:
    """Tag the listed photos of a data set that have no row yet; how many there were. Every machine
    of the cluster opens the folder of ``model`` again."""
    done, todo = 0, outstanding(target, batch)
    while blocks := list(islice(todo, max(1, ROUND // batch))):
        _run(target, blocks, model, sizes)
        done += sum(len(block) for block in blocks)
    return done


def outstanding(target: DataSet, batch: int) -> Iterator[pa.Table]:
    """Listed photos without a row, ``batch`` at a time. Files that were cut off are removed; the
    photos of a partition that is finished are not looked at."""
    written = target.partitions()
    size, photos = target.manifest.partition_size, target.manifest.photos or 0
    for partition in range(-(-photos // size)):
        counts = {path: target.count(path) for path in written.get(partition, ())}
        for path in [path for path, rows in counts.items() if rows is None]:
            target.files.rm(path)
        whole = [path for path, rows in counts.items() if rows is not None]
        expected = min(size, photos - partition * size)
        if sum(counts[path] or 0 for path in whole) >= expected:
            continue
        have = Counter(
            path_of(row)
            for path in whole
            for table in target.read(path, PATHS)
            for row in table.to_pylist()
        )
        with told(target.url), target.files.open(list_of(target, partition), "rb") as stream:
            listed = parquet_file(list_of(target, partition), stream).read()
        rows = [row for row in listed.to_pylist() if not _taken(have, path_of(row))]
        for at in range(0, len(rows), batch):
            part = pa.Table.from_pylist(rows[at : at + batch], schema=listed.schema)
            number = pa.array([partition] * len(part), pa.int64())
            yield part.append_column("partition", number)


def _taken(have: Counter[str], path: str) -> bool:
    """Whether there is a row for a path; a path that is listed twice has two."""
    have[path] -= 1
    return have[path] >= 0


def _run(target: DataSet, blocks: list[pa.Table], model: Model, sizes: Sizes) -> None:
    import ray

    found = model.bundle
    device = "cuda" if sizes.gpus else "cpu"
    # Shares of a processor that differ keep Ray from running both steps one after the other in
    # one process; together they leave room on a machine of one processor.
    on_gpu: dict[str, Any] = {"num_gpus": 1} if sizes.gpus else {}
    rows = ray.data.from_arrow(blocks)
    rows = rows.map_batches(
        Read(found.image_size, found.resize),
        batch_size=None,
        batch_format="pyarrow",
        num_cpus=0.5,
    )
    rows = rows.map_batches(
        TagPixels,
        batch_size=None,
        batch_format="pyarrow",
        fn_constructor_args=(
            target.files.unstrip_protocol(target.root),
            str(found.path),
            device,
        ),
        concurrency=sizes.models,
        num_cpus=0.4,
        **on_gpu,
    )
    with failures_told():
        rows.write_parquet(
            target.photos,
            filesystem=target.files,
            partition_cols=["partition"],
            min_bytes_per_file=FILE,
            ray_remote_args={"num_cpus": 0.1},
            row_group_size=ROW_GROUP,
            **WRITING,
        )
