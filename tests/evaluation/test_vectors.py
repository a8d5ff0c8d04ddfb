"""Label vectors: baselines do not depend on which bundle they are computed from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qks_cli.evaluation.vectors import baseline_vectors, own_vectors
from qks_cli.model.bundle import Bundle
from qks_cli.model.model import Model
from qks_cli.similarity import unit
from qks_cli.types import Float32Array, UInt8Array

NAMES = ["dogs", "dog", "cat"]


class Letters:
    """Vectors of a text tower: as they come, or of unit length as a pulled backbone gives them."""

    name = "letters"

    def __init__(self, *, whole: bool) -> None:
        self.whole = whole

    def query_tokens(self, pixels_BHW3: UInt8Array) -> Float32Array:
        raise NotImplementedError

    def text_embeddings(self, texts: Sequence[str]) -> Float32Array:
        raw = np.array([[t.count(x) for x in "acdgost "] for t in texts], np.float32)
        return raw if self.whole else unit(raw)


def bundle(head: bool) -> Bundle:
    model = {"clip": {}, "head": {"queries": 1} if head else None}
    config = {"model": model, "templates": ["a {}", "a photo of a {}"], "label_length": None}
    return Bundle(Path(), config | {"files": {}})


def test_baselines_are_the_same_for_a_backbone_and_a_head_on_it() -> None:
    backbone = baseline_vectors(Model(bundle(False), engine=Letters(whole=False)), NAMES)
    head = baseline_vectors(Model(bundle(True), engine=Letters(whole=True)), NAMES)
    np.testing.assert_allclose(backbone, head, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(head, axis=1), 1, atol=1e-6)
    assert not np.allclose(head[0], head[1])  # dogs and dog


def test_a_heads_own_vectors_keep_their_length() -> None:
    own = own_vectors(Model(bundle(True), engine=Letters(whole=True)), NAMES)
    assert np.linalg.norm(own, axis=1).min() > 1.5
    assert not np.allclose(own[0], own[1])


def test_a_small_models_constant_is_no_direction() -> None:
    small = Bundle(
        Path(),
        {"model": {"clip": None}, "templates": ["{}"], "label_length": 3.0, "files": {}},
    )
    vectors = baseline_vectors(Model(small, engine=Letters(whole=True)), NAMES)
    assert vectors.shape == (3, 7)
