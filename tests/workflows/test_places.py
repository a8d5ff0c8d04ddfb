"""Places of photos: named once, found, counted, written where that is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from qks_cli.keywords.xmp import Packet
from qks_cli.library import places
from qks_cli.library.store import Library
from qks_cli.types import Details
from qks_cli.workflows.photo_writer import Options
from qks_cli.workflows.places import name_places
from qks_cli.workflows.search import SearchOptions, search
from qks_cli.workflows.session import selected
from qks_cli.workflows.stats import stats
from qks_cli.workflows.writing import write_all
from tests.workflows.libraries import library_of, undo, write

WHERE = {
    "vienna.jpg": (48.2082, 16.3738),
    "zurich.jpg": (47.3769, 8.5417),
    "sea.jpg": (30.0, -30.0),
    "unknown.jpg": (None, None),
}


@pytest.fixture
def library(tmp_path: Path) -> Library:
    for name in WHERE:
        Image.new("RGB", (64, 48)).save(tmp_path / name)
    made = library_of(tmp_path / "l.db", {tmp_path / name: ["dog"] for name in WHERE})
    known = made.photos.known([tmp_path / name for name in WHERE])
    made.photos.save_details(
        (row.id, Details(latitude=WHERE[path.name][0], longitude=WHERE[path.name][1]))
        for path, row in known.items()
    )
    return made


def found(library: Library, query: str) -> set[str]:
    hits = search(library, query, SearchOptions(by_meaning=False))
    return {hit.path.name for hit in hits}


def keywords(path: Path) -> list[str]:
    return Packet(path.with_name(f"{path.name}.xmp").read_bytes()).keywords("dc:subject")


def test_places_are_named_once(library: Library) -> None:
    assert name_places(library) == 3
    assert name_places(library) == 0
    named = {place.name: place.code for place, _ in places.counts(library)}
    assert named == {"Vienna": "AT", "Zürich": "CH", "": ""}


def test_other_coordinates_are_named_anew(library: Library, tmp_path: Path) -> None:
    name_places(library)
    row = library.photos.known([tmp_path / "sea.jpg"])[tmp_path / "sea.jpg"]
    library.photos.save_details([(row.id, Details(latitude=48.2, longitude=16.37))])
    assert name_places(library) == 1
    assert places.of(library, [row.id])[row.id].name == "Vienna"
    library.photos.save_details([(row.id, Details())])
    assert places.of(library, [row.id]) == {}
    assert name_places(library) == 0


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("place:vienna", {"vienna.jpg"}),
        ("place:zurich", {"zurich.jpg"}),
        ("place:ZÜRICH", {"zurich.jpg"}),
        ("place:zur", set()),  # whole words
        ("place:switzerland", {"zurich.jpg"}),
        ("country:at", {"vienna.jpg"}),
        ("country:austria", {"vienna.jpg"}),
        ("country:CH OR country:AT", {"vienna.jpg", "zurich.jpg"}),
        ("dog NOT country:at", {"zurich.jpg", "sea.jpg", "unknown.jpg"}),
        ("has:place", {"vienna.jpg", "zurich.jpg"}),
        ("missing:place", {"sea.jpg", "unknown.jpg"}),
    ],
)
def test_searches(library: Library, query: str, expected: set[str]) -> None:
    assert found(library, query) == expected  # nobody named places before


@pytest.mark.parametrize("query", ["place:-", 'country:"?"'])
def test_what_names_no_place_is_refused(library: Library, query: str) -> None:
    with pytest.raises(Exception, match="names no"):
        search(library, query)


def test_counts(library: Library) -> None:
    assert stats(library, "place", 10) == [("", 2), ("Vienna", 1), ("Zürich", 1)]
    assert stats(library, "country", 10) == [("", 2), ("Austria", 1), ("Switzerland", 1)]


def test_places_are_written_only_where_that_is_asked_for(library: Library, tmp_path: Path) -> None:
    name_places(library)
    write(library)
    assert keywords(tmp_path / "vienna.jpg") == ["dog"]
    write(library, Options(places=True))
    assert keywords(tmp_path / "vienna.jpg") == ["dog", "Austria", "Vienna"]
    assert keywords(tmp_path / "sea.jpg") == ["dog"]
    sidecar = (tmp_path / "vienna.jpg.xmp").read_bytes()
    assert "Places|Austria|Vienna" in Packet(sidecar).keywords("lr:hierarchicalSubject")
    undo(library)
    assert keywords(tmp_path / "vienna.jpg") == ["dog"]
    write(library)
    assert keywords(tmp_path / "vienna.jpg") == ["dog"]


def test_a_library_that_can_only_be_read_says_so(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    from qks_cli.workflows.report import Report

    library.execute("PRAGMA query_only = 1")
    assert name_places(library, Report(note=notes.append)) == 0
    assert "3 photos" in notes[0]


def test_a_dry_run_names_places_and_keeps_none(library: Library, tmp_path: Path) -> None:
    photos = selected(library, everything=True)
    options = Options(places=True, dry_run=True)
    outcomes = list(write_all(library, photos, options, run_id=0))
    by_name = {one.path.name: one.labels for one in outcomes}
    assert set(by_name["vienna.jpg"]) == {"dog", "Austria", "Vienna"}
    assert library.value("SELECT count(*) FROM places") == 0
    assert not (tmp_path / "vienna.jpg.xmp").exists()
