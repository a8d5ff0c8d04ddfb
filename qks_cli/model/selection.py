"""Which labels become tags: pure choice, no model and no storage. Axis: C labels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qks_cli.types import BoolArray, Float32Array, IntArray, Tag
from qks_cli.vocabulary.labels_file import Vocabulary

TOP = 20  # tags a photo at most, where the user says nothing
CLOSE = 0.8  # of the best score in a group: from there on its second label is shown too
HINT = 0.1  # score from which on a label says something about its parent


class Selector:
    """Chooses tags for one vocabulary.

    A label fires at its own cut-off, else at ``min_score``; at most ``top`` fire, best first. Of a
    group of labels that exclude each other the best fires, and the second where it comes close.
    Children of which none is sure speak for their parent together: it counts as there unless all
    of them are wrong. A parent of a label that fired is added as implied, with the best of its
    children's scores; it does not count against ``top``.
    """

    def __init__(self, vocabulary: Vocabulary, *, min_score: float, top: int = TOP) -> None:
        self.names = vocabulary.names
        self.parent_of = vocabulary.parent_of
        self.top = top
        self.cutoffs_C = np.array(
            [min_score if x.cutoff is None else x.cutoff for x in vocabulary.labels], np.float32
        )
        column = {name: c for c, name in enumerate(self.names)}
        self.parents_C = np.array(
            [-1 if x.parent is None else column[x.parent] for x in vocabulary.labels], np.intp
        )
        self.groups = [label.group for label in vocabulary.labels]

    def may_fire(self, scores_BC: Float32Array) -> BoolArray:
        """Which photos [B] may have tags: most have none where labels are few."""
        any_B = (scores_BC >= self.cutoffs_C).any(axis=1)
        children = self.parents_C >= 0
        if children.any():
            any_B |= (scores_BC[:, children] >= HINT).any(axis=1)
        return np.asarray(any_B)

    def __call__(
        self, scores_C: Float32Array, winners: Callable[[IntArray], IntArray]
    ) -> tuple[Tag, ...]:
        """Tags best first, ties by name. ``scores_C`` are calibrated; ``winners`` tells the query
        tokens [K] of some labels, given as columns [K]."""
        scores_C = self._with_parents(scores_C)
        fired = np.flatnonzero(scores_C >= self.cutoffs_C)
        if not len(fired):
            return ()
        ranked = sorted(fired.tolist(), key=lambda c: (-scores_C[c], self.names[c]))
        best = self._one_of_each_group(ranked, scores_C)[: self.top]
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

    def _with_parents(self, scores_C: Float32Array) -> Float32Array:
        hints = np.flatnonzero((scores_C >= HINT) & (self.parents_C >= 0))
        if not len(hints):
            return scores_C
        wrong_C = np.ones(len(scores_C), np.float32)
        np.multiply.at(wrong_C, self.parents_C[hints], 1 - scores_C[hints])
        sure = hints[scores_C[hints] >= self.cutoffs_C[hints]]
        wrong_C[self.parents_C[sure]] = 1  # implied by that child
        return np.maximum(scores_C, 1 - wrong_C)

    def _one_of_each_group(self, ranked: list[int], scores_C: Float32Array) -> list[int]:
        best: dict[str, float] = {}
        shown: dict[str, int] = {}
        kept = []
        for column in ranked:
            group = self.groups[column]
            if group is not None:
                top = best.setdefault(group, float(scores_C[column]))
                shown[group] = shown.get(group, 0) + 1
                if shown[group] > 2 or scores_C[column] < CLOSE * top:
                    continue
            kept.append(column)
        return kept


def _best_first(tag: Tag) -> tuple[float, str]:
    return (-tag.score, tag.label)
