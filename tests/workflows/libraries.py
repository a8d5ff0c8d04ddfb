"""Libraries with tagged photos, made without any model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from qks_cli.library.store import Library
from qks_cli.photos.fingerprint import fingerprint
from qks_cli.types import Photo, Tag, TaggedPhoto
from qks_cli.workflows.photo_writer import Options, Outcome
from qks_cli.workflows.untagging import undo_run, untag_all
from qks_cli.workflows.writing import write_all

WORDS = ("dog", "sky")


def library_of(path: Path, photos: Mapping[Path, Iterable[str]]) -> Library:
    """A library in which these photos have these tags."""
    library = Library.open(path)
    model = library.models.id_of("fake", "1", "hash", 2, 4)
    words = library.vocabularies.id_of("digest", "dog\nsky\n")
    library.runs.begin("tag", model, words)
    tag(library, photos, model, words)
    return library


def tag(
    library: Library, photos: Mapping[Path, Iterable[str]], model: int = 1, words: int = 1
) -> None:
    """Give photos these tags, as `qks tag` would."""
    tagged = []
    for path, labels in photos.items():
        status = path.stat()
        tagged.append(
            TaggedPhoto(
                Photo(path, status.st_size, status.st_mtime_ns),
                tuple(Tag(label, 0.9, 0) for label in labels),
                np.ones((2, 4), np.float16),
                (64, 48),
                fingerprint(path),
            )
        )
    library.save(tagged, (), model_id=model, vocabulary_id=words, selection="")


def chosen(library: Library) -> list[tuple[int, Path]]:
    """All photos of a library, as commands choose them."""
    paths = library.photos.paths_of(library.photos.tagged_ids())
    return sorted(paths.items(), key=lambda item: str(item[1]))


def write(library: Library, options: Options | None = None) -> dict[str, Outcome]:
    """Write all tags; outcomes by the name of the photo."""
    run = library.runs.begin("write", *library.runs.latest())
    found = write_all(library, chosen(library), options or Options(), run_id=run)
    return {outcome.path.name: outcome for outcome in found}


def untag(library: Library, names: Iterable[str] | None = None) -> dict[str, Outcome]:
    """Take our keywords out, of photos of these names or of all."""
    run = library.runs.begin("untag", *library.runs.latest())
    photos = [one for one in chosen(library) if names is None or one[1].name in names]
    found = untag_all(library, photos, Options(), run_id=run)
    return {outcome.file.name: outcome for outcome in found}


def undo(library: Library, run: int | None = None) -> list[Outcome]:
    """Take back what a run wrote."""
    now = library.runs.begin("undo", *library.runs.latest())
    return list(undo_run(library, run, Options(), run_id=now))


def is_in_step(library: Library) -> bool:
    """Whether the library knows the size and time that every photo has."""
    known = library.photos.known([path for _, path in chosen(library)])
    return all(
        (row.size, row.mtime_ns) == (path.stat().st_size, path.stat().st_mtime_ns)
        for path, row in known.items()
    )
