"""What commands that tag have in common: the library, and a run in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qks_cli.library.store import Library
    from qks_cli.model.bundle import Bundle
    from qks_cli.model.tagger import Tagger
    from qks_cli.vocabulary.labels_file import Vocabulary
    from qks_cli.workflows.pipeline import Destination


def open_library(db: Path | None, *, create: bool = True) -> Library:
    """The library that the user means. Raises ``LibraryError`` as ``Library.open``."""
    from qks_cli import settings
    from qks_cli.library.journal import unsettled
    from qks_cli.library.store import Library

    library = Library.open(db or settings.index_path(), create=create)
    if unsettled(library):  # a run that wrote was killed, or is at work
        from qks_cli.workflows.settle import settle_journal

        settle_journal(library)
    return library


def given_paths(paths: list[Path], *, nul: bool) -> list[Path]:
    """What the user named, ``-`` replaced by the paths on stdin (NUL-ended where ``nul``)."""
    from qks_cli.photos.walk import read_paths

    if Path("-") not in paths:
        return paths
    import sys

    named = [path for path in paths if path != Path("-")]
    return [*named, *read_paths(sys.stdin.buffer, nul=nul)]


def tagged_model(library: Library, name: str) -> tuple[Bundle, int]:
    """A model by name or folder, and its row in the library.

    Raises ``ModelError`` where no photo here was tagged with it."""
    from qks_cli.errors import ModelError
    from qks_cli.model.bundle import read_bundle

    bundle = read_bundle(name)
    model_id = library.models.stored(bundle.hash)
    if model_id is None:
        raise ModelError(
            f"no photo in this library was tagged with this {bundle.name} model",
            hint="run `qks tag` again, or give --model",
        )
    return bundle, model_id


def stored_tagger(
    bundle: Bundle,
    vocabulary: Vocabulary,
    *,
    min_score: float | None = None,
    top: int | None = None,
) -> Tagger:
    """A tagger for query tokens that the library keeps: no photo is read, so the CPU serves."""
    from qks_cli import settings
    from qks_cli.model.model import Model
    from qks_cli.model.selection import TOP

    model = Model(bundle, cache=settings.cache_path())
    return model.tagger(vocabulary, min_score=min_score, top=TOP if top is None else top)


def begin(
    library: Library, bundle: Bundle, vocabulary: Vocabulary, command: str
) -> tuple[Destination, int]:
    """A new run, and where its results go."""
    from qks_cli.vocabulary.labels_file import format_labels
    from qks_cli.workflows.pipeline import Destination

    model_id = library.models.id_of(
        bundle.name, bundle.version, bundle.hash, bundle.queries, bundle.width
    )
    vocabulary_id = library.vocabularies.id_of(vocabulary.digest, format_labels(vocabulary))
    run = library.runs.begin(command, model_id, vocabulary_id)
    destination = Destination(library, model_id, vocabulary_id, bundle.hash, vocabulary.digest)
    return destination, run
