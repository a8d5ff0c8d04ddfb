"""Vectors of words that a model was not taught are brought towards those of words that it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qks_cli.model.bundle import read_bundle
from qks_cli.model.model import Model
from qks_cli.model.onnx_engine import OnnxEngine
from qks_cli.types import Float32Array
from qks_cli.vocabulary import neighbours
from qks_cli.vocabulary.labels_file import Label
from qks_cli.vocabulary.neighbours import (
    SHARE,
    carried_over,
    interpolate_to_known,
    nearest,
    read_names,
    read_taught,
    trust,
    write_taught,
)


def vectors(count: int, seed: int, length: float = 3.0) -> Float32Array:
    drawn = np.random.default_rng(seed).normal(size=(count, 16)).astype(np.float32)
    drawn *= length / np.linalg.norm(drawn, axis=1, keepdims=True)
    return np.concatenate([drawn, np.ones((count, 1), np.float32)], axis=1)


def cosine(one: Float32Array, other: Float32Array) -> Float32Array:
    lengths = np.linalg.norm(one[:, :-1], axis=1) * np.linalg.norm(other[:, :-1], axis=1)
    return np.asarray((one[:, :-1] * other[:, :-1]).sum(1) / lengths, np.float32)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 1000))
def test_lengths_and_the_constant_stay(labels: int, taught: int, seed: int) -> None:
    own = vectors(labels, seed)
    leaning = interpolate_to_known(own, vectors(taught, seed + 1, length=1.0))
    np.testing.assert_allclose(np.linalg.norm(leaning[:, :-1], axis=1), 3.0, rtol=1e-4)
    np.testing.assert_array_equal(leaning[:, -1], own[:, -1])


def test_a_taught_word_stays_and_others_come_nearer() -> None:
    taught = vectors(50, 1)
    np.testing.assert_allclose(interpolate_to_known(taught[:5], taught), taught[:5], atol=1e-5)
    untaught = vectors(5, 2)
    nearest = taught[np.argmax(untaught[:, :-1] @ taught[:, :-1].T, axis=1)]
    leaning = interpolate_to_known(untaught, taught)
    assert (cosine(leaning, nearest) > cosine(untaught, nearest)).all()
    assert (cosine(leaning, untaught) > 0.5).all()


def test_a_score_is_worth_less_the_farther_its_word_is() -> None:
    taught = vectors(50, 1)
    np.testing.assert_array_equal(trust(taught, taught), 1)
    worth = trust(vectors(30, 2), taught)
    assert (worth < 1).all()
    assert (worth > 0).all()
    aside = taught[:1] + 0.3 * vectors(1, 3)
    assert worth.max() < trust(aside, taught)[0] <= 1


def test_no_word_jumps_on_its_way_to_a_taught_one() -> None:
    taught = vectors(50, 1)
    here, there = vectors(1, 2)[0], taught[0]
    steps = np.linspace(0, 1, 400)[:, None] * (there - here) + here
    steps[:, :-1] *= 3 / np.linalg.norm(steps[:, :-1], axis=1, keepdims=True)
    leaning = interpolate_to_known(steps.astype(np.float32), taught)
    assert np.linalg.norm(np.diff(leaning, axis=0), axis=1).max() < 0.2


def test_one_taught_word_alone_takes_its_share() -> None:
    own = np.array([[3.0, 0.0, 1.0]], np.float32)
    leaning = interpolate_to_known(own, np.array([[0.0, 1.0, 1.0]], np.float32))
    angle = SHARE / (1 - SHARE)
    np.testing.assert_allclose(leaning[0, 1] / leaning[0, 0], angle, rtol=1e-5)


def test_taught_words_are_read_as_they_were_written(tmp_path: Path) -> None:
    taught = vectors(7, 3)
    write_taught(tmp_path / "taught.npz", [f"word {n}" for n in range(7)], taught)
    stored = read_taught(tmp_path / "taught.npz")
    np.testing.assert_allclose(stored, taught, atol=2e-3)
    asked = taught[[4, 2]] * 0.5
    found, cosines = nearest(asked, stored)
    names = read_names(tmp_path / "taught.npz")
    assert [names[row] for row in found] == ["word 4", "word 2"]
    np.testing.assert_allclose(cosines, 1, atol=1e-3)
    assert nearest(-asked, stored)[1].max() < 0.9


def test_the_bundled_model_takes_other_words_as_those_it_knows() -> None:
    bundle = read_bundle("mini")
    taught = read_taught(bundle.file(neighbours.TAUGHT_FILE))
    engine = OnnxEngine(bundle)
    own, other = Model(bundle, engine=engine).label_vectors([Label("car"), Label("automobile")])
    np.testing.assert_allclose(np.linalg.norm(taught[:, :-1], axis=1), 3.0, rtol=1e-2)
    assert cosine(own[None], taught).max() > 0.999
    assert cosine(own[None], other[None]).max() > 0.8


def test_what_is_known_of_taught_words_is_carried_over() -> None:
    taught = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0.1, 1, 1]], np.float32)
    values = np.array([2, -1, 0.5], np.float32)
    near = np.array([0.8, 0.6, 0, 1], np.float32)
    far = np.array([0.4, 0.3, -2, 1], np.float32)
    carried = carried_over(np.stack([3 * taught[0], near, far]), taught, values)
    assert carried[0] == 2  # a taught word's own, whatever its length
    assert 0 < carried[1] < 2
    assert carried[2] == 0
