"""What a head is trained against."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qks_cli.bundling.headed import label_embeddings
from qks_cli.model.bundle import Bundle
from qks_cli.types import Float32Array, UInt8Array


class LettersEngine:
    """A text's vector is how often it has some letters."""

    name = "letters"

    def query_tokens(self, pixels_BHW3: UInt8Array) -> Float32Array:
        raise NotImplementedError

    def text_embeddings(self, texts: Sequence[str]) -> Float32Array:
        return np.array([[text.count(x) for x in "abcdefgs"] for text in texts], np.float32)


def test_no_two_labels_of_a_data_set_become_one() -> None:
    base = Bundle(Path(), {"model": {"clip": None}, "label_length": None})
    names = ["dogs", "dog", "cats", "cat"]
    vectors = label_embeddings(base, LettersEngine(), names, ("a {}", "{}"), None)
    assert len({tuple(vector) for vector in vectors.tolist()}) == 4
