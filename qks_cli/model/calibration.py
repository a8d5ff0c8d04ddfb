"""From raw scores to one 0-to-1 scale on which a single cut-off serves every label.

A raw score says nothing alone: some labels score high everywhere. So each label, seen in training
or not, is first run over a bank of reference photos' query tokens (features only). Where a photo's
score stands in that distribution, and how high it is, goes through one logistic that was fitted on
labelled photos kept out of training.

Axes: R reference photos, M query tokens, E label space, C labels, B photos, F features.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from qks_cli.errors import ModelError
from qks_cli.model.bundle import Bundle
from qks_cli.similarity import max_similarity
from qks_cli.types import Float32Array
from qks_cli.vocabulary import neighbours

CALIBRATION_FILE = "calibration.npz"
CHUNK = 256  # labels at a time: bounds the [R, C] scores to a few MB


@dataclass(frozen=True, slots=True)
class LabelStats:
    """A label's raw scores over the bank: mean, deviation and 99th percentile, float32 [C], and
    what is added to its logit (None: nothing)."""

    mean: Float32Array
    std: Float32Array
    high: Float32Array
    offset: Float32Array | None = None

    def __getitem__(self, columns: slice) -> LabelStats:
        """Those of some labels."""
        offset = None if self.offset is None else self.offset[columns]
        return LabelStats(self.mean[columns], self.std[columns], self.high[columns], offset)

    def with_odds(self, times_C: Float32Array) -> LabelStats:
        """The same where the odds of every label count so many times."""
        with np.errstate(divide="ignore"):  # none at all
            more_C = np.log(times_C)
        offset_C = more_C if self.offset is None else self.offset + more_C
        return LabelStats(self.mean, self.std, self.high, offset_C)


@dataclass(frozen=True, slots=True)
class Calibration:
    """``bank_RME`` reference query tokens, ``weights_F`` the logistic, ``cutoff`` the default.

    ``offsets_T`` is what labelled photos taught about single words (``taught_TE``, their vectors):
    how much likelier they are than the logistic thinks. A word that is in many photos of the bank,
    such as "cat", would be held against its own photos without it.
    """

    bank_RME: Float32Array
    weights_F: Float32Array
    cutoff: float
    taught_TE: Float32Array | None = None
    offsets_T: Float32Array | None = None

    @classmethod
    def unfitted(cls, bank_RME: Float32Array) -> Calibration:
        """Where no labelled photo was seen: a label fires where it beats 99 of 100 references."""
        return cls(bank_RME, np.array([0.0, 0.0, 0.0, 2.0, 0.0], np.float32), 0.5)

    def write(self, folder: Path) -> None:
        """Into a bundle's folder."""
        stored = {
            "bank": self.bank_RME.astype(np.float16),
            "weights": self.weights_F,
            "cutoff": np.float32(self.cutoff),
        }
        if self.offsets_T is not None:
            stored["offsets"] = self.offsets_T.astype(np.float32)
        np.savez(folder / CALIBRATION_FILE, **stored)  # type: ignore[arg-type]

    @classmethod
    def read(cls, bundle: Bundle) -> Calibration:
        """Raises ``ModelError`` where the bundle's calibration is missing or damaged."""
        path = bundle.file(CALIBRATION_FILE)
        try:
            with np.load(path) as stored:
                plain = cls(
                    stored["bank"].astype(np.float32),
                    stored["weights"].astype(np.float32),
                    float(stored["cutoff"]),
                )
                if "offsets" not in stored or not bundle.has(neighbours.TAUGHT_FILE):
                    return plain
                taught_TE = neighbours.read_taught(bundle.file(neighbours.TAUGHT_FILE))
                return replace(plain, taught_TE=taught_TE, offsets_T=stored["offsets"])
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{path} is not a calibration: {error}") from error

    def label_stats(self, labels_CE: Float32Array) -> LabelStats:
        """How each label scores over the bank."""
        parts = [
            _stats(max_similarity(self.bank_RME, labels_CE[start : start + CHUNK]))
            for start in range(0, len(labels_CE), CHUNK)
        ]
        mean, std, high = (np.concatenate(column) for column in zip(*parts, strict=True))
        if self.offsets_T is None or self.taught_TE is None:
            return LabelStats(mean, std, high)
        offset_C = neighbours.carried_over(labels_CE, self.taught_TE, self.offsets_T)
        return LabelStats(mean, std, high, offset_C)

    def probabilities(self, scores_BC: Float32Array, stats: LabelStats) -> Float32Array:
        """Calibrated scores [B, C], 0 to 1: the logistic of ``features``.

        That is linear in the raw score with one kink, so no feature is made."""
        bias, place, raw, height, above = self.weights_F
        slope_C = place / stats.std + raw + height / stats.std
        shift_C = bias - (place * stats.mean + height * stats.high) / stats.std
        if stats.offset is not None:
            shift_C = shift_C + stats.offset
        logits_BC = np.subtract(scores_BC, stats.high, dtype=np.float32)
        np.maximum(logits_BC, 0, out=logits_BC)
        logits_BC *= above / stats.std
        logits_BC += scores_BC * slope_C
        logits_BC += shift_C
        with np.errstate(over="ignore"):  # an unlikely label's score is 0
            np.exp(np.negative(logits_BC, out=logits_BC), out=logits_BC)
        logits_BC += 1
        return np.asarray(np.reciprocal(logits_BC, out=logits_BC), np.float32)


def features(scores_BC: Float32Array, stats: LabelStats) -> Float32Array:
    """What the logistic sees [B, C, F]: 1, z-score over the bank, raw score, height over the
    99th percentile in deviations (negative below it), and that height where it is positive."""
    above = (scores_BC - stats.high) / stats.std
    return np.stack(
        [
            np.ones_like(scores_BC),
            (scores_BC - stats.mean) / stats.std,
            scores_BC,
            above,
            np.maximum(above, 0),
        ],
        axis=-1,
    )


def _stats(scores_RC: Float32Array) -> tuple[Float32Array, Float32Array, Float32Array]:
    rank = int(0.99 * (len(scores_RC) - 1))
    return (
        scores_RC.mean(0),
        np.maximum(scores_RC.std(0), 1e-3),
        np.partition(scores_RC, rank, axis=0)[rank],
    )
