from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qks_cli.index.search import Words, closeness, match_labels, search
from qks_cli.index.store import Library
from qks_cli.types import Float16Array, Float32Array, Photo, Tag, TaggedPhoto
from qks_cli.vocabulary.labels_file import parse_labels

VOCABULARY, _ = parse_labels(
    "dog | puppy\nbeach\nhot dog\ntraffic light\nberry\nperson | people", "x"
)


@pytest.mark.parametrize(
    ("query", "labels", "covered"),
    [
        ("dog beach", ("dog", "beach"), 1.0),
        ("Puppies on the BEACH", ("dog", "beach"), 1.0),
        ("a hot dog", ("hot dog",), 1.0),
        ("traffic lights", ("traffic light",), 1.0),
        ("red dog", ("dog",), 0.5),
        ("berries", ("berry",), 1.0),
        ("people", ("person",), 1.0),
        ("sunset", (), 0.0),
        ("!?", (), 0.0),
    ],
)
def test_words_to_labels(query: str, labels: tuple[str, ...], covered: float) -> None:
    assert match_labels(query, VOCABULARY) == Words(labels, covered)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    rows = [
        ("/both.jpg", [1, 1], (Tag("dog", 0.8, 0), Tag("beach", 0.6, 0))),
        ("/dog.jpg", [1, 0], (Tag("dog", 0.9, 0),)),
        ("/twin.jpg", [1, 0], (Tag("dog", 0.9, 0),)),
        ("/none.jpg", [0, 0], ()),
    ]
    library = Library.open(tmp_path / "l.db")
    model = library.model_id("m", "1", "hash", 2, 2)
    words = library.vocabulary_id("d", "dog")
    photos = [
        TaggedPhoto(Photo(Path(path), 1, 1), tags, np.array([[0, 0], tokens], np.float16))
        for path, tokens, tags in rows
    ]
    library.save(photos, (), model_id=model, vocabulary_id=words, selection="s")
    return library


def found(library: Library, **options: object) -> list[tuple[str, float]]:
    hits = search(library, **options)  # type: ignore[arg-type]
    return [(str(hit.path), round(hit.score, 3)) for hit in hits]


def meaning(tokens_NME: Float16Array) -> Float32Array:
    raw = closeness(np.array([0, 1], np.float32))
    return np.asarray(raw(tokens_NME) / 2, np.float32)


def test_by_tags(library: Library) -> None:
    words = Words(("dog", "beach"), 1.0)
    assert found(library, words=words) == [
        ("/both.jpg", 0.7),
        ("/dog.jpg", 0.45),
        ("/twin.jpg", 0.45),
    ]
    assert found(library, words=words, limit=2) == [("/both.jpg", 0.7), ("/dog.jpg", 0.45)]
    assert found(library, words=words, min_score=0.5) == [("/both.jpg", 0.7)]


def test_by_meaning_and_both(library: Library) -> None:
    model = library.stored_model("hash")
    assert found(library, meaning=meaning, model_id=model, min_score=0.1) == [("/both.jpg", 0.5)]
    both = found(library, words=Words(("dog",), 1.0), meaning=meaning, model_id=model)
    assert both == [("/both.jpg", 0.9), ("/dog.jpg", 0.9), ("/twin.jpg", 0.9)]


def test_closeness_is_the_maximum_over_tokens() -> None:
    rng = np.random.default_rng(1)
    tokens_NME = rng.normal(size=(6, 3, 4)).astype(np.float16)
    query_E = rng.normal(size=4).astype(np.float32)
    expected = (tokens_NME.astype(np.float32) @ query_E).max(1)
    np.testing.assert_allclose(closeness(query_E)(tokens_NME), expected, rtol=1e-5)
