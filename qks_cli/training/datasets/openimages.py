"""Open Images v4 (2018_04): 7,186 trainable classes seen, 400 unseen, keyed by MID.

Truth is what people verified about whole photos: confidence 1 is there, anything else not there,
what is not listed is unknown. A photo of which both are said about one label is dropped.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from qks_cli.errors import TrainingError
from qks_cli.training.datasets.labelled import DataSet, Label, Row, make, read_words
from qks_cli.training.datasets.parts import Part

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


def read(root: Path) -> DataSet:
    """Raises ``TrainingError`` for a part that is missing or is no such table."""
    seen, unseen = read_words(SEEN.get(root)), read_words(UNSEEN.get(root))
    called: dict[str, str] = {}
    with NAMES.get(root).open(encoding="utf-8", newline="") as stream:
        called = {line[0]: line[1] for line in csv.reader(stream) if len(line) > 1}
    mids = list(dict.fromkeys([*seen, *unseen]))
    return make(
        "openimages",
        [Label(mid, called.get(mid, mid).lower()) for mid in mids],
        unseen,
        _rows(TRAIN.get(root), TRAIN_PHOTOS.get(root), set(seen)),
        _rows(TEST.get(root), TEST_PHOTOS.get(root), set(mids)),
        unlisted_absent=False,
    )


def _rows(table: Path, photos: Path, wanted: set[str]) -> Iterator[Row]:
    """A photo's lines stand together in the release; where they do not, they are brought so."""
    said: dict[str, tuple[set[str], set[str]]] = {}
    with table.open(encoding="utf-8", newline="") as stream:
        lines = csv.DictReader(stream)
        needed = {"ImageID", "LabelName", "Confidence"}
        if not needed <= set(lines.fieldnames or ()):
            raise TrainingError(f"{table} lacks a column: {', '.join(sorted(needed))}")
        for line in lines:
            mid = line["LabelName"]
            if mid in wanted:
                there, absent = said.setdefault(line["ImageID"], (set(), set()))
                (there if float(line["Confidence"]) == 1 else absent).add(mid)
    for image, (there, absent) in said.items():
        if not there & absent:
            yield Row(photos / f"{image}.jpg", tuple(sorted(there)), tuple(sorted(absent)))
