"""Photos with the labels that they are known to have, as layouts read them; millions in little
memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, overload

from qks_cli.training.datasets.paths import PathList


class Row(NamedTuple):
    """One photo with the keys of the labels that are known to be there, and known not to be.

    ``file`` is a path, or an entry of an archive (``zipfile.Path``): anything with ``open("rb")``
    and ``is_file()``.
    """

    file: Any
    present: tuple[str, ...]
    absent: tuple[str, ...] = ()


class RowList(Sequence[Row]):
    """Rows in the order in which they were appended, made again when asked for.

    A row takes what its path takes (``PathList``), 16 bytes, and four for each of its labels.
    """

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._files = PathList()
        self._number: dict[str, int] = {}
        self._keys: list[str] = []
        self._labels = array("i")
        self._ends = array("q")  # of what is there and what is not, in turns
        for row in rows:
            self.append(row)

    def append(self, row: Row) -> None:
        """Add a row at the end."""
        self._files.append(row.file)
        for keys in (row.present, row.absent):
            self._labels.extend(self._numbered(key) for key in keys)
            self._ends.append(len(self._labels))

    def _numbered(self, key: str) -> int:
        number = self._number.setdefault(key, len(self._keys))
        if number == len(self._keys):
            self._keys.append(key)
        return number

    def __len__(self) -> int:
        return len(self._files)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        at = index + len(self) if index < 0 else index
        file = self._files[at]  # raises IndexError
        start = self._ends[2 * at - 1] if at else 0
        middle, end = self._ends[2 * at], self._ends[2 * at + 1]
        return Row(file, self._named(start, middle), self._named(middle, end))

    def _named(self, start: int, end: int) -> tuple[str, ...]:
        return tuple(self._keys[number] for number in self._labels[start:end])
