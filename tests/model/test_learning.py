"""A head from verdicts: what is fitted, held out and measured."""

from __future__ import annotations

import numpy as np
import pytest

from qks_cli.model import learning
from qks_cli.model.learned import logit, probability
from qks_cli.model.learning import Evidence, Measured, learn
from qks_cli.types import BoolArray, Float32Array

RNG = np.random.default_rng(5)
SAMPLE = RNG.normal(2, 3, (500, 24)).astype(np.float32)


def photos(count: int, seed: int) -> tuple[Float32Array, BoolArray]:
    """Features, and whether the label is right: by the first feature, which no word names."""
    features_NF = np.random.default_rng(seed).normal(2, 3, (count, 24)).astype(np.float32)
    return features_NF, features_NF[:, 0] > 2


def test_a_head_is_the_text_match_and_what_the_photos_say_otherwise() -> None:
    features_NF, right_N = photos(60, 1)
    text_N = np.full(60, 0.5, np.float32)
    head, measured = learn("x", Evidence(features_NF, text_N, right_N), SAMPLE, cutoff=0.5)
    assert head.gain == 1 and not head.alone
    assert measured.better and measured.precision > 0.8
    assert measured.precision_before == pytest.approx(right_N.mean())
    others_NF, wanted_N = photos(200, 2)
    found_N = head.gain * logit(np.full(200, 0.5)) + others_NF @ head.weights_F + head.bias
    assert ((found_N > 0) == wanted_N).mean() > 0.8


def test_a_text_match_that_is_right_is_left_alone() -> None:
    features_NF, right_N = photos(40, 3)
    text_N = np.where(right_N, 0.9, 0.1).astype(np.float32)
    _, measured = learn("x", Evidence(features_NF, text_N, right_N), SAMPLE, cutoff=0.5)
    assert (measured.precision_before, measured.f1_before) == (1, 1) and not measured.better


def test_chance_is_not_learned() -> None:
    kept = 0
    for seed in range(20):
        features_NF, _ = photos(30, seed)
        rng = np.random.default_rng(100 + seed)
        right_N = rng.random(30) < 0.5
        text_N = probability(np.where(right_N, 1.0, -1.0) + rng.normal(0, 1.5, 30))
        _, measured = learn("x", Evidence(features_NF, text_N, right_N), SAMPLE, cutoff=0.5)
        kept += measured.better
    assert kept <= 6


def test_the_weights_are_the_likeliest() -> None:
    rng = np.random.default_rng(6)
    columns_NR, right_N = rng.normal(0, 1, (30, 7)), rng.random(30) < 0.4
    offset_N = rng.normal(0, 3, 30)
    found_R = learning._fit(columns_NR, offset_N, right_N)
    fits_N = 1 / (1 + np.exp(-(offset_N + columns_NR @ found_R)))
    assert np.abs(columns_NR.T @ (fits_N - right_N) + found_R).max() < 1e-3
    again_R = learning._fit(columns_NR, offset_N, right_N, 50 * rng.normal(0, 1, 7))
    assert np.abs(again_R - found_R).max() < 1e-3


def test_precision_is_that_of_sklearn() -> None:
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(7)
    right_N, scores_N = rng.random(50) < 0.3, rng.integers(0, 12, 50) / 12  # with equal ones
    drawn_DN = rng.integers(0, 3, (5, 50)).astype(float)
    wanted_D = [average_precision_score(right_N, scores_N, sample_weight=own) for own in drawn_DN]
    assert learning._precision(right_N, scores_N, drawn_DN) == pytest.approx(wanted_D)


@pytest.mark.parametrize(
    ("measured", "better"),
    [
        (Measured(0.6, 0.7, 0.5, 0.5, True, 0.2, 0.2), True),
        (Measured(0.6, 0.7, 0.5, 0.5, False, 0.2, 0.2), False),
        (Measured(0.6, 0.55, 0.5, 0.6, True, 0.1, 0.1), True),  # within its noise
        (Measured(0.6, 0.45, 0.5, 0.6, True, 0.1, 0.1), False),
        (Measured(0.6, 0.7, 0.5, 0.3, True, 0.1, 0.1), False),
        (Measured(1.0, 1.0, 1.0, 1.0, True, 0.0, 0.0), False),
        (Measured(None, 0.7, None, 0.4), True),
        (Measured(None, 0.7, None, 0.0), False),
    ],
)
def test_what_gets_worse_is_left_alone(measured: Measured, better: bool) -> None:
    assert measured.better is better
