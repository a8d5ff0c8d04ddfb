"""How well a photo must fit a phrase before that means anything.

Every phrase fits some photo best, nonsense too, and the more photos there are, the better. So
phrases that fit nothing are scored over the model's reference bank: what the best of so many photos
reaches for half of them is no answer yet.

Axes: R reference photos, M query tokens, E label space, K phrases, S sizes.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qks_cli.model.calibration import Calibration
from qks_cli.similarity import max_similarity
from qks_cli.types import Float32Array

FLOOR_FILE = "floor.json"
SIZES = (10, 30, 100, 300, 1000, 3000, 10_000)  # photos
NONSENSE = (
    "asdf jkl|xyzzy plugh|blorf|zxcvbnm|flurbish gronk|hjkl|qwertz|lorem ipsum dolor|asdfasdf|"
    "wefwef|pqowieur|mnbvcxz|dsfkjhs|grmblfx|snorfle wug|vwxqz|kjsdhf kjhsdf|tralala|hghghg|"
    "brillig slithy toves|ghjk|oiuzt|rtzu fghj|wkrtz|iuhiuh|frobnicate|sdlkfj|ewqewq|uiop|"
    "bnm bnm|ezjfoizejf|ajshdjkash|tax law|subjunctive|inflation rate|integer overflow|"
    "quarterly revenue|jurisdiction|epistemology|because of this"
).split("|")


@dataclass(frozen=True, slots=True)
class Floor:
    """``scores`` (0 to 1) that the best of ``SIZES`` photos reaches for a phrase that fits
    nothing."""

    scores: tuple[float, ...]

    def of(self, photos: int) -> float:
        """The least score that means something in a library of so many photos."""
        sizes = np.log(SIZES[: len(self.scores)])
        return float(np.interp(np.log(max(photos, 1)), sizes, self.scores))

    def write(self, path: Path) -> None:
        """As JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [[size, round(one, 4)] for size, one in zip(SIZES, self.scores, strict=True)]
        path.write_text(json.dumps({"photos_and_scores": rows}) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Floor | None:
        """What ``write`` wrote; None where that is not there or not understood."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            rows = json.loads(path.read_text(encoding="utf-8"))["photos_and_scores"]
            if tuple(size for size, _ in rows) == SIZES:
                return cls(tuple(float(one) for _, one in rows))
        return None


def measure(calibration: Calibration, nonsense_KE: Float32Array) -> Floor:
    """The floor of a model, by what its reference bank says of ``NONSENSE``, embedded."""
    stats = calibration.label_stats(nonsense_KE)
    scores_RK = calibration.probabilities(max_similarity(calibration.bank_RME, nonsense_KE), stats)
    # Where the best of n photos stands half of the time: (1 - x) ** n = 1/2.
    shares_S = 0.5 ** (1 / np.minimum(SIZES, len(scores_RK)))
    best_SK = np.quantile(scores_RK, shares_S, axis=0)
    return Floor(tuple(float(one) for one in np.median(best_SK, axis=1)))
