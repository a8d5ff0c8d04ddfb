"""Methods that follow from others."""

from __future__ import annotations

import numpy as np

from qks_cli.evaluation.compare import METHODS, PLAIN, Scores, standardised
from qks_cli.evaluation.measures import f1, hits_at


def test_standardising_by_hand() -> None:
    found = standardised(np.array([[1, 2, 3], [2, 2, 2]], np.float32))
    np.testing.assert_allclose(found[0], [-(1.5**0.5), 0, 1.5**0.5], rtol=1e-5)
    assert found[1].tolist() == [0, 0, 0]


def test_methods_that_follow_from_others() -> None:
    rng = np.random.default_rng(1)
    plain = {name: rng.random((5, 4)).astype(np.float32) for name in PLAIN}
    nothing = np.zeros((0, 1, 1), np.float32)
    scores = Scores(plain, np.ones(5, bool), nothing, nothing[:, 0])
    chosen = np.array([0, 2, 3])
    for name in PLAIN:
        np.testing.assert_array_equal(scores.of(name, chosen), plain[name][:, chosen])
    own, image = (standardised(plain[name][:, chosen]) for name in ("QKS", "class token"))
    np.testing.assert_array_equal(scores.of("QKS + z", chosen), own)
    np.testing.assert_array_equal(scores.of("class token + z", chosen), image)
    np.testing.assert_allclose(scores.of("QKS + class token", chosen), own + image)
    assert set(METHODS) >= set(PLAIN)


def test_standardising_changes_no_f1() -> None:
    rng = np.random.default_rng(8)
    scores = rng.random((30, 6)).astype(np.float32)
    present = rng.random((30, 6)) < 0.3
    before, after = (f1(hits_at(s, present, 3)) for s in (scores, standardised(scores)))
    assert before == after
