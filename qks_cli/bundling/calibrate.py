"""Fit the calibration of a bundle: a bank of reference query tokens and one logistic.

Fitted on the pool's photos that were kept apart from training, over every label that a teacher or
the photos' own labels can speak of. What a teacher is unsure of is left out. What nobody claims is
taken as absent: mostly true, and what a user would call it, but a few right tags count as wrong, so
that the true precision lies above the one measured here.

Axes: N photos kept apart, R reference photos, M query tokens, E label space, C labels, F features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from qks_cli.errors import TrainingError
from qks_cli.model.calibration import Calibration, features
from qks_cli.similarity import max_similarity
from qks_cli.training.mini.batches import TrueLabels
from qks_cli.training.mini.teachers import Teachers
from qks_cli.types import BoolArray, Float32Array, IntArray

BANK = 2000  # reference photos
PRIOR = 1.0  # deviation, in logits, of what single labels differ by from the rest
CONFIRMED = 0.82  # share of what passes the default cut-off that a teacher or a true label confirms
# Drawings and screenshots are rare in photo libraries; the bank is meant to look like one.
NOT_PHOTOS = frozenset("drawings pacs screens1 screens2".split())


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of photos: ``present_NC`` and ``absent_NC``; neither where nobody is sure."""

    names: tuple[str, ...]
    present_NC: BoolArray
    absent_NC: BoolArray

    def joined(self, other: Truth) -> Truth:
        """With the photos of ``other``, which speaks of the same names."""
        return Truth(
            self.names,
            np.concatenate([self.present_NC, other.present_NC]),
            np.concatenate([self.absent_NC, other.absent_NC]),
        )


def known_truth(teachers: Teachers, truth: TrueLabels, rows: IntArray) -> Truth:
    """What the teachers say of the whole photos, and the photos' own labels.

    Each teacher has two thresholds: from the upper one on a label is present, below the lower one
    absent; between them nobody is sure.
    """
    whole = np.zeros(len(rows), np.intp)
    said = teachers.targets(rows, whole, np.zeros(len(rows), bool))
    claims: list[tuple[Sequence[str], Float32Array, float, float]] = [
        (teachers.everyday_names, said.everyday_BA.numpy(), 0.25, 0.6),
        (teachers.imagenet_names, said.imagenet_BI.numpy(), 0.1, 0.6),
        (teachers.group_names, (said.imagenet_BI @ teachers.groups_IG).numpy(), 0.15, 0.7),
        (teachers.coco_names, said.objects_BO.numpy(), 0.08, 0.4),
        (teachers.ade_names[1:], said.stuff_BF.numpy()[:, 1:], 0.05, 0.5),
    ]
    names = tuple(dict.fromkeys([name for own, *_ in claims for name in own] + truth.names))
    place = {name: column for column, name in enumerate(names)}
    present_NC = np.zeros((len(rows), len(names)), bool)
    maybe_NC = np.zeros((len(rows), len(names)), bool)
    for own, belief_NK, low, high in claims:
        for belief_N, name in zip(belief_NK.T, own, strict=True):
            present_NC[:, place[name]] |= belief_N >= high
            maybe_NC[:, place[name]] |= belief_N >= low
    columns = [place[name] for name in truth.names]
    positive = truth.positive_NT[rows]
    source = truth.source_index[rows]
    rivals = (truth.own_ST[source] | truth.judged_ST[source]) & ~positive
    present_NC[:, columns] = (present_NC[:, columns] & ~rivals) | positive
    maybe_NC[:, columns] &= ~rivals
    return Truth(names, present_NC, ~present_NC & ~maybe_NC)


def fit_calibration(
    tokens: Callable[[IntArray], Float32Array],
    embed: Callable[[Sequence[str]], Float32Array],
    known: Callable[[IntArray], Truth],
    apart_rows: IntArray,
    bank_rows: IntArray,
    taught: Sequence[str] = (),
) -> Calibration:
    """``tokens`` maps pool rows to query tokens [N, M, E], ``embed`` names to labels [C, E],
    ``known`` rows to what is known of them. Words of ``taught`` get offsets of their own.

    Raises ``TrainingError`` where no cut-off reaches the wanted precision.
    """
    bank_RME = tokens(bank_rows).astype(np.float16).astype(np.float32)
    truth = known(apart_rows)
    # A label that nobody ever saw teaches nothing but "no".
    seen = np.flatnonzero(truth.present_NC.sum(0) >= 2)
    labels_CE = embed([truth.names[c] for c in seen])
    plain = Calibration(bank_RME, np.zeros(5, np.float32), 0.5)
    stats = plain.label_stats(labels_CE)
    apart_NME = tokens(apart_rows)
    scores_NC = max_similarity(apart_NME, labels_CE)
    present, absent = truth.present_NC[:, seen], truth.absent_NC[:, seen]
    sure = present | absent
    x_NCF = features(scores_NC, stats)
    weights_F = _weights(x_NCF[sure], present[sure], _shares(present)[sure])
    fitted = replace(plain, weights_F=weights_F)
    if taught:
        both = truth.joined(known(bank_rows))
        offsets = _offsets(fitted, np.concatenate([apart_NME, bank_RME]), both, embed)
        taught_TE = embed(taught)
        offsets_T = np.array([offsets.get(word, 0.0) for word in taught], np.float32)
        fitted = replace(fitted, taught_TE=taught_TE, offsets_T=offsets_T)
        stats = fitted.label_stats(labels_CE)
    said = fitted.probabilities(scores_NC, stats)[sure]
    return replace(fitted, cutoff=cutoff_for(said, present[sure], CONFIRMED))


def _offsets(
    fitted: Calibration,
    tokens_NME: Float32Array,
    truth: Truth,
    embed: Callable[[Sequence[str]], Float32Array],
) -> dict[str, float]:
    """For each label what is added to its logit, where there is evidence for it: the most likely
    value given the photos and a normal prior of deviation ``PRIOR`` around none."""
    columns = np.flatnonzero(truth.present_NC.sum(0) >= 2)
    labels_CE = embed([truth.names[c] for c in columns])
    stats = fitted.label_stats(labels_CE)
    said_NC = fitted.probabilities(max_similarity(tokens_NME, labels_CE), stats).astype(np.float64)
    logit_NC = np.log(np.clip(said_NC, 1e-9, 1) / np.clip(1 - said_NC, 1e-9, 1))
    present_NC = truth.present_NC[:, columns]
    sure_NC = present_NC | truth.absent_NC[:, columns]
    offset_C = np.zeros(len(columns))
    for _ in range(40):  # Newton's method, all labels at once
        p_NC = 1 / (1 + np.exp(-(logit_NC + offset_C)))
        slope_C = ((present_NC - p_NC) * sure_NC).sum(0) - offset_C / PRIOR**2
        bend_C = (p_NC * (1 - p_NC) * sure_NC).sum(0) + 1 / PRIOR**2
        offset_C += np.clip(slope_C / bend_C, -1, 1)
    return {truth.names[c]: float(x) for c, x in zip(columns, offset_C, strict=True)}


def _shares(present_NC: BoolArray) -> Float32Array:
    """What each pair counts [N, C]: a label that is everywhere teaches the same thing again."""
    share_C = present_NC.sum(0) ** -0.5
    return np.broadcast_to(share_C, present_NC.shape).astype(np.float32)


def _weights(x_KF: Float32Array, y_K: BoolArray, share_K: Float32Array) -> Float32Array:
    """The logistic [F] over pairs K. Which labels' scores compare how is learnt with all labels
    counting nearly alike; how sure a score is, with every pair counting the same."""
    from sklearn.linear_model import LogisticRegression

    even = LogisticRegression(fit_intercept=False, C=10.0, max_iter=1000)
    direction_F = even.fit(x_KF, y_K, sample_weight=share_K / share_K.mean()).coef_[0]
    scale = LogisticRegression(C=10.0).fit((x_KF @ direction_F)[:, None], y_K)
    weights_F = direction_F * scale.coef_[0, 0]
    weights_F[0] += scale.intercept_[0]  # the first feature is 1
    return np.asarray(weights_F, np.float32)


def cutoff_for(said: Float32Array, y: BoolArray, precision: float) -> float:
    """The cut-off with the best F1 among those at which the precision of what passes is at least
    ``precision``. Raises ``TrainingError`` where there is none."""
    order = np.argsort(-said)
    right = np.cumsum(y[order])
    passed = np.arange(1, len(order) + 1)
    good = np.flatnonzero(right >= precision * passed)
    good = good[good >= 50]  # the first few say nothing
    if len(good) == 0:
        raise TrainingError(f"no cut-off reaches a precision of {precision}")
    f1 = 2 * right[good] / (passed[good] + y.sum())
    return float(said[order[good[int(np.argmax(f1))]]])
