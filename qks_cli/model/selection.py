"""Which labels become tags: pure choice, no model and no storage. Axes: B photos, C labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise

import numpy as np

from qks_cli.types import Float32Array, Tag
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

    def __call__(
        self, scores_BC: Float32Array, winners: Callable[[int, list[int]], list[int]]
    ) -> list[tuple[Tag, ...]]:
        """The tags of each photo, best first, ties by name. ``scores_BC`` are calibrated;
        ``winners`` tells the query tokens of some labels of a photo, given as row and columns."""
        raised_BC = self._with_parents(scores_BC)
        rows, columns = np.nonzero(raised_BC >= self.cutoffs_C)
        ends = np.searchsorted(rows, np.arange(len(raised_BC) + 1)).tolist()
        fired, scores = columns.tolist(), raised_BC[rows, columns].tolist()
        return [
            self._tags(dict(zip(fired[at:end], scores[at:end], strict=True)), partial(winners, row))
            if at < end
            else ()
            for row, (at, end) in enumerate(pairwise(ends))
        ]

    def _tags(
        self, scores: Mapping[int, float], winners: Callable[[list[int]], list[int]]
    ) -> tuple[Tag, ...]:
        """Of one photo, of the labels that fired: columns and scores."""
        ranked = sorted(scores, key=lambda c: (-scores[c], self.names[c]))
        best = self._one_of_each_group(ranked, scores)[: self.top]
        tags = [
            Tag(self.names[c], scores[c], token)
            for c, token in zip(best, winners(best), strict=True)
        ]
        if not any(tag.label in self.parent_of for tag in tags):
            return tuple(tags)
        chosen = {tag.label: tag for tag in tags}
        for tag in tags:
            parent = self.parent_of.get(tag.label)
            while parent is not None:
                known = chosen.get(parent)
                if known is None or (known.implied and known.score < tag.score):
                    chosen[parent] = Tag(parent, tag.score, -1, implied=True)
                parent = self.parent_of.get(parent)
        return tuple(sorted(chosen.values(), key=_best_first))

    def _with_parents(self, scores_BC: Float32Array) -> Float32Array:
        children = np.flatnonzero(self.parents_C >= 0)
        rows, at = np.nonzero(scores_BC[:, children] >= HINT)
        if not len(rows):
            return scores_BC
        columns = children[at]
        parents, hints = self.parents_C[columns], scores_BC[rows, columns]
        wrong_BC = np.ones_like(scores_BC)
        np.multiply.at(wrong_BC, (rows, parents), 1 - hints)
        sure = hints >= self.cutoffs_C[columns]
        wrong_BC[rows[sure], parents[sure]] = 1  # implied by that child
        np.subtract(1, wrong_BC, out=wrong_BC)
        return np.maximum(scores_BC, wrong_BC, out=wrong_BC)

    def _one_of_each_group(self, ranked: list[int], scores: Mapping[int, float]) -> list[int]:
        best: dict[str, float] = {}
        shown: dict[str, int] = {}
        kept = []
        for column in ranked:
            group = self.groups[column]
            if group is not None:
                top = best.setdefault(group, scores[column])
                shown[group] = shown.get(group, 0) + 1
                if shown[group] > 2 or scores[column] < CLOSE * top:
                    continue
            kept.append(column)
        return kept


def _best_first(tag: Tag) -> tuple[float, str]:
    return (-tag.score, tag.label)
