from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qks_cli.bundling.assemble import calibration_rows
from qks_cli.bundling.calibrate import (
    Truth,
    _shares,
    _weights,
    cutoff_for,
    fit_calibration,
    known_truth,
)
from qks_cli.errors import TrainingError
from qks_cli.similarity import max_similarity
from qks_cli.training.mini.batches import TrueLabels
from qks_cli.training.mini.pool import PoolPhoto, kept_apart, read_photos
from qks_cli.training.mini.teachers import Teachers
from qks_cli.types import IntArray
from tests.training.mini.pools import make_pool


def test_the_cutoff_keeps_the_wanted_precision() -> None:
    rng = np.random.default_rng(1)
    said = rng.random(20_000).astype(np.float32)
    right = rng.random(20_000) < said  # perfectly calibrated
    cutoff = cutoff_for(said, right, 0.8)
    assert right[said >= cutoff].mean() >= 0.8
    assert right[said >= cutoff - 0.05].mean() < 0.8
    assert cutoff == pytest.approx(0.6, abs=0.03)  # the mean of what lies above it is 0.8


def test_a_precision_out_of_reach_is_said() -> None:
    said = np.linspace(0, 1, 1000, dtype=np.float32)
    with pytest.raises(TrainingError, match=r"0\.8"):
        cutoff_for(said, np.zeros(1000, bool), 0.8)


def test_what_is_known_of_a_photo(tmp_path: Path) -> None:
    pool, teachers = make_pool(tmp_path)
    photos = read_photos(pool)
    rows = np.arange(6)
    known = known_truth(Teachers(teachers), TrueLabels(photos), rows)
    column = {name: index for index, name in enumerate(known.names)}
    assert not (known.present_NC & known.absent_NC).any()
    for row in rows:  # a single-label source: its own label is there, the other two are not
        own = photos[row].labels[0]
        for colour in ("red", "green", "blue"):
            assert known.present_NC[row, column[colour]] == (colour == own)
            assert known.absent_NC[row, column[colour]] == (colour != own)
    assert known.absent_NC[:, column["ball"]].all()  # the detector found nothing
    assert known.absent_NC[:, column["kind 19"]].all()
    # Its two classes have a sixteenth each, together less than the lower threshold.
    assert known.absent_NC[:, column["group one"]].all()


def test_of_the_cutoffs_that_are_precise_the_one_with_the_best_f1() -> None:
    said = np.linspace(1, 0, 1000, dtype=np.float32)
    y = np.zeros(1000, bool)
    y[:100] = True  # then nothing for long, then a few more at the end
    y[140:150] = True
    chosen = cutoff_for(said, y, 0.6)
    assert chosen == said[99]
    assert cutoff_for(said, y, 1.0) == said[99]


def test_a_label_that_is_everywhere_does_not_decide_for_the_others() -> None:
    rng = np.random.default_rng(4)
    # Feature 1 tells the common label's photos, feature 2 those of four rare ones.
    present = np.zeros((400, 5), bool)
    present[:, 0] = rng.random(400) < 0.5
    present[:, 1:] = rng.random((400, 4)) < 0.03
    x = np.zeros((400, 5, 3), np.float32)
    x[..., 0] = 1
    x[:, 0, 1] = present[:, 0] * 2 + rng.normal(0, 1, 400)
    x[:, 1:, 2] = present[:, 1:] * 2 + rng.normal(0, 1, (400, 4))
    pairs = (x.reshape(-1, 3), present.ravel())
    even = _weights(*pairs, _shares(present).ravel())
    plain = _weights(*pairs, np.ones(2000, np.float32))
    assert even[2] / even[1] > 1.05 * plain[2] / plain[1]
    said = 1 / (1 + np.exp(-pairs[0] @ even))
    assert abs(said.mean() - present.mean()) < 0.02  # still as sure as it may be


def test_a_photo_in_several_rows_counts_once(tmp_path: Path) -> None:
    photos = [
        PoolPhoto(tmp_path, f"{source}/{n % 3000}", source, (), (), ())
        for source in ("places", "screens1")
        for n in range(6000)
    ]
    apart, bank = calibration_rows(photos, {"places": 2.0})
    files = [photos[row].file for row in (*apart, *bank)]
    assert len(set(files)) == len(files) == len(apart) + 2000
    assert all(file.startswith("places/") for file in files)
    assert all(kept_apart(photos[row]) for row in apart)
    assert not any(kept_apart(photos[row]) for row in bank)


def test_words_with_evidence_get_offsets_of_their_own() -> None:
    """A word that is in a fifth of the bank is held against its own photos until its offset says
    that it is common; a word without evidence stays as it is."""
    rng = np.random.default_rng(5)
    photos, rare = 1500, 12
    names = ("common", *(f"rare {n}" for n in range(rare)), "never")
    present = rng.random((photos, len(names))) < 0.015
    present[:, 0] = rng.random(photos) < 0.25
    present[:, -1] = False
    tokens = rng.normal(0, 0.7, (photos, 2, len(names) + 1)).astype(np.float32)
    tokens[:, 0, :-1] += 3 * present
    eye = np.eye(len(names)) * 2
    vectors = np.concatenate([eye, np.ones((len(names), 1))], axis=1).astype(np.float32)

    def known(rows: IntArray) -> Truth:
        return Truth(names, present[rows], ~present[rows])

    fitted = fit_calibration(
        lambda rows: tokens[rows],
        lambda asked: vectors[[names.index(name) for name in asked]],
        known,
        np.arange(700),
        np.arange(700, photos),
        names,
    )
    assert fitted.offsets_T is not None
    assert fitted.offsets_T[0] > 0.5 + np.median(fitted.offsets_T[1:-1])
    assert fitted.offsets_T[-1] == 0
    plain = replace(fitted, offsets_T=None)
    scores = max_similarity(tokens[:700], vectors)
    said = fitted.probabilities(scores, fitted.label_stats(vectors))
    before = plain.probabilities(scores, plain.label_stats(vectors))
    truth = present[:700, 0]
    # More of its photos are found at the same cut-off, and the word without evidence is as before.
    assert (said[truth, 0] > 0.5).mean() > (before[truth, 0] > 0.5).mean()
    np.testing.assert_array_equal(said[:, -1], before[:, -1])
