"""Labelled photos, whatever layout they came in: what every data set is read into.

Axes: N photos, C labels, B photos of a batch.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from qks_cli.errors import TrainingError
from qks_cli.types import IntArray

BoolArray = npt.NDArray[np.bool_]


class Label(NamedTuple):
    """``key`` tells labels apart, ``name`` is what people and the text tower read: two labels of
    Open Images may share a name."""

    key: str
    name: str


class Row(NamedTuple):
    """One photo with the keys of the labels that are known to be there, and known not to be.

    ``file`` is a path, or an entry of an archive (``zipfile.Path``): anything with ``open("rb")``
    and ``is_file()``.
    """

    file: Any
    present: tuple[str, ...]
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Split:
    """Photos with three-valued truth [N, C]: +1 there, -1 not there, 0 not listed.

    ``unlisted_absent`` says what a zero means: not there, or unknown.
    """

    files: tuple[Any, ...]
    truth: csr_matrix
    unlisted_absent: bool

    def __len__(self) -> int:
        return len(self.files)

    def rows(self, rows: IntArray) -> tuple[BoolArray, BoolArray]:
        """``present_BC`` and ``known_BC`` of some photos."""
        dense_BC = self.truth[rows].toarray()
        present_BC = dense_BC > 0
        known_BC = np.ones_like(present_BC) if self.unlisted_absent else dense_BC != 0
        return present_BC, known_BC

    def take(self, rows: IntArray) -> Split:
        """Some of the photos."""
        return Split(tuple(self.files[r] for r in rows), self.truth[rows], self.unlisted_absent)

    def labels(self, columns: IntArray) -> Split:
        """The same photos with some of the labels."""
        return Split(self.files, self.truth[:, columns].tocsr(), self.unlisted_absent)

    def positives(self) -> IntArray:
        """How many photos carry each label [C]."""
        return np.asarray((self.truth > 0).sum(0), np.intp).ravel()


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set as training and evaluation see it.

    ``seen_C`` marks the labels that may be trained on; ``subsets`` names further choices of labels
    to report; ``missing`` lists photos that the data set names and the disk does not hold.
    """

    name: str
    labels: tuple[Label, ...]
    seen_C: BoolArray
    train: Split
    test: Split
    subsets: dict[str, BoolArray] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What the labels are called [C]."""
        return tuple(label.name for label in self.labels)


def make(
    name: str,
    labels: Sequence[Label],
    unseen: Iterable[str],
    train: Iterable[Row],
    test: Iterable[Row],
    *,
    unlisted_absent: bool,
    subsets: dict[str, set[str]] | None = None,
) -> DataSet:
    """Collect rows into a data set; photos that are not on the disk are left out and counted.

    Labels that ``unseen`` or ``subsets`` name by key. Training photos without a seen label that is
    there are dropped, as the paper does. Raises ``TrainingError`` where no photo is left at all.
    """
    column = {label.key: place for place, label in enumerate(labels)}
    hidden = set(unseen)
    seen_C = np.array([label.key not in hidden for label in labels], bool)
    missing: list[str] = []
    splits = [
        _split(rows, column, missing, unlisted_absent=unlisted_absent) for rows in (train, test)
    ]
    if not len(splits[0]) and not len(splits[1]):
        raise TrainingError(
            f"the data set {name} has no photo here ({len(missing):,} that it names are missing)",
            hint=f"`qks datasets check {name} --root DIR` says what is expected where",
        )
    carried = np.asarray((splits[0].truth[:, np.flatnonzero(seen_C)] > 0).sum(1)).ravel() > 0
    chosen = {
        key: np.array([label.key in keys for label in labels], bool)
        for key, keys in (subsets or {}).items()
    }
    return DataSet(
        name,
        # A labels file has a label a line.
        tuple(Label(label.key, " ".join(label.name.split())) for label in labels),
        seen_C,
        splits[0].take(np.flatnonzero(carried)),
        splits[1],
        chosen,
        tuple(missing),
    )


def _split(
    rows: Iterable[Row], column: dict[str, int], missing: list[str], *, unlisted_absent: bool
) -> Split:
    files: list[Any] = []
    data: list[int] = []
    columns: list[int] = []
    starts = [0]
    for row in rows:
        if not row.file.is_file():
            missing.append(str(row.file))
            continue
        own = dict.fromkeys((column[key] for key in row.absent if key in column), -1)
        own |= dict.fromkeys((column[key] for key in row.present if key in column), 1)
        files.append(row.file)
        data += own.values()
        columns += own
        starts.append(len(data))
    truth = csr_matrix(
        (np.array(data, np.int8), np.array(columns, np.int32), np.array(starts, np.int64)),
        shape=(len(files), len(column)),
    )
    return Split(tuple(files), truth, unlisted_absent)


def from_rows(
    name: str,
    rows: Sequence[Row],
    *,
    test: Sequence[Row] | None = None,
    unseen: Iterable[str] = (),
    vocabulary: Sequence[str] = (),
    unlisted_absent: bool = True,
) -> DataSet:
    """A data set whose labels are known by name alone.

    The labels are ``vocabulary``, or without one every label in use, and ``unseen``. Without
    ``test`` a fifth of the photos, chosen by name, is the test split.
    """
    everyone = [*rows, *(test or ())]
    used = {key for row in everyone for key in (*row.present, *row.absent)}
    hidden = set(unseen)
    words = list(vocabulary) or sorted(used)
    names = list(dict.fromkeys([*words, *sorted(hidden)]))
    if not names:
        raise TrainingError(f"no photo of the data set {name} has a label")
    train: Iterable[Row] = rows
    if test is None:
        apart = [in_test(row.file) for row in rows]
        train = [row for row, out in zip(rows, apart, strict=True) if not out]
        test = [row for row, out in zip(rows, apart, strict=True) if out]
    labels = [Label(word, word) for word in names]
    return make(name, labels, hidden, train, test, unlisted_absent=unlisted_absent)


def in_test(file: Any) -> bool:
    """Whether a photo is in the fifth that is tested on, where a data set does not say."""
    return zlib.crc32(str(file.name).encode("utf-8", "surrogateescape")) % 5 == 0


def read_words(path: Path) -> list[str]:
    """Non-empty lines of a text file, stripped; none where there is no such file."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip()]


def numbered(path: Path) -> Iterator[tuple[int, str]]:
    """The non-empty lines of a data set's file with their numbers. Raises ``TrainingError``."""
    try:
        with path.open(encoding="utf-8", errors="surrogateescape") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield number, line
    except OSError as error:
        raise TrainingError(
            f"{path} cannot be read: {error.strerror}",
            hint="`qks datasets check` says what is expected where",
        ) from error
