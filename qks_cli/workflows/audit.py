"""What is odd about a vocabulary, judged by the photos of a library. Pure.

Axes: N photos, C labels, E label space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qks_cli.folding import fold
from qks_cli.types import BoolArray, Float32Array

EVERYWHERE = 0.5  # share of photos from which on a label says little
ALIKE = 0.85  # cosine of label vectors from which on two labels mean the same
BEST = 3  # photos that a label which never fires may have, by the cut-off proposed for it
FAINT = 0.02  # a label whose best photos score less fits none
STRANGE = 0.45  # cosine to the nearest taught word under which a label is a guess


@dataclass(frozen=True, slots=True)
class Finding:
    """``kind``: never, everywhere, alike, strange, suggested; ``photos`` that it is about.
    ``cutoff`` (0 to 1) is one that would fit the label better, where there is one."""

    kind: str
    label: str
    other: str
    photos: int
    cutoff: float | None = None


def audit(
    names: Sequence[str], scores_NC: Float32Array, fired_NC: BoolArray, labels_CE: Float32Array
) -> list[Finding]:
    """Labels that never fire, that fire everywhere, both with a better cut-off, and pairs that mean
    the same.

    ``scores_NC`` are calibrated; ``labels_CE`` are label vectors as they are scored, their last
    coordinate is a constant.
    """
    counts_C = fired_NC.sum(0)
    findings = [
        Finding("never", names[c], "", 0, _of_the_best(scores_NC[:, c]))
        for c in np.flatnonzero(counts_C == 0).tolist()
    ]
    many = np.flatnonzero(counts_C > EVERYWHERE * max(1, len(fired_NC)))
    findings += [
        Finding("everywhere", names[c], "", int(counts_C[c]), _between(scores_NC[:, c]))
        for c in many.tolist()
    ]
    unit = labels_CE[:, :-1] / np.linalg.norm(labels_CE[:, :-1], axis=1, keepdims=True)
    alike = np.triu(unit @ unit.T >= ALIKE, 1)
    for one, other in np.argwhere(alike).tolist():
        both = int((fired_NC[:, one] & fired_NC[:, other]).sum())
        findings.append(Finding("alike", names[one], names[other], both))
    return findings


def _of_the_best(scores_N: Float32Array) -> float | None:
    """What the label's few best photos score, rounded down."""
    if not len(scores_N):
        return None
    reached = float(np.sort(scores_N)[-min(BEST, len(scores_N))])
    return int(reached * 100) / 100 if reached >= FAINT else None


def _between(scores_N: Float32Array) -> float | None:
    """The score that parts the photos into two groups which differ least within (Otsu, IEEE
    Transactions on Systems, Man, and Cybernetics 9, 1979), taken on the scale of the logit."""
    clipped = np.clip(scores_N.astype(np.float64), 1e-4, 1 - 1e-4)
    logit_N = np.sort(np.log(clipped / (1 - clipped)))
    if logit_N[-1] - logit_N[0] < 1e-3:
        return None
    below = np.arange(1, len(logit_N))
    above = len(logit_N) - below
    total = np.cumsum(logit_N)
    apart = total[:-1] / below - (total[-1] - total[:-1]) / above
    best = int(np.argmax(below * above * apart**2))
    middle = (logit_N[best] + logit_N[best + 1]) / 2
    return round(float(1 / (1 + np.exp(-middle))), 2)


def strange(
    names: Sequence[str],
    fired_NC: BoolArray,
    nearest: Sequence[tuple[str, float]],
) -> list[Finding]:
    """Labels unlike any word that the model was taught, with the ``nearest`` of those and their
    cosine similarity (``Model.nearest_taught``)."""
    counts_C = fired_NC.sum(0)
    return [
        Finding("strange", names[c], word, int(counts_C[c]))
        for c, (word, similarity) in enumerate(nearest)
        if similarity < STRANGE
    ]


def suggest(
    names: Sequence[str],
    fires_NC: BoolArray,
    known: frozenset[str],
    limit: int,
) -> list[Finding]:
    """Words that would tag most of the photos that nothing fits, each counted for photos that no
    better word took."""
    left_N = np.ones(len(fires_NC), bool)
    findings: list[Finding] = []
    columns = [c for c, name in enumerate(names) if fold(name) not in known]
    while columns and len(findings) < limit:
        counts = [int((fires_NC[:, c] & left_N).sum()) for c in columns]
        best = int(np.argmax(counts))
        if counts[best] == 0:
            break
        column = columns.pop(best)
        findings.append(Finding("suggested", names[column], "", counts[best]))
        left_N &= ~fires_NC[:, column]
    return findings
