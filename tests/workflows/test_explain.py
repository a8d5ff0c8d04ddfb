"""Reasons for tags with a model whose tokens are known, and pictures of where it looked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qks_cli.errors import UsageError
from qks_cli.model.learned import Head, Learned
from qks_cli.model.model import Model
from qks_cli.workflows.explain import explain
from qks_cli.workflows.heat import GRID, covered, heat_map, overlay, picture, write_picture


@pytest.fixture
def model(fake_model: Path) -> Model:
    return Model.open("mini")


def test_tags_and_what_nearly_became_one(model: Model, photos: Path) -> None:
    found = explain(photos / "space/astronaut.jpg", model, model.vocabulary())
    by_label = {reason.label: reason for reason in found.reasons}
    assert [reason.label for reason in found.reasons][:2] == ["person", "astronaut"]
    assert by_label["person"].shown and by_label["person"].token == 0
    assert by_label["astronaut"].token == 1
    flag = by_label["flag"]  # a cosine of 0.58 gives 0.38
    assert not flag.shown
    assert (flag.token, flag.cutoff) == (2, 0.5)
    assert flag.score == pytest.approx(0.38, abs=0.01)
    assert "cut-off 0.50" in flag.sentence
    assert sum(not reason.shown for reason in found.reasons) == 3


def test_a_label_of_ones_own(model: Model, photos: Path) -> None:
    found = explain(photos / "cat.jpg", model, model.vocabulary(), ["steam engine", "kitten"])
    own = {reason.label: reason for reason in found.reasons}
    assert not own["steam engine"].shown
    assert own["steam engine"].score < 0.1
    assert own["cat"].shown  # kitten is a synonym of it
    with pytest.raises(UsageError, match="empty"):
        explain(photos / "cat.jpg", model, model.vocabulary(), [" "])


def test_a_parent_follows_from_its_child(model: Model, photos: Path) -> None:
    vocabulary = model.vocabulary(["living thing > person > astronaut"])
    found = explain(photos / "space/astronaut.jpg", model, vocabulary)
    parent = next(reason for reason in found.reasons if reason.label == "living thing")
    assert parent.shown
    assert parent.implied_by == "person"
    assert "follows from person" in parent.sentence


def test_the_better_label_of_a_group_is_named(model: Model, photos: Path) -> None:
    vocabulary = model.vocabulary(["coffee ; group: drink", "hot drink ; group: drink"])
    found = explain(photos / "coffee.jpg", model, vocabulary, min_score=0.2)
    other = next(reason for reason in found.reasons if reason.label == "hot drink")
    assert other.score >= other.cutoff
    if not other.shown:
        assert "coffee of the same group fits better" in other.sentence


def test_where_it_looked_is_drawn_over_the_photo(
    model: Model, photos: Path, tmp_path: Path
) -> None:
    photo = photos / "coffee.jpg"
    heat_GG = heat_map(model, photo, "coffee", attention=True)
    assert heat_GG.tolist() == [[1.0, 0.0], [0.0, 0.0]]
    drawn = picture(photo, heat_GG, "squash", 300)
    with Image.open(photo) as image:
        assert drawn.shape[:2] == (200, 300)
        assert image.width * 2 == image.height * 3, "the test asks for this shape"
    write_picture(drawn, tmp_path / "heat.png")
    with Image.open(tmp_path / "heat.png") as written:
        np.testing.assert_array_equal(np.asarray(written), drawn)
    with pytest.raises(UsageError, match="there already"):
        write_picture(drawn, photo)


def test_the_score_comes_from_where_painting_over_costs_it(model: Model) -> None:
    side = model.bundle.image_size
    pixels = np.zeros((side, side, 3), np.uint8)
    pixels[side // 2 :, side // 2 :] = (255, 0, 0)  # the last quarter is red
    heat_GG = covered(model, pixels, model.label_vectors(model.vocabulary(["red"]).labels)[0])
    assert heat_GG.shape == (GRID, GRID)
    y, x = divmod(int(heat_GG.argmax()), GRID)
    assert min(y, x) >= GRID // 2
    assert heat_GG[: GRID // 2 - 1, : GRID // 2 - 1].max() < 0.5


@pytest.mark.parametrize("resize", ["crop", "crop:bilinear"])
def test_a_model_that_sees_the_middle_is_drawn_on_the_middle(
    model: Model, photos: Path, resize: str
) -> None:
    heat_GG = np.zeros((2, 2), np.float32)
    assert picture(photos / "coffee.jpg", heat_GG, resize, 60).shape == (60, 60, 3)


def test_a_model_without_attention_says_what_does(
    model: Model, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(model.engine), "attention", lambda self, pixels: None)
    with pytest.raises(UsageError, match="where it looked"):
        heat_map(model, photos / "cat.jpg", "cat", attention=True)
    assert heat_map(model, photos / "cat.jpg", "cat").shape == (GRID, GRID)


def test_the_overlay_is_warm_where_the_heat_is() -> None:
    grey = np.full((8, 8, 3), 100, np.uint8)
    drawn = overlay(grey, np.array([[1.0, 0.0], [0.0, 0.0]], np.float32)).astype(int)
    assert drawn[0, 0, 0] > 100 > drawn[7, 7, 0]
    assert drawn[0, 0, 0] > drawn[0, 0, 2] + 30  # red above blue
    assert np.ptp(drawn[7, 7]) <= 2  # dimmed, its colour kept


def test_what_was_learned_counts_in_the_reasons(model: Model, photos: Path) -> None:
    none_F = np.zeros(2 * model.bundle.width, np.float32)
    heads = (Head("flag", False, 1.0, none_F, 2.0), Head("rex", True, 0.0, none_F, 1.0))
    found = explain(
        photos / "space/astronaut.jpg", model, model.vocabulary(), learned=Learned(heads)
    )
    by_label = {reason.label: reason for reason in found.reasons}
    flag, rex = by_label["flag"], by_label["rex"]
    assert flag.shown and rex.shown
    assert flag.words_alone == pytest.approx(0.38, abs=0.01)
    assert flag.score == pytest.approx(0.82, abs=0.01)
    assert "learned from your verdicts; the word alone gives 0.38" in flag.sentence
    assert (rex.score, rex.words_alone) == (pytest.approx(0.731, abs=0.001), 0.0)
    assert rex.sentence == "rex 0.73: learned from your examples; cut-off 0.50"
    assert by_label["person"].words_alone is None
    (asked,) = explain(
        photos / "cat.jpg", model, model.vocabulary(), ["rex"], learned=Learned(heads)
    ).reasons
    assert (asked.score, asked.shown) == (rex.score, True)
