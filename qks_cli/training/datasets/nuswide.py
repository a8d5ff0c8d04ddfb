"""NUS-WIDE in its official layout (Chua et al., 2009), split as open-vocabulary work splits it.

Unseen are the 81 concepts that people judged; seen are the 1,000 tags of ``TagList1k.txt`` without
those that are such a concept, 925. Training photos carry the tags that their users gave; a tag that
was not given counts as absent. In the test photos seen labels come from the users' tags, unseen
ones from the ground truth (arXiv 2401.01181, section 4).

``clean unseen`` are the concepts of which no singular or plural is a seen tag: thirty seen tags are
such forms, and flatter.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path, PureWindowsPath

import numpy as np

from qks_cli.errors import TrainingError
from qks_cli.training.datasets.labelled import DataSet, Label, make
from qks_cli.training.datasets.parts import Part
from qks_cli.training.datasets.reading import cannot_read, numbered, read_words
from qks_cli.training.datasets.rows import Row
from qks_cli.vocabulary.plurals import singular

_HOME = "the NUS-WIDE page of the National University of Singapore (lms.comp.nus.edu.sg)"
PHOTOS = Part(
    ("Flickr", "images", "Flickr_Images", "**/Flickr"),
    "the photos, in a folder a concept or all in one",
    _HOME,
)
TRAIN = Part(("ImageList/TrainImagelist.txt", "**/TrainImagelist.txt"), "161,789 names", _HOME)
TEST = Part(("ImageList/TestImagelist.txt", "**/TestImagelist.txt"), "107,859 names", _HOME)
TAGS = Part(("NUS_WID_Tags/TagList1k.txt", "**/TagList1k.txt"), "the 1,000 tags", _HOME)
TRAIN_TAGS = Part(
    ("NUS_WID_Tags/Train_Tags1k.dat", "**/Train_Tags1k.*"), "users' tags of the first list", _HOME
)
TEST_TAGS = Part(
    ("NUS_WID_Tags/Test_Tags1k.dat", "**/Test_Tags1k.*"), "users' tags of the second list", _HOME
)
CONCEPTS = Part(("Concepts81.txt", "**/Concepts81.txt"), "the 81 concepts", _HOME)
TRUTH = Part(
    ("Groundtruth/TrainTestLabels", "**/TrainTestLabels"), "Labels_<concept>_Test.txt", _HOME
)
PARTS = (PHOTOS, TRAIN, TEST, TAGS, TRAIN_TAGS, TEST_TAGS, CONCEPTS, TRUTH)
EXAMPLE = "Flickr/actor/0001_2124494179.jpg"


def read(root: Path) -> DataSet:
    """Raises ``TrainingError`` for a part that is missing or does not fit the others."""
    unseen = read_words(CONCEPTS.get(root))
    tags = read_words(TAGS.get(root))
    seen = [tag for tag in tags if tag not in set(unseen)]
    photos = PHOTOS.get(root)
    forms = {singular(tag) for tag in seen}
    clean = {word for word in unseen if singular(word) not in forms}
    train = (
        Row(file, own) for file, own in _tagged(photos, TRAIN.get(root), TRAIN_TAGS.get(root), tags)
    )
    judged = _judged(TRUTH.get(root), unseen)
    hidden = set(unseen)

    def test() -> Iterator[Row]:
        tagged = _tagged(photos, TEST.get(root), TEST_TAGS.get(root), tags)
        for index, found in enumerate(zip_longest(tagged, judged.T)):
            if found[0] is None or found[1] is None:
                count = "more" if found[1] is None else f"only {index:,}"
                raise TrainingError(
                    f"{TRUTH.get(root)}: {judged.shape[1]:,} lines a concept, but {count} test "
                    "photos in the list"
                )
            (file, own), values = found
            true = tuple(c for c, value in zip(unseen, values, strict=True) if value)
            yield Row(file, true + tuple(tag for tag in own if tag not in hidden))

    return make(
        "nuswide",
        [Label(word, word.replace("_", " ")) for word in (*seen, *unseen)],
        unseen,
        train,
        test(),
        unlisted_absent=True,
        subsets={"clean unseen": clean},
    )


def _tagged(
    photos: Path, listing: Path, matrix: Path, tags: list[str]
) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Photos of a list with their tags: line by line beside a matrix of zeros and ones."""
    place = _Places(photos)
    try:
        with matrix.open("rb") as stream:
            lines = (line for line in stream if line.strip())
            # A list that ends first is told from a matrix that does.
            for pair in zip_longest(numbered(listing), lines):
                if pair[0] is None or pair[1] is None:
                    shorter = listing if pair[0] is None else matrix
                    raise TrainingError(
                        f"{listing.name} and {matrix.name} do not belong together: "
                        f"{shorter} has fewer lines"
                    )
                (number, name), values = pair
                own = _ones(values, len(tags), matrix, number)
                yield place.of(name.strip()), tuple(tags[column] for column in own)
    except OSError as error:
        cannot_read(matrix, error)


def _ones(line: bytes, count: int, matrix: Path, number: int) -> list[int]:
    """Where a line of a matrix is 1. Raises ``TrainingError`` for anything but 0 and 1."""
    digits = line.translate(None, b" \t\r\n")
    if len(digits) == count and not digits.translate(None, b"01"):
        return np.flatnonzero(np.frombuffer(digits, np.uint8) == ord("1")).tolist()
    values = line.split()
    if len(values) != count:
        raise TrainingError(f"{matrix}, line {number}: {len(values)} values for {count} tags")
    wrong = next(value for value in values if value not in (b"0", b"1"))
    found = wrong.decode(errors="replace")
    raise TrainingError(f"{matrix}, line {number}: '{found}' where only 0 and 1 may stand")


class _Places:
    """Where the photos of a list are: lists name them by folder, some with ``Flickr`` before it;
    copies of the data set often keep all photos in one folder."""

    def __init__(self, photos: Path) -> None:
        self.photos = photos
        self.flat = False

    def of(self, name: str) -> Path:
        """The photo's path: the first that is there, else that of the official layout."""
        parts = PureWindowsPath(name).parts
        if parts[0].casefold() in ("flickr", "images") and len(parts) > 2:
            parts = parts[1:]
        official, flat = self.photos.joinpath(*parts), self.photos / parts[-1]
        for path in (flat, official) if self.flat else (official, flat):
            if path.is_file():
                self.flat = path is flat
                return path
        return official


def _judged(folder: Path, concepts: list[str]) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """What people judged of the test photos [concepts, photos]."""
    rows: list[np.ndarray[tuple[int], np.dtype[np.bool_]]] = []
    for concept in concepts:
        path = folder / f"Labels_{concept}_Test.txt"
        values = [line.strip() for _, line in numbered(path)]
        wrong = next((n for n, value in enumerate(values, 1) if value not in ("0", "1")), None)
        if wrong is not None:
            raise TrainingError(
                f"{path}, line {wrong}: '{values[wrong - 1]}' where only 0 and 1 may stand"
            )
        rows.append(np.array([value == "1" for value in values], bool))
        if len(rows[-1]) != len(rows[0]):
            raise TrainingError(f"{path} has {len(rows[-1])} lines, others have {len(rows[0])}")
    return np.stack(rows)
