"""Millions of paths in little memory: one block of bytes instead of an object each."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload


class PathList(Sequence[Any]):
    """Paths in the order in which they were appended, made again when asked for.

    A ``Path`` takes its length in bytes plus eight. Entries of archives (``zipfile.Path``) are kept
    as the objects that they are.
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
        return Path(os.fsdecode(self._named(at)))

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
