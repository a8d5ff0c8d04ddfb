"""Which image tokens stand for places of the photo, and in which grid.

Some stand for none: a vision transformer's class and register tokens, and what a head on the small
model reads beside its map. They all come before the places.

Axes: B photos, M query tokens, P image tokens, L those of them that are places.
"""

from __future__ import annotations

from math import isqrt

import numpy as np

from qks_cli.model.bundle import Bundle
from qks_cli.types import Float32Array

REGISTERS = 5  # tokens of a vision transformer without a place, at most: its class, four registers


def over_places(attention_BMP: Float32Array, bundle: Bundle) -> Float32Array | None:
    """Attention over the places alone [B, M, L], which sums to 1: a square grid, row by row from
    the top left. None where the image tokens stand in no such grid."""
    count = attention_BMP.shape[-1]
    others = _without_place(bundle, count)
    if others is None or count <= others or isqrt(count - others) ** 2 != count - others:
        return None
    places_BML = attention_BMP[..., others:].astype(np.float32)
    total_BM1 = places_BML.sum(-1, keepdims=True)
    return np.asarray(places_BML / np.maximum(total_BM1, 1e-9), np.float32)


def _without_place(bundle: Bundle, count: int) -> int | None:
    model = bundle.config["model"]
    if model.get("clip") is None and model["decoder"].get("kind") == "compact":
        # A head reads the mean of the query tokens, and these, before the cells of the map.
        return 1 + int(model["decoder"]["queries"]) if model.get("head") else 0
    others = count - isqrt(count) ** 2
    return others if others <= REGISTERS else None
