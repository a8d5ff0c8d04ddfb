"""Open Images v4 (2018_04): 7,186 trainable classes seen, 400 unseen, keyed by MID.

Truth is what people verified about whole photos: confidence 1 is there, anything else not there,
what is not listed is unknown. A photo of which both are said about one label is dropped.

The tables have millions of lines, so they are kept as arrays of numbers (about 100 bytes a photo)
until the photos are made of them.
"""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qks_cli.errors import TrainingError
from qks_cli.training.datasets.labelled import DataSet, Label, make
from qks_cli.training.datasets.parts import Part
from qks_cli.training.datasets.reading import not_utf8, read_words, table_rows
from qks_cli.training.datasets.rows import Row
from qks_cli.wording import count_of

_HOME = "the Open Images page (storage.googleapis.com/openimages), release 2018_04"
SEEN = Part(("classes-trainable.txt", "**/classes-trainable.txt"), "7,186 MIDs, a line each", _HOME)
UNSEEN = Part(
    ("classes-unseen.txt", "**/classes-unseen.txt"),
    "the 400 unseen MIDs, a line each",
    "the open-vocabulary split of the paper's predecessors (most frequent classes beyond those)",
)
NAMES = Part(("class-descriptions.csv", "**/class-descriptions*.csv"), "MID and name", _HOME)
TRAIN = Part(
    ("train-annotations-human-imagelabels.csv", "**/train*human-imagelabels.csv"),
    "verified labels of the training photos",
    _HOME,
)
TEST = Part(
    ("test-annotations-human-imagelabels.csv", "**/test*human-imagelabels.csv"),
    "verified labels of the test photos",
    _HOME,
)
TRAIN_PHOTOS = Part(("train", "images/train"), "training photos, <ImageID>.jpg", _HOME)
TEST_PHOTOS = Part(("test", "images/test"), "test photos, <ImageID>.jpg", _HOME)
PARTS = (SEEN, UNSEEN, NAMES, TRAIN, TEST, TRAIN_PHOTOS, TEST_PHOTOS)
EXAMPLE = "train/000002b66c9c498e.jpg"


def read(root: Path) -> DataSet:
    """Raises ``TrainingError`` for a part that is missing or is no such table."""
    seen, unseen = read_words(SEEN.get(root)), read_words(UNSEEN.get(root))
    mids = list(dict.fromkeys([*seen, *unseen]))
    called = _names(NAMES.get(root), set(mids))
    warnings = []
    both = sorted(set(seen) & set(unseen))
    if both:
        warnings.append(
            f"{count_of(len(both), 'MID is', 'MIDs are')} listed as seen and as unseen, counted as "
            "unseen: "
            f"{', '.join(both[:5])}"
        )
    nameless = [mid for mid in mids if mid not in called]
    if nameless:
        warnings.append(
            f"{count_of(len(nameless), 'MID')} without a name in {NAMES.get(root).name}, called by "
            f"the MID: {', '.join(nameless[:5])}"
        )
    trained = [mid for mid in seen if mid not in set(unseen)]
    return make(
        "openimages",
        [Label(mid, called.get(mid, mid).lower()) for mid in mids],
        unseen,
        _rows(TRAIN.get(root), TRAIN_PHOTOS.get(root), trained),
        _rows(TEST.get(root), TEST_PHOTOS.get(root), mids),
        unlisted_absent=False,
        warnings=warnings,
    )


def _names(table: Path, wanted: set[str]) -> dict[str, str]:
    """MID to name. The table has no line of column names."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            lines = csv.reader(stream)
            return {x[0]: x[1] for x in lines if len(x) > 1 and x[0] in wanted and x[1].strip()}
    except UnicodeDecodeError:
        not_utf8(table, 0)


def _rows(table: Path, photos: Path, wanted: Sequence[str]) -> Iterator[Row]:
    """Every photo that the table speaks of, also one of which it says nothing that is wanted.

    A photo's lines stand together in the release; where they do not, they are brought so."""
    column = {mid: place for place, mid in enumerate(wanted)}
    names, runs = bytearray(), array("q")
    run_of, columns, there = array("i"), array("i"), array("b")
    before = None
    for number, line in table_rows(table, {"ImageID", "LabelName", "Confidence"}):
        if line["ImageID"] != before:
            before = line["ImageID"]
            names += before.encode()
            runs.append(len(names))
        said = _confidence(line["Confidence"], table, number)
        place = column.get(line["LabelName"])
        if place is not None:
            run_of.append(len(runs) - 1)
            columns.append(place)
            there.append(said)
    unique, order, starts = _by_photo(names, runs, run_of)
    del names, runs, run_of
    for index, image in enumerate(unique):
        lines = order[starts[index] : starts[index + 1]]
        present = {wanted[columns[at]] for at in lines if there[at]}
        absent = {wanted[columns[at]] for at in lines if not there[at]}
        if not present & absent:
            path = photos / f"{image.decode()}.jpg"
            yield Row(path, tuple(sorted(present)), tuple(sorted(absent)))


def _by_photo(
    names: bytearray, runs: array[int], run_of: array[int]
) -> tuple[npt.NDArray[np.bytes_], npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Photos by name, all lines in the order of their photos, and where each photo's begin."""
    ends = np.asarray(runs, np.int64)
    widest = int(np.diff(ends, prepend=0).max(initial=1))
    images = np.fromiter(_slices(names, ends), f"S{widest}", len(ends))
    unique, place_of = np.unique(images, return_inverse=True)
    del images, ends
    owner = place_of.astype(np.int32)[np.asarray(run_of, np.int32)]
    del place_of
    order = np.argsort(owner, kind="stable").astype(np.int32)
    return unique, order, np.searchsorted(owner[order], np.arange(len(unique) + 1))


def _slices(names: bytearray, ends: npt.NDArray[np.int64]) -> Iterator[bytes]:
    start = 0
    for end in ends.tolist():
        yield bytes(names[start:end])
        start = end


def _confidence(text: str, table: Path, number: int) -> bool:
    """People's labels are 0 or 1; machines' (another table of the release) lie between."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if value not in (0.0, 1.0):
        raise TrainingError(
            f"{table}, line {number}: the confidence '{text}' is neither 0 nor 1",
            hint="take the human-verified labels, not the machine-generated ones",
        )
    return value == 1.0
