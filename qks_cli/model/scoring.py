"""Label scores from query tokens (arXiv 2401.01181).

Axes: B photos, M query tokens, E label space, C labels, K of the labels.
"""

from __future__ import annotations

import numpy as np

from qks_cli.types import Float32Array, IntArray

BLOCK = 500_000  # scores in flight: 2 MB, which a processor's cache holds


def score(tokens_BME: Float32Array, labels_CE: Float32Array) -> Float32Array:
    """Raw scores [B, C]: the maximum over query tokens of the inner product."""
    batch, queries, width = tokens_BME.shape
    count = len(labels_CE)
    best_BC = np.empty((batch, count), np.float32)
    step = max(1, BLOCK // max(1, queries * count))
    buffer = np.empty((step * queries, count), np.float32)
    for at in range(0, batch, step):
        part = tokens_BME[at : at + step].reshape(-1, width)
        all_scores = np.matmul(part, labels_CE.T, out=buffer[: len(part)])
        all_scores.reshape(-1, queries, count).max(axis=1, out=best_BC[at : at + step])
    return best_BC


def winners(tokens_ME: Float32Array, labels_KE: Float32Array) -> IntArray:
    """For one photo, the query token [K] whose score each label took."""
    won_K: IntArray = np.argmax(tokens_ME @ labels_KE.T, axis=0)
    return won_K
