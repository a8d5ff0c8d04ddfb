"""What tagging and search ask of a model; two engines answer, with the same scores.

Axes: B photos, H×W pixels, M query tokens, E label space, N texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from qks_cli.types import Float32Array, UInt8Array


class Engine(Protocol):
    """A loaded model. ``name`` says which engine and device, for people."""

    name: str

    def query_tokens(self, pixels_BHW3: UInt8Array) -> Float32Array:
        """Upright sRGB pixels in the bundle's size to query tokens [B, M, E]."""
        ...

    def text_embeddings(self, texts: Sequence[str]) -> Float32Array:
        """Texts to vectors of the label space, not normalised: [N, E]."""
        ...
