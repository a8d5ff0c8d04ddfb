"""Dates and folders in plain words."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from qks_cli.library.store import Library
from qks_cli.search.evaluation import Meaning
from qks_cli.search.folders import folders
from qks_cli.search.landmarks import Landmarks
from qks_cli.search.lookup import label_lookup
from qks_cli.search.plan import make_plan
from qks_cli.search.ranking import Evidence, search
from qks_cli.types import Details, Photo, Tag, TaggedPhoto

ROWS = [
    # name, date, what it looks like (the second coordinate), tags
    ("Paris/a.jpg", "2023-06-30T12:00:00", 0.9, ()),
    ("Paris/2024/b.jpg", "2024-06-01T12:00:00", 0.1, ("dog",)),
    ("c.jpg", "2023-12-24T12:00:00", 0.1, ()),
    ("New York/d.jpg", None, 0.8, ()),
    ("2019/scan.jpg", None, 0.7, ()),
]


@pytest.fixture
def library(tmp_path: Path) -> Library:
    library = Library.open(tmp_path / "l.db")
    model = library.models.id_of("m", "1", "hash", 1, 2)
    words = library.vocabularies.id_of("d", "dog | hound\nbeach\n")
    photos = [
        TaggedPhoto(
            Photo(Path("/all/mine", name), 1, 1),
            tuple(Tag(label, 0.8, 0) for label in tags),
            np.array([[0, height]], np.float16),
            details=Details(taken_at=taken),
        )
        for name, taken, height, tags in ROWS
    ]
    with library.runs.recorded("tag", model, words):
        library.save(photos, (), model_id=model, vocabulary_id=words, selection="s")
    return library


def found(
    library: Library, query: str, floor: float = 0.3, worth: float = 1.0
) -> dict[str, tuple[str, ...]]:
    """Names of hits, best first, with the dates and folders that they were found by."""
    plan = make_plan(query, label_lookup(library), landmarks=Landmarks.of(library))
    meaning = Meaning(np.array([0, 1], np.float32), lambda raw_N: raw_N, worth)
    evidence = Evidence(1, {node: meaning for node in plan.phrases}, floor=floor)
    hits = search(library, plan, evidence)
    return {hit.path.name: hit.matched for hit in hits}


@pytest.mark.parametrize(
    ("query", "names", "matched"),
    [
        ("sunset 2023", ["a.jpg"], "date 2023"),
        ("2023", ["a.jpg", "c.jpg"], "date 2023"),
        ("June", ["b.jpg", "a.jpg"], "date june"),
        ("december 2023", ["c.jpg"], "date 2023-12"),
        ("2023 December", ["c.jpg"], "date 2023-12"),
        ("2023-06-30", ["a.jpg"], "date 2023-06-30"),
        ("sunset in June", ["a.jpg"], "date june"),
        ("hound 2024", ["b.jpg"], "date 2024"),
        ("2019", ["scan.jpg"], "date 2019"),  # a scan has no date, but a folder
        ("1999", [], ""),
    ],
)
def test_dates(library: Library, query: str, names: list[str], matched: str) -> None:
    hits = found(library, query)
    assert list(hits) == names
    assert all(matched in own for own in hits.values())


def test_folders(library: Library) -> None:
    assert found(library, "paris", floor=1.1) == {
        "a.jpg": ("folder Paris",),
        "b.jpg": ("folder Paris",),
    }
    # What the word means counts as well; both together come first.
    hits = found(library, "Paris")
    assert next(iter(hits)) == "a.jpg"
    assert hits["d.jpg"] == ()
    assert found(library, "dog in new york", floor=1.1) == {"b.jpg": ()}  # by its tag
    assert found(library, "sunset New York")["d.jpg"] == ("folder New York",)
    assert found(library, "paris dog", floor=1.1)["b.jpg"] == ("folder Paris",)
    assert found(library, "Paris 2024", floor=1.1) == {"b.jpg": ("date 2024", "folder Paris")}


def test_what_is_no_date_or_folder(library: Library) -> None:
    everyone = found(library, "sunset")
    for query in (
        '"sunset 2023"',
        "sunset may",
        "sunset all",
        "sunset 2023-02-31",
        "sunset 12345",
    ):
        assert found(library, query) == everyone
    landmarks = Landmarks(lambda: ["Paris"])
    assert landmarks.find("paris 2023").shown == "folder Paris"  # type: ignore[union-attr]
    assert Landmarks.of(library).find("all") is None  # every photo lies there


def test_a_floor_takes_weak_meanings_away(library: Library) -> None:
    assert list(found(library, "sunset", floor=0.75)) == ["a.jpg", "d.jpg"]
    assert list(found(library, "dog", floor=1.1)) == ["b.jpg"]
    assert found(library, "sunset", floor=1.1) == {}


def test_a_word_that_is_like_none_that_was_taught_must_fit_better(library: Library) -> None:
    assert list(found(library, "sunset", floor=0.3)) == ["a.jpg", "d.jpg", "scan.jpg"]
    assert list(found(library, "sunset", floor=0.3, worth=0.4)) == ["a.jpg", "d.jpg"]
    assert found(library, "sunset", floor=0.3, worth=0.0) == {}
    assert len(found(library, "sunset", floor=0.0, worth=0.0)) == len(ROWS)  # --weak


def test_words_are_parsed_once(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    assert label_lookup(library)("HOUND") == "dog"
    monkeypatch.setattr("qks_cli.vocabulary.labels_file.parse_labels", None)
    assert label_lookup(library)("hound") == "dog"
    assert label_lookup(library)("cat") is None


def test_folders_are_remembered_until_a_photo_comes_goes_or_moves(tmp_path: Path) -> None:
    library = Library.open(tmp_path / "l.db")
    model = library.models.id_of("m", "1", "hash", 2, 2)
    words = library.vocabularies.id_of("d", "dog")

    def save(*paths: str) -> list[int]:
        photos = [
            TaggedPhoto(Photo(Path(path), 1, 1), (), np.zeros((2, 2), np.float32)) for path in paths
        ]
        return library.save(photos, (), model_id=model, vocabulary_id=words, selection="s")

    one, two = save("/a/Paris/1.jpg", os.fsdecode(b"/\xff/2.jpg"))
    assert folders(library) == ["/a/Paris"]
    library.execute("UPDATE folders SET held = '[\"/kept\"]'")
    assert folders(library) == ["/kept"]
    save("/a/Paris/1.jpg")  # again: it lies where it lay
    assert folders(library) == ["/kept"]
    save("/a/Rome/3.jpg")
    assert folders(library) == ["/a/Paris", "/a/Rome"]
    library.execute("UPDATE photos SET path = '/a/Oslo/1.jpg' WHERE id = ?", (one,))
    assert folders(library) == ["/a/Oslo", "/a/Rome"]
    library.execute("INSERT INTO names VALUES ('/links/x.jpg', ?)", (two,))
    assert folders(library) == ["/a/Oslo", "/a/Rome", "/links"]
    library.execute("DELETE FROM photos WHERE id = ?", (two,))
    assert folders(library) == ["/a/Oslo", "/a/Rome"]
