"""The one object that callers need, and the fake engine that tests of everything else lean on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from qks_cli.model.bundle import read_bundle
from qks_cli.model.model import Model, Phrase
from qks_cli.types import UInt8Array
from qks_cli.vocabulary.labels_file import Label, Vocabulary


def squashed(model: Model, *pictures: UInt8Array) -> UInt8Array:
    side = model.bundle.image_size
    return np.stack([np.asarray(Image.fromarray(one).resize((side, side))) for one in pictures])


def vocabulary(*names: str) -> Vocabulary:
    return Vocabulary(tuple(map(Label, names)))


def test_known_pictures_have_their_tags(fake_bundle: Path, pictures: dict[str, UInt8Array]) -> None:
    model = Model(read_bundle(str(fake_bundle)))
    pixels = squashed(model, pictures["cat.jpg"], pictures["space/rocket.png"])
    tokens = model.query_tokens(pixels)
    assert tokens.shape == (2, model.bundle.queries, model.bundle.width)
    tagger = model.tagger(vocabulary("cat", "sky", "tree", "submarine"))
    assert [[tag.label for tag in tags] for tags in tagger(tokens)] == [["cat"], ["sky"]]
    lower = model.tagger(vocabulary("cat", "sky", "tree"), min_score=0.2, top=1)
    assert [tag.label for tag in lower(tokens)[1]] == ["sky"]
    assert lower.scores(tokens)[1, 2] == np.float32(lower.scores(tokens)[1, 2])
    assert 0.3 < lower.scores(tokens)[1, 2] < 0.5


def test_unknown_pictures_show_their_colours(fake_bundle: Path) -> None:
    model = Model(read_bundle(str(fake_bundle)))
    flag = np.zeros((60, 80, 3), np.uint8)
    flag[:30] = (255, 0, 0)
    flag[30:] = (255, 255, 255)
    (tags,) = model.tagger(vocabulary("red", "white", "blue"))(
        model.query_tokens(squashed(model, flag))
    )
    assert {tag.label for tag in tags} == {"red", "white"}


def test_meanings_stand_on_the_scale_of_tags(
    fake_bundle: Path, pictures: dict[str, UInt8Array]
) -> None:
    model = Model(read_bundle(str(fake_bundle)))
    tokens = model.query_tokens(squashed(model, pictures["cat.jpg"], pictures["coffee.jpg"]))
    cat, drink, both = model.meanings(
        [[Phrase("cat")], [Phrase("hot drink")], [Phrase("cat"), Phrase("animal", -1.0)]]
    )

    def asked(meaning: object) -> list[float]:
        assert hasattr(meaning, "vector_E")
        raw = (tokens @ meaning.vector_E).max(axis=1)
        return [float(x) for x in meaning.probabilities(raw)]  # type: ignore[attr-defined]

    as_tag = model.tagger(vocabulary("cat")).scores(tokens)[:, 0]
    np.testing.assert_allclose(asked(cat), as_tag, atol=1e-5)
    assert asked(drink)[1] > 0.9 > 0.1 > asked(drink)[0]
    assert asked(both)[0] < asked(cat)[0]


def test_files_that_cannot_be_read_are_reported(fake_bundle: Path, photos: Path) -> None:
    model = Model(read_bundle(str(fake_bundle)))
    (photos / "broken.jpg").write_bytes(b"no photo")
    tokens, read = model.tokens_of([photos / "cat.jpg", photos / "broken.jpg"])
    assert read.tolist() == [True, False]
    assert len(tokens) == 2


def test_what_the_model_was_taught(fake_bundle: Path, tmp_path: Path) -> None:
    from qks_cli.model.fake import write_fake_bundle

    assert Model(read_bundle(str(fake_bundle))).nearest_taught([Label("cat")]) is None
    folder = write_fake_bundle(tmp_path / "taught", [], ["cat"], taught=["cat", "dog"])
    nearest = Model(read_bundle(str(folder))).nearest_taught([Label("dog"), Label("qwzx")])
    assert nearest is not None
    assert nearest[0][0] == "dog"
    assert nearest[0][1] > 0.99
    assert nearest[1][1] < 0.45


def test_words_that_are_like_none_that_was_taught_count_less(tmp_path: Path) -> None:
    from qks_cli.model.fake import write_fake_bundle

    folder = write_fake_bundle(tmp_path / "taught", [], ["cat"], taught=["cat", "dog"])
    model = Model(read_bundle(str(folder)))
    cat, cats, tax = (Phrase(text) for text in ("cat", "cat sleeping", "tax law"))
    sums = [[cat], [cats], [tax], [cat, Phrase("dog", -1.0)], [cat, tax]]
    worth = [meaning.worth for meaning in model.meanings(sums)]
    assert worth[0] == worth[1] == worth[3] == 1.0
    assert worth[2] < 0.05
    assert worth[4] == worth[2]  # a sum is understood as far as all of its words are


def test_the_shipped_model_knows_what_it_sees(pictures: dict[str, UInt8Array]) -> None:
    """A floor under the quality of whatever model is shipped: plain pictures, plain words."""
    model = Model.open("mini")
    wanted = {
        "cat.jpg": "cat",
        "coffee.jpg": "coffee",
        "space/astronaut.jpg": "person",
        "space/rocket.png": "sky",
    }
    tokens = model.query_tokens(squashed(model, *(pictures[name] for name in wanted)))
    scores = model.tagger(vocabulary(*wanted.values())).scores(tokens)
    # Over the pictures, each word fits its own best, but for one at most.
    assert sum(scores.argmax(axis=0) == np.arange(len(wanted))) >= 3
