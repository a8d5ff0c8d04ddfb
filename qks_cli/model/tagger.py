"""Query tokens to tags, for one model and one vocabulary.

Axes: B photos, M query tokens, E label space, C labels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from qks_cli.model.calibration import Calibration, LabelStats
from qks_cli.model.selection import Selector
from qks_cli.similarity import max_similarity, winners
from qks_cli.types import Float32Array, Tag

if TYPE_CHECKING:
    from qks_cli.model.learned import Placed

SCORES = 1 << 18  # [B, C] values in flight: 1 MB, which a processor's cache holds


def in_order_of(scores_BC: Float32Array, order_BC: Float32Array) -> Float32Array:
    """The same scores of each photo, given to its labels in the order of others [B, C']: the best
    by ``order_BC`` gets the best. Where there are more scores than C', the others stay."""
    count = order_BC.shape[1]
    out_BC = scores_BC.copy()
    best_BC = np.argsort(-order_BC, axis=1, kind="stable")
    falling_BC = -np.sort(-scores_BC[:, :count], axis=1)
    np.put_along_axis(out_BC, best_BC, falling_BC, axis=1)
    return out_BC


def selection_name(cutoff: float, top: int, learned: Placed | None = None) -> str:
    """How the library names the way that tags were chosen."""
    heads = "" if learned is None else f", learned {learned.digest}"
    return f"min-score {cutoff:.4f}, top {top}{heads}"


@dataclass(frozen=True, slots=True)
class LabelSpace:
    """Where labels are: their vectors, what a label's score is worth (vocabulary/neighbours.py),
    how each scores over the bank. Labels that are known by examples alone have vectors of zeros,
    which stand after the others, and nothing else."""

    labels_CE: Float32Array
    trust_C: Float32Array
    stats: LabelStats


@dataclass(frozen=True)
class Tagger:
    """``Model.tagger`` makes one.

    ``selection`` says how tags are chosen; tags stored under another one are chosen again.
    ``learned`` heads (model/learned.py) write over the scores of their labels; those that they add
    stand in ``labels_CE`` and ``selector`` after the others. ``place`` makes the labels' space when
    the first photo is scored: a run over photos that have not changed does without.
    ``reads_photos`` says that ``selection`` takes the order of another method, which query tokens
    alone do not give."""

    calibration: Calibration
    selector: Selector
    selection: str
    place: Callable[[], LabelSpace]
    learned: Placed | None = None
    reads_photos: bool = False

    @cached_property
    def space(self) -> LabelSpace:
        """Where the labels are. Raises what embedding them raises."""
        return self.place()

    @property
    def labels_CE(self) -> Float32Array:
        """As ``LabelSpace``."""
        return self.space.labels_CE

    @property
    def trust_C(self) -> Float32Array:
        """As ``LabelSpace``."""
        return self.space.trust_C

    @property
    def stats(self) -> LabelStats:
        """As ``LabelSpace``."""
        return self.space.stats

    def scores(self, tokens_BME: Float32Array) -> Float32Array:
        """Calibrated scores [B, C], 0 to 1."""
        scores_BC = max_similarity(tokens_BME, self.labels_CE[: len(self.trust_C)])
        # What a word is not trusted with lowers its odds: a score of 0.9 stays one of 0.86 at a
        # trust of 0.7, where a product would bring it below what is shown.
        text_BC = self.calibration.probabilities(scores_BC, self.stats.with_odds(self.trust_C))
        return text_BC if self.learned is None else self.learned.applied(tokens_BME, text_BC)

    def __call__(
        self, tokens_BME: Float32Array, order_BC: Float32Array | None = None
    ) -> list[tuple[Tag, ...]]:
        """The tags of each photo, best first. ``order_BC`` are another method's scores of the
        labels, whose order is taken (``in_order_of``)."""
        step = max(1, SCORES // max(1, len(self.trust_C)))
        tags: list[tuple[Tag, ...]] = []
        for at in range(0, len(tokens_BME), step):
            part_BME = tokens_BME[at : at + step]

            def won(row: int, columns: list[int], part_BME: Float32Array = part_BME) -> list[int]:
                found: list[int] = winners(part_BME[row], self.labels_CE[columns]).tolist()
                return found

            fits_BC = self.scores(part_BME)
            if order_BC is not None:
                fits_BC = in_order_of(fits_BC, order_BC[at : at + step])
            tags += self.selector(fits_BC, won)
        return tags
