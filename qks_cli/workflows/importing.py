"""The keywords and ratings that users gave their photos, brought into the library."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qks_cli.keywords import names, reading
from qks_cli.library import keywords
from qks_cli.workflows.claims import claim_of

if TYPE_CHECKING:
    from qks_cli.library.store import Library

GROUP = 200  # photos read and stored together


@dataclass(frozen=True, slots=True)
class Imported:
    """A photo with the user's keywords; ``problems`` are files that could not be read, and why.
    ``sidecars`` are those that were read: programs with different habits leave two."""

    path: Path
    keywords: tuple[str, ...]
    problems: tuple[tuple[Path, str], ...] = ()
    sidecars: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class _Noted:
    """What the user noted ``inside`` a photo and in its sidecars."""

    path: Path
    inside: reading.Own
    sidecars: list[tuple[Path, reading.Own]]

    def imported(self) -> Imported:
        files = [(self.path, self.inside), *self.sidecars]
        return Imported(
            self.path,
            tuple(reading.joined(own for _, own in files)),
            tuple((file, own.problem) for file, own in files if own.problem),
            tuple(file for file, _ in self.sidecars),
        )


def import_all(library: Library, photos: Sequence[tuple[int, Path]]) -> Iterator[Imported]:
    """Read keywords and ratings from photos (id and path) and their sidecars into the library.

    Of a file that cannot be read, the library keeps what was read of it before. A rating is taken
    from a sidecar where the photo itself has none."""
    folders = names.Folders()
    for at in range(0, len(photos), GROUP):
        entries: list[tuple[int, str, Sequence[str]]] = []
        ratings: list[tuple[int, int]] = []
        found = []
        for photo_id, path in photos[at : at + GROUP]:
            one = _own(library, photo_id, path, folders)
            sides = [own for _, own in one.sidecars]
            rating = next((own.rating for own in sides if own.rating is not None), None)
            if rating is not None and one.inside.rating is None:
                ratings.append((photo_id, rating))
            if not one.inside.problem:
                entries.append((photo_id, "file", one.inside.keywords))
            words = reading.joined(sides)
            if any(own.problem for own in sides):
                words += keywords.from_source(library, photo_id, "sidecar")
            entries.append((photo_id, "sidecar", words))
            found.append(one.imported())
        keywords.keep(library, entries)
        keywords.keep_ratings(library, ratings)
        yield from found


def _own(library: Library, photo_id: int, path: Path, folders: names.Folders) -> _Noted:
    real = path.resolve()
    claim = claim_of(library, photo_id, real)
    sidecars = reading.of_sidecars(real, folders=folders, claim=claim)
    return _Noted(path, reading.of_photo(path), sidecars)
