"""Which photos to judge next: those that labels are unsure of, and that differ from each other.

Axes: N photos, M query tokens, E label space, C labels, F features.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qks_cli.errors import UsageError
from qks_cli.library import learned, stacks
from qks_cli.library.store import Library
from qks_cli.model.learned import features, logit
from qks_cli.model.model import Model
from qks_cli.similarity import unit
from qks_cli.types import Float32Array
from qks_cli.vocabulary.labels_file import Label, Vocabulary
from qks_cli.workflows.naming import LabelNames
from qks_cli.workflows.session import tagged_model
from qks_cli.workflows.tag import Tagging
from qks_cli.workflows.words import choose_words

NEAR = 10  # candidates for each photo that is asked for: the unsure ones
LIMIT = 20


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A photo, the label to judge on it, its score (0 to 1) and the label's cut-off."""

    path: Path
    label: str
    score: float
    cutoff: float


@dataclass(frozen=True, slots=True)
class _Candidate:
    photo_id: int
    label: str
    score: float
    cutoff: float
    doubt: float
    features_F: Float32Array


def suggest(
    library: Library, labels: Sequence[str] = (), *, limit: int = LIMIT, model: str | Model = "mini"
) -> list[Suggestion]:
    """The photos whose verdicts teach most, at most ``limit``, the first one first; a photo comes
    once. ``labels`` (empty: those of which something was said already, else all of the vocabulary).

    Photos whose scores are near the cut-off are candidates; one after the other is taken that is
    unsure and unlike those that were taken or judged before. Raises ``UsageError`` for a label that
    the library was not tagged with, and ``ModelError`` as ``tagged_model``."""
    found, model_id = tagged_model(library, model)
    tagging = Tagging.from_words(found, choose_words(found, library.runs.kept()))
    said = learned.verdicts(library)
    names = tagging.tagger.selector.names
    known = [*tagging.vocabulary.labels, *map(Label, names[len(tagging.vocabulary.labels) :])]
    named = LabelNames(library, Vocabulary(tuple(known)))
    columns = _columns(named, tagging, labels, said)
    judged = {c: set(said.get(named.shown(known[c]), ())) for c in columns}
    pool: list[_Candidate] = []
    most = NEAR * limit
    cutoffs_C = tagging.tagger.selector.cutoffs_C
    cut_C = logit(cutoffs_C)
    for ids, tokens_NME in library.tokens.iterate(model_id):
        scores_NC = tagging.tagger.scores(tokens_NME)[:, columns]
        doubt_NC = np.abs(logit(scores_NC) - cut_C[columns])
        twice = stacks.companions(library, ids)  # raw files and videos: their photos again
        doubt_NC[[x in twice for x in ids]] = np.inf
        for k, c in enumerate(columns):
            doubt_NC[[x in judged[c] for x in ids], k] = np.inf
        label_N = doubt_NC.argmin(1)  # a photo is suggested once, for the label that doubts most
        doubt_N = doubt_NC[np.arange(len(ids)), label_N]
        for row in np.argsort(doubt_N, kind="stable")[:most].tolist():
            if np.isfinite(doubt_N[row]):
                k = int(label_N[row])
                found_one = _Candidate(
                    ids[row],
                    names[columns[k]],
                    float(scores_NC[row, k]),
                    float(cutoffs_C[columns[k]]),
                    float(doubt_N[row]),
                    features(tokens_NME[row : row + 1])[0],
                )
                pool.append(found_one)
        pool.sort(key=lambda one: (one.doubt, one.photo_id))
        del pool[most:]
    seen = sorted({photo_id for own in judged.values() for photo_id in own})
    chosen = _different(pool, _features_of(library, seen, model_id), limit)
    paths = library.photos.paths_of([one.photo_id for one in chosen])
    return [Suggestion(paths[x.photo_id], x.label, x.score, x.cutoff) for x in chosen]


def _columns(
    named: LabelNames, tagging: Tagging, labels: Sequence[str], said: Iterable[str]
) -> list[int]:
    column_of = {name: c for c, name in enumerate(tagging.tagger.selector.names)}
    found = [named.find(word) for word in labels or said]
    if labels and None in found:
        unknown = labels[found.index(None)]
        raise UsageError(
            f"'{unknown}' is not one of the words that this library was tagged with",
            hint="`qks learn --label NAME --photos …` makes a label from examples",
        )
    columns = [column_of[label.name] for label in found if label is not None]
    return list(dict.fromkeys(columns)) or list(column_of.values())


def _features_of(library: Library, ids: Sequence[int], model_id: int) -> Float32Array | None:
    _, tokens_NME = library.tokens.of(ids, model_id)
    return None if tokens_NME is None else features(tokens_NME)


def _different(
    pool: Sequence[_Candidate], judged_JF: Float32Array | None, limit: int
) -> list[_Candidate]:
    """One after the other: the most unsure one for how far it is from what was taken before."""
    if not pool:
        return []
    own_NF = unit(np.stack([one.features_F for one in pool]))
    far_N = np.ones(len(pool), np.float32)
    if judged_JF is not None:
        far_N = np.minimum(far_N, 1 - (own_NF @ unit(judged_JF).T).max(1))
    doubt_N = 1 / (1 + np.array([one.doubt for one in pool], np.float32))
    chosen: list[_Candidate] = []
    left_N = np.ones(len(pool), bool)
    while len(chosen) < limit and left_N.any():
        row = int(np.argmax(np.where(left_N, doubt_N * (np.maximum(far_N, 0) + 1e-3), -1)))
        chosen.append(pool[row])
        left_N &= np.array([one.photo_id != pool[row].photo_id for one in pool], bool)
        far_N = np.minimum(far_N, 1 - own_NF @ own_NF[row])
    return chosen
