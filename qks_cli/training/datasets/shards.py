"""Photos in tar archives as webdataset keeps them: ``KEY.jpg`` and ``KEY.json`` side by side.

For those who train on millions: a few large files instead of many small ones. Only headers and JSON
are read when the data set is; photos are read where they lie in the archive, so that runs draw,
resume and divide among processes as with any other layout. The JSON has ``labels``, optionally
``absent`` and ``held_out``, lists of words as in a ``jsonl`` data set.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from qks_cli.errors import TrainingError
from qks_cli.photos.suffixes import PHOTOS
from qks_cli.training.datasets.labelled import DataSet, from_rows
from qks_cli.training.datasets.parts import Part
from qks_cli.training.datasets.paths import TarEntry
from qks_cli.training.datasets.reading import read_words
from qks_cli.training.datasets.rows import Row, RowList
from qks_cli.wording import count_of

TRAIN = Part(("train*.tar", "*.tar"), "archives with KEY.jpg and KEY.json", "you")
TEST = Part(("test*.tar", "val*.tar"), "the same for test photos; else a fifth", "you", True)
UNSEEN = Part(("unseen.txt",), "labels not to train on, a line each", "you", optional=True)
WORDS = Part(("vocabulary.txt",), "the labels, a line each; else all in use", "you", optional=True)
PARTS = (TRAIN, TEST, UNSEEN, WORDS)
EXAMPLE = 'train-000000.tar with photo1.jpg and photo1.json: {"labels": ["dog"]}'


def read(root: Path) -> DataSet:
    """Raises ``TrainingError`` for an archive that is damaged or lacks its labels."""
    TRAIN.get(root)
    tests = [path for glob in TEST.globs for path in sorted(root.glob(glob))]
    trains = [path for path in sorted(root.glob("*.tar")) if path not in tests]
    hidden = {word.lower() for word in read_words(root / "unseen.txt")}
    train = RowList(_rows(trains, hidden))
    test = RowList(_rows(tests, hidden)) if tests else None
    words = [word.lower() for word in read_words(root / "vocabulary.txt")]
    return from_rows("webdataset", train, test=test, unseen=hidden, vocabulary=words)


def _rows(archives: Sequence[Path], hidden: set[str]) -> Iterator[Row]:
    for path in archives:
        photos: dict[str, TarEntry] = {}
        told: dict[str, dict[str, Any]] = {}
        try:
            with tarfile.open(path, "r:") as archive:
                for entry in archive:
                    name = PurePosixPath(entry.name)
                    key = str(name.with_suffix(""))
                    if name.suffix.lower() in PHOTOS:
                        photos[key] = TarEntry(path, entry.offset_data, entry.size, entry.name)
                    elif name.suffix.lower() == ".json" and entry.isfile():
                        stream = archive.extractfile(entry)
                        assert stream is not None
                        told[key] = dict(json.load(stream))
        except (OSError, tarfile.TarError, ValueError, TypeError) as error:
            raise TrainingError(f"{path} is not an archive of labelled photos: {error}") from error
        yield from _joined(path, photos, told, hidden)


def _joined(
    path: Path, photos: dict[str, TarEntry], told: dict[str, dict[str, Any]], hidden: set[str]
) -> Iterator[Row]:
    without = sorted(set(photos) - set(told))
    if without:
        raise TrainingError(
            f"{path}: {count_of(len(without), 'photo')} without JSON, for instance {without[0]}"
        )
    for key, entry in photos.items():
        words = {}
        for name in ("labels", "absent", "held_out"):
            value = told[key].get(name, [])
            if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
                raise TrainingError(f"{path}, {key}.json: {name} is not a list of words")
            words[name] = tuple(word.lower() for word in value)
        hidden |= {*words["held_out"]}
        yield Row(entry, words["labels"] + words["held_out"], words["absent"])
