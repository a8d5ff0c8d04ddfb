"""Millions of paths in little memory: one block of bytes instead of an object each."""

from __future__ import annotations

import io
import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

MARK = b"\0"  # no path has it: it begins an archive's entry


@dataclass(frozen=True, slots=True)
class TarEntry:
    """A file in a tar archive, read where it lies: what a photo's ``Path`` is asked for."""

    archive: Path
    offset: int
    size: int
    entry: str

    @property
    def name(self) -> str:
        """Its last part."""
        return self.entry.rpartition("/")[2]

    @property
    def parent(self) -> Path:
        """The archive."""
        return self.archive

    def is_file(self) -> bool:
        """It was found in the archive."""
        return True

    def open(self, mode: str = "rb") -> io.BytesIO:
        """Its bytes. Raises ``OSError``."""
        with self.archive.open("rb") as stream:
            stream.seek(self.offset)
            return io.BytesIO(stream.read(self.size))

    def __str__(self) -> str:
        return f"{self.archive}/{self.entry}"

    def packed(self) -> bytes:
        """As ``PathList`` keeps it."""
        parts = (os.fsencode(self.archive), b"%d" % self.offset, b"%d" % self.size)
        return MARK + MARK.join((*parts, os.fsencode(self.entry)))

    @classmethod
    def unpacked(cls, packed: bytes) -> TarEntry:
        """The counterpart of ``packed``."""
        archive, offset, size, entry = packed[1:].split(MARK, 3)
        return cls(Path(os.fsdecode(archive)), int(offset), int(size), os.fsdecode(entry))


class PathList(Sequence[Any]):
    """Paths in the order in which they were appended, made again when asked for.

    A ``Path`` takes its length in bytes plus eight. So does a
    ``TarEntry``; entries of ZIP archives (``zipfile.Path``) are kept as the objects that they are.
    """

    def __init__(self, files: Iterable[Any] = ()) -> None:
        self._bytes = bytearray()
        self._ends = array("Q")
        self._others: dict[int, Any] = {}
        for file in files:
            self.append(file)

    def append(self, file: Any) -> None:
        """Add a path at the end."""
        if isinstance(file, Path):
            self._bytes += os.fsencode(file)
        elif isinstance(file, TarEntry):
            self._bytes += file.packed()
        else:
            self._others[len(self._ends)] = file
        self._ends.append(len(self._bytes))

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> PathList: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return self.take(range(*index.indices(len(self))))
        at = index + len(self) if index < 0 else index
        if not 0 <= at < len(self):
            raise IndexError(index)
        if at in self._others:
            return self._others[at]
        named = self._named(at)
        return TarEntry.unpacked(named) if named[:1] == MARK else Path(os.fsdecode(named))

    def take(self, rows: Iterable[int]) -> PathList:
        """Some of the paths."""
        taken = PathList()
        for row in rows:
            if row in self._others:
                taken._others[len(taken)] = self._others[row]
            else:
                taken._bytes += self._named(row)
            taken._ends.append(len(taken._bytes))
        return taken

    def names(self) -> Iterator[bytes]:
        """Each path as bytes, which is quicker than making it."""
        for row in range(len(self)):
            other = self._others.get(row)
            yield self._named(row) if other is None else os.fsencode(str(other))

    def _named(self, row: int) -> bytes:
        return bytes(self._bytes[self._ends[row - 1] if row else 0 : self._ends[row]])
