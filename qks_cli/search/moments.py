"""The moment of a video that answers a query best.

Axes: K moments of one video.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from qks_cli.library import moments
from qks_cli.library.store import Library
from qks_cli.search.evaluation import Meaning
from qks_cli.search.grammar import Node
from qks_cli.search.scorer import Compared, MomentScores, moment_scores


def best_moments(
    library: Library,
    photo_ids: Sequence[int],
    labels: Iterable[str],
    compared: Compared | None = None,
    meanings: Mapping[Node, Meaning] | None = None,
) -> dict[int, float]:
    """By video, the second in which ``labels`` are seen best and which fits best what phrases mean
    and what photos (``compared``) look like; none where no moment answers any of it."""
    if not moments.any_moments(library):
        return {}
    ids_N = np.unique(np.asarray(photo_ids, np.int64))
    raw = {} if compared is None else moment_scores(library, compared, ids_N)
    wanted = list(dict.fromkeys(labels))
    found = {}
    for photo_id in ids_N.tolist():
        scores: Counter[float] = Counter()
        for label in wanted:
            scores.update(moments.scores_of(library, photo_id, label))
        if photo_id in raw:
            _add_meant(scores, raw[photo_id], meanings or {})
        if scores and max(scores.values()) > 0:
            found[photo_id] = max(sorted(scores), key=lambda second: scores[second])
    return found


def _add_meant(scores: Counter[float], own: MomentScores, meanings: Mapping[Node, Meaning]) -> None:
    for node, raw_K in own.raw.items():
        meaning = None if node is None else meanings.get(node)
        fits_K = np.clip(raw_K, 0, 1) if meaning is None else meaning.probabilities(raw_K)
        for second, fit in zip(own.seconds, fits_K.tolist(), strict=True):
            scores[second] += fit
