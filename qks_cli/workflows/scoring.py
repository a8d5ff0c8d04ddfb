"""Other orders of the labels than that of the model's own scores: `qks tag --scoring`.

A method of ``evaluation/training_free.py`` says which labels come first; how many tags a photo has,
and how sure they are, stays with the model's calibrated scores. The methods read photos: what a
library keeps of them is not enough.

Axes: B photos of a batch, S image side, C labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from qks_cli.errors import UsageError
from qks_cli.model.model import Model
from qks_cli.photos.loader import load
from qks_cli.types import Float32Array, Photo, UInt8Array
from qks_cli.vocabulary.labels_file import Vocabulary
from qks_cli.wording import count_of
from qks_cli.workflows.pipeline import LoadOptions
from qks_cli.workflows.report import SILENT, Report

if TYPE_CHECKING:
    from qks_cli.evaluation.training_free import PhotoScorer

METHODS = ("sparc", "piaa", "tagclip")
LOOKS_FIRST = ("sparc", "piaa")  # at photos, whatever is on them
SAMPLE = 2000  # of these, at most


@dataclass
class PhotoScoring:
    """A method's scores of the labels of ``vocabulary``, ready when the first photo is.

    ``photos`` are those of the run: some of them, evenly drawn, are read once beforehand where the
    method has to know how labels score on photos."""

    method: str
    model: Model
    vocabulary: Vocabulary
    photos: Sequence[Photo]
    options: LoadOptions
    report: Report = SILENT

    def __call__(self, pixels_BSS3: UInt8Array) -> Float32Array:
        """Scores [B, C]. Raises ``UsageError`` where the model cannot take the method."""
        return self._scorer(pixels_BSS3)

    @cached_property
    def _scorer(self) -> PhotoScorer:
        from qks_cli.evaluation.training_free import PhotoScorer

        labels = self.vocabulary.labels
        if len(labels) < 2:
            raise UsageError(f"--scoring {self.method} compares labels: it needs two or more")
        return PhotoScorer(self.method, self.model, labels, self._sample())

    def _sample(self) -> Iterator[UInt8Array]:
        """Pixels [B, S, S, 3] of some photos, a batch after another."""
        bundle = self.model.bundle
        if self.method not in LOOKS_FIRST:
            return
        step = -(-len(self.photos) // SAMPLE)
        chosen = self.photos[:: max(1, step)]
        seen = count_of(len(chosen), "photo")
        self.report.note(f"qks: {self.method} first looks at {seen}, to see how labels score")
        batches = load(
            chosen,
            size=bundle.image_size,
            resize=bundle.resize,
            batch_size=self.options.batch_size,
            workers=self.options.workers,
            limits=self.options.limits,
        )
        yield from (batch.pixels_BHW3 for batch in batches)
