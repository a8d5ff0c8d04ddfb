"""Measures of multi-label ranking, with unknown labels left out.

Axes: N photos, C labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from qks_cli.types import BoolArray, Float32Array


class Ranking:
    """One label's photos in the order of their scores; sorted once, measured many times.

    Equal scores share one rank, the last of theirs, so that the order of photos does not matter.
    """

    def __init__(self, scores_N: Float32Array, present_N: BoolArray) -> None:
        self.order_N = np.argsort(-scores_N, kind="stable")
        ranked_N = scores_N[self.order_N]
        self.ends_K = np.append(np.flatnonzero(np.diff(ranked_N)), len(ranked_N) - 1)
        self.present_N = present_N[self.order_N]

    def average_precision(self, weights_N: npt.NDArray[np.floating] | None = None) -> float:
        """Mean precision at the rank of each positive, NaN without one. ``weights_N`` counts a
        photo several times, or not at all where it is 0."""
        if not len(self.order_N):
            return float("nan")
        weights = np.ones(len(self.order_N)) if weights_N is None else weights_N[self.order_N]
        right_K = np.cumsum(weights * self.present_N)[self.ends_K]
        asked_K = np.cumsum(weights)[self.ends_K]
        if right_K[-1] == 0:
            return float("nan")
        gained_K = np.diff(right_K, prepend=0.0)
        return float((gained_K * right_K / np.maximum(asked_K, 1e-12)).sum() / right_K[-1])


def average_precision(scores_N: Float32Array, present_N: BoolArray) -> float:
    """Mean precision at the rank of each positive, NaN without one (see ``Ranking``)."""
    return Ranking(scores_N, present_N).average_precision()


def mean_average_precision(
    scores_NC: Float32Array, present_NC: BoolArray, known_NC: BoolArray | None = None
) -> Float32Array:
    """Average precision of each label [C] over the photos where it is known, NaN for one that no
    photo carries. The mean over the rest is mAP."""
    out_C = np.full(scores_NC.shape[1], np.nan, np.float32)
    for c in range(scores_NC.shape[1]):
        known = slice(None) if known_NC is None else known_NC[:, c]
        out_C[c] = average_precision(scores_NC[known, c], present_NC[known, c])
    return out_C


def hits_at(
    scores_NC: Float32Array, present_NC: BoolArray, k: int, known_NC: BoolArray | None = None
) -> npt.NDArray[np.float64]:
    """For each photo [N, 3]: positives among the ``k`` best labels, how many were asked, positives
    in all; ``f1`` sums them. Without ``known_NC`` every photo is asked for ``k``, as published
    figures are; with it only the known labels count, and no more than there are."""
    ranked = scores_NC if known_NC is None else np.where(known_NC, scores_NC, -np.inf)
    taken = min(k, scores_NC.shape[1])
    best = np.argpartition(-ranked, taken - 1, axis=1)[:, :taken]
    hits_N = np.take_along_axis(present_NC, best, axis=1).sum(1)
    asked_N = np.full(len(ranked), k)
    if known_NC is not None:
        asked_N = np.minimum(asked_N, known_NC.sum(1))
    return np.stack([hits_N, asked_N, present_NC.sum(1)], 1).astype(np.float64)


def f1(
    hits_N3: npt.NDArray[np.float64], weights_N: npt.NDArray[np.floating] | None = None
) -> float:
    """Micro-averaged F1@K out of ``hits_at``: precision TP/(N·K), recall TP/positives."""
    sums = hits_N3.sum(0) if weights_N is None else weights_N @ hits_N3
    return float(2 * sums[0] / (sums[1] + sums[2])) if sums[1] + sums[2] else 0.0


def interval_around(figure: float, drawn: Sequence[float]) -> tuple[float, float]:
    """95 % bootstrap interval out of resampled figures, moved to lie around the figure of all
    photos: photos drawn twice flatter average precision."""
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    moved = figure - float(np.nanmean(drawn))
    return float(low) + moved, float(high) + moved
