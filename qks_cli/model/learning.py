"""How a head is learned from verdicts, and what it gains on photos that it has not seen.

A logistic regression on a photo's query tokens that starts from the text match: the logit of the
text match is its offset, and it learns only what the judged photos say otherwise. Weights and shift
have normal priors around nothing, so that a text match that is right about its photos stays as it
is, and few examples move little. How far the weights may go is chosen on held-out photos, and the
least is taken unless more is better beyond doubt.

Axes: N judged photos, S photos of the library at random, F features, R directions that the judged
photos differ in (and the shift), D draws, K ranks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from qks_cli.model.learned import Head, logit, probability
from qks_cli.types import BoolArray, Float32Array

# Deviations of the prior, in logits for a photo of common length. A name that is known by examples
# alone has no text match to start from.
STRENGTHS, STRENGTHS_ALONE = (1.0, 2.0, 4.0), (8.0,)
SHIFT = 2.0  # the deviation of the shift's prior, in logits
DRAWS = 100  # of the photos, that tell the noise of a measure
FOLDS = 5
ONE_BY_ONE = 20  # judged photos up to which each is held out by itself
LEAST = 2  # confirmed and rejected photos that a label needs of each
STEPS = 30  # of Newton's method, at most: it takes about six

_Array: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Judged photos: features, the text match's scores (None where it knows nothing of the label),
    and whether the label is right."""

    features_NF: Float32Array
    text_N: Float32Array | None
    right_N: BoolArray


@dataclass(frozen=True, slots=True)
class Measured:
    """Held-out average precision and F1 at the cut-off, 0 to 1: of the text match alone (None
    where it knows nothing of the label), and with the head. ``likelier``: the held-out verdicts, by
    their probability. ``error`` and ``f1_error`` are the standard errors of the gains, by drawing
    photos again."""

    precision_before: float | None
    precision: float
    f1_before: float | None
    f1: float
    likelier: bool = True
    error: float = 0.0
    f1_error: float = 0.0

    @property
    def better(self) -> bool:
        """The verdicts on held-out photos became likelier, and neither precision nor F1 fell by
        more than its noise; there is nothing to gain where both are 1. Without a text match, better
        than by chance."""
        if self.precision_before is None or self.f1_before is None:
            return self.f1 > 0
        return (
            self.likelier
            and min(self.precision_before, self.f1_before) < 1 - 1e-9
            and self.precision >= self.precision_before - self.error - 1e-9
            and self.f1 >= self.f1_before - self.f1_error - 1e-9
        )


def learn(
    label: str, evidence: Evidence, sample_SF: Float32Array, *, cutoff: float
) -> tuple[Head, Measured]:
    """A head, and what it gains on photos that were kept out of it. ``evidence`` holds at least
    ``LEAST`` photos of both kinds; ``sample_SF`` are features of photos of the library at
    random."""
    right_N, text_N = evidence.right_N, evidence.text_N
    mean_F = sample_SF.mean(0)
    scale_F = 1 / ((sample_SF.std(0) + 1e-6) * np.sqrt(len(mean_F)))
    seen_NF = ((evidence.features_NF - mean_F) * scale_F).astype(np.float64)
    directions_RF, turned_NR = _turned(seen_NF)
    offset_N = np.zeros(len(right_N)) if text_N is None else logit(text_N).astype(np.float64)
    strengths = STRENGTHS_ALONE if text_N is None else STRENGTHS
    fold_N = _folds(right_N)
    held_SN = np.stack(
        [_held_out(_columns(turned_NR, one), offset_N, right_N, fold_N) for one in strengths]
    )
    loss_SN = np.logaddexp(0, np.where(right_N, -held_SN, held_SN))
    # Each photo's strength is chosen by the photos of the other folds.
    logits_N = np.empty(len(right_N))
    for fold in range(int(fold_N.max()) + 1):
        own = fold_N == fold
        logits_N[own] = held_SN[_strongest(loss_SN[:, ~own])][own]
    best = _strongest(loss_SN)
    found_R = _fit(_columns(turned_NR, strengths[best]), offset_N, right_N)
    weights_F = strengths[best] * (found_R[:-1] @ directions_RF) * scale_F
    head = Head(
        label,
        text_N is None,
        0.0 if text_N is None else 1.0,
        np.asarray(weights_F, np.float32),
        float(SHIFT * found_R[-1] - weights_F @ mean_F),
    )
    return head, _measured(evidence, offset_N, logits_N, cutoff)


def _turned(seen_NF: _Array) -> tuple[_Array, _Array]:
    """Directions [R, F] of length 1, and the photos along them [N, R]: there is nothing to learn
    across, and few photos span few."""
    count, width = seen_NF.shape
    if count >= width:
        return np.eye(width), seen_NF
    left_NR, size_R, directions_RF = np.linalg.svd(seen_NF, full_matrices=False)
    return directions_RF, left_NR * size_R


def _columns(turned_NR: _Array, strength: float) -> _Array:
    """What is fitted [N, R], with the shift behind: a weight of 1 is one deviation of its prior."""
    return np.concatenate([strength * turned_NR, np.full((len(turned_NR), 1), SHIFT)], axis=1)


def _held_out(
    columns_NR: _Array, offset_N: _Array, right_N: BoolArray, fold_N: npt.NDArray[np.intp]
) -> _Array:
    """Logits [N] of photos from fits without them."""
    held_N = np.empty(len(right_N))
    whole_R = _fit(columns_NR, offset_N, right_N)
    for fold in range(int(fold_N.max()) + 1):
        own = fold_N == fold
        found_R = _fit(columns_NR[~own], offset_N[~own], right_N[~own], whole_R)
        held_N[own] = offset_N[own] + columns_NR[own] @ found_R
    return held_N


def _fit(
    columns_NR: _Array, offset_N: _Array, right_N: BoolArray, start_R: _Array | None = None
) -> _Array:
    """The likeliest weights [R] under normal priors of deviation 1, by Newton's method."""
    sign_N = np.where(right_N, 1.0, -1.0)

    def loss(at_R: _Array) -> float:
        margins_N = sign_N * (offset_N + columns_NR @ at_R)
        return float(np.logaddexp(0, -margins_N).sum() + at_R @ at_R / 2)

    at_R = np.zeros(columns_NR.shape[1]) if start_R is None else start_R
    least = loss(at_R)
    for _ in range(STEPS):
        fits_N = 1 / (1 + np.exp(-np.clip(offset_N + columns_NR @ at_R, -30, 30)))
        slope_R = columns_NR.T @ (fits_N - right_N) + at_R
        bend_RR = (columns_NR.T * (fits_N * (1 - fits_N))) @ columns_NR
        bend_RR.flat[:: len(at_R) + 1] += 1
        step_R = np.linalg.solve(bend_RR, slope_R)
        size, found = 1.0, loss(at_R - step_R)
        while found > least and size > 1e-3:
            size /= 2
            found = loss(at_R - size * step_R)
        if found > least - 1e-7:
            break
        at_R, least = at_R - size * step_R, found
    return at_R


def _strongest(loss_SN: _Array) -> int:
    """Which strength: the first, unless a later one is better by more than its noise."""
    best = 0
    for later in range(1, len(loss_SN)):
        gain_N = loss_SN[best] - loss_SN[later]
        if gain_N.sum() > gain_N.std() * np.sqrt(len(gain_N)):
            best = later
    return best


def _folds(right_N: BoolArray) -> npt.NDArray[np.intp]:
    """A fold for each photo, both kinds evenly over all of them; the same ones every time."""
    if len(right_N) <= ONE_BY_ONE:
        return np.arange(len(right_N))
    count = min(FOLDS, int(right_N.sum()), int((~right_N).sum()))
    fold_N = np.zeros(len(right_N), np.intp)
    rng = np.random.default_rng(0)
    for kind_N in (right_N, ~right_N):
        rows = rng.permutation(np.flatnonzero(kind_N))
        fold_N[rows] = np.arange(len(rows)) % count
    return fold_N


def _measured(evidence: Evidence, before_N: _Array, after_N: _Array, cutoff: float) -> Measured:
    """Of logits without and with the head. Noise is the deviation over photos drawn again; those
    that do not show the label are drawn apart from those that do."""
    right_N = evidence.right_N
    drawn_DN = np.ones((1 + DRAWS, len(right_N)))  # the first draw are the photos as they are
    rng = np.random.default_rng(0)
    for rows in (np.flatnonzero(right_N), np.flatnonzero(~right_N)):
        drawn_DN[1:, rows] = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), DRAWS)
    after_D = _precision(right_N, after_N, drawn_DN)
    f1_after_D = _f1(right_N, probability(np.asarray(after_N, np.float32)) >= cutoff, drawn_DN)
    if evidence.text_N is None:
        return Measured(None, float(after_D[0]), None, float(f1_after_D[0]))
    before_D = _precision(right_N, before_N, drawn_DN)
    f1_before_D = _f1(right_N, evidence.text_N >= cutoff, drawn_DN)
    sign_N = np.where(right_N, 1.0, -1.0)
    gained_N = np.logaddexp(0, -sign_N * before_N) - np.logaddexp(0, -sign_N * after_N)
    return Measured(
        float(before_D[0]),
        float(after_D[0]),
        float(f1_before_D[0]),
        float(f1_after_D[0]),
        bool(gained_N.sum() > 0),
        float((after_D - before_D)[1:].std()),
        float((f1_after_D - f1_before_D)[1:].std()),
    )


def _precision(right_N: BoolArray, scores_N: npt.NDArray[Any], drawn_DN: _Array) -> _Array:
    """Average precision [D] of photos that count ``drawn_DN`` times; equal scores share a rank."""
    order_N = np.argsort(-scores_N, kind="stable")
    ends_K = np.append(np.flatnonzero(np.diff(scores_N[order_N])), len(order_N) - 1)
    ranked_DN = drawn_DN[:, order_N]
    right_DK = np.cumsum(ranked_DN * right_N[order_N], axis=1)[:, ends_K]
    asked_DK = np.cumsum(ranked_DN, axis=1)[:, ends_K]
    gained_DK = np.diff(right_DK, prepend=0.0, axis=1)
    summed_D = (gained_DK * right_DK / np.maximum(asked_DK, 1e-12)).sum(1)
    return np.asarray(summed_D / right_DK[:, -1])


def _f1(right_N: BoolArray, said_N: BoolArray, drawn_DN: _Array) -> _Array:
    """F1 [D] of photos that count ``drawn_DN`` times."""
    both_D, said_D = drawn_DN @ (right_N & said_N), drawn_DN @ said_N
    return np.asarray(2 * both_D / np.maximum(1, drawn_DN @ right_N + said_D))
