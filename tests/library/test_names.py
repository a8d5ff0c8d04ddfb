"""Paths that lead to one file are one photo."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qks_cli.library import keywords, names, verdicts
from qks_cli.library.store import Library
from qks_cli.search.plan import make_plan
from qks_cli.search.ranking import Evidence, search
from qks_cli.types import Tag
from tests.library.test_library import save, tagged

REAL, LINK = Path("/photos/Real.jpg"), Path("/albums/Ängste/x.jpg")
BYTES = Path(os.fsdecode(b"/albums/caf\xe9.jpg"))


@pytest.fixture
def library(tmp_path: Path) -> Library:
    library = Library.open(tmp_path / "l.db")
    save(library, tagged(str(REAL), Tag("dog", 0.9, 0)), tagged("/photos/other.jpg"))
    names.add(library, [(REAL, LINK), (REAL, BYTES), (Path("/none.jpg"), Path("/x.jpg"))])
    return library


def test_a_photo_is_known_by_every_name(library: Library) -> None:
    known = library.photos.known([REAL, LINK, BYTES, Path("/x.jpg")])
    assert set(known) == {REAL, LINK, BYTES}
    assert {row.id for row in known.values()} == {1}
    assert {row.path for row in known.values()} == {REAL}
    assert names.of(library, [1, 2]) == {1: [LINK, BYTES]}
    assert library.photos.count() == 2


@pytest.mark.parametrize(
    "query",
    [
        "name:x.jpg",
        "name:real",
        "folder:ängste",
        "folder:/albums",
        "folder:photos name:r*",
        "name:café",
    ],
)
def test_it_is_found_by_every_name(library: Library, query: str) -> None:
    (hit,) = search(library, make_plan(query, lambda word: None), Evidence())
    assert hit.path == REAL


def test_rows_of_one_file_are_joined(library: Library) -> None:
    save(library, tagged("/link/Real.jpg", Tag("dog", 0.9, 0)))
    (double,) = library.photos.known([Path("/link/Real.jpg")]).values()
    keywords.keep(library, [(double.id, "file", ["Grandma"])])
    verdicts.confirm(library, [double.id], "dog", add=False)
    names.add(library, [(REAL, Path("/link/Real.jpg"))])
    (row,) = library.photos.known([Path("/link/Real.jpg")]).values()
    assert (row.id, row.path) == (1, REAL)
    assert verdicts.confirmed(library, [1]) == {1: {"dog"}}
    assert "Grandma" in library.tags.names()
    assert library.photos.count() == 2


def test_names_come_and_go(library: Library) -> None:
    assert names.under(library, Path("/albums")) == [(1, LINK), (1, BYTES)]
    names.drop(library, [BYTES])
    names.promote(library, [(1, LINK)])
    assert library.photos.paths_of([1]) == {1: LINK}
    assert names.of(library, [1]) == {}
    library.execute("DELETE FROM photos")
    assert library.value("SELECT count(*) FROM names") == 0
