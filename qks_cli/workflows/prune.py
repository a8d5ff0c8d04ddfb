"""Forget photos whose files are gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qks_cli.library import presence
from qks_cli.library.store import Library
from qks_cli.photos.walk import absolute
from qks_cli.types import Tag
from qks_cli.workflows.changes import look


@dataclass(frozen=True, slots=True)
class Gone:
    """Of ``known`` photos those that are gone: paths by id, with their tags. ``suspicious`` where
    that is so many that a drive may not be mounted."""

    known: int
    photos: dict[int, Path]
    tags: dict[int, list[Tag]]
    suspicious: bool


def find_gone(library: Library, below: Sequence[Path] = ()) -> Gone:
    """Photos known at or ``below`` these paths, by default everywhere, whose files are gone. A
    path need not be there itself."""
    roots: list[Path | None] = [absolute(path) for path in below] if below else [None]
    found = [look(library, root) for root in roots]
    photos = {photo_id: path for one in found for photo_id, path in one.gone}
    return Gone(
        sum(one.known for one in found),
        photos,
        library.tags.of(list(photos)),
        any(one.suspicious for one in found),
    )


def forget(library: Library, gone: Gone) -> None:
    """Remove them from the library, with their tags. Files are never touched."""
    presence.forget(library, gone.photos)
