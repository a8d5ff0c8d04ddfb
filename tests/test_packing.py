"""Query tokens in 7 and 8 bits: they come back nearly as they were, and then stay as they are."""

from __future__ import annotations

import numpy as np
import pytest

from qks_cli.packing import as_stored, pack, packed_similarity, size_of, unpack
from qks_cli.similarity import max_similarity
from qks_cli.types import Float32Array

SHAPES = [(1, 1), (1, 17), (2, 3), (3, 40), (8, 256), (12, 512)]


def tokens(queries: int, width: int, seed: int = 0) -> Float32Array:
    """As a model's: those of a photo resemble each other, and one channel is large everywhere."""
    rng = np.random.default_rng(seed)
    mean_N1E = rng.normal(size=(50, 1, width))
    mean_N1E[:, :, -1] -= 12
    return np.asarray(mean_N1E + 0.6 * rng.normal(size=(50, queries, width)), np.float32)


@pytest.mark.parametrize(("queries", "width"), SHAPES)
def test_tokens_come_back_nearly_as_they_were(queries: int, width: int) -> None:
    tokens_NME = tokens(queries, width)
    packed_NS = pack(tokens_NME)
    assert packed_NS.shape == (50, size_of(queries, width))
    back_NME = unpack(packed_NS, queries, width)
    # Half a step of the largest number of a block, of every row of the transform.
    most = np.abs(tokens_NME).max()
    assert np.abs(back_NME - tokens_NME).max() < 2 * most / 127
    if width == 256:
        assert (back_NME - tokens_NME).std() < 0.01 * tokens_NME.std()


def test_two_photos_of_the_bundled_models_shape_fit_a_page() -> None:
    assert size_of(8, 256) == 1952
    row = size_of(8, 256) + 20  # SQLite's own, and the other columns
    assert 2 * row < 4096 - 8


@pytest.mark.parametrize(("queries", "width"), SHAPES)
def test_what_was_stored_stays_as_it_is(queries: int, width: int) -> None:
    rng = np.random.default_rng(1)
    for _ in range(40):
        tokens_NME = tokens(queries, width) * np.float32(10 ** rng.uniform(-7, 1))
        tokens_NME *= 10 ** rng.uniform(-1, 1, (50, queries, 1)).astype(np.float32)
        stored_NME = as_stored(tokens_NME)
        np.testing.assert_array_equal(pack(stored_NME), pack(tokens_NME))
        np.testing.assert_array_equal(as_stored(stored_NME), stored_NME)


def test_a_photo_is_the_same_in_any_company() -> None:
    tokens_NME = np.concatenate([tokens(8, 256, seed) for seed in range(4)])
    together_NME = as_stored(tokens_NME)
    for step in (1, 7, 64, 99):
        parts = [as_stored(tokens_NME[at : at + step]) for at in range(0, len(tokens_NME), step)]
        np.testing.assert_array_equal(np.concatenate(parts), together_NME)


def test_numbers_that_are_none_do_no_harm() -> None:
    tokens_NME = tokens(2, 40)
    whole_NME = as_stored(tokens_NME)
    tokens_NME[3, 1, 5], tokens_NME[3, 0, 6], tokens_NME[4] = np.nan, np.inf, 1e30
    found_NME = as_stored(tokens_NME)
    assert np.isfinite(found_NME).all()
    np.testing.assert_array_equal(found_NME[:3], whole_NME[:3])


def test_none_and_nothing() -> None:
    assert pack(np.zeros((0, 8, 256), np.float32)).shape == (0, 1952)
    np.testing.assert_array_equal(as_stored(np.zeros((2, 8, 256), np.float32)), 0)


@pytest.mark.parametrize(("queries", "width", "few"), [(8, 256, 1), (8, 256, 3), (1, 40, 2)])
def test_packed_tokens_are_compared_as_unpacked_ones(queries: int, width: int, few: int) -> None:
    tokens_NME = np.concatenate([tokens(queries, width, seed) for seed in range(6)])
    vectors_KE = np.random.default_rng(7).normal(0, 1, (few, width)).astype(np.float32)
    packed_NS = pack(tokens_NME)
    wanted_NK = max_similarity(unpack(packed_NS, queries, width), vectors_KE)
    found_NK = packed_similarity(packed_NS, vectors_KE, queries, width)
    assert np.abs(found_NK - wanted_NK).max() <= 2e-5 * np.abs(wanted_NK).max()
    none_0K = packed_similarity(packed_NS[:0], vectors_KE, queries, width)
    assert none_0K.shape == (0, few)
