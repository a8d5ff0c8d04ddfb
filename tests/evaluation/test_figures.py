"""The table of an evaluation, worked out by hand, and the paired bootstrap."""

from __future__ import annotations

import numpy as np
import pytest

from qks_cli.evaluation.figures import figures
from qks_cli.evaluation.measures import f1, hits_at

#                    three labels of four photos, the last without any
SCORES = np.array([[0.9, 0.1, 0.4], [0.8, 0.7, 0.2], [0.3, 0.6, 0.5], [0.95, 0.3, 0.1]], np.float32)
PRESENT = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 1], [0, 0, 0]], bool)
KNOWN = np.array([[1, 1, 1], [1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)  # nobody judged one


@pytest.mark.parametrize(
    ("filtered", "f1_of", "photos", "mean", "f1_1", "f1_5"),
    [
        # Label 1 ranks photos 1, 2, 3: (1/1 + 2/3) / 2; the others are ranked without a fault.
        # Best labels: hit, miss, miss: 2·1 / (3·1 + 4). All labels: 2·4 / (3·5 + 4).
        (True, "published", 3, (5 / 6 + 1 + 1) / 3, 2 / 7, 8 / 19),
        # The photo without a label comes first under label 1: (1/2 + 2/4) / 2.
        (False, "published", 4, (1 / 2 + 1 + 1) / 3, 2 / 8, 8 / 24),
        # Where only judged labels count, photo 3 is asked for its best judged one, a hit, and no
        # more labels than are judged: 2·4 / (3 + 3 + 2 + 4).
        (True, "judged", 3, (5 / 6 + 1 + 1) / 3, 4 / 7, 8 / 12),
    ],
)
def test_the_table_by_hand(
    filtered: bool, f1_of: str, photos: int, mean: float, f1_1: float, f1_5: float
) -> None:
    found = figures(SCORES, PRESENT, KNOWN, ks=(1, 5), filtered=filtered, repeats=0, f1_of=f1_of)
    assert (found.photos, found.labels) == (photos, 3)
    assert found.whole["map"] == pytest.approx(mean)
    assert found.whole["f1@1"] == pytest.approx(f1_1)
    assert found.whole["f1@5"] == pytest.approx(f1_5)


def test_what_nobody_judged_takes_no_part_in_average_precision() -> None:
    scores = np.array([[0.9], [0.8], [0.7]], np.float32)
    present = np.array([[0], [1], [0]], bool)
    known = np.array([[0], [1], [1]], bool)
    masked = figures(scores, present, known, ks=(1,), filtered=False, repeats=0)
    absent = figures(scores, present, None, ks=(1,), filtered=False, repeats=0)
    assert (masked.whole["map"], absent.whole["map"]) == (1.0, 0.5)


def test_published_f1_asks_for_k_labels_of_every_photo() -> None:
    assert f1(hits_at(SCORES, PRESENT, 3)) == pytest.approx(2 * 4 / (4 * 3 + 4))
    assert hits_at(SCORES, PRESENT, 5)[:, 1].tolist() == [5] * 4


def test_gains_are_of_the_same_resamples() -> None:
    rng = np.random.default_rng(1)
    present = rng.random((60, 4)) < 0.3
    scores = (present + rng.normal(0, 0.7, present.shape)).astype(np.float32)
    worse = (scores + rng.normal(0, 0.2, present.shape)).astype(np.float32)
    good, bad = (
        figures(s, present, None, ks=(1,), filtered=False, repeats=60) for s in (scores, worse)
    )
    assert good.less(good) == {"map_gain": 0.0, "map_gain_low": 0.0, "map_gain_high": 0.0}
    gain = bad.less(good)
    assert gain["map_gain"] == pytest.approx(bad.whole["map"] - good.whole["map"], abs=1e-4)
    # The difference is surer than either figure.
    row = bad.row()
    assert gain["map_gain_high"] - gain["map_gain_low"] < row["map_high"] - row["map_low"]
