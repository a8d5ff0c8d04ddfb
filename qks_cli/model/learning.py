"""How a head is learned from verdicts, and what it gains on photos that it has not seen.

A logistic regression on a photo's query tokens is blended with the text match: with n verdicts it
counts n / (n + 20), so that few examples move little and many decide. Both are brought to the
spread that they have over the library; then one slope and one shift make a probability of the sum.
Slope and shift are fitted on held-out photos, with priors that leave the scale as it is.

Axes: N judged photos, S photos of the library at random, F features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qks_cli.model.learned import Head, logit, probability
from qks_cli.types import BoolArray, Float32Array

HALF = 20  # verdicts with which the regression counts half
# Deviations that one deviation of the regression may count, where evidence is endless. Which is
# best differs between labels: a text match that is right already is hurt by more.
STRENGTHS = (0.25, 0.5, 1.0, 2.0)
WORTH = 0.02  # average precision that the next strength has to gain to be taken
NOISE = 1.0  # standard errors that a gain has to exceed
DRAWS = 100  # of the photos, that tell the standard error
FOLDS = 5
LEAST = 2  # confirmed and rejected photos that a label needs of each
SLOPE_SPREAD, SHIFT_SPREAD = 0.5, 1.0  # priors of the calibration: log slope, shift of the logit


@dataclass(frozen=True, slots=True)
class Sample:
    """Photos of the library at random: their features, and the text match's scores of the label
    (None where it is known by examples alone)."""

    features_SF: Float32Array
    text_S: Float32Array | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Judged photos: features, the text match's scores (or None), and whether the label is right.
    ``verdicts`` of them count as evidence; the others are only presumed not to show the label."""

    features_NF: Float32Array
    text_N: Float32Array | None
    right_N: BoolArray
    verdicts: int


@dataclass(frozen=True, slots=True)
class Measured:
    """Held-out average precision and F1 at the cut-off, 0 to 1: of the text match alone (None
    where it knows nothing of the label), and with the head. ``error`` is the standard error of the
    gain in precision, by drawing photos again."""

    precision_before: float | None
    precision: float
    f1_before: float | None
    f1: float
    error: float = 0.0

    @property
    def better(self) -> bool:
        """The precision rose by more than its noise, and F1 did not fall; without a text match,
        better than by chance."""
        if self.precision_before is None or self.f1_before is None:
            return self.f1 > 0
        gain = self.precision - self.precision_before
        return gain > max(NOISE * self.error, 1e-9) and self.f1 > self.f1_before - 1e-9


def learn(
    label: str, evidence: Evidence, sample: Sample, *, cutoff: float
) -> tuple[Head, Measured]:
    """A head, and what it gains on folds that were kept out of it. ``evidence`` holds at least
    ``LEAST`` photos of both kinds."""
    right_N = evidence.right_N
    held_N = np.zeros(len(right_N), np.float32)
    fold_N = _folds(right_N)
    for fold in range(int(fold_N.max()) + 1):
        seen_N = fold_N != fold
        part = _fit(evidence, seen_N, sample)
        held_N[~seen_N] = part.logits(evidence, ~seen_N)
    # Each fold's scale is fitted on the others.
    scaled_N = held_N.copy()
    for fold in range(int(fold_N.max()) + 1):
        slope, shift = _scale(held_N[fold_N != fold], right_N[fold_N != fold])
        scaled_N[fold_N == fold] = slope * held_N[fold_N == fold] + shift
    measured = _measured(evidence, probability(scaled_N), cutoff)
    slope, shift = _scale(held_N, right_N)
    whole = _fit(evidence, np.ones(len(right_N), bool), sample)
    head = Head(
        label,
        sample.text_S is None,
        slope * whole.gain,
        np.asarray(slope * whole.weights_F, np.float32),
        slope * whole.bias + shift,
    )
    return head, measured


@dataclass(frozen=True, slots=True)
class _Part:
    gain: float
    weights_F: npt.NDArray[np.float64]
    bias: float

    def logits(self, evidence: Evidence, rows_N: BoolArray) -> npt.NDArray[Any]:
        found = evidence.features_NF[rows_N] @ self.weights_F + self.bias
        if evidence.text_N is not None:
            found = found + self.gain * logit(evidence.text_N[rows_N])
        return np.asarray(found)


def _fit(evidence: Evidence, seen_N: BoolArray, sample: Sample) -> _Part:
    """The blend of the text match and a regression on the photos ``seen``, not yet calibrated. How
    much the regression counts is chosen on folds of these photos alone."""
    strength = STRENGTHS[0] if sample.text_S is not None else STRENGTHS[-1]
    right_N = evidence.right_N[seen_N]
    if sample.text_S is not None and min(right_N.sum(), (~right_N).sum()) >= LEAST:
        strength = _strength(evidence, np.flatnonzero(seen_N), sample)
    return _blend(_regression(evidence, seen_N, sample), evidence, seen_N, sample, strength)


def _strength(evidence: Evidence, rows_K: npt.NDArray[np.intp], sample: Sample) -> float:
    """The least strength that ranks held-out photos among these about as well as the best."""
    from sklearn.metrics import average_precision_score

    right_K = evidence.right_N[rows_K]
    fold_K = _folds(right_K)
    held = {strength: np.zeros(len(rows_K)) for strength in STRENGTHS}
    for fold in range(int(fold_K.max()) + 1):
        seen_N, kept_N = (np.zeros(len(evidence.right_N), bool) for _ in range(2))
        seen_N[rows_K[fold_K != fold]] = True
        kept_N[rows_K[fold_K == fold]] = True
        own_F = _regression(evidence, seen_N, sample)
        for strength in STRENGTHS:
            part = _blend(own_F, evidence, seen_N, sample, strength)
            held[strength][fold_K == fold] = part.logits(evidence, kept_N)
    best, least = STRENGTHS[0], -1.0
    for strength in STRENGTHS:
        found = float(average_precision_score(right_K, held[strength]))
        if found > least + WORTH:
            best, least = strength, found
    return best


def _regression(evidence: Evidence, seen_N: BoolArray, sample: Sample) -> npt.NDArray[np.float64]:
    """Weights [F] of a logistic regression, whose values deviate by 1 over the sample."""
    from sklearn.linear_model import LogisticRegression

    mean_F = sample.features_SF.mean(0)
    scale_F = 4 / ((sample.features_SF.std(0) + 1e-6) * np.sqrt(len(mean_F)))
    regression = LogisticRegression(C=1.0, class_weight="balanced", max_iter=300)
    regression.fit((evidence.features_NF[seen_N] - mean_F) * scale_F, evidence.right_N[seen_N])
    own_F = regression.coef_[0] * scale_F
    return np.asarray(own_F / ((sample.features_SF @ own_F).std() + 1e-6), np.float64)


def _blend(
    own_F: npt.NDArray[np.float64],
    evidence: Evidence,
    seen_N: BoolArray,
    sample: Sample,
    strength: float,
) -> _Part:
    """The text match with ``strength`` of the regression, as far as there is evidence for it."""
    own_S = sample.features_SF @ own_F
    if sample.text_S is None:
        return _Part(0.0, strength * own_F, float(-strength * own_S.mean()))
    count = evidence.verdicts * float(seen_N.mean())
    text_S = logit(sample.text_S).astype(np.float64)
    spread = float(text_S.std()) + 1e-6
    weight = strength * spread * count / (count + HALF)
    # The sum is brought back to the mean and the spread that the text match has.
    gain = spread / (float((text_S + weight * own_S).std()) + 1e-6)
    centre = text_S.mean() * (1 - gain) - gain * weight * own_S.mean()
    return _Part(gain, gain * weight * own_F, float(centre))


def _folds(right_N: BoolArray) -> npt.NDArray[np.intp]:
    """A fold for each photo, both kinds evenly over all of them; the same ones every time."""
    count = min(FOLDS, int(right_N.sum()), int((~right_N).sum()))
    fold_N = np.zeros(len(right_N), np.intp)
    rng = np.random.default_rng(0)
    for kind_N in (right_N, ~right_N):
        rows = rng.permutation(np.flatnonzero(kind_N))
        fold_N[rows] = np.arange(len(rows)) % count
    return fold_N


def _scale(logits_N: Float32Array, right_N: BoolArray) -> tuple[float, float]:
    """Slope and shift of the likeliest probabilities, near 1 and 0 where evidence is thin."""
    from scipy.optimize import minimize

    x_N, sign_N = logits_N.astype(np.float64), np.where(right_N, 1.0, -1.0)

    def loss(at: npt.NDArray[np.float64]) -> float:
        margins_N = sign_N * (np.exp(at[0]) * x_N + at[1])
        priors = (at[0] / SLOPE_SPREAD) ** 2 / 2 + (at[1] / SHIFT_SPREAD) ** 2 / 2
        return float(np.logaddexp(0, -margins_N).sum() + priors)

    found = minimize(loss, np.zeros(2), method="L-BFGS-B", bounds=[(-3, 3), (-20, 20)])
    return float(np.exp(found.x[0])), float(found.x[1])


def _measured(evidence: Evidence, scores_N: Float32Array, cutoff: float) -> Measured:
    from sklearn.metrics import average_precision_score

    right_N, text_N = evidence.right_N, evidence.text_N
    after = float(average_precision_score(right_N, scores_N)), _f1(right_N, scores_N >= cutoff)
    if text_N is None:
        return Measured(None, after[0], None, after[1])
    before = float(average_precision_score(right_N, text_N)), _f1(right_N, text_N >= cutoff)
    error = _error(right_N, text_N, scores_N)
    return Measured(before[0], after[0], before[1], after[1], error)


def _error(right_N: BoolArray, before_N: Float32Array, after_N: Float32Array) -> float:
    """The standard error of the gain in average precision: its deviation over photos drawn with
    replacement. Those that do not show the label are drawn apart from those that do."""
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(0)
    kinds = np.flatnonzero(right_N), np.flatnonzero(~right_N)
    gains = []
    for _ in range(DRAWS):
        rows = np.concatenate([rng.choice(kind, len(kind)) for kind in kinds])
        after, before = (
            float(average_precision_score(right_N[rows], scores_N[rows]))
            for scores_N in (after_N, before_N)
        )
        gains.append(after - before)
    return float(np.std(gains))


def _f1(right_N: BoolArray, said_N: BoolArray) -> float:
    both = int((right_N & said_N).sum())
    return 2 * both / max(1, int(right_N.sum()) + int(said_N.sum()))
