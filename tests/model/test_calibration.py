from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qks_cli import similarity
from qks_cli.model.calibration import Calibration, LabelStats, features
from qks_cli.similarity import max_similarity, winners


def test_score_is_the_maximum_over_query_tokens() -> None:
    rng = np.random.default_rng(1)
    tokens_BME = rng.normal(size=(5, 3, 7)).astype(np.float32)
    labels_CE = rng.normal(size=(11, 7)).astype(np.float32)
    all_BMC = np.einsum("bme,ce->bmc", tokens_BME, labels_CE)
    np.testing.assert_allclose(max_similarity(tokens_BME, labels_CE), all_BMC.max(1), rtol=1e-5)
    for tokens_ME, all_MC in zip(tokens_BME, all_BMC, strict=True):
        np.testing.assert_array_equal(winners(tokens_ME, labels_CE[3:]), all_MC[:, 3:].argmax(0))


def test_score_by_blocks_is_score_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    tokens_BME = rng.normal(size=(50, 3, 7)).astype(np.float32)
    labels_CE = rng.normal(size=(11, 7)).astype(np.float32)
    whole = max_similarity(tokens_BME, labels_CE)
    monkeypatch.setattr(similarity, "BLOCK", 200)
    np.testing.assert_allclose(max_similarity(tokens_BME, labels_CE), whole, rtol=1e-5)


def test_probabilities_are_the_logistic_of_the_features() -> None:
    rng = np.random.default_rng(4)
    stats = LabelStats(*rng.uniform(0.5, 2, (3, 9)).astype(np.float32))
    weights_F = np.array([-3, 0.7, 0.2, 0.4, 0.9], np.float32)
    scores_BC = rng.normal(0, 4, (30, 9)).astype(np.float32)
    said = Calibration(np.zeros((1, 1, 1), np.float32), weights_F, 0.5).probabilities(
        scores_BC, stats
    )
    wanted = 1 / (1 + np.exp(-(features(scores_BC, stats) @ weights_F)))
    np.testing.assert_allclose(said, wanted, rtol=1e-4)
    offset_C = rng.normal(size=9).astype(np.float32)
    moved = Calibration(np.zeros((1, 1, 1), np.float32), weights_F, 0.5).probabilities(
        scores_BC, replace(stats, offset=offset_C)
    )
    wanted = 1 / (1 + np.exp(-(features(scores_BC, stats) @ weights_F + offset_C)))
    np.testing.assert_allclose(moved, wanted, rtol=1e-4)
    few = replace(stats, offset=offset_C)[2:4]
    assert few.offset is not None
    np.testing.assert_array_equal(few.offset, offset_C[2:4])


def test_one_scale_for_labels_of_any_size() -> None:
    """A label whose raw scores are ten times as large and shifted is calibrated the same."""
    rng = np.random.default_rng(2)
    bank_RME = rng.normal(size=(400, 2, 6)).astype(np.float32)
    bank_RME[:, :, 5] = 1
    direction = rng.normal(size=5)
    labels_CE = np.stack([[*direction, 0], [*(10 * direction), 5]]).astype(np.float32)
    calibration = Calibration(bank_RME, np.array([-2, 1, 0, 0, 0.5], np.float32), 0.5)
    stats = calibration.label_stats(labels_CE)
    scores_BC = max_similarity(bank_RME[:50], labels_CE)
    said = calibration.probabilities(scores_BC, stats)
    np.testing.assert_allclose(said[:, 0], said[:, 1], rtol=1e-3)
    assert said.min() >= 0 and said.max() <= 1
    assert stats.mean.shape == stats.high.shape == (2,)
