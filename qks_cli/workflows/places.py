"""Name the places where photos were taken, by their coordinates, offline.

Places are named when they are first asked for, and kept. Nothing is put into photos; that
``write`` does, where it is told to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qks_cli.library import places
from qks_cli.library.store import Library
from qks_cli.types import Place
from qks_cli.wording import count_of
from qks_cli.workflows.report import SILENT, Report

if TYPE_CHECKING:
    from qks_cli.keywords.xmp import Keyword

TOP = "Places"  # what place keywords stand below in a hierarchy


def name_places(library: Library, report: Report = SILENT) -> int:
    """Name the places of all photos that have coordinates and no place yet; returns how many.

    Where a library can only be read, none is named, and a note says so."""
    waiting = places.unnamed(library)
    if not waiting:
        return 0
    if library.read_only:
        report.note(
            f"qks: the places of {count_of(len(waiting), 'photo')} are not named: "
            "this library cannot be written to"
        )
        return 0
    places.save(library, _named(waiting).items())
    return len(waiting)


def _named(waiting: Sequence[tuple[int, float, float]]) -> dict[int, Place]:
    import numpy as np

    from qks_cli.places import gazetteer

    if not waiting:
        return {}
    ids, *degrees = zip(*waiting, strict=True)
    return dict(zip(ids, gazetteer.load().names_of(np.array(degrees, np.float64).T), strict=True))


def keywords_of(
    library: Library, photo_ids: Sequence[int], *, keep: bool = True
) -> dict[int, list[Keyword]]:
    """The names of photos' places as keywords: country, region, town. Without ``keep``, those that
    were not named yet are named for this once."""
    known = places.of(library, photo_ids)
    if not keep:
        known |= _named([row for row in places.unnamed(library) if row[0] in set(photo_ids)])
    return {photo_id: _keywords(place) for photo_id, place in known.items()}


def _keywords(place: Place) -> list[Keyword]:
    from qks_cli.keywords.xmp import Keyword  # its parser of XML: searches do without

    found: list[Keyword] = []
    above = [TOP]
    for name in dict.fromkeys((place.country, place.region, place.name)):
        if name:
            found.append(Keyword(name, 1.0, tuple(above)))
            above.append(name)
    return found
