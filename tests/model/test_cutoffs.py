from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from qks_cli.model.cutoffs import ENOUGH, best_cutoff, fit_cutoffs


def test_the_cut_off_with_the_best_f1() -> None:
    said = np.array([0.9, 0.8, 0.6, 0.4, 0.2], np.float32)
    assert best_cutoff(said, np.array([1, 1, 0, 1, 0], bool)) == pytest.approx(0.3)
    assert best_cutoff(said, np.array([1, 1, 0, 0, 0], bool)) == pytest.approx(0.7)
    ties = np.array([0.5, 0.5, 0.5, 0.1], np.float32)
    assert best_cutoff(ties, np.array([1, 1, 0, 0], bool)) == pytest.approx(0.3)


def test_cut_offs_per_label_beat_one_for_all_and_few_photos_say_nothing() -> None:
    rng = np.random.default_rng(1)
    present = rng.random((400, 3)) < [0.3, 0.3, 0.005]
    place = np.array([0.2, 0.7, 0.5])  # where each label's scores lie
    said = np.clip(place + 0.1 * present + rng.normal(0, 0.03, present.shape), 0, 1)
    said = said.astype(np.float32)
    known = np.ones_like(present)
    report = fit_cutoffs(said, present, known, 0.5)
    assert report.fitted == 2
    assert present[:, 2].sum() < ENOUGH
    assert np.isnan(report.cutoffs_C[2])
    assert report.f1_own > report.f1_default + 0.2
    for c in (0, 1):
        own = f1_score(present[:, c], said[:, c] >= report.cutoffs_C[c])
        others = [f1_score(present[:, c], said[:, c] >= x) for x in np.linspace(0, 1, 101)]
        assert own >= max(others) - 1e-6
    unknown = known.copy()
    unknown[:, 0] = False
    assert np.isnan(fit_cutoffs(said, present, unknown, 0.5).cutoffs_C[0])


def test_f1_with_one_cut_off_by_hand() -> None:
    said = np.array([[0.9, 0.2], [0.6, 0.8], [0.1, 0.7]], np.float32)
    present = np.array([[1, 1], [0, 1], [1, 0]], bool)
    known = np.ones_like(present)
    report = fit_cutoffs(said, present, known, 0.5)
    assert report.f1_default == pytest.approx(2 * 2 / (4 + 4))  # two right, four fired, four there
    assert report.fitted == 0
    lowest = np.array([0.9, 0.8], np.float32)
    assert best_cutoff(lowest, np.array([1, 1], bool)) == pytest.approx(0.4)  # half-way to nothing
