"""NUS-WIDE in its official layout (Chua et al., 2009), split as open-vocabulary work splits it.

Unseen are the 81 concepts that people judged; seen are the 1,000 tags of ``TagList1k.txt`` without
those that are such a concept, 925. Training photos carry the tags that their users gave; a tag that
was not given counts as absent. In the test photos seen labels come from the users' tags, unseen
ones from the ground truth (specification, Data protocols).

``clean unseen`` are the concepts of which no singular or plural is a seen tag: thirty seen tags are
such forms, and flatter.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

import numpy as np

from qks_cli.errors import TrainingError
from qks_cli.training.datasets.labelled import DataSet, Label, Row, make, numbered, read_words
from qks_cli.training.datasets.parts import Part
from qks_cli.vocabulary.number import singular

_HOME = "the NUS-WIDE page of the National University of Singapore (lms.comp.nus.edu.sg)"
PHOTOS = Part(("Flickr", "images", "Flickr_Images"), "folder with the photos by concept", _HOME)
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
        for index, (file, own) in enumerate(tagged):
            if index >= len(judged[0]):
                raise TrainingError(f"{TRUTH.get(root)}: fewer lines than test photos")
            true = tuple(c for c, value in zip(unseen, judged[:, index], strict=True) if value)
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
    with matrix.open("rb") as lines:
        for number, name in numbered(listing):
            digits = lines.readline().translate(None, b" \t\r\n")
            if len(digits) != len(tags):
                raise TrainingError(
                    f"{matrix}, line {number}: {len(digits)} values for {len(tags)} tags"
                )
            own = np.flatnonzero(np.frombuffer(digits, np.uint8) == ord("1"))
            parts = PureWindowsPath(name.strip()).parts
            yield photos.joinpath(*parts), tuple(tags[column] for column in own)


def _judged(folder: Path, concepts: list[str]) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    rows = []
    for concept in concepts:
        path = folder / f"Labels_{concept}_Test.txt"
        rows.append(np.array([line.strip() == "1" for _, line in numbered(path)], bool))
        if len(rows[-1]) != len(rows[0]):
            raise TrainingError(f"{path} has {len(rows[-1])} lines, others have {len(rows[0])}")
    return np.stack(rows)
