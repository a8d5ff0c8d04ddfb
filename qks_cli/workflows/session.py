"""What most workflows begin with: the user's library, a model, and words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qks_cli import settings
from qks_cli.errors import ModelError, UsageError
from qks_cli.library.store import Library
from qks_cli.workflows.report import SILENT, Report

if TYPE_CHECKING:
    from qks_cli.library.runs import Kept
    from qks_cli.model.model import Model
    from qks_cli.vocabulary.labels_file import Vocabulary
    from qks_cli.vocabulary.languages import Language


def open_library(
    db: Path | None = None, *, create: bool = False, any_thread: bool = False
) -> Library:
    """The library in the file ``db``, by default the user's own. ``any_thread`` as of ``Database``.

    Runs that were killed are marked so, and what one that wrote left open is settled. Raises
    ``LibraryError`` where the library is not there (unless ``create``) or cannot be used."""
    library = Library.open(db or settings.index_path(), create=create, any_thread=any_thread)
    library.runs.settle()
    if not library.is_settled:  # a run that wrote was killed, or is at work
        from qks_cli.workflows.settle import settle_journal

        settle_journal(library)
    return library


def kept_words(db: Path | None = None) -> Kept | None:
    """What the library in ``db`` was last tagged with; None where there is none yet."""
    path = db or settings.index_path()
    if not path.is_file():
        return None
    with Library.open(path, create=False) as library:
        return library.runs.kept()


def opened(model: str | Model) -> Model:
    """A model by name or folder, on the CPU, or one that is open already. Raises ``ModelError``."""
    from qks_cli.model.model import Model  # tags and filters do without

    return Model.open(model) if isinstance(model, str) else model


def tagged_model(library: Library, name: str | Model) -> tuple[Model, int]:
    """A model as ``opened``, and its row in the library. It runs on the CPU: few photos, if any,
    are read.

    Raises ``ModelError`` where no photo here was tagged with it."""
    model = opened(name)
    model_id = library.models.stored(model.hash)
    if model_id is None:
        raise ModelError(
            f"no photo in this library was tagged with this {model.name} model",
            hint="run `qks tag` again, or give --model",
        )
    return model, model_id


def read_vocabulary(
    file: Path | Vocabulary | None, model: Model, report: Report = SILENT
) -> Vocabulary:
    """The labels of a file, by default the model's own, or those that are given; ``report`` hears
    of lines that look wrong.

    Raises ``VocabularyError``."""
    from qks_cli.vocabulary.labels_file import Vocabulary, read_labels

    if isinstance(file, Vocabulary):
        return file

    vocabulary, warnings = read_labels(file or model.bundle.labels_file)
    for line, message in warnings:
        report.note(f"qks: {file}:{line}: {message}")
    return vocabulary


def library_vocabulary(library: Library) -> Vocabulary:
    """The words that the latest run tagged with; none where there was no run."""
    from qks_cli.vocabulary.labels_file import Vocabulary, parse_labels

    text = library.vocabularies.latest()
    return Vocabulary(()) if text is None else parse_labels(text, "the library's labels")[0]


def library_language(library: Library, code: str) -> Language | None:
    """A language, with the names that the library's labels have in it; None for English. Raises
    ``UsageError`` for one that qks has no names of."""
    if code == "en":
        return None
    from qks_cli.vocabulary.language_codes import LanguageCode
    from qks_cli.vocabulary.languages import open_language

    if code not in tuple(LanguageCode):
        raise UsageError(
            f"no names in the language '{code}'", hint=f"one of {', '.join(LanguageCode)}"
        )
    return library.derived(
        ("language", code), lambda: open_language(code, library_vocabulary(library))
    )


def selected(
    library: Library, paths: Sequence[Path] = (), *, everything: bool = False
) -> list[tuple[int, Path]]:
    """Ids and paths of the photos at or below ``paths``, or of all, that are tagged and there, in
    the order of their paths.

    Raises ``UsageError`` without paths unless ``everything``."""
    from qks_cli.library import presence
    from qks_cli.library.paths import key_path
    from qks_cli.photos.walk import absolute

    if bool(paths) == everything:
        raise UsageError("give paths, or --all for the whole library")
    here = set(library.photos.tagged_ids())
    roots: list[Path | None] = [absolute(path) for path in paths] if paths else [None]
    found = {
        photo_id: key_path(key)
        for root in roots
        for photo_id, key, _ in presence.paths_under(library, root)
        if photo_id in here
    }
    return sorted(found.items(), key=lambda item: str(item[1]))
