"""Labelled photos without a famous layout: a folder a label, a CSV table, JSON lines."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from qks_cli.errors import TrainingError
from qks_cli.photos.suffixes import PHOTOS
from qks_cli.training.datasets.labelled import DataSet, from_rows
from qks_cli.training.datasets.parts import Part
from qks_cli.training.datasets.reading import numbered, read_words, table_rows
from qks_cli.training.datasets.rows import Row

UNSEEN = Part(("unseen.txt",), "labels not to train on, a line each", "you", optional=True)
WORDS = Part(("vocabulary.txt",), "the labels, a line each; else all in use", "you", optional=True)
EXAMPLES = {
    "folder": "dog/photo1.jpg, or train/dog/photo1.jpg",
    "csv": "labels.csv, with a line: photos/photo1.jpg,dog|grass",
    "jsonl": 'photos.jsonl, with a line: {"file": "photos/photo1.jpg", "labels": ["dog"]}',
}
FOLDER_PARTS = (
    Part(
        ("train/*/*", "*/*"), "photos in a sub-folder per label, or in train/ and test/ so", "you"
    ),
    UNSEEN,
)
TABLE = Part(
    ("labels.csv", "*.csv"),
    "columns path, labels (separated by | or ;), optionally absent and split (train or test)",
    "you",
)
CSV_PARTS = (TABLE, UNSEEN, WORDS)
TRAIN_LINES = Part(
    ("photos.jsonl", "train.jsonl", "labels.jsonl"),
    "an object a line: file, labels, optionally absent, held_out, source",
    "you",
)
TEST_LINES = Part(
    ("test.jsonl",), "the same for test photos; else a fifth is tested on", "you", optional=True
)
JSONL_PARTS = (TRAIN_LINES, TEST_LINES, UNSEEN, WORDS)


def read_folder(root: Path) -> DataSet:
    """One label a photo: the sub-folder that it lies in; others are absent."""
    split = (root / "train").is_dir() and (root / "test").is_dir()
    train = list(_in_folders(root / "train" if split else root))
    test = list(_in_folders(root / "test")) if split else None
    return from_rows("folder", train, test=test, unseen=read_words(root / "unseen.txt"))


def read_csv(root: Path) -> DataSet:
    """Raises ``TrainingError`` for a table without the columns, naming it."""
    table = root if root.is_file() else TABLE.get(root)
    base = table.parent
    parts: dict[str, list[Row]] = {"train": [], "test": [], "": []}
    for number, line in table_rows(table, {"path", "labels"}):
        split = (line.get("split") or "").strip().lower()
        if split not in parts:
            raise TrainingError(f"{table}, line {number}: no split '{split}'")
        if not line["path"].strip():
            raise TrainingError(f"{table}, line {number}: no path")
        row = Row(base / line["path"], _several(line["labels"]), _several(line.get("absent")))
        parts[split].append(row)
    train, test = parts["train"] + parts[""], parts["test"] or None
    return from_rows(
        "csv",
        train,
        test=test,
        unseen=_lower(base / "unseen.txt"),
        vocabulary=_lower(base / "vocabulary.txt"),
    )


def read_jsonl(root: Path, source: str = "") -> DataSet:
    """JSON lines; ``file`` is below the root, or, as ``<source>/<name>``, in ``<source>.zip``.

    ``source`` keeps to the photos of one source. ``held_out`` are true labels that must not be
    trained on. Raises ``TrainingError`` naming the line that is not understood.
    """
    found = _opener(root)
    hidden = set(_lower(root / "unseen.txt"))
    train: list[Row] = []
    listing = TRAIN_LINES.get(root)
    for row, held_out in _lines(listing, found, source):
        train.append(row)
        hidden |= held_out
    given = TEST_LINES.find(root)
    test = None if given is None else [row for row, _ in _lines(given, found, source)]
    if listing.name == "labels.jsonl" and test is None:
        train, test = [], train  # an evaluation set
    return from_rows(
        "jsonl",
        train,
        test=test,
        unseen=hidden,
        vocabulary=_lower(root / "vocabulary.txt"),
    )


def _lower(path: Path) -> list[str]:
    return [word.lower() for word in read_words(path)]


def _in_folders(root: Path) -> Iterator[Row]:
    if not root.is_dir():
        raise TrainingError(f"there is no folder {root}")
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        for photo in sorted(folder.rglob("*")):
            if photo.suffix.lower() in PHOTOS:
                yield Row(photo, (folder.name.replace("_", " "),))


def _several(text: str | None) -> tuple[str, ...]:
    words = (text or "").replace(";", "|").split("|")
    return tuple(dict.fromkeys(word.strip().lower() for word in words if word.strip()))


def _lines(path: Path, found: Callable[[str], Any], source: str) -> Iterator[tuple[Row, set[str]]]:
    for number, line in numbered(path):
        try:
            data = json.loads(line)
            if source and data.get("source") != source:
                continue
            labels, absent, held_out = (
                _words(data.get(key, [])) for key in ("labels", "absent", "held_out")
            )
            row = Row(found(data["file"]), labels + held_out, absent)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TrainingError(f"{path}, line {number} is not understood: {error!r}") from error
        yield row, set(held_out)


def _words(value: Any) -> tuple[str, ...]:
    """A list of words; one word alone would be read letter by letter."""
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise TypeError(f"a list of words is expected, not {value!r}")
    return tuple(word.lower() for word in value)


def _opener(root: Path) -> Callable[[str], Any]:
    archives: dict[str, zipfile.Path | None] = {}

    def found(name: str) -> Any:
        folder, _, rest = name.partition("/")
        if folder not in archives:
            archive = root / f"{folder}.zip"
            archives[folder] = zipfile.Path(archive) if archive.is_file() else None
        inside = archives[folder]
        return root / name if inside is None or not rest else inside / rest

    return found
