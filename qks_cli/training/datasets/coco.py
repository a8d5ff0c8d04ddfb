"""COCO's instance annotations: a category with an object in a photo is one of its labels.

Every category was looked for in every photo, so what is not listed is absent. ``unseen.txt`` in the
root, a category a line, names those that are not trained on (none without it).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qks_cli.errors import TrainingError
from qks_cli.training.datasets.labelled import DataSet, Label, make
from qks_cli.training.datasets.parts import Part
from qks_cli.training.datasets.reading import read_json, read_words
from qks_cli.training.datasets.rows import Row

_HOME = "cocodataset.org"
TRAIN = Part(
    ("annotations/instances_train*.json", "**/instances_train*.json"), "objects, training", _HOME
)
TEST = Part(
    ("annotations/instances_val*.json", "**/instances_val*.json"), "objects, validation", _HOME
)
TRAIN_PHOTOS = Part(("train20*", "images/train20*"), "training photos", _HOME)
TEST_PHOTOS = Part(("val20*", "images/val20*"), "validation photos", _HOME)
UNSEEN = Part(("unseen.txt",), "categories not to train on", "you", optional=True)
PARTS = (TRAIN, TEST, TRAIN_PHOTOS, TEST_PHOTOS, UNSEEN)
EXAMPLE = "train2017/000000000009.jpg"


def read(root: Path) -> DataSet:
    """Raises ``TrainingError`` for a part that is missing or is no such JSON."""
    train, test = (_load(part.get(root)) for part in (TRAIN, TEST))
    labels = [Label(one["name"], one["name"]) for one in train["categories"]]
    return make(
        "coco",
        labels,
        read_words(root / UNSEEN.globs[0]),
        _rows(train, TRAIN_PHOTOS.get(root)),
        _rows(test, TEST_PHOTOS.get(root)),
        unlisted_absent=True,
    )


def _load(path: Path) -> dict[str, Any]:
    data = read_json(path)
    try:
        _ = (data["categories"], data["images"], data["annotations"])
        _ = [(one["id"], one["name"]) for one in data["categories"]]
        _ = [(one["id"], one["file_name"]) for one in data["images"]]
    except (KeyError, TypeError) as error:
        raise TrainingError(f"{path} is not a file of COCO instances: {error!r}") from error
    _check_ids(path, data)
    return dict(data)


def _check_ids(path: Path, data: dict[str, Any]) -> None:
    """Every annotation is of a category and an image of the same file."""
    for name, key in (("categories", "category_id"), ("images", "image_id")):
        known = {one["id"] for one in data[name]}
        for one in data["annotations"]:
            if not isinstance(one, dict) or one.get(key) not in known:
                raise TrainingError(f"{path}: an annotation of no {key} that the file lists: {one}")


def _rows(data: dict[str, Any], photos: Path) -> Iterator[Row]:
    called = {one["id"]: one["name"] for one in data["categories"]}
    own: dict[int, set[str]] = {}
    for one in data["annotations"]:
        own.setdefault(one["image_id"], set()).add(called[one["category_id"]])
    for image in data["images"]:
        yield Row(photos / image["file_name"], tuple(sorted(own.get(image["id"], ()))))
