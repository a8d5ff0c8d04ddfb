"""Figures of one method on one choice of labels: mAP and F1@K, with bootstrap intervals.

Axes: N photos, C labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qks_cli.errors import UsageError
from qks_cli.evaluation.measures import Ranking, f1, hits_at, interval_around
from qks_cli.types import BoolArray, Float32Array

F1_KINDS = ("published", "judged")


@dataclass(frozen=True, slots=True)
class Figures:
    """``whole`` are the figures of all photos, ``drawn`` those of each resample, by name."""

    photos: int
    labels: int
    whole: dict[str, float]
    drawn: dict[str, list[float]]

    def row(self) -> dict[str, float]:
        """Figures and the ends of their intervals, rounded."""
        out: dict[str, float] = {"photos": self.photos, "labels": self.labels}
        for name, value in self.whole.items():
            out[name] = round(value, 4)
            if self.drawn[name]:
                low, high = interval_around(value, self.drawn[name])
                out[f"{name}_low"], out[f"{name}_high"] = round(low, 4), round(high, 4)
        return out

    def less(self, other: Figures, name: str = "map") -> dict[str, float]:
        """How much more than ``other`` on the same photos; the same resamples are compared, so
        that the interval is that of the difference (paired bootstrap)."""
        value = self.whole[name] - other.whole[name]
        out = {f"{name}_gain": round(value, 4)}
        if self.drawn[name]:
            gains = np.subtract(self.drawn[name], other.drawn[name])
            low, high = interval_around(value, gains.tolist())
            out |= {f"{name}_gain_low": round(low, 4), f"{name}_gain_high": round(high, 4)}
        return out


def figures(
    scores_NC: Float32Array,
    present_NC: BoolArray,
    known_NC: BoolArray | None,
    *,
    ks: Sequence[int],
    filtered: bool,
    repeats: int,
    f1_of: str = "published",
    seed: int = 1,
) -> Figures:
    """mAP and F1@K with ``repeats`` resamples of the photos (0 for no intervals).

    ``filtered`` keeps the photos with at least one positive, as the paper does; earlier work does
    not. mAP leaves out what nobody judged. F1 ``published`` counts as published figures do: the K
    best of all labels of every photo, what nobody judged as absent; ``judged`` takes the K best of
    the labels that somebody judged, as far as there are so many. Raises ``UsageError`` where
    nothing is left to measure.
    """
    if filtered:
        kept = present_NC.any(1)
        scores_NC, present_NC = scores_NC[kept], present_NC[kept]
        known_NC = None if known_NC is None else known_NC[kept]
    carried = np.flatnonzero(present_NC.any(0))
    if not len(carried):
        raise UsageError("no photo here carries one of these labels")
    rankings = [Ranking(scores_NC[:, c], present_NC[:, c]) for c in carried]
    judged_NC = known_NC if f1_of == "judged" else None
    hits = {k: hits_at(scores_NC, present_NC, k, judged_NC) for k in ks}

    def measure(weights_N: npt.NDArray[np.float64] | None) -> dict[str, float]:
        each = [
            ranking.average_precision(_known_weights(weights_N, known_NC, int(c)))
            for ranking, c in zip(rankings, carried, strict=True)
        ]
        found = {"map": float(np.nanmean(each))}
        return found | {f"f1@{k}": f1(hits[k], weights_N) for k in ks}

    count = len(scores_NC)
    rng = np.random.default_rng(seed)
    drawn = [
        measure(np.bincount(rng.integers(0, count, count), minlength=count).astype(np.float64))
        for _ in range(repeats)
    ]
    whole = measure(None)
    by_name = {name: [one[name] for one in drawn] for name in whole}
    return Figures(count, len(carried), whole, by_name)


def _known_weights(
    weights_N: npt.NDArray[np.float64] | None, known_NC: BoolArray | None, column: int
) -> npt.NDArray[np.float64] | None:
    if known_NC is None:
        return weights_N
    known_N = known_NC[:, column].astype(np.float64)
    return known_N if weights_N is None else weights_N * known_N
