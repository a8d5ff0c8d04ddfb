"""Name the places where photos were taken, by their coordinates, offline.

Places are named when they are first asked for, and kept. Nothing is put into photos; that
``write`` does, where it is told to.
"""

from __future__ import annotations

from collections.abc import Sequence

from qks_cli.keywords.xmp import Keyword
from qks_cli.library import places
from qks_cli.library.store import Library
from qks_cli.types import Place
from qks_cli.workflows.report import SILENT, Report

TOP = "Places"  # what place keywords stand below in a hierarchy


def name_places(library: Library, report: Report = SILENT) -> int:
    """Name the places of all photos that have coordinates and no place yet; returns how many.

    Where a library can only be read, none is named, and a note says so."""
    waiting = places.unnamed(library)
    if not waiting:
        return 0
    if library.read_only:
        report.note(
            f"qks: the places of {len(waiting):,} photos are not named: this library cannot be "
            "written to"
        )
        return 0
    import numpy as np

    from qks_cli.places import gazetteer

    ids, *degrees = zip(*waiting, strict=True)
    named = gazetteer.load().names_of(np.array(degrees, np.float64).T)
    places.save(library, zip(ids, named, strict=True))
    return len(ids)


def keywords_of(library: Library, photo_ids: Sequence[int]) -> dict[int, list[Keyword]]:
    """The names of photos' places as keywords: country, region, town."""
    return {photo_id: _keywords(x) for photo_id, x in places.of(library, photo_ids).items()}


def _keywords(place: Place) -> list[Keyword]:
    found: list[Keyword] = []
    above = [TOP]
    for name in dict.fromkeys((place.country, place.region, place.name)):
        if name:
            found.append(Keyword(name, 1.0, tuple(above)))
            above.append(name)
    return found
