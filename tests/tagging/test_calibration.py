from __future__ import annotations

import numpy as np

from qks_cli.tagging.calibration import Calibration
from qks_cli.tagging.scoring import score


def test_score_is_the_maximum_over_query_tokens() -> None:
    rng = np.random.default_rng(1)
    tokens_BME = rng.normal(size=(5, 3, 7)).astype(np.float32)
    labels_CE = rng.normal(size=(11, 7)).astype(np.float32)
    all_BMC = np.einsum("bme,ce->bmc", tokens_BME, labels_CE)
    scores_BC, winners_BC = score(tokens_BME, labels_CE)
    np.testing.assert_allclose(scores_BC, all_BMC.max(1), rtol=1e-5)
    np.testing.assert_array_equal(winners_BC, all_BMC.argmax(1))


def test_one_scale_for_labels_of_any_size() -> None:
    """A label whose raw scores are ten times as large and shifted is calibrated the same."""
    rng = np.random.default_rng(2)
    bank_RME = rng.normal(size=(400, 2, 6)).astype(np.float32)
    bank_RME[:, :, 5] = 1
    direction = rng.normal(size=5)
    labels_CE = np.stack([[*direction, 0], [*(10 * direction), 5]]).astype(np.float32)
    calibration = Calibration(bank_RME, np.array([-2, 1, 0, 0, 0.5], np.float32), 0.5)
    stats = calibration.label_stats(labels_CE)
    scores_BC, _ = score(bank_RME[:50], labels_CE)
    said = calibration.probabilities(scores_BC, stats)
    np.testing.assert_allclose(said[:, 0], said[:, 1], rtol=1e-3)
    assert said.min() >= 0 and said.max() <= 1
    assert stats.mean.shape == stats.high.shape == (2,)
