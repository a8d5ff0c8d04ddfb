"""Why a photo has a tag, or why not: the query token, the score, the cut-off, and where on the
photo the token looked.

Axes: M query tokens, G a side of a square grid over the photo, C labels, R reference photos, S a
side of the model's square.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from qks_cli.errors import UsageError
from qks_cli.model.learned import Learned
from qks_cli.model.model import Model
from qks_cli.model.tagger import Tagger
from qks_cli.similarity import max_similarity, winners
from qks_cli.types import Float32Array, Tag
from qks_cli.vocabulary.labels_file import Label, Vocabulary
from qks_cli.vocabulary.neighbours import TAUGHT
from qks_cli.workflows.audit import STRANGE
from qks_cli.workflows.heat import seen

NAMED = 2  # taught words that are named
MATTERS = 1.25  # factor of the odds from which on it is worth a word
MISSED = 3  # labels below their cut-off that are explained unasked


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one label is a tag of a photo, or not.

    ``score`` and ``cutoff`` are 0 to 1. ``token`` is the query token that fits the label best.
    ``above`` is the share of the model's reference photos that fit the label less.
    ``nearest_taught`` are words that the model was taught, with their cosine similarities, nearest
    first (none where the model does not say); ``trust`` is what the odds are multiplied with where
    the label is none of them, ``labelled`` what labelled photos of these words multiply them with.
    ``implied_by`` is the tag that the label is a parent of, or the tag of its group that fits
    better; empty where neither. ``words_alone`` is the score without what was learned from the
    user's verdicts (0 where the label is known by examples alone); None where nothing was.
    """

    label: str
    score: float
    cutoff: float
    shown: bool
    token: int
    above: float
    nearest_taught: tuple[tuple[str, float], ...] = ()
    trust: float = 1.0
    labelled: float = 1.0
    implied_by: str = ""
    words_alone: float | None = None

    @property
    def sentence(self) -> str:
        """The reason in words."""
        return self.told()

    def told(self, name_of: Callable[[str], str] = str) -> str:
        """The reason in words, in which labels have the names that ``name_of`` gives them."""
        label = name_of(self.label)
        fits = f"fits better than {_share(self.above)} of the model's reference photos"
        if self.words_alone is not None:
            fits = f"learned from your verdicts; the word alone gives {self.words_alone:.2f}"
            if self.words_alone == 0:
                fits = "learned from your examples"
        said = f"{label} {self.score:.2f}: {fits}; cut-off {self.cutoff:.2f}"
        if self.shown and self.implied_by:
            return f"{label} {self.score:.2f}: follows from {name_of(self.implied_by)}"
        if self.implied_by:
            better = name_of(self.implied_by)
            said += f"; not shown, for {better} of the same group fits better"
        elif not self.shown and self.score >= self.cutoff:
            said += "; not shown, for --top other labels fit better"
        return said if self.words_alone == 0 else said + self._words(name_of)

    def _words(self, name_of: Callable[[str], str]) -> str:
        """What is known of the label itself."""
        said = ""
        if self.nearest_taught and self.nearest_taught[0][0] != self.label:
            named = [(name_of(word), cosine) for word, cosine in self.nearest_taught]
            words = " and ".join(f"{word} ({cosine:.2f})" for word, cosine in named)
            nearest, cosine = named[0]
            if cosine >= TAUGHT:
                said += f"; the model was taught it as {nearest}"
            elif cosine < STRANGE:
                said += f"; it is far from every word that the model was taught, even from {words}"
            else:
                said += f"; the model was not taught it, its nearest taught words are {words}"
        if not 1 / MATTERS < self.labelled < MATTERS:
            said += f"; labelled photos multiply its odds by {self.labelled:.2g}"
        return said


@dataclass(frozen=True, slots=True)
class Explanation:
    """``reasons`` best first."""

    photo: Path
    reasons: tuple[Reason, ...]


def explain(
    photo: Path,
    model: Model,
    vocabulary: Vocabulary,
    labels: Sequence[str] = (),
    *,
    min_score: float | None = None,
    top: int = 20,
    learned: Learned | None = None,
) -> Explanation:
    """The reasons for ``labels``, which need not be in the vocabulary; without any, for the photo's
    tags and the ``MISSED`` labels that were nearest to become one. ``learned`` as for
    ``Model.tagger``.

    Raises ``UsageError`` where the photo cannot be read, and for an empty label."""
    pixels_1SS3 = seen(model, photo)[None]
    tokens_1ME = model.query_tokens(pixels_1SS3)
    vocabulary = _with(vocabulary, labels)
    tagger = model.tagger(vocabulary, min_score=min_score, top=top, learned=learned)
    examples = map(Label, tagger.selector.names[len(vocabulary.labels) :])
    vocabulary = Vocabulary((*vocabulary.labels, *examples))
    tags = {tag.label: tag for tag in tagger(tokens_1ME)[0]}
    scores_C = tagger.scores(tokens_1ME)[0]
    wanted = [_name(vocabulary, label) for label in labels] or _chosen(tags, tagger, scores_C)
    reasons = _reasons(model, vocabulary, tagger, tokens_1ME, wanted, tags)
    reasons.sort(key=lambda reason: (-reason.score, reason.label))
    return Explanation(photo, tuple(reasons))


def _reasons(
    model: Model,
    vocabulary: Vocabulary,
    tagger: Tagger,
    tokens_1ME: Float32Array,
    wanted: Sequence[str],
    tags: Mapping[str, Tag],
) -> list[Reason]:
    column = {name: c for c, name in enumerate(vocabulary.names)}
    columns_K = np.array([column[name] for name in wanted], np.intp)
    nearest = model.interpolated_from([vocabulary.labels[c] for c in columns_K], NAMED)
    # Labels of examples alone stand behind the others, and have no words to tell of.
    of_words = replace(tagger, learned=None)
    words_C, trust_C, odds_C = np.zeros(len(column)), np.ones(len(column)), np.ones(len(column))
    words_C[: len(tagger.trust_C)] = of_words.scores(tokens_1ME)[0]
    trust_C[: len(tagger.trust_C)] = tagger.trust_C
    if tagger.stats.offset is not None:
        odds_C[: len(tagger.trust_C)] = np.exp(tagger.stats.offset)
    if tagger.learned is not None:
        words_C[tagger.learned.columns_H[tagger.learned.gain_H == 0]] = 0
    taught = set() if tagger.learned is None else set(tagger.learned.columns_H.tolist())
    scores_C = tagger.scores(tokens_1ME)[0]
    labels_KE = tagger.labels_CE[columns_K]
    token_K = winners(tokens_1ME[0], labels_KE)
    raw_K = max_similarity(tokens_1ME, labels_KE)[0]
    above_K = (max_similarity(model.calibration.bank_RME, labels_KE) < raw_K).mean(0)
    return [
        Reason(
            name,
            tags[name].score if name in tags else float(scores_C[c]),
            float(tagger.selector.cutoffs_C[c]),
            name in tags,
            int(token_K[k]),
            float(above_K[k]),
            () if nearest is None else tuple(nearest[k]),
            float(trust_C[c]),
            float(odds_C[c]),
            _instead(vocabulary, name, tags),
            float(words_C[c]) if c in taught else None,
        )
        for k, (name, c) in enumerate(zip(wanted, columns_K.tolist(), strict=True))
    ]


def _with(vocabulary: Vocabulary, labels: Sequence[str]) -> Vocabulary:
    """The vocabulary, and those of ``labels`` that it lacks."""
    missing: dict[str, Label] = {}
    for label in labels:
        if not label.strip():
            raise UsageError("a label is empty")
        if vocabulary.lookup(label) is None:
            missing[label.strip()] = Label(label.strip())
    return Vocabulary((*vocabulary.labels, *missing.values()))


def _name(vocabulary: Vocabulary, word: str) -> str:
    found = vocabulary.lookup(word) or vocabulary.lookup(word.strip())
    assert found is not None
    return found.name


def _chosen(tags: Mapping[str, Tag], tagger: Tagger, scores_C: Float32Array) -> list[str]:
    names = tagger.selector.names
    lacks_C = scores_C - tagger.selector.cutoffs_C
    others = [names[c] for c in np.argsort(-lacks_C) if names[c] not in tags]
    return [*tags, *others[:MISSED]]


def _instead(vocabulary: Vocabulary, name: str, tags: Mapping[str, Tag]) -> str:
    """The tag that implies a shown label, or that keeps one of the same group from being shown."""
    label = vocabulary.lookup(name)
    assert label is not None
    if name in tags:
        if not tags[name].implied:
            return ""
        return next((one for one in tags if vocabulary.parent_of.get(one) == name), "")
    if label.group is None:
        return ""
    rivals = (other.name for other in vocabulary.labels if other.group == label.group)
    return next((rival for rival in rivals if rival in tags), "")


def _share(above: float) -> str:
    """A share as text, never 100 % where it is not all."""
    return "all" if above == 1 else f"{min(100 * above, 99.9):.3g} %"
