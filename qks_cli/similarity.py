"""How well labels and phrases fit photos, in numpy (arXiv 2401.01181, section 3).

``network.model.scores`` is the same in torch. Axes: N photos, M query tokens, E label space, C
labels or phrases, K of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from qks_cli.types import Float32Array, IntArray

FEW = 8  # vectors
BLOCK = 1 << 18  # numbers in hand: 1 MB, which a processor's cache holds


def max_similarity(tokens_NME: npt.NDArray[Any], vectors_CE: Float32Array) -> Float32Array:
    """Raw scores [N, C]: the maximum over query tokens of the inner product.

    Tokens of other types than float32 (half precision, 8 bits) are widened a block at a time into
    one buffer: freshly mapped memory is slow to touch.
    """
    count, queries, width = tokens_NME.shape
    vectors = len(vectors_CE)
    best_NC = np.empty((count, vectors), np.float32)
    step = max(1, min(count, BLOCK // max(1, queries * max(width, vectors))))
    wide = np.empty((step * queries, width), np.float32)
    products = np.empty((step * queries, vectors), np.float32)
    for at in range(0, count, step):
        part = tokens_NME[at : at + step].reshape(-1, width)
        if part.dtype != np.float32:
            np.copyto(wide[: len(part)], part)
            part = wide[: len(part)]
        found = np.matmul(part, vectors_CE.T, out=products[: len(part)])
        found = found.reshape(len(part) // queries, queries, vectors)
        if vectors >= FEW:
            found.max(axis=1, out=best_NC[at : at + step])
            continue
        # numpy reduces an axis slowly where little lies behind it.
        best = best_NC[at : at + step]
        best[...] = found[:, 0]
        for query in range(1, queries):
            np.maximum(best, found[:, query], out=best)
    return best_NC


def winners(tokens_ME: Float32Array, labels_KE: Float32Array) -> IntArray:
    """For one photo, the query token [K] whose score each label took."""
    won_K: IntArray = np.argmax(tokens_ME @ labels_KE.T, axis=0)
    return won_K


def unit(vectors: npt.NDArray[np.floating]) -> Float32Array:
    """Vectors along the last axis, brought to length 1; what has no length stays 0."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-6), np.float32)
