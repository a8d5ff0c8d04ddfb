"""Query tokens to tags, for one model and one vocabulary.

Axes: B photos, M query tokens, E label space, C labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from qks_cli.model.bundle import Bundle
from qks_cli.model.calibration import Calibration, LabelStats
from qks_cli.model.protocol import Engine
from qks_cli.model.scoring import score, winners
from qks_cli.model.selection import TOP, Selector
from qks_cli.types import Float32Array, IntArray, Tag
from qks_cli.vocabulary import neighbours
from qks_cli.vocabulary.embeddings import FILE, embed_labels, read_known
from qks_cli.vocabulary.labels_file import Label, Vocabulary

SCORES = 2_000_000  # [B, C] values in flight: keeps 10,000 labels within tens of megabytes


def selection_name(cutoff: float, top: int) -> str:
    """How the library names the way that tags were chosen."""
    return f"min-score {cutoff:.4f}, top {top}"


def label_vectors(
    bundle: Bundle,
    engine: Engine,
    labels: Sequence[Label],
    *,
    cache: Path | None = None,
    as_written: bool = False,
) -> Float32Array:
    """What a model compares its query tokens with [C, E]; ``cache`` and ``as_written`` as for
    ``embed_labels``.

    Words that a small model was not taught lean to those that it was (vocabulary/neighbours.py).
    """
    vectors_CE = embedded(bundle, engine, labels, cache=cache, as_written=as_written)
    return as_taught(bundle, vectors_CE)


def embedded(
    bundle: Bundle,
    engine: Engine,
    labels: Sequence[Label],
    *,
    cache: Path | None = None,
    as_written: bool = False,
) -> Float32Array:
    """What the text tower makes of the labels [C, E]."""
    return embed_labels(
        labels,
        templates=bundle.templates,
        embed=engine.text_embeddings,
        model_hash=bundle.hash,
        cache=cache,
        length=bundle.label_length,
        known=read_known(bundle.file(FILE)) if bundle.has(FILE) else {},
        as_written=as_written,
    )


def as_taught(bundle: Bundle, labels_CE: Float32Array) -> Float32Array:
    """``labels_CE`` leaning to the words that the model was taught, where it says which."""
    if not bundle.has(neighbours.FILE):
        return labels_CE
    return neighbours.lean(labels_CE, neighbours.read_taught(bundle.file(neighbours.FILE)))


def _trust(bundle: Bundle, raw_CE: Float32Array) -> Float32Array:
    if not bundle.has(neighbours.FILE):
        return np.ones(len(raw_CE), np.float32)
    return neighbours.trust(raw_CE, neighbours.read_taught(bundle.file(neighbours.FILE)))


@dataclass(frozen=True, slots=True)
class Tagger:
    """``selection`` says how tags are chosen; tags stored under another one are chosen again.

    ``trust_C`` is what a label's score is worth (vocabulary/neighbours.py)."""

    labels_CE: Float32Array
    trust_C: Float32Array
    calibration: Calibration
    stats: LabelStats
    selector: Selector
    selection: str

    @classmethod
    def build(
        cls,
        bundle: Bundle,
        engine: Engine,
        vocabulary: Vocabulary,
        *,
        min_score: float | None = None,
        top: int = TOP,
        cache: Path | None = None,
    ) -> Tagger:
        """Embed the labels (from ``cache`` where it knows them) and calibrate them.

        ``min_score`` None takes the model's own cut-off.
        """
        calibration = Calibration.read(bundle)
        cutoff = calibration.cutoff if min_score is None else min_score
        raw_CE = embedded(bundle, engine, vocabulary.labels, cache=cache)
        labels_CE = as_taught(bundle, raw_CE)
        return cls(
            labels_CE,
            _trust(bundle, raw_CE),
            calibration,
            calibration.label_stats(labels_CE),
            Selector(vocabulary, min_score=cutoff, top=top),
            selection_name(cutoff, top),
        )

    def scores(self, tokens_BME: Float32Array) -> Float32Array:
        """Calibrated scores [B, C], 0 to 1."""
        scores_BC = score(tokens_BME, self.labels_CE)
        fits_BC = self.calibration.probabilities(scores_BC, self.stats)
        fits_BC *= self.trust_C
        return fits_BC

    def __call__(self, tokens_BME: Float32Array) -> list[tuple[Tag, ...]]:
        """The tags of each photo, best first."""
        step = max(1, SCORES // len(self.labels_CE))
        tags = []
        for at in range(0, len(tokens_BME), step):
            part = tokens_BME[at : at + step]
            tags += [
                self.selector(fits_C, partial(self._winners, tokens_ME))
                for fits_C, tokens_ME in zip(self.scores(part), part, strict=True)
            ]
        return tags

    def _winners(self, tokens_ME: Float32Array, columns_K: IntArray) -> IntArray:
        return winners(tokens_ME, self.labels_CE[columns_K])
