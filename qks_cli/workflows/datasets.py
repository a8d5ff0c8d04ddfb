"""Labelled data sets to train on and to measure with, the user's own photos among them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from qks_cli.errors import UsageError
from qks_cli.escape import shown
from qks_cli.training import datasets
from qks_cli.training.datasets import LAYOUTS, LIBRARY, layout
from qks_cli.training.datasets.labelled import DataSet, from_rows
from qks_cli.training.datasets.parts import Found
from qks_cli.training.datasets.parts import check as check_parts
from qks_cli.training.datasets.rows import Row
from qks_cli.wording import count_of
from qks_cli.workflows.report import SILENT, Report


@dataclass(frozen=True, slots=True)
class KnownPart:
    """A part of a data set: its files as a glob, what they are, and where they come from."""

    dataset: str
    files: str
    what: str
    source: str


def known() -> list[KnownPart]:
    """Every layout that is understood, part by part."""
    parts = [
        KnownPart(name, part.globs[0], part.what, part.source)
        for name, one in LAYOUTS.items()
        for part in one.parts
    ]
    own = "your photos, by the keywords in their sidecars and in themselves"
    return [*parts, KnownPart(LIBRARY, "*", own, "you")]


def parts_in(name: str, root: Path) -> list[Found]:
    """What of a data set is in a folder, and what is missing. Raises ``UsageError`` for a name
    that there is not."""
    return check_parts(() if name == LIBRARY else layout(name).parts, root.expanduser())


def example_in(name: str, root: Path) -> Path | None:
    """Where a photo of it is expected to be, for instance; None where any place will do."""
    return None if name == LIBRARY else root.expanduser() / layout(name).example


def read_dataset(
    name: str, root: Path | None, source: str = "", report: Report = SILENT
) -> DataSet:
    """A data set; ``report`` hears of photos that are missing, and of what looks wrong.

    Raises ``UsageError`` without a root, ``TrainingError`` for bad data."""
    if root is None:
        raise UsageError(f"the data set {name} needs --root, its folder")
    root = root.expanduser()
    if name == LIBRARY:
        data = from_rows(name, list(_keyworded(root)))
    else:
        data = datasets.read(name, root, source=source)
    if data.missing:
        first = ", ".join(shown(path) for path in data.missing[:3])
        count = len(data.missing)
        report.note(
            f"qks: {count_of(count, 'photo is', 'photos are')} missing and left out: {first}"
        )
    for warning in data.warnings:
        report.note(f"qks: {shown(warning)}")
    return data


def _keyworded(root: Path) -> Iterator[Row]:
    """The user's photos with their own keywords; photos without any say nothing."""
    from qks_cli.keywords import names, reading
    from qks_cli.photos.walk import walk

    folders = names.Folders()
    for photo in walk([root]):
        sides = reading.of_sidecars(photo.path.resolve(), folders=folders)
        own = [reading.of_photo(photo.path), *(side for _, side in sides)]
        words = {word.strip().lower() for word in reading.joined(own)}
        if words:
            yield Row(photo.path, tuple(sorted(words)))
