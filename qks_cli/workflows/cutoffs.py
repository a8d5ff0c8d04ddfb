"""The cut-off of one label: what it does to a library's photos, and another one in its place.

Axes: N photos, M query tokens, E label space.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from qks_cli.errors import UsageError, VocabularyError
from qks_cli.library import labels, stacks, verdicts
from qks_cli.library.runs import Chosen
from qks_cli.library.store import Library
from qks_cli.model.model import Model
from qks_cli.types import Float32Array, Int64Array
from qks_cli.vocabulary.labels_edit import set_cutoff
from qks_cli.vocabulary.labels_file import Vocabulary, read_labels
from qks_cli.workflows.naming import label_of
from qks_cli.workflows.report import Stop, never
from qks_cli.workflows.tag import Retagged, Tagging, retag
from qks_cli.workflows.words import DEFAULT, Words, tagged_words

STEPS = 100  # cut-offs from 0 to 1 that photos are counted for


@dataclass(frozen=True, slots=True)
class LabelScores:
    """A label as it is shown, and what the model gives it on every photo: ids and scores [N], best
    first. ``cutoff`` is in force now; ``own`` says whether it is the label's own. ``held`` are
    photos that carry the label whatever its score is, because of a label below it or a verdict, and
    ``barred`` those on which it was rejected."""

    label: str
    cutoff: float
    own: bool
    ids_N: Int64Array
    scores_N: Float32Array
    held: frozenset[int]
    barred: frozenset[int]
    said: Mapping[int, bool]

    def counts(self) -> list[int]:
        """How many photos would carry the label from cut-offs 0, 0.01 … 1 on."""
        ids = self.ids_N.tolist()
        free_N = np.array([x not in self.held and x not in self.barred for x in ids], bool)
        ascending = np.sort(self.scores_N[free_N])
        cutoffs = np.linspace(0, 1, STEPS + 1, dtype=np.float32)
        over = len(ascending) - np.searchsorted(ascending, cutoffs, side="left")
        return [int(count) + len(self.held - self.barred) for count in over]

    def around(self, cutoff: float, count: int) -> tuple[list[int], list[int]]:
        """Places in ``ids_N`` of the photos next above a cut-off, the nearest first, and below."""
        first = int((self.scores_N >= np.float32(cutoff)).sum())
        above = list(range(first - 1, max(-1, first - 1 - count), -1))
        return above, list(range(first, min(len(self.ids_N), first + count)))

    def nearest(self, cutoff: float, count: int) -> list[int]:
        """Ids of the photos whose scores are nearest to a cut-off and of which nothing was said."""
        order = np.argsort(np.abs(self.scores_N - np.float32(cutoff)), kind="stable")
        ids = [int(photo_id) for photo_id in self.ids_N[order]]
        return [photo_id for photo_id in ids if photo_id not in self.said][:count]


@dataclass(frozen=True, slots=True)
class CutoffSet:
    """A label's cut-off ``before`` and now (None: that of all labels), and what photos became."""

    label: str
    before: float | None
    cutoff: float | None
    tagged: Retagged


def scores_of(library: Library, label: str, *, model: str | Model = "mini") -> LabelScores:
    """What the model gives a label of the vocabulary on every photo; raw files and videos that
    share a photo's tags are that photo.

    Raises ``UsageError`` where it is none, and ``ModelError`` as ``tagged_words``."""
    found, words = tagged_words(library, model)
    own = label_of(library, words.vocabulary, label)
    alone = Vocabulary((replace(own, parent=None, group=None),))
    tagger = found.tagger(alone, min_score=words.chosen.min_score, learned=words.learned)
    model_id = library.models.stored(found.hash)
    assert model_id is not None
    ids, scores = [], []
    for some, tokens_NME in library.tokens.iterate(model_id):
        twice = stacks.companions(library, some)
        kept_N = np.array([x not in twice for x in some], bool)
        ids += [x for x in some if x not in twice]
        scores.append(tagger.scores(tokens_NME[kept_N])[:, 0])
    score_N = np.concatenate(scores) if scores else np.zeros(0, np.float32)
    order = np.argsort(-score_N, kind="stable")
    shown = library.tags.shown_name(own.name) or own.name
    said = verdicts.on_label(library, shown)
    there = set(ids)
    below = [x.name for x in words.vocabulary.labels if x.parent == own.name]
    held = labels.carrying(library, below) | {x for x, right in said.items() if right}
    return LabelScores(
        shown,
        float(tagger.selector.cutoffs_C[0]),
        own.cutoff is not None,
        np.array(ids, np.int64)[order],
        score_N[order],
        frozenset(held & there),
        frozenset({x for x, right in said.items() if not right} & there),
        said,
    )


def file_of(library: Library, labels_file: Path | None = None) -> Path | None:
    """The user's labels file: the one given, else the one that the library was last tagged with,
    where it is there still; None where there is none. A relative name is that file only while it
    holds the same labels: the working folder may be another one."""
    if labels_file is not None and labels_file != DEFAULT:
        return labels_file.expanduser().absolute()
    kept = library.runs.kept()
    if kept is None or not kept.chosen.labels:
        return None
    file = Path(kept.chosen.labels).expanduser()
    if not file.is_file():
        return None
    if not file.is_absolute():
        try:
            vocabulary, _ = read_labels(file)
        except VocabularyError:
            return None
        if vocabulary.digest != kept.digest:
            return None
    return file.absolute()


def save_cutoff(
    library: Library,
    label: str,
    cutoff: float | None,
    *,
    file: Path | None = None,
    model: str | Model = "mini",
    advance: Callable[[int, int], None] = lambda done, of: None,
    stop: Stop = never,
) -> CutoffSet:
    """Give a label a cut-off of its own (0 to 1), or none any more, and tag all photos with it.

    It is written into ``file``, where everything else stays as it is, and the library is tagged
    with that file; without one the library keeps its words with the new cut-off. ``advance`` and
    ``stop`` as for ``retag``. Raises ``UsageError`` where the label is none of the vocabulary's or
    the file cannot be written, ``VocabularyError`` where the file is no labels file."""
    found, words = tagged_words(library, model)
    if file is None:
        before = label_of(library, words.vocabulary, label)
        changed = replace(before, cutoff=cutoff)
        vocabulary = Vocabulary(
            tuple(changed if x is before else x for x in words.vocabulary.labels)
        )
        source = None
    else:
        vocabulary, _ = read_labels(file)
        before = label_of(library, vocabulary, label)
        _edit(file, before.name, cutoff)
        vocabulary, _ = read_labels(file)
        source = str(file)
    chosen = Chosen(source, words.chosen.min_score, words.chosen.top)
    tagging = Tagging.from_words(found, Words(vocabulary, chosen, words.learned))
    done = retag(library, tagging, advance=advance, stop=stop)
    return CutoffSet(before.name, before.cutoff, cutoff, done)


def _edit(file: Path, name: str, cutoff: float | None) -> None:
    """Write a cut-off into a labels file, whole or not at all."""
    real = Path(os.path.realpath(file))
    try:
        changed = set_cutoff(real.read_bytes().decode(), name, cutoff).encode()
        handle, part = tempfile.mkstemp(prefix=f".{real.name}.", dir=real.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(changed)
                stream.flush()
                os.fsync(stream.fileno())
            Path(part).chmod(real.stat().st_mode & 0o777)
            Path(part).replace(real)
        except BaseException:
            with suppress(OSError):
                Path(part).unlink()
            raise
    except OSError as error:
        raise UsageError(
            f"cannot write {file}: {error.strerror or error}", hint="nothing was changed"
        ) from error
