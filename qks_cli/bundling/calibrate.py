"""Fit the calibration of a bundle: a bank of reference query tokens and one logistic.

Fitted on the pool's photos that were kept apart from training, where the teachers or the true
labels are sure of a label's presence or absence; what nobody is sure of is left out.

Axes: N photos kept apart, R reference photos, M query tokens, E label space, C labels, F features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qks_cli.errors import TrainingError
from qks_cli.tagging.calibration import Calibration, features
from qks_cli.tagging.scoring import score
from qks_cli.training.batches import TrueLabels
from qks_cli.training.teachers import Teachers
from qks_cli.types import Float32Array, IntArray

BANK = 2000  # reference photos
TARGET_PRECISION = 0.85  # of what passes the default cut-off, on the photos kept apart
# Drawings and screenshots are rare in photo libraries; the bank is meant to look like one.
NOT_PHOTOS = frozenset("drawings pacs screens1 screens2".split())


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of photos: ``present_NC`` and ``absent_NC``; neither where nobody is sure."""

    names: tuple[str, ...]
    present_NC: npt.NDArray[np.bool_]
    absent_NC: npt.NDArray[np.bool_]


def known_truth(teachers: Teachers, truth: TrueLabels, rows: IntArray) -> Truth:
    """The detector's objects, the segmenter's stuff, and the photos' own labels."""
    whole = np.zeros(len(rows), np.intp)
    targets = teachers.targets(rows, whole, np.zeros(len(rows), bool))
    objects = targets.objects_BO.numpy()
    stuff = targets.stuff_BF.numpy()[:, 1:]
    source = truth.source_index[rows]
    own = truth.positive_NT[rows]
    rivals = (truth.own_ST[source] | truth.judged_ST[source]) & ~own
    return Truth(
        (*teachers.coco_names, *teachers.ade_names[1:], *truth.names),
        np.concatenate([objects >= 0.4, stuff >= 0.5, own], axis=1),
        np.concatenate([objects < 0.08, stuff < 0.05, rivals], axis=1),
    )


def fit_calibration(
    tokens: Callable[[IntArray], Float32Array],
    embed: Callable[[Sequence[str]], Float32Array],
    truth: Truth,
    apart_rows: IntArray,
    bank_rows: IntArray,
) -> Calibration:
    """``tokens`` maps pool rows to query tokens [N, M, E], ``embed`` names to labels [C, E].

    Raises ``TrainingError`` where no cut-off reaches the target precision.
    """
    from sklearn.linear_model import LogisticRegression

    bank_RME = tokens(bank_rows).astype(np.float16).astype(np.float32)
    # A label that nobody ever saw teaches nothing but "no".
    seen = np.flatnonzero(truth.present_NC.sum(0) >= 2)
    labels_CE = embed([truth.names[c] for c in seen])
    start = Calibration(bank_RME, np.zeros(5, np.float32), 0.5)
    stats = start.label_stats(labels_CE)
    scores_NC, _ = score(tokens(apart_rows), labels_CE)
    present, absent = truth.present_NC[:, seen], truth.absent_NC[:, seen]
    sure = present | absent
    x = features(scores_NC, stats)[sure]
    y = present[sure]
    model = LogisticRegression(fit_intercept=False, C=10.0, max_iter=500).fit(x, y)
    weights_F = model.coef_[0].astype(np.float32)
    fitted = Calibration(bank_RME, weights_F, 0.5)
    said = fitted.probabilities(scores_NC, stats)[sure]
    return Calibration(bank_RME, weights_F, cutoff_for(said, y, TARGET_PRECISION))


def cutoff_for(said: Float32Array, y: npt.NDArray[np.bool_], precision: float) -> float:
    """The lowest cut-off from which on the precision of what passes is at least ``precision``."""
    order = np.argsort(-said)
    right = np.cumsum(y[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(right >= precision)
    good = good[good >= 50]  # the first few say nothing
    if len(good) == 0:
        raise TrainingError(f"no cut-off reaches a precision of {precision}")
    return float(said[order[good[-1]]])
