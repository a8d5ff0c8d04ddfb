"""Labelled photos, whatever layout they came in: what every data set is read into.

Axes: N photos, C labels, B photos of a batch.
"""

from __future__ import annotations

import difflib
import zlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from qks_cli.errors import TrainingError
from qks_cli.training.datasets.paths import PathList
from qks_cli.training.datasets.rows import Row
from qks_cli.types import BoolArray, IntArray
from qks_cli.wording import count_of


class Label(NamedTuple):
    """``key`` tells labels apart, ``name`` is what people and the text tower read: two labels of
    Open Images may share a name."""

    key: str
    name: str


@dataclass(frozen=True, slots=True)
class Split:
    """Photos with three-valued truth [N, C]: +1 there, -1 not there, 0 not listed.

    ``unlisted_absent`` says what a zero means: not there, or unknown.
    """

    files: Sequence[Any]
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
        files = self.files if isinstance(self.files, PathList) else PathList(self.files)
        return Split(files.take(rows.tolist()), self.truth[rows], self.unlisted_absent)

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
    to report; ``missing`` lists photos that the data set names and the disk does not hold;
    ``warnings`` says what was mended while reading, and how often.
    """

    name: str
    labels: tuple[Label, ...]
    seen_C: BoolArray
    train: Split
    test: Split
    subsets: dict[str, BoolArray] = field(default_factory=dict)
    missing: Sequence[Any] = ()
    warnings: tuple[str, ...] = ()

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
    warnings: Sequence[str] = (),
) -> DataSet:
    """Collect rows into a data set; photos that are not on the disk are left out and counted.

    Labels that ``unseen`` or ``subsets`` name by key. Training photos without a seen label that is
    there are dropped, as the paper does, and so are those that the test split has too. Raises
    ``TrainingError`` where no photo is left at all, or an unseen name is no label.
    """
    column = {label.key: place for place, label in enumerate(labels)}
    hidden = set(unseen)
    _check_names("unseen", hidden, column)
    seen_C = np.array([label.key not in hidden for label in labels], bool)
    missing = PathList()
    said = list(warnings)
    trained = _split(train, column, missing, said, unlisted_absent=unlisted_absent)
    tested = _split(test, column, missing, said, unlisted_absent=unlisted_absent)
    if not len(trained) and not len(tested):
        raise TrainingError(
            f"the data set {name} has no photo here "
            f"({count_of(len(missing), 'photo')} that it names missing)",
            hint=f"`qks datasets check {name} --root DIR` says what is expected where",
        )
    carried = np.asarray((trained.truth[:, np.flatnonzero(seen_C)] > 0).sum(1)).ravel() > 0
    both = _in_both(trained, tested)
    if both.any():
        photos = count_of(int(both.sum()), "photo is", "photos are")
        said.append(
            f"{photos} in the training and in the test part, and left out of training, "
            f"for instance {trained.files[int(np.flatnonzero(both)[0])]}"
        )
    chosen = {
        key: np.array([label.key in keys for label in labels], bool)
        for key, keys in (subsets or {}).items()
    }
    return DataSet(
        name,
        # A labels file has a label a line.
        tuple(Label(label.key, " ".join(label.name.split())) for label in labels),
        seen_C,
        trained.take(np.flatnonzero(carried & ~both)),
        tested,
        chosen,
        missing,
        tuple(said),
    )


def _check_names(what: str, names: set[str], column: dict[str, int]) -> None:
    """Raise ``TrainingError`` for names that are no label: they would be trained on unnoticed."""
    wrong = sorted(names - set(column))
    if not wrong:
        return
    folded = {key.casefold(): key for key in column}
    near = {
        word: folded.get(word.casefold())
        or next(iter(difflib.get_close_matches(word, column, 1, 0.75)), None)
        for word in wrong[:5]
    }
    parts = [f"'{word}'" + (f" ('{key}'?)" if key else "") for word, key in near.items()]
    more = f" and {len(wrong) - 5:,} more" if len(wrong) > 5 else ""
    said = count_of(len(wrong), f"{what} name is", f"{what} names are")
    raise TrainingError(
        f"{said} no label of this data set: {', '.join(parts)}{more}",
        hint="write them as the data set does, or take them out of the list",
    )


def _in_both(trained: Split, tested: Split) -> BoolArray:
    """Which training photos are test photos too [N]: the same file by its name."""
    return np.isin(_name_hashes(trained.files), _name_hashes(tested.files))


def _name_hashes(files: Sequence[Any]) -> npt.NDArray[np.int64]:
    listed = files if isinstance(files, PathList) else PathList(files)
    return np.fromiter((hash(name) for name in listed.names()), np.int64, len(listed))


def _split(
    rows: Iterable[Row],
    column: dict[str, int],
    missing: PathList,
    warnings: list[str],
    *,
    unlisted_absent: bool,
) -> Split:
    """One part. A photo that is named twice is one, with the labels of both lines."""
    files = PathList()
    data, columns, starts = array("b"), array("i"), array("q", [0])
    for row in rows:
        if not row.file.is_file():
            missing.append(row.file)
            continue
        own = dict.fromkeys((column[key] for key in row.absent if key in column), -1)
        own |= dict.fromkeys((column[key] for key in row.present if key in column), 1)
        files.append(row.file)
        data.extend(own.values())
        columns.extend(own)
        starts.append(len(data))
    truth = csr_matrix(
        (np.asarray(data, np.int8), np.asarray(columns, np.int32), np.asarray(starts, np.int64)),
        shape=(len(files), len(column)),
    )
    return _without_doubles(Split(files, truth, unlisted_absent), warnings)


def _without_doubles(split: Split, warnings: list[str]) -> Split:
    _, first, place = np.unique(_name_hashes(split.files), return_index=True, return_inverse=True)
    if len(first) == len(split):
        return split
    double = np.flatnonzero(np.bincount(place) > 1)
    photos = count_of(len(double), "photo is", "photos are")
    warnings.append(
        f"{photos} listed more than once; the lines are taken together, "
        f"for instance {split.files[int(first[double[0]])]}"
    )
    ones = np.ones(len(split), np.int32)
    joining = csr_matrix((ones, (place, np.arange(len(split)))))
    there = (joining @ (split.truth > 0).astype(np.int32)) > 0
    absent = ((joining @ (split.truth < 0).astype(np.int32)) > 0) > there
    order = np.argsort(first)
    truth = (there.astype(np.int8) - absent.astype(np.int8))[order].tocsr()
    return Split(split.take(first[order]).files, truth, split.unlisted_absent)


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

    The labels are ``vocabulary``, or without one every label in use. Words of ``unseen`` are such
    labels, in any letter case. Without ``test`` a fifth of the photos, chosen by name, is the test
    split. Raises ``TrainingError`` as ``make``, or where there is no label at all.
    """
    used = {key for row in chain(rows, test or ()) for key in (*row.present, *row.absent)}
    names = list(dict.fromkeys(vocabulary)) or sorted(used)
    if not names:
        raise TrainingError(f"no photo of the data set {name} has a label")
    warnings = []
    strange = sorted(used - set(names))
    if strange:
        warnings.append(
            f"{count_of(len(strange), 'label of photos is', 'labels of photos are')} not in the "
            "vocabulary and left out: "
            f"{', '.join(strange[:5])}"
        )
    folded = {word.casefold(): word for word in names}
    hidden = {word if word in names else folded.get(word.casefold(), word) for word in unseen}
    train: Iterable[Row] = rows
    tested: Iterable[Row] = test or ()
    if test is None:
        train = (row for row in rows if not in_test(row.file))
        tested = (row for row in rows if in_test(row.file))
    labels = [Label(word, word) for word in names]
    return make(
        name, labels, hidden, train, tested, unlisted_absent=unlisted_absent, warnings=warnings
    )


def in_test(file: Any) -> bool:
    """Whether a photo is in the fifth that is tested on, where a data set does not say."""
    return zlib.crc32(str(file.name).encode("utf-8", "surrogateescape")) % 5 == 0
