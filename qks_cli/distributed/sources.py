"""Which photos there are: folders, lists of paths and URLs, and what fsspec lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from qks_cli.distributed.dataset import DataSet, file_system, told
from qks_cli.distributed.table import Entry, is_url, stored_path
from qks_cli.photos.suffixes import kind_of
from qks_cli.photos.walk import kinds_read, walk

SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        ("path_bytes", pa.binary()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
    ]
)
Problem = Callable[[Path, str], None]


def listed(sources: Iterable[str], on_problem: Problem) -> Iterator[Entry]:
    """Photos of folders, files and URLs, in the order given. A Parquet file is a list: its column
    ``path``. ``on_problem`` hears of local paths that cannot be read."""
    for source in sources:
        if source.endswith(".parquet"):
            yield from _rows(source)
        elif is_url(source):
            yield from _store(source)
        else:
            for photo in walk([Path(source)], on_problem=on_problem):
                yield Entry(str(photo.path), photo.size, photo.mtime_ns)


def write_list(target: DataSet, photos: Iterable[Entry]) -> int:
    """Write down what is to be tagged, a file for every partition; how many photos."""
    source, total, partition = iter(photos), 0, 0
    with told(target.url):
        target.files.makedirs(f"{target.root}/listed", exist_ok=True)
        while part := list(islice(source, target.manifest.partition_size)):
            rows = [(*stored_path(one.path), one.size, one.mtime_ns) for one in part]
            columns = dict(zip(SCHEMA.names, map(list, zip(*rows, strict=True)), strict=True))
            with target.files.open(list_of(target, partition), "wb") as stream:
                pq.write_table(pa.table(columns, schema=SCHEMA), stream, compression="zstd")
            total, partition = total + len(part), partition + 1
    return total


def list_of(target: DataSet, partition: int) -> str:
    """The file that lists the photos of a partition."""
    return f"{target.root}/listed/{partition:06}.parquet"


def mtime_of(info: dict[str, Any]) -> int | None:
    """When a file of a store was last changed, in nanoseconds; None where it does not say."""
    found = info.get("mtime", info.get("LastModified", info.get("last_modified")))
    if isinstance(found, datetime):
        found = found.timestamp()
    return int(found * 1e9) if isinstance(found, int | float) else None


def _store(url: str) -> Iterator[Entry]:
    with told(url):
        files, root = file_system(url)
        found = files.find(root, detail=True)
        kinds = kinds_read()
        for path, info in sorted(found.items()):
            if path == root or kind_of(path.rpartition("/")[2]) in kinds:
                yield Entry(files.unstrip_protocol(path), info.get("size"), mtime_of(info))


def _rows(source: str) -> Iterator[Entry]:
    with told(source):
        files, root = file_system(source)
        with files.open(root, "rb") as stream:
            for batch in pq.ParquetFile(stream).iter_batches(columns=["path"]):
                for path in batch.column(0).to_pylist():
                    yield Entry(str(path), None, None)
