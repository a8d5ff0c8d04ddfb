"""What a run that tags would do, without doing it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from qks_cli.library.store import Library
from qks_cli.model.model import Model
from qks_cli.model.selection import TOP
from qks_cli.model.tagger import selection_name
from qks_cli.types import Photo
from qks_cli.workflows.changes import Wanted, find_changes, look
from qks_cli.workflows.report import SILENT, Report
from qks_cli.workflows.session import read_vocabulary

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
    min_score: float | None = None,
    top: int = TOP,
    report: Report = SILENT,
) -> Wanted:
    """What a run with these options would take as current; no label is embedded.

    Raises ``ModelError`` and ``VocabularyError``."""
    opened = Model.open(model)
    vocabulary = read_vocabulary(labels, opened, report)
    cutoff = opened.cutoff if min_score is None else min_score
    return Wanted(opened.hash, vocabulary.digest, selection_name(cutoff, top))


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
