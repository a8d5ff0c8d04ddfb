"""Labels over the whole library: counted, renamed, merged, left out; single tags judged by hand.

What is judged of a photo holds for the raw file and the video that share its tags."""

from __future__ import annotations

from dataclasses import dataclass

from qks_cli.library import labels, ledger, verdicts
from qks_cli.library.labels import counts, delete, merge, rename, undo
from qks_cli.library.ledger import Write
from qks_cli.library.store import Library
from qks_cli.search.lookup import label_lookup
from qks_cli.workflows.write import Photos, with_companions

__all__ = ["Reach", "confirm", "counts", "delete", "merge", "reach", "reject", "rename", "reset"]
__all__ += ["undo"]


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a label reaches: photos that carry it, and the last writes of the files that it was
    written into."""

    photos: int
    written: tuple[Write, ...]


def reach(library: Library, label: str) -> Reach:
    """Raises ``UsageError`` where there is no such label."""
    return Reach(labels.photos_with(library, label), tuple(ledger.with_label(library, label)))


def confirm(library: Library, photos: Photos, label: str, *, add: bool = False) -> int:
    """Say that a label is right on photos, on those that do not carry it only with ``add``; on how
    many that was said. Raises ``UsageError`` for what cannot be a label."""
    return verdicts.confirm(library, _ids(library, photos), label, add=add)


def reject(library: Library, photos: Photos, label: str) -> int:
    """Say that a label is wrong on photos; on how many it stood. Raises ``UsageError`` where there
    is no such label, neither on photos nor in the words that the library was tagged with."""
    known = label_lookup(library)(label) == label
    return verdicts.reject(library, _ids(library, photos), label, in_vocabulary=known)


def reset(library: Library, photos: Photos, label: str) -> int:
    """Take back what was said of a label; on how many photos something was. Raises ``UsageError``
    where there is no such label."""
    return verdicts.reset(library, _ids(library, photos), label)


def _ids(library: Library, photos: Photos) -> list[int]:
    """Photos, and the raw files and videos that share their tags."""
    return [photo_id for photo_id, _ in with_companions(library, photos)]
