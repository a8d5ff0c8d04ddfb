"""All photos scored anew for the labels whose heads changed; other labels' tags stay as they are.

Axes: N photos, M query tokens, E label space, K changed labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from qks_cli.library import moments, verdicts
from qks_cli.library.store import Library
from qks_cli.library.tags import Edits
from qks_cli.model.model import Model
from qks_cli.model.selection import HINT
from qks_cli.model.tagger import Tagger
from qks_cli.types import BoolArray, Float32Array, Int64Array
from qks_cli.vocabulary.labels_file import Label, Vocabulary
from qks_cli.workflows.report import Stop, never
from qks_cli.workflows.results import Destination
from qks_cli.workflows.tag import GROUP, Tagging, choose_anew
from qks_cli.workflows.words import Words

NEARLY = 1e-4  # the last bits of a score depend on how many labels are scored together


@dataclass(frozen=True, slots=True)
class _Changed:
    """The labels whose heads differ, scored without all others, as ``before`` and ``after``.

    ``plain_K`` have no group, no parent and no child: their tags depend on nothing else but how
    many tags a photo may have. ``child_K`` have a parent, for which they speak from ``HINT`` on.
    ``gone_K`` were known by examples alone, and are not known any more."""

    names: tuple[str, ...]
    before: Tagger
    after: Tagger
    plain_K: BoolArray
    child_K: BoolArray
    gone_K: BoolArray


def rescore(
    library: Library,
    model: Model,
    before: Words,
    after: Words,
    *,
    advance: Callable[[int, int], None] = lambda done, of: None,
    stop: Stop = never,
) -> int:
    """Bring all photos from the tags of ``before`` to those of ``after``, which differ in what was
    learned alone: the same tags as ``retag`` chooses; how many photos. No photo is read.
    ``advance`` and ``stop`` as for ``retag``; what was cut off, ``retag`` goes on with."""
    tagging = Tagging.from_words(model, after)
    target = tagging.destination(library)
    with library.runs.recorded(
        "retag", target.model_id, target.vocabulary_id, tagging.chosen
    ) as run:
        changed = _changed(model, before, after)
        if changed is not None:
            ids = _as_before(library, target, before.selection(model), tagging)
            run.tagged = _few_labels(library, tagging, changed, target, ids, advance, stop)
        if not stop():  # photos that were tagged otherwise, judged or missing, and videos
            run.tagged += choose_anew(library, tagging, target, stop)[0]
        run.interrupted = stop()
    return run.tagged


def _as_before(library: Library, target: Destination, selection: str, after: Tagging) -> set[int]:
    """Photos with the tags of before, but videos, whose moments have tags too, and those that were
    judged: a verdict also holds what the model says, of any label."""
    words = target.model_id, target.vocabulary_id
    ids = set(library.photos.stale_ids(*words, after.tagger.selection))
    ids -= set(library.photos.stale_ids(*words, selection))
    return ids - verdicts.photos(library) - set(moments.video_ids(library, target.model_id))


def _few_labels(
    library: Library,
    tagging: Tagging,
    changed: _Changed,
    target: Destination,
    photo_ids: set[int],
    advance: Callable[[int, int], None],
    stop: Stop,
) -> int:
    """Score the changed labels on these photos; on how many that was done."""
    done = 0

    def store(scored: Future[Edits]) -> int:
        edits = scored.result()
        library.retag(
            (),
            edits,
            model_id=target.model_id,
            vocabulary_id=target.vocabulary_id,
            selection=tagging.tagger.selection,
        )
        return len(edits.photo_ids) + len(edits.whole)

    # One group is scored on a thread of its own while the one before is stored and the next read.
    last: Future[Edits] | None = None
    with ThreadPoolExecutor(1) as thread:
        for read, tokens_RME in library.tokens.iterate(target.model_id, chunk=GROUP):
            advance(done, len(photo_ids))
            if stop():
                break
            rows = [row for row, photo_id in enumerate(read) if photo_id in photo_ids]
            if not rows:
                continue
            ids = [read[row] for row in rows]
            group = _Group(
                ids,
                tokens_RME if len(rows) == len(read) else tokens_RME[rows],
                _carried(library, ids, changed.names),
                library.tags.numbers(ids),
            )
            before, last = last, thread.submit(_edits, tagging.tagger, changed, group)
            if before is not None:
                done += store(before)
        if last is not None:
            done += store(last)
    return done


def _carried(library: Library, ids: Sequence[int], names: Sequence[str]) -> BoolArray:
    """Which of these labels photos carry [N, K]."""
    own = [library.tags.carrying(ids, name) for name in names]
    return np.array([[photo_id in one for one in own] for photo_id in ids], bool)


@dataclass(frozen=True, slots=True)
class _Group:
    """Photos, which of the changed labels they carry, and how many tags that none implies."""

    ids: Sequence[int]
    tokens_NME: Float32Array
    carried_NK: BoolArray
    tags_N: Int64Array


def _edits(tagger: Tagger, changed: _Changed, group: _Group) -> Edits:
    """Tags of plain labels that come, change and go, and all tags of the photos whose tags have to
    be chosen again."""
    ids, tokens_NME, carried_NK = group.ids, group.tokens_NME, group.carried_NK
    count = len(changed.names)
    cutoffs_K = changed.after.selector.cutoffs_C[:count]
    score_NK = np.where(changed.gone_K, 0, changed.after.scores(tokens_NME)[:, :count])
    fires_NK = (score_NK >= cutoffs_K) & ~changed.gone_K
    # A child speaks for its parent from a lower score on, and did before.
    least_K = np.where(changed.child_K, np.minimum(HINT, cutoffs_K), cutoffs_K) - NEARLY
    touched_NK = carried_NK | (score_NK >= least_K)
    if changed.child_K.any():
        before_NK = changed.before.scores(tokens_NME)[:, :count]
        touched_NK |= changed.child_K & (before_NK >= least_K)
    # Where a photo has as many tags as it may have, which of them stay depends on all.
    most_N = group.tags_N + (fires_NK & ~carried_NK).sum(1)
    full_N = (most_N >= tagger.selector.top) & touched_NK.any(1)
    whole_N = (touched_NK & ~changed.plain_K).any(1) | full_N
    few_N1 = ~whole_N[:, None]
    puts, drops = [], []
    for k, name in enumerate(changed.names):
        rows = np.flatnonzero((fires_NK & few_N1)[:, k]).tolist()
        tokens = (tokens_NME[rows] @ changed.after.labels_CE[k]).argmax(1).tolist()
        scores = score_NK[rows, k].tolist()
        puts += [(ids[n], name, *own) for n, *own in zip(rows, scores, tokens, strict=True)]
        gone = np.flatnonzero((carried_NK & ~fires_NK & few_N1)[:, k])
        drops += [(ids[n], name) for n in gone.tolist()]
    others = np.flatnonzero(whole_N).tolist()
    tags = tagger(tokens_NME if len(others) == len(ids) else tokens_NME[others])
    return Edits(
        [ids[n] for n in np.flatnonzero(~whole_N).tolist()],
        puts,
        drops,
        list(zip((ids[n] for n in others), tags, strict=True)),
    )


def _changed(model: Model, before: Words, after: Words) -> _Changed | None:
    """None where no head differs that says something about these words."""
    old, new = _heads(before), _heads(after)
    vocabulary = after.vocabulary
    found: dict[str, Label] = {}
    for name, alone in sorted({one[:2] for one in old ^ new}):
        label = vocabulary.lookup(name) or (Label(name) if alone else None)
        if label is not None:
            found[label.name] = label
    if not found:
        return None
    labels = list(found.values())
    single = Vocabulary(tuple(replace(x, parent=None, group=None) for x in labels))
    parents, known = set(vocabulary.parent_of.values()), set(vocabulary.names)
    stay = {name for name, alone, _ in new if alone} | known
    tagger = _tagger(model, single, after)
    for k, label in enumerate(labels):
        if label.name not in known:  # no words: as ``Model.tagger`` has it, no query token won
            tagger.labels_CE[k] = 0
    return _Changed(
        tuple(found),
        _tagger(model, single, before),
        tagger,
        np.array([not (x.parent or x.group or x.name in parents) for x in labels], bool),
        np.array([x.parent is not None for x in labels], bool),
        np.array([x.name not in stay for x in labels], bool),
    )


def _tagger(model: Model, single: Vocabulary, words: Words) -> Tagger:
    """Of these labels alone: what examples alone tell of others stands behind them."""
    return model.tagger(single, min_score=words.chosen.min_score, learned=words.learned)


def _heads(words: Words) -> set[tuple[str, bool, bytes]]:
    heads = () if words.learned is None else words.learned.heads
    return {(head.label, head.alone, head.to_bytes()) for head in heads}
