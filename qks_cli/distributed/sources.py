"""Which photos there are: folders, lists of paths and URLs, and what fsspec lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from qks_cli.distributed.dataset import DataSet, file_system, make_folder, parquet_file, told
from qks_cli.distributed.table import PATHS, Entry, is_url, path_of, stored_path
from qks_cli.errors import UsageError
from qks_cli.photos.suffixes import kind_of
from qks_cli.photos.walk import kinds_read, read_names, walk

SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        ("path_bytes", pa.binary()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
    ]
)
Problem = Callable[[Path, str], None]


def listed(
    sources: Iterable[str], on_problem: Problem, names: Iterable[str] = ()
) -> Iterator[Entry]:
    """Photos of folders, files and URLs, in the order given, then those of ``names``. Two sources
    are lists: a text file, with a path or URL a line, and a Parquet file with a column ``path``.

    A URL of a photo by its name is one, and nobody asks whether it is there: a row will say so.
    ``on_problem`` hears of local paths that cannot be read. Raises ``UsageError`` for URLs below
    which nothing is, and for lists that cannot be read."""
    for source in sources:
        if source.endswith(".parquet"):
            yield from _rows(source)
        elif source.endswith(".txt"):
            for name in _lines(source):
                yield from _named(name, on_problem)
        else:
            yield from _named(source, on_problem)
    for name in names:
        yield from _named(name, on_problem)


def write_list(target: DataSet, photos: Iterable[Entry]) -> int:
    """Write down what is to be tagged, a file for every partition; how many photos."""
    source, total, partition = iter(photos), 0, 0
    with told(target.url):
        make_folder(target.files, f"{target.root}/listed")
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


def _named(name: str, on_problem: Problem) -> Iterator[Entry]:
    own = _here(name)
    if own is not None:
        for photo in walk([Path(own)], on_problem=on_problem):
            yield Entry(str(photo.path), photo.size, photo.mtime_ns)
    elif {kind_of(name), kind_of(urlsplit(name).path)} & kinds_read():
        yield Entry(name, None, None)
    else:
        yield from _store(name)


def _here(name: str) -> str | None:
    """A path of this machine, which a URL may name too; None for all other URLs."""
    if name.startswith("file://"):
        return str(file_system(name)[1])
    return None if is_url(name) else name


def _store(url: str) -> Iterator[Entry]:
    with told(url):
        files, root = file_system(url)
        found = files.find(root, detail=True)
        if not found and not files.exists(root):
            raise UsageError(f"{url}: nothing is there")
        kinds = kinds_read()
        for path, info in sorted(found.items()):
            if path == root or kind_of(path.rpartition("/")[2]) in kinds:
                yield Entry(files.unstrip_protocol(path), info.get("size"), mtime_of(info))


def _rows(source: str) -> Iterator[Entry]:
    with told(source):
        files, root = file_system(source)
        with files.open(root, "rb") as stream:
            found = parquet_file(source, stream)
            columns = [name for name in PATHS if name in found.schema_arrow.names]
            if "path" not in columns:
                raise UsageError(f"{source} has no column path")
            for batch in found.iter_batches(columns=columns):
                for row in batch.to_pylist():
                    if row["path"] is not None:
                        path = path_of(row)
                        yield Entry(_here(path) or path, None, None)


def _lines(source: str) -> Iterator[str]:
    with told(source):
        files, root = file_system(source)
        with files.open(root, "rb") as stream:
            yield from read_names(stream)
