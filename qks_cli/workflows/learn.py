"""Learn from verdicts: heads, measured on photos kept out of them before anything changes.

Axes: N judged photos, S photos of the library at random, M query tokens, E label space, F features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from qks_cli.errors import UsageError
from qks_cli.folding import fold
from qks_cli.library import learned, stacks, verdicts
from qks_cli.library.learned import StoredHead
from qks_cli.library.store import Library
from qks_cli.model import learning
from qks_cli.model.learned import Head, features
from qks_cli.model.learning import Evidence, Measured
from qks_cli.model.model import Model
from qks_cli.types import BoolArray, Float32Array
from qks_cli.vocabulary.labels_file import Label, Vocabulary
from qks_cli.workflows.naming import LabelNames
from qks_cli.workflows.rescore import rescore
from qks_cli.workflows.session import tagged_model
from qks_cli.workflows.words import Words, choose_words, tagged_words

SAMPLE = 2000  # photos that tell how features and scores are spread
ALIKE = 0.1  # the share of those that is left out, as most like the examples
PRESUMED = 200  # photos at random that count as without the label, where too few were rejected


@dataclass(frozen=True, slots=True)
class LearnOptions:
    """``labels`` (empty: all with evidence); ``from_keywords``: the user's own keywords are
    examples too; ``dry_run``: measure, and change nothing."""

    labels: Sequence[str] = ()
    from_keywords: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class LearnedLabel:
    """A label, its evidence, and what became of it. ``presumed`` photos at random stood in for
    rejected ones; ``measured`` is None where there was too little to measure."""

    label: str
    alone: bool
    confirmed: int
    rejected: int
    presumed: int
    measured: Measured | None
    learned: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Learning:
    """What was learned, by label, and how many photos were scored anew."""

    labels: tuple[LearnedLabel, ...]
    rescored: int = 0


@dataclass(slots=True)
class _Case:
    """What is known of one label before it is learned."""

    name: str
    label: Label | None  # None: of no vocabulary
    said: dict[int, bool] = field(default_factory=dict)
    from_keywords: bool = False


class _Learner:
    """The library's tokens, read once for all labels."""

    def __init__(self, library: Library, model: Model, words: Words) -> None:
        self.library, self.model, self.words = library, model, words
        _, self.model_id = tagged_model(library, model)

    @cached_property
    def sample(self) -> tuple[list[int], Float32Array]:
        """Ids and query tokens [S, M, E] of photos at random."""
        ids = self.library.tokens.sample_ids(self.model_id, SAMPLE)
        twice = stacks.companions(self.library, ids)  # raw files and videos: their photos again
        return self.tokens([x for x in ids if x not in twice])

    @cached_property
    def sample_SF(self) -> Float32Array:
        """Features of those."""
        return features(self.sample[1])

    def tokens(self, ids: Sequence[int]) -> tuple[list[int], Float32Array]:
        have, tokens_NME = self.library.tokens.of(ids, self.model_id)
        if tokens_NME is None:
            shape = self.library.tokens.shape(self.model_id) or (1, 1)
            return [], np.zeros((0, *shape), np.float32)
        return have, tokens_NME

    def head(self, case: _Case) -> tuple[Head | None, LearnedLabel]:
        """What can be learned of a label."""
        ids, tokens_NME = self.tokens(list(case.said))
        right = [case.said[x] for x in ids]
        confirmed, rejected = sum(right), len(right) - sum(right)
        presumed = 0
        alone = case.label is None
        if alone or case.from_keywords or rejected < learning.LEAST:
            tokens_NME, presumed = self._with_presumed(case, tokens_NME, np.array(right, bool))
            right += [False] * presumed
        few = confirmed < learning.LEAST or rejected + presumed < learning.LEAST
        if few:
            reason = f"too little: at least {learning.LEAST} photos must be confirmed"
            return None, LearnedLabel(
                case.name, alone, confirmed, rejected, presumed, None, False, reason
            )
        text_N = None
        cutoff = self.model.cutoff
        if self.words.chosen.min_score is not None:
            cutoff = self.words.chosen.min_score
        if case.label is not None:
            single = Vocabulary((Label(case.label.name, prompts=case.label.prompts),))
            text_N = self.model.tagger(single).scores(tokens_NME)[:, 0]
            cutoff = cutoff if case.label.cutoff is None else case.label.cutoff
        evidence = Evidence(features(tokens_NME), text_N, np.array(right, bool))
        head, measured = learning.learn(case.name, evidence, self.sample_SF, cutoff=cutoff)
        better = measured.better
        reason = "learned" if better else "left alone: held-out photos do not gain"
        told = LearnedLabel(
            case.name, alone, confirmed, rejected, presumed, measured, better, reason
        )
        return (head if better else None), told

    def _with_presumed(
        self, case: _Case, tokens_NME: Float32Array, right_N: BoolArray
    ) -> tuple[Float32Array, int]:
        """Photos at random, behind the judged ones. Those that are most like the examples are left
        out: they may show the label, and nobody has said that they do not."""
        ids, sample_SME = self.sample
        rows = np.array([row for row, x in enumerate(ids) if x not in case.said], np.intp)
        rng = np.random.default_rng(0)
        rows = rng.permutation(rows)[:PRESUMED]
        if right_N.any():
            all_SF = self.sample_SF
            mean_F, std_F = all_SF.mean(0), all_SF.std(0) + 1e-6
            towards_F = ((features(tokens_NME[right_N]) - mean_F) / std_F).mean(0)
            alike = ((all_SF[rows] - mean_F) / std_F) @ towards_F
            rows = rows[np.argsort(alike, kind="stable")[: int(len(rows) * (1 - ALIKE))]]
        return np.concatenate([tokens_NME, sample_SME[rows]]), len(rows)


def learn_labels(
    library: Library,
    model: str | Model = "mini",
    options: LearnOptions | None = None,
    *,
    advance: Callable[[int, int], None] = lambda done, of: None,
) -> Learning:
    """Learn heads from verdicts; where they gain on held-out photos they are kept in the library,
    and all photos are scored anew. ``advance`` as for ``retag``. Photos are not read.

    Raises ``UsageError`` for a label without evidence, and ``ModelError`` as ``tagged_model``."""
    options = options or LearnOptions()
    found, words = tagged_words(library, model)
    learner = _Learner(library, found, words)
    cases = _cases(library, words.vocabulary, options)
    heads, told = [], []
    for case in cases:
        head, one = learner.head(case)
        told.append(one)
        if head is not None:
            heads.append(_stored(head, case, found))
    if options.dry_run or not heads:
        return Learning(tuple(told))
    learned.keep(library, heads, library.runs.latest()[1])
    return Learning(tuple(told), _rescore(library, found, words, advance))


def learn_examples(
    library: Library,
    label: str,
    photo_ids: Sequence[int],
    others: Sequence[int] = (),
    *,
    model: str | Model = "mini",
    dry_run: bool = False,
    advance: Callable[[int, int], None] = lambda done, of: None,
) -> Learning:
    """Learn a label from examples: it is confirmed on ``photo_ids`` and rejected on ``others``. It
    may be a name that no text model can know. Not for telling people apart.

    A ``dry_run`` needs verdicts that are there already. Raises as ``learn_labels``, and
    ``UsageError`` for what cannot be a label."""
    if not dry_run:
        with_both = set(photo_ids) & set(others)
        if with_both:
            raise UsageError(
                "a photo is given both as an example and as a counter-example",
                hint="nothing was changed",
            )
        tagged_model(library, model)
        verdicts.confirm(library, photo_ids, label, add=True)
        if others:
            verdicts.reject(library, others, label, in_vocabulary=True)
    return learn_labels(library, model, LearnOptions((label,), dry_run=dry_run), advance=advance)


def unlearn(
    library: Library,
    model: str | Model = "mini",
    *,
    advance: Callable[[int, int], None] = lambda done, of: None,
) -> list[str] | None:
    """Take back what was learned last, and score all photos as before; the labels, None where there
    is nothing. Verdicts stay. Raises as ``tagged_model``."""
    found, words = tagged_words(library, model)
    undone = learned.undo(library)
    if undone is not None:
        _rescore(library, found, words, advance)
    return undone


def renew(library: Library, model: Model) -> int:
    """Learn for a model that is new in the library what was learned for another one, from the same
    photos; how many heads. Nothing where all labels have a head of this model. Of the photos that
    are evidence, those count that were tagged with it. A label that gains nothing has none."""
    kept = learned.heads(library)
    have = {one.label for one in kept if one.model_hash == model.hash}
    missing = {one.label: one for one in kept if one.label not in have}
    if not missing or library.models.stored(model.hash) is None:
        return 0
    words = choose_words(model, library.runs.kept())
    learner = _Learner(library, model, words)
    keywords = any(one.from_keywords for one in missing.values())
    heads = []
    for case in _cases(library, words.vocabulary, LearnOptions(from_keywords=keywords)):
        before = missing.get(case.name)
        if before is None:
            continue
        if case.from_keywords and not before.from_keywords:
            case.said, case.from_keywords = learned.verdicts(library).get(case.name, {}), False
        head, _ = learner.head(case)
        if head is not None:
            heads.append(_stored(head, case, model))
    if heads:
        learned.renew(library, heads)
    return len(heads)


def _stored(head: Head, case: _Case, model: Model) -> StoredHead:
    return StoredHead(case.name, head.alone, case.from_keywords, model.hash, head.to_bytes())


def _rescore(
    library: Library, model: Model, before: Words, advance: Callable[[int, int], None]
) -> int:
    now = choose_words(model, library.runs.kept())
    return rescore(library, model, before, now, advance=advance)


def _cases(library: Library, vocabulary: Vocabulary, options: LearnOptions) -> list[_Case]:
    """Labels with evidence; those asked for, or all."""
    named = LabelNames(library, vocabulary)
    cases: dict[str, _Case] = {}
    for name, said in learned.verdicts(library).items():
        label = named.find(name)
        key = name if label is None else label.name
        cases.setdefault(key, _Case(key, label)).said.update(said)
    if options.from_keywords:
        _add_keywords(cases, learned.keyword_photos(library), named)
    if not options.labels:
        return [cases[key] for key in sorted(cases)]
    chosen = []
    for asked in options.labels:
        label = named.find(asked)
        wanted = fold(asked if label is None else label.name)
        same = [case for key, case in cases.items() if fold(key) == wanted]
        if not same:
            raise UsageError(
                f"nothing was confirmed or rejected of '{asked}'",
                hint="`qks tags confirm` and `qks tags reject` say what is right and wrong",
            )
        chosen += same
    return list({case.name: case for case in chosen}.values())


def _add_keywords(
    cases: dict[str, _Case], photos_of: Mapping[str, set[int]], named: LabelNames
) -> None:
    """Keywords that name a label are confirmed examples, where no verdict says otherwise."""
    for word, photo_ids in sorted(photos_of.items()):
        label = named.find(word)
        if label is None:
            continue
        case = cases.setdefault(label.name, _Case(label.name, label))
        case.from_keywords = True
        for photo_id in sorted(photo_ids):
            case.said.setdefault(photo_id, True)
