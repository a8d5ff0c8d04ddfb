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
    """A photo with the user's keywords; ``problems`` are files that could not be read, and why."""

    path: Path
    keywords: tuple[str, ...]
    problems: tuple[tuple[Path, str], ...] = ()


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
            real = path.resolve()
            side = names.existing(real, folders=folders, claim=claim_of(library, photo_id, real))
            own = {"file": (path, reading.of_photo(path))}
            if side is not None:
                own["sidecar"] = (side, reading.of_sidecar(side))
            rating = own["sidecar"][1].rating if side is not None else None
            if rating is not None and own["file"][1].rating is None:
                ratings.append((photo_id, rating))
            entries += [
                (photo_id, source, one.keywords)
                for source, (_, one) in own.items()
                if not one.problem
            ]
            if side is None:
                entries.append((photo_id, "sidecar", ()))
            problems = tuple((file, one.problem) for file, one in own.values() if one.problem)
            words = reading.joined(one for _, one in own.values())
            found.append(Imported(path, tuple(words), problems))
        keywords.keep(library, entries)
        keywords.keep_ratings(library, ratings)
        yield from found
