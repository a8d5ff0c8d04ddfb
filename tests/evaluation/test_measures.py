"""Measures against scikit-learn's, with ties and labels that nobody judged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score

from qks_cli.evaluation.figures import figures
from qks_cli.evaluation.measures import (
    Ranking,
    average_precision,
    f1,
    hits_at,
    interval_around,
    mean_average_precision,
)
from qks_cli.evaluation.plots import reliability

SEEDS = st.integers(0, 2**32 - 1)


def random(seed: int, photos: int = 30, labels: int = 6) -> tuple[np.ndarray, ...]:  # type: ignore[type-arg]
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 6, (photos, labels)).astype(np.float32)  # many ties
    present = rng.random((photos, labels)) < 0.3
    known = (rng.random((photos, labels)) < 0.7) | present
    return scores, present, known


@given(st.integers(1, 60), SEEDS)
def test_average_precision_is_scikit_learns(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for scores in (rng.permutation(count), rng.integers(0, 4, count)):
        scores = scores.astype(np.float32)
        truth = rng.random(count) < 0.3
        truth[rng.integers(count)] = True
        expected = average_precision_score(truth, scores)
        assert average_precision(scores, truth) == pytest.approx(expected)


@given(SEEDS)
def test_weights_count_a_photo_several_times(seed: int) -> None:
    scores, present, _ = random(seed, labels=1)
    weights = np.random.default_rng(seed).integers(0, 3, len(scores)).astype(np.float64)
    if not (weights * present[:, 0]).sum():
        return
    expected = average_precision_score(present[:, 0], scores[:, 0], sample_weight=weights)
    found = Ranking(scores[:, 0], present[:, 0]).average_precision(weights)
    assert found == pytest.approx(expected)


@given(SEEDS)
def test_the_order_of_photos_does_not_matter(seed: int) -> None:
    scores, present, known = random(seed)
    order = np.random.default_rng(seed).permutation(len(scores))
    first = mean_average_precision(scores, present, known)
    second = mean_average_precision(scores[order], present[order], known[order])
    np.testing.assert_allclose(first, second, rtol=1e-6)


@given(SEEDS)
def test_unknown_labels_are_left_out(seed: int) -> None:
    scores, present, known = random(seed)
    found = mean_average_precision(scores, present, known)
    for c, value in enumerate(found):
        judged = known[:, c]
        if not present[judged, c].any():
            assert np.isnan(value)
            continue
        expected = average_precision_score(present[judged, c], scores[judged, c])
        assert value == pytest.approx(expected, rel=1e-5)


@given(SEEDS, st.integers(1, 6))
def test_f1_is_scikit_learns_micro_average(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.permuted(np.tile(np.arange(6, dtype=np.float32), (20, 1)), axis=1)
    present = rng.random((20, 6)) < 0.3
    named = scores >= 6 - k
    expected = f1_score(present, named, average="micro", zero_division=0)
    assert f1(hits_at(scores, present, k)) == pytest.approx(expected)


def test_f1_asks_for_no_more_than_is_known() -> None:
    scores = np.array([[3, 2, 1]], np.float32)
    present, known = np.array([[False, True, False]]), np.array([[False, True, False]])
    assert f1(hits_at(scores, present, 2, known)) == 1


def test_figures_filter_photos_and_hold_their_intervals() -> None:
    scores, present, known = random(7, photos=80)
    present[:20] = False
    kept = figures(scores, present, known, ks=(3,), filtered=True, repeats=40).row()
    every = figures(scores, present, known, ks=(3,), filtered=False, repeats=0).row()
    assert kept["photos"] < 80 == every["photos"]
    assert kept["map_low"] < kept["map"] < kept["map_high"]
    assert kept["f1@3_low"] < kept["f1@3"] < kept["f1@3_high"]
    assert "map_low" not in every


def test_reliability_counts_every_known_score_once() -> None:
    rng = np.random.default_rng(1)
    said = rng.random((500, 20)).astype(np.float32)
    present = rng.random((500, 20)) < said  # perfectly calibrated
    known = rng.random((500, 20)) < 0.5
    rows = reliability(said, present, known)
    assert sum(row["scores"] for row in rows) == known.sum()
    assert all(abs(row["mean"] - row["right"]) < 0.08 for row in rows)


def test_f1_of_nothing_and_the_ends_of_an_interval_by_hand() -> None:
    assert f1(np.zeros((3, 3))) == 0
    drawn = [share / 100 for share in range(101)]  # mean 0.5, ends 0.025 and 0.975
    assert interval_around(0.7, drawn) == pytest.approx((0.225, 1.175))
