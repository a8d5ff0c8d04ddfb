"""Evaluation on labelled folders: top-k accuracy, quality of shown tags, intervals.

A set is a folder with ``vocabulary.txt``, a label a line, and ``labels.jsonl``, whose lines have
``file`` and ``labels``.

Axes: N photos, C labels, M query tokens, E label space.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qks_cli.errors import UsageError
from qks_cli.evaluation.measures import interval_around
from qks_cli.model.bundle import Bundle
from qks_cli.model.engine import Engine
from qks_cli.model.tagger import Tagger
from qks_cli.photos.loader import load
from qks_cli.similarity import max_similarity
from qks_cli.types import Float32Array, IntArray, Photo
from qks_cli.vocabulary.labels_file import Label, Vocabulary


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """``truth_NC``: which labels each photo carries."""

    names: tuple[str, ...]
    photos: tuple[Path, ...]
    truth_NC: npt.NDArray[np.bool_]

    @classmethod
    def read(cls, folder: Path) -> EvaluationSet:
        """Raises ``UsageError`` where the folder is not such a set."""
        try:
            lines = (folder / "vocabulary.txt").read_text(encoding="utf-8").splitlines()
            text = (folder / "labels.jsonl").read_text(encoding="utf-8")
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
            names = tuple(line.strip() for line in lines if line.strip())
            truth_NC = np.zeros((len(rows), len(names)), bool)
            for index, row in enumerate(rows):
                truth_NC[index, [names.index(name) for name in row["labels"]]] = True
            return cls(names, tuple(folder / row["file"] for row in rows), truth_NC)
        except (OSError, ValueError, KeyError) as error:
            raise UsageError(f"{folder} is not an evaluation set: {error}") from error

    @property
    def vocabulary(self) -> Vocabulary:
        """The set's labels by name alone."""
        return Vocabulary(tuple(Label(name) for name in self.names))


@dataclass(frozen=True, slots=True)
class Shown:
    """Tags at the default cut-off, per photo [N]: how many are ``right``, how many are shown."""

    right_N: IntArray
    tags_N: IntArray

    def precision(self, rows: IntArray | slice = slice(None)) -> float:
        """Share of the shown tags that are right, NaN where none is shown."""
        shown = int(self.tags_N[rows].sum())
        return float(self.right_N[rows].sum()) / shown if shown else float("nan")

    def with_tag(self, rows: IntArray | slice = slice(None)) -> float:
        """Share of photos with a tag."""
        return float((self.tags_N[rows] > 0).mean())


@dataclass(frozen=True, slots=True)
class Named:
    """What a vocabulary's tags say of a set's own labels, per photo [N]: how many are ``there``,
    how many are ``shown``, how many of those are ``right``, and which photos got any ``tag``."""

    there_N: IntArray
    shown_N: IntArray
    right_N: IntArray
    tag_N: npt.NDArray[np.bool_]

    def precision(self, rows: IntArray | slice = slice(None)) -> float:
        """Share of the shown labels that are there, NaN where none is shown."""
        shown = int(self.shown_N[rows].sum())
        return float(self.right_N[rows].sum()) / shown if shown else float("nan")

    def recall(self, rows: IntArray | slice = slice(None)) -> float:
        """Share of the labels that are there that is shown."""
        return float(self.right_N[rows].sum()) / max(1, int(self.there_N[rows].sum()))

    def named(self, rows: IntArray | slice = slice(None)) -> float:
        """Share of the photos that show a label on which one of those that are there is shown."""
        some = self.there_N[rows] > 0
        return float((self.right_N[rows][some] > 0).mean())

    def untagged(self, rows: IntArray | slice = slice(None)) -> float:
        """Share of the photos that show a label that got no tag at all."""
        some = self.there_N[rows] > 0
        return float((~self.tag_N[rows][some]).mean())


def named_labels(
    tagger: Tagger,
    vocabulary: Vocabulary,
    tokens_NME: Float32Array,
    evaluated: EvaluationSet,
    *,
    leave_out: frozenset[str] = frozenset(),
) -> Named:
    """Tags of ``vocabulary`` held against the set's labels that it knows, by name or synonym, but
    for those of ``leave_out``."""
    column: dict[str, int] = {}
    for c, name in enumerate(evaluated.names):
        label = vocabulary.lookup(name)
        if label is not None and name not in leave_out:
            column.setdefault(label.name, c)
    known = sorted(column.values())
    shown = tagger(tokens_NME)
    listed = [[column[tag.label] for tag in own if tag.label in column] for own in shown]
    right = [int(evaluated.truth_NC[row, own].sum()) for row, own in enumerate(listed)]
    return Named(
        evaluated.truth_NC[:, known].sum(1),
        np.array([len(own) for own in listed]),
        np.array(right),
        np.array([bool(own) for own in shown]),
    )


def photo_tokens(bundle: Bundle, engine: Engine, paths: Sequence[Path]) -> Float32Array:
    """Query tokens [N, M, E] through the same reading as ``qks tag``."""
    photos = [Photo(path, path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    batches = load(photos, size=bundle.image_size, resize=bundle.resize, batch_size=32, workers=2)
    parts = []
    for batch in batches:
        if batch.failures:
            failure = batch.failures[0]
            raise UsageError(f"{failure.photo.path}: {failure.reason}")
        parts.append(engine.query_tokens(batch.pixels_BHW3))
    return np.concatenate(parts)


def top_k(scores_NC: Float32Array, truth_NC: npt.NDArray[np.bool_], k: int) -> float:
    """Share of photos with a true label among the ``k`` best."""
    best = np.argpartition(-scores_NC, k - 1, axis=1)[:, :k]
    return float(np.take_along_axis(truth_NC, best, axis=1).any(1).mean())


def interval(
    measure: Callable[[IntArray], float], photos: int, *, repeats: int, seed: int = 1
) -> tuple[float, float]:
    """95 % bootstrap interval: ``measure`` of rows drawn with replacement, ``repeats`` times."""
    rng = np.random.default_rng(seed)
    values = [measure(rng.integers(0, photos, photos)) for _ in range(repeats)]
    return interval_around(measure(np.arange(photos)), values)


def raw_scores(tagger: Tagger, tokens_NME: Float32Array) -> Float32Array:
    """The model's own scores [N, C], before calibration."""
    return max_similarity(tokens_NME, tagger.labels_CE)


def shown_tags(tagger: Tagger, tokens_NME: Float32Array, evaluated: EvaluationSet) -> Shown:
    """What a user would see at the default cut-off with the set's words as the vocabulary."""
    place = {name: column for column, name in enumerate(evaluated.names)}
    shown = tagger(tokens_NME)
    right = [
        sum(bool(evaluated.truth_NC[row, place[tag.label]]) for tag in own)
        for row, own in enumerate(shown)
    ]
    return Shown(np.array(right), np.array([len(own) for own in shown]))
