"""A cut-off of its own for each label, from photos of which somebody said whether they carry it.

Axes: N photos, C labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qks_cli.types import BoolArray, Float32Array

ENOUGH = 8  # photos that carry a label, and that do not, below which its cut-off says little


@dataclass(frozen=True, slots=True)
class CutoffReport:
    """``cutoffs_C`` is NaN where the default stays. F1 (over all labels and photos together) with
    the default and with own cut-offs, each fitted on the other half of the photos."""

    cutoffs_C: Float32Array
    f1_default: float
    f1_own: float

    @property
    def fitted(self) -> int:
        """How many labels have a cut-off of their own."""
        return int(np.isfinite(self.cutoffs_C).sum())


def fit_cutoffs(
    said_NC: Float32Array, present_NC: BoolArray, known_NC: BoolArray, default: float
) -> CutoffReport:
    """For each label the cut-off on calibrated scores ``said_NC`` with the best F1 on its known
    photos; labels with fewer than ``ENOUGH`` photos of either kind keep ``default``."""
    whole_C = _fit(said_NC, present_NC, known_NC)
    halves = np.arange(len(said_NC)) % 2 == 0
    fired_NC = np.zeros_like(present_NC)
    for rows, other in ((halves, ~halves), (~halves, halves)):
        own_C = _fit(said_NC[other], present_NC[other], known_NC[other])
        fired_NC[rows] = said_NC[rows] >= np.where(np.isnan(own_C), default, own_C)
    return CutoffReport(
        whole_C,
        _f1(said_NC >= default, present_NC, known_NC),
        _f1(fired_NC, present_NC, known_NC),
    )


def _fit(said_NC: Float32Array, present_NC: BoolArray, known_NC: BoolArray) -> Float32Array:
    out_C = np.full(said_NC.shape[1], np.nan, np.float32)
    for c in range(said_NC.shape[1]):
        known_N = known_NC[:, c]
        said_N, there_N = said_NC[known_N, c], present_NC[known_N, c]
        if min(there_N.sum(), (~there_N).sum()) >= ENOUGH:
            out_C[c] = best_cutoff(said_N, there_N)
    return out_C


def best_cutoff(said_N: Float32Array, there_N: BoolArray) -> float:
    """The cut-off with the best F1, half-way between the scores that it parts."""
    order = np.argsort(-said_N, kind="stable")
    ranked = said_N[order]
    right = np.cumsum(there_N[order])
    f1_N = 2 * right / (np.arange(1, len(order) + 1) + there_N.sum())
    f1_N[:-1][ranked[:-1] == ranked[1:]] = -1  # equal scores cannot be parted
    last = int(np.argmax(f1_N))
    below = float(ranked[last + 1]) if last + 1 < len(ranked) else 0.0
    return (float(ranked[last]) + below) / 2


def _f1(fired_NC: BoolArray, present_NC: BoolArray, known_NC: BoolArray) -> float:
    right = int((fired_NC & present_NC & known_NC).sum())
    both = int((fired_NC & known_NC).sum()) + int((present_NC & known_NC).sum())
    return 2 * right / both if both else 0.0
