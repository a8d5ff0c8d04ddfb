"""A Parquet data set of photos, in a folder or wherever fsspec writes to.

    FOLDER/manifest.json                     what it was made with
    FOLDER/listed/000000.parquet             photos of a partition, as they were listed
    FOLDER/photos/partition=0/….parquet      their rows, in any number of files

A file of rows is there whole or not at all: names that begin with an underscore are being written.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from qks_cli.distributed.manifest import Manifest
from qks_cli.distributed.table import Shape
from qks_cli.errors import MissingPackageError, UsageError

MANIFEST = "manifest.json"
PARTITION_SIZE = 20_000  # photos: about 50 MB
OBJECTS = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl"})  # stores of objects
ROW_GROUP = 1024  # photos that are read together: about 2.5 MB
# zstd makes paths and tags small; tokens and compact vectors are noise to it. Dictionaries of what
# never repeats would only take time.
WRITING: dict[str, Any] = {
    "compression": "zstd",
    "use_dictionary": ["camera", "lens", "taken_from", "error_kind", "tags.list.element.label"],
    "write_statistics": ["path"],
}
_FILE = re.compile(r"/partition=(\d+)/([^/_.][^/]*\.parquet)$")


@dataclass(frozen=True)
class DataSet:
    """An opened data set; ``root`` is a path within ``files``, an fsspec file system."""

    files: Any
    root: str
    url: str
    manifest: Manifest

    @classmethod
    def open(cls, url: str) -> DataSet:
        """Raises ``UsageError`` where there is none, or it cannot be read."""
        with told(url):
            files, root = file_system(url)
            try:
                text = files.cat_file(f"{root}/{MANIFEST}").decode()
            except FileNotFoundError:
                raise UsageError(
                    f"no data set at {url}",
                    hint="`qks ray tag` and `qks library export` make one",
                ) from None
            try:
                return cls(files, root, url, Manifest.from_json(text))
            except ValueError as error:
                raise UsageError(f"the data set {url} cannot be read: {error}") from error

    @classmethod
    def create(cls, url: str, manifest: Manifest) -> DataSet:
        """A new one. Raises ``UsageError`` where one is there, or it cannot be written."""
        with told(url):
            files, root = file_system(url)
            if files.exists(f"{root}/{MANIFEST}"):
                raise UsageError(
                    f"{url} holds a data set already", hint="give another folder, or remove it"
                )
            make_folder(files, root)
            found = cls(files, root, url, manifest)
            found.keep(manifest)
            return found

    @staticmethod
    def exists(url: str) -> bool:
        """Whether a data set is there."""
        with told(url):
            files, root = file_system(url)
            return bool(files.exists(f"{root}/{MANIFEST}"))

    @property
    def shape(self) -> Shape:
        """How its rows are laid out."""
        return self.manifest.shape

    @property
    def photos(self) -> str:
        """The folder of the rows."""
        return f"{self.root}/photos"

    def keep(self, manifest: Manifest) -> DataSet:
        """Write a manifest in the place of the one before; returns the data set with it."""
        with told(self.url):
            self.files.pipe_file(f"{self.root}/{MANIFEST}", manifest.to_json().encode())
        return DataSet(self.files, self.root, self.url, manifest)

    def partitions(self) -> dict[int, list[str]]:
        """The files of rows by partition, both in order."""
        found: defaultdict[int, list[str]] = defaultdict(list)
        with told(self.url):
            self.files.invalidate_cache()
            if self.files.exists(self.photos):
                for path in sorted(self.files.find(self.photos)):
                    if match := _FILE.search(path):
                        found[int(match[1])].append(path)
        return dict(sorted(found.items()))

    def read(self, path: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The rows of one file, a row group at a time. Raises ``UsageError`` where it is damaged or
        gone."""
        for _, table in self.groups(path, columns):
            yield table

    def groups(
        self,
        path: str,
        columns: Sequence[str] | None = None,
        wanted: Collection[int] | None = None,
    ) -> Iterator[tuple[int, pa.Table]]:
        """As ``read``, the row groups of these numbers alone, each with its number."""
        names = None if columns is None else [*columns]
        with told(self.url), self.files.open(path, "rb") as stream:
            opened = parquet_file(path, stream)
            for group in range(opened.num_row_groups):
                if wanted is None or group in wanted:
                    yield group, opened.read_row_group(group, columns=names)

    def count(self, path: str) -> int | None:
        """Rows of one file, by its footer; None where it was cut off while being written."""
        with told(self.url), self.files.open(path, "rb") as stream:
            try:
                return int(pq.ParquetFile(stream).metadata.num_rows)
            except (pa.ArrowInvalid, pa.ArrowIOError):
                return None

    def write(self, partition: int, tables: Iterable[pa.Table]) -> int:
        """Write a partition as one file, which is there once it is whole; how many rows."""
        folder = f"{self.photos}/partition={partition}"
        path, rows = f"{folder}/_whole.parquet", 0
        with told(self.url):
            make_folder(self.files, folder)
            with (
                self.files.open(path, "wb") as stream,
                pq.ParquetWriter(stream, self.shape.schema, **WRITING) as writer,
            ):
                for table in tables:
                    writer.write_table(table, row_group_size=ROW_GROUP)
                    rows += len(table)
            self.files.mv(path, f"{folder}/whole.parquet")
        return rows


def file_system(url: str) -> tuple[Any, str]:
    """The fsspec file system of a path or URL, and the path within it."""
    files, root = fsspec.core.url_to_fs(url)
    return files, str(root).rstrip("/")


def make_folder(files: Any, path: str) -> None:
    """A folder, with those above it. Stores of objects have none: what they would make is a bucket,
    of a name that may be misspelt."""
    protocols = {files.protocol} if isinstance(files.protocol, str) else {*files.protocol}
    if not protocols & OBJECTS:
        files.makedirs(path, exist_ok=True)


def parquet_file(path: str, stream: Any) -> pq.ParquetFile:
    """An opened Parquet file. Raises ``UsageError`` where it is none."""
    try:
        return pq.ParquetFile(stream)
    except pa.ArrowException as error:
        raise UsageError(f"{path} is no whole Parquet file") from error


@contextmanager
def told(url: str) -> Iterator[None]:
    """Errors of file systems as ``UsageError``: whatever a store answers names what was asked."""
    try:
        yield
    except ImportError as error:  # fsspec says which package reads such URLs
        raise MissingPackageError(f"{url}: {error}", hint="install it beside qks") from error
    except (OSError, ValueError, pa.ArrowException) as error:
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UsageError(f"{url}: {' '.join(text.split())}") from error
    except Exception as error:
        # Clients of stores (botocore, aiohttp) raise exceptions of their own.
        if type(error).__module__.startswith("qks_cli"):
            raise
        raise UsageError(f"{url}: {' '.join(str(error).split())}") from error
