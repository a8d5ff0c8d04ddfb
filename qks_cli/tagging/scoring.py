"""Label scores from query tokens (specification, Model 6).

Axes: B photos, M query tokens, E label space, C labels.
"""

from __future__ import annotations

import numpy as np

from qks_cli.types import Float32Array, IntArray


def score(tokens_BME: Float32Array, labels_CE: Float32Array) -> tuple[Float32Array, IntArray]:
    """Raw scores [B, C], the maximum over query tokens, and the winning token [B, C]."""
    batch, queries, _ = tokens_BME.shape
    best_BC = np.full((batch, len(labels_CE)), -np.inf, np.float32)
    winner_BC = np.zeros((batch, len(labels_CE)), np.intp)
    for token in range(queries):
        one_BC = tokens_BME[:, token] @ labels_CE.T
        np.copyto(winner_BC, token, where=one_BC > best_BC)
        np.maximum(best_BC, one_BC, out=best_BC)
    return best_BC, winner_BC
