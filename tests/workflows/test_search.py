"""What a search says where nothing fits: no confident match, the nearest labels, a way on."""

from __future__ import annotations

from pathlib import Path

import pytest

from qks_cli.library.store import Library
from qks_cli.photos.walk import walk
from qks_cli.workflows.report import Report
from qks_cli.workflows.search import SearchOptions, search
from qks_cli.workflows.session import open_library
from qks_cli.workflows.tag import Tagging, TagRun


@pytest.fixture
def library(fake_model: Path, photos: Path) -> Library:
    library = open_library(create=True)
    list(TagRun(Tagging.open("mini"), library).results(walk([photos])))
    return library


def asked(library: Library, query: str, **options: object) -> tuple[list[str], str]:
    """Names of the hits, and what was said."""
    said: list[str] = []
    hits = search(
        library,
        query,
        SearchOptions(**options),  # type: ignore[arg-type]
        Report(note=said.append),
    )
    return [hit.path.name for hit in hits], "\n".join(said)


@pytest.mark.parametrize("query", ["asdf jkl", "Hund", "猫", "12345", "кошка", "qwertz + blorf"])
def test_words_that_the_model_cannot_know(library: Library, query: str) -> None:
    names, said = asked(library, query)
    assert names == []
    assert "no confident match" in said
    assert "no word that mini knows" in said
    assert "--weak" in said
    assert len(asked(library, query, weak=True)[0]) == 4


def test_what_fits_no_photo(library: Library) -> None:
    names, said = asked(library, "steam engine")
    assert names == []
    assert said.startswith("qks: no confident match")
    assert "knows" not in said


def test_what_fits_is_found_without_a_word(library: Library) -> None:
    assert asked(library, "breakfast") == (["coffee.jpg"], "")
    assert asked(library, "kitten")[0][0] == "cat.jpg"


def test_labels_of_like_spelling_are_named(library: Library) -> None:
    names, said = asked(library, "cofee xyzzy")
    assert names == []
    assert "nearest labels" not in said or "coffee" in said
    _, said = asked(library, "cofee")
    assert "nearest labels: coffee" in said


def test_a_foreign_word_beside_a_known_one_is_reported(library: Library) -> None:
    names, said = asked(library, "person rakete")
    assert names == ["astronaut.jpg"]
    assert "'rakete'" in said
    assert "no confident match" not in said


def test_folders_and_dates_are_shown_as_such(library: Library) -> None:
    names, said = asked(library, "space")
    assert sorted(names) == ["astronaut.jpg", "rocket.png"]
    assert "folder space" in said
    (hit, *_) = search(library, "space")
    assert hit.matched == ("folder space",)


def test_filters_are_checked_before_a_model_is_opened(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qks_cli.search.grammar import QueryError

    monkeypatch.setattr("qks_cli.model.model.Model.open", None)
    with pytest.raises(QueryError, match="no filter 'colour'"):
        search(library, "cat colour:red")
    with pytest.raises(QueryError, match="no label"):
        search(library, "sunset tag:unicorn")
