"""Data sets by name: each a file here that reads one layout into ``labelled.DataSet``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from qks_cli.errors import UsageError
from qks_cli.training.datasets import coco, nuswide, openimages, shards, simple, voc
from qks_cli.training.datasets.labelled import DataSet
from qks_cli.training.datasets.parts import Part
from qks_cli.wording import did_you_mean


@dataclass(frozen=True, slots=True)
class Layout:
    """How a data set is read, and the parts that it is made of."""

    read: Callable[[Path], DataSet]
    parts: tuple[Part, ...]
    example: str  # a photo's place below the root
    queries: int = 12  # query tokens and layers of the paper, where it has some
    layers: int = 7


LAYOUTS = {
    "nuswide": Layout(nuswide.read, nuswide.PARTS, nuswide.EXAMPLE),
    "openimages": Layout(
        openimages.read, openimages.PARTS, openimages.EXAMPLE, queries=22, layers=8
    ),
    "coco": Layout(coco.read, coco.PARTS, coco.EXAMPLE),
    "voc": Layout(voc.read, voc.PARTS, voc.EXAMPLE),
    "webdataset": Layout(shards.read, shards.PARTS, shards.EXAMPLE),
    "folder": Layout(simple.read_folder, simple.FOLDER_PARTS, simple.EXAMPLES["folder"]),
    "csv": Layout(simple.read_csv, simple.CSV_PARTS, simple.EXAMPLES["csv"]),
    "jsonl": Layout(simple.read_jsonl, simple.JSONL_PARTS, simple.EXAMPLES["jsonl"]),
}
LIBRARY = "library"  # its rows come from the keywords in photos, which other packages read


def layout(name: str) -> Layout:
    """Raises ``UsageError`` for a name that is not known."""
    if name not in LAYOUTS:
        known = ", ".join((*LAYOUTS, LIBRARY))
        meant = did_you_mean(name, (*LAYOUTS, LIBRARY), also=f"There are {known}")
        raise UsageError(f"no data set '{name}'", hint=meant or f"one of {known}")
    return LAYOUTS[name]


def read(name: str, root: Path, *, source: str = "") -> DataSet:
    """Read a data set. ``source`` keeps to one source of a ``jsonl`` one.

    Raises ``UsageError`` for a name that is not known, ``TrainingError`` for bad data."""
    if source and name == "jsonl":
        return simple.read_jsonl(root, source)
    return layout(name).read(root)
