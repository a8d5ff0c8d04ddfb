"""What is odd about a vocabulary, judged by the photos of a library. Pure.

Axes: N photos, C labels, E label space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from qks_cli.types import Float32Array

BoolArray: TypeAlias = npt.NDArray[np.bool_]

EVERYWHERE = 0.5  # share of photos from which on a label says little
ALIKE = 0.85  # cosine of label vectors from which on two labels mean the same
STRANGE = 0.45  # cosine to the nearest taught word under which a label is a guess


@dataclass(frozen=True, slots=True)
class Finding:
    """``kind``: never, everywhere, alike, strange, suggested; ``photos`` that it is about."""

    kind: str
    label: str
    other: str
    photos: int


def audit(names: Sequence[str], fired_NC: BoolArray, labels_CE: Float32Array) -> list[Finding]:
    """Labels that never fire, that fire everywhere, and pairs that mean the same.

    ``labels_CE`` are label vectors as they are scored; their last coordinate is a constant.
    """
    counts_C = fired_NC.sum(0)
    findings = [Finding("never", names[c], "", 0) for c in np.flatnonzero(counts_C == 0).tolist()]
    many = np.flatnonzero(counts_C > EVERYWHERE * max(1, len(fired_NC)))
    findings += [Finding("everywhere", names[c], "", int(counts_C[c])) for c in many.tolist()]
    unit = labels_CE[:, :-1] / np.linalg.norm(labels_CE[:, :-1], axis=1, keepdims=True)
    alike = np.triu(unit @ unit.T >= ALIKE, 1)
    for one, other in np.argwhere(alike).tolist():
        both = int((fired_NC[:, one] & fired_NC[:, other]).sum())
        findings.append(Finding("alike", names[one], names[other], both))
    return findings


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
    columns = [c for c, name in enumerate(names) if name.casefold() not in known]
    while columns and len(findings) < limit:
        counts = [int((fires_NC[:, c] & left_N).sum()) for c in columns]
        best = int(np.argmax(counts))
        if counts[best] == 0:
            break
        column = columns.pop(best)
        findings.append(Finding("suggested", names[column], "", counts[best]))
        left_N &= ~fires_NC[:, column]
    return findings
