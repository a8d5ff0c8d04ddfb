"""What a head is trained against."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from qks_cli.bundling import headed
from qks_cli.bundling.headed import label_embeddings
from qks_cli.model.bundle import Bundle
from qks_cli.network.zero_shot import ZeroShotText
from qks_cli.types import Float32Array, UInt8Array
from tests.training import tiny


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


def test_heads_on_clip_see_texts_in_their_own_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """The magnitude of text embeddings takes part in matching; an engine gives unit vectors."""
    clip = tiny.clip()
    monkeypatch.setattr(headed, "load_text_tower", lambda base: ZeroShotText(copy.deepcopy(clip)))

    class Tokenizer:
        def __init__(self, bundle: Bundle) -> None:
            pass

        def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
            coded = [[ord(x) % 60 + 1 for x in text[:7]] + [63] for text in texts]
            return np.array([row + [0] * (8 - len(row)) for row in coded], np.int64)

    monkeypatch.setattr("qks_cli.model.tokenizer.TextTokenizer", Tokenizer)
    base = Bundle(Path(), {"model": {"clip": tiny.CLIP}, "label_length": None})
    vectors = label_embeddings(base, LettersEngine(), ["dog", "cat"], ("{}",), None)
    ids = torch.from_numpy(Tokenizer(base)(["dog", "cat"]))
    with torch.inference_mode():
        expected = clip.encode_text(ids).numpy()  # type: ignore[operator]
    np.testing.assert_allclose(vectors, expected, rtol=1e-4, atol=1e-5)
    assert not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=0.05)
