"""Models: which there are, and more of them made from open_clip backbones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from qks_cli import settings
from qks_cli.errors import ModelError
from qks_cli.library.store import Library
from qks_cli.model.bundle import Bundle, list_bundles, read_bundle
from qks_cli.workflows.report import SILENT, Report

if TYPE_CHECKING:
    from qks_cli.bundling.available import Available


def installed(report: Report = SILENT) -> Iterator[tuple[str, Bundle]]:
    """Names that find a model, and those models; ``report`` hears of damaged ones."""
    for folder in list_bundles():
        try:
            yield folder.name, read_bundle(str(folder))
        except ModelError as error:
            report.note(f"qks: {error.message}")


def described(name: str) -> tuple[Bundle, dict[str, int]]:
    """A model, and its files with their sizes in bytes, each checked against its hash.

    Raises ``ModelError``."""
    bundle = read_bundle(name)
    return bundle, {
        file: bundle.file(file, anew=True).stat().st_size for file in bundle.config["files"]
    }


def available() -> Sequence[Available]:
    """Backbones that are worth fetching, each checked."""
    from qks_cli.bundling.available import AVAILABLE

    return AVAILABLE


def push(name: str, out: Path) -> Path:
    """Write a model into a new folder that can be uploaded to a model hub as it is; that folder.

    Raises ``ModelError`` for the model, ``UsageError`` for a folder that is not empty."""
    from qks_cli.bundling.share import push as write

    return write(read_bundle(name), out.expanduser())


def pull(name: str, photos: Path | None, device: str, report: Report = SILENT) -> Path:
    """Fetch an open_clip backbone, ARCHITECTURE/WEIGHTS, and make a model of it; its folder.

    It is calibrated on ``photos``, else on photos of the user's library, else on the examples.
    Raises ``ModelError`` where it cannot be had, before anything is changed."""
    from qks_cli.bundling.reach import check_reachable

    check_reachable(name)
    from qks_cli.bundling.pull import pull as fetch

    return fetch(
        name,
        settings.models_path(),
        references=_references(photos),
        device=device,
        report=report.note,
    )


def _references(photos: Path | None) -> list[Path]:
    from qks_cli.bundling.pull import REFERENCES, example_photos
    from qks_cli.photos.walk import walk

    if photos is not None:
        return [photo.path for photo in islice(walk([photos]), REFERENCES)]
    if settings.index_path().is_file():
        with Library.open(settings.index_path(), create=False) as library:
            sample = library.photos.sample_paths(REFERENCES)
        if len(sample) >= REFERENCES // 4:
            return sample
    return example_photos()
