"""Words that a dictionary puts beside others, and labels that are brought towards them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qks_cli.model.bundle import read_bundle
from qks_cli.model.fake import write_fake_bundle
from qks_cli.model.model import Model
from qks_cli.vocabulary.labels_file import Label
from qks_cli.vocabulary.neighbours import ALIKE, RELATED, bring_to_relatives
from qks_cli.vocabulary.relatives import relatives_of


@pytest.mark.parametrize(
    ("word", "beside"),
    [
        ("fridge", "refrigerator"),  # what it is a kind of
        ("automobile", "car"),  # the same thing
        ("Automobiles", "car"),  # whatever its case and number
        ("small ship", "ship"),  # two words
    ],
)
def test_a_rare_word_has_an_everyday_one_beside_it(word: str, beside: str) -> None:
    assert beside in relatives_of(word)


@pytest.mark.parametrize("word", ["", "qwzx", "frid", "ridge\tx", "fridge\trefrigerator", "car"])
def test_other_words_have_none(word: str) -> None:
    assert relatives_of(word) == ()


def test_a_label_goes_half_way_to_the_relative_that_is_most_like_it() -> None:
    taught = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1]], np.float32)
    own = np.array([[0.6, 0.8, 0, 1]] * 3 + [[1, 0, 0, 1]], np.float32)
    labels = own * np.array([3, 3, 3, 1], np.float32)
    moved = bring_to_relatives(labels, own, taught, [[0, 1], [], [2], [1]])
    towards = (1 - RELATED) * own[0, :3] + RELATED * taught[1, :3]
    np.testing.assert_allclose(moved[0, :3], 3 * towards / np.linalg.norm(towards), rtol=1e-5)
    assert moved[0, 3] == labels[0, 3]
    np.testing.assert_array_equal(moved[1], labels[1])  # it has none
    assert own[2, :3] @ taught[2, :3] < ALIKE
    np.testing.assert_array_equal(moved[2:], labels[2:])  # they are of other meanings


def test_a_model_brings_only_untaught_words_of_the_pool_to_their_relatives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qks_cli.vocabulary.neighbours.ALIKE", -1.0)  # the fake's words are unlike
    folder = write_fake_bundle(tmp_path / "taught", [], ["cat"], taught=["cat", "dog"])
    labels = [Label("qwzx"), Label("dog"), Label("qwzx", prompts=("a {}",))]

    def vectors(beside: tuple[str, ...]) -> np.ndarray:
        monkeypatch.setattr("qks_cli.model.model.relatives_of", lambda word: beside)
        return Model(read_bundle(str(folder))).label_vectors(labels)

    without, given = vectors(()), vectors(("dog", "not taught"))
    dog = without[1, :-1]
    assert given[0, :-1] @ dog > without[0, :-1] @ dog + 0.1 * dog @ dog
    np.testing.assert_array_equal(given[1:], without[1:])
