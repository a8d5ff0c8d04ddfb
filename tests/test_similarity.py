"""The maximum over query tokens, whatever tokens are stored as."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from qks_cli import similarity
from qks_cli.similarity import max_similarity


@pytest.mark.parametrize("kind", [np.float32, np.float16, np.int8])
@pytest.mark.parametrize("vectors", [0, 1, 5, 8])
@pytest.mark.parametrize("block", [1, 40, 1 << 18])
def test_it_is_the_maximum_over_tokens(
    kind: npt.DTypeLike, vectors: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similarity, "BLOCK", block)
    rng = np.random.default_rng(1)
    tokens_NME = (20 * rng.normal(size=(7, 3, 4))).astype(kind)
    vectors_CE = rng.normal(size=(vectors, 4)).astype(np.float32)
    expected = (tokens_NME.astype(np.float32) @ vectors_CE.T).max(1)
    found = max_similarity(tokens_NME, vectors_CE)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_no_photo_has_no_score() -> None:
    none = max_similarity(np.empty((0, 3, 4), np.float16), np.ones((2, 4), np.float32))
    assert none.shape == (0, 2)


def test_one_vector_for_all_tokens_of_a_photo_may_be_a_view() -> None:
    tokens_NME = np.arange(48, dtype=np.float32).reshape(4, 3, 4)[::2]
    found = max_similarity(tokens_NME, np.eye(4, dtype=np.float32))
    np.testing.assert_array_equal(found, tokens_NME.max(1))
