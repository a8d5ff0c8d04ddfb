"""Which labels become tags: pure choice, no model and no storage. Axis: C labels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qks_cli.types import Float32Array, IntArray, Tag
from qks_cli.vocabulary.labels_file import Vocabulary

TOP = 20  # tags a photo at most, where the user says nothing


class Selector:
    """Chooses tags for one vocabulary.

    A label fires at its own cut-off, else at ``min_score``; at most ``top`` fire, best first. A
    parent of a label that fired is added as implied, with the best of its children's scores; it
    does not count against ``top``.
    """

    def __init__(self, vocabulary: Vocabulary, *, min_score: float, top: int = TOP) -> None:
        self.names = vocabulary.names
        self.parent_of = vocabulary.parent_of
        self.top = top
        self.cutoffs_C = np.array(
            [min_score if x.cutoff is None else x.cutoff for x in vocabulary.labels], np.float32
        )

    def __call__(
        self, scores_C: Float32Array, winners: Callable[[IntArray], IntArray]
    ) -> tuple[Tag, ...]:
        """Tags best first, ties by name. ``scores_C`` are calibrated; ``winners`` tells the query
        tokens [K] of some labels, given as columns [K]."""
        fired = np.flatnonzero(scores_C >= self.cutoffs_C)
        if not len(fired):
            return ()
        best = sorted(fired.tolist(), key=lambda c: (-scores_C[c], self.names[c]))[: self.top]
        tokens = winners(np.array(best, np.intp))
        chosen = {
            self.names[c]: Tag(self.names[c], float(scores_C[c]), int(token))
            for c, token in zip(best, tokens, strict=True)
        }
        for tag in tuple(chosen.values()):
            parent = self.parent_of.get(tag.label)
            while parent is not None:
                known = chosen.get(parent)
                if known is None or (known.implied and known.score < tag.score):
                    chosen[parent] = Tag(parent, tag.score, -1, implied=True)
                parent = self.parent_of.get(parent)
        return tuple(sorted(chosen.values(), key=_best_first))


def _best_first(tag: Tag) -> tuple[float, str]:
    return (-tag.score, tag.label)
