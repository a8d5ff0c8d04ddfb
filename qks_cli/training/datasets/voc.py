"""Pascal VOC: XML annotations, lists of ImageSets/Main.

A class whose objects are all marked difficult is neither there nor absent, as in VOC's own
classification task. ``trainval`` is trained on where there is a ``test`` list, else ``train`` is
and ``val`` is tested on. ``unseen.txt`` in the root names classes that are not trained on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from qks_cli.errors import TrainingError
from qks_cli.training.datasets.labelled import DataSet, Label, make
from qks_cli.training.datasets.parts import Part
from qks_cli.training.datasets.reading import numbered, read_words
from qks_cli.training.datasets.rows import Row

_HOME = "the Pascal VOC page (host.robots.ox.ac.uk/pascal/VOC)"
_UNDER = ("", "VOC20*/", "VOCdevkit/VOC20*/")


def _part(name: str, what: str, *, optional: bool = False) -> Part:
    return Part(tuple(under + name for under in _UNDER), what, _HOME, optional)


PHOTOS = _part("JPEGImages", "photos")
XML = _part("Annotations", "an XML file a photo")
TRAINVAL = _part("ImageSets/Main/trainval.txt", "names to train on")
TEST = _part("ImageSets/Main/test.txt", "names to test on", optional=True)
PARTS = (
    PHOTOS,
    XML,
    TRAINVAL,
    TEST,
    Part(("unseen.txt",), "classes not to train on", "you", optional=True),
)
EXAMPLE = "VOCdevkit/VOC2007/JPEGImages/000005.jpg"
CLASSES = (
    "aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike "
    "person pottedplant sheep sofa train tvmonitor"
).split()
NAMES = {"diningtable": "dining table", "pottedplant": "potted plant", "tvmonitor": "tv monitor"}


def read(root: Path) -> DataSet:
    """Raises ``TrainingError`` for a part that is missing or is not such XML."""
    both = TRAINVAL.get(root)
    test = TEST.find(root)
    first = both if test else both.with_name("train.txt")
    photos, xml = PHOTOS.get(root), XML.get(root)
    return make(
        "voc",
        [Label(name, NAMES.get(name, name)) for name in CLASSES],
        [_key(word) for word in read_words(root / "unseen.txt")],
        _rows(first, photos, xml),
        _rows(test or both.with_name("val.txt"), photos, xml),
        unlisted_absent=False,
    )


def _key(word: str) -> str:
    """A class by its key or its name."""
    return next((key for key, name in NAMES.items() if name == word), word)


def _rows(listing: Path, photos: Path, annotations: Path) -> Iterator[Row]:
    for _, line in numbered(listing):
        name = line.split()[0]
        path = annotations / f"{name}.xml"
        try:
            parser = etree.XMLParser(resolve_entities=False, no_network=True)
            tree = etree.parse(str(path), parser)
        except (OSError, etree.XMLSyntaxError) as error:
            raise TrainingError(f"{path} is not a VOC annotation: {error}") from error
        there: set[str] = set()
        difficult: set[str] = set()
        for thing in tree.iterfind("object"):
            hard = thing.findtext("difficult", "0").strip() == "1"
            (difficult if hard else there).add(thing.findtext("name", "").strip())
        strange = (there | difficult) - set(CLASSES)
        if strange:
            raise TrainingError(f"{path}: no class of VOC: {', '.join(sorted(strange))}")
        absent = set(CLASSES) - there - difficult
        yield Row(photos / f"{name}.jpg", tuple(sorted(there)), tuple(sorted(absent)))
