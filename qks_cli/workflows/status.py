"""What a run that tags would do, without doing it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from qks_cli.library.runs import Kept
from qks_cli.library.store import Library
from qks_cli.model.model import Model
from qks_cli.types import Photo
from qks_cli.workflows.changes import Wanted, find_changes, look
from qks_cli.workflows.report import SILENT, Report
from qks_cli.workflows.words import choose_words

GROUP = 2048  # photos looked up together


@dataclass(frozen=True, slots=True)
class Status:
    """``state`` as of ``changes.Change``, or ``moved``, or ``gone``."""

    path: Path
    state: str
    moved_from: Path | None = None


def wanted_of(
    model: str,
    labels: Path | None = None,
    *,
    kept: Kept | None = None,
    min_score: float | None = None,
    top: int | None = None,
    report: Report = SILENT,
) -> Wanted:
    """What stored tags must match for a run with these options to keep them; no label is embedded.

    Raises ``ModelError`` and ``VocabularyError``."""
    opened = Model.open(model)
    words = choose_words(opened, kept, labels, min_score=min_score, top=top, report=report)
    return Wanted(opened.hash, words.vocabulary.digest, words.selection(opened))


def status(
    library: Library, photos: Iterable[Photo], wanted: Wanted, *, below: Sequence[Path] = ()
) -> Iterator[Status]:
    """What has become of ``photos``, then which known ones at or ``below`` these paths are gone.

    Of files that may have been moved the edges are read, of others nothing."""
    source, moved_from = iter(photos), set()
    while group := list(islice(source, GROUP)):
        for change in find_changes(library, group, wanted):
            if change.moved_from is not None:
                moved_from.add(change.moved_from)
            state = "moved" if change.moved_from else change.state
            yield Status(change.photo.path, state, change.moved_from)
    for root in below:
        for _, path in look(library, root).gone:
            if path not in moved_from:
                yield Status(path, "gone")
