from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qks_cli.types import Float32Array
from qks_cli.vocabulary.embeddings import (
    EMBEDDINGS_FILE,
    embed_labels,
    label_keys,
    read_known,
    to_length,
    write_known,
)
from qks_cli.vocabulary.labels_file import Label
from qks_cli.vocabulary.prompts import POOL, fill


class Encoder:
    """Counts letters; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts: Sequence[str]) -> Float32Array:
        self.asked += texts
        return np.array([[t.count("a"), t.count("b"), len(t)] for t in texts], np.float32)


def embed(labels: Sequence[Label], encoder: Encoder, cache: Path | None) -> Float32Array:
    return embed_labels(
        labels, templates=("{}", "aa {}"), embed=encoder, model_hash="f" * 64, cache=cache
    )


def test_mean_over_templates_and_own_prompts() -> None:
    vectors = embed([Label("b"), Label("b", prompts=("bbb {}",))], Encoder(), None)
    assert vectors.tolist() == [[1, 1, 2.5], [0, 4, 5]]


def test_cached_labels_are_not_embedded_again(tmp_path: Path) -> None:
    first, second = Encoder(), Encoder()
    before = embed([Label("a"), Label("b")], first, tmp_path)
    after = embed([Label("b"), Label("c"), Label("a")], second, tmp_path)
    assert second.asked == ["c", "aa c"]
    np.testing.assert_array_equal(after[[2, 0]], before)


def test_what_the_model_brings_along_is_not_embedded(tmp_path: Path) -> None:
    labels = [Label("a"), Label("b", prompts=("bbb {}",))]
    vectors = embed(labels, Encoder(), None)
    write_known(tmp_path / EMBEDDINGS_FILE, label_keys(labels, ("{}", "aa {}")), vectors)
    encoder = Encoder()
    after = embed_labels(
        [Label("b"), *labels],
        templates=("{}", "aa {}"),
        embed=encoder,
        model_hash="f" * 64,
        cache=tmp_path / "cache",
        known=read_known(tmp_path / EMBEDDINGS_FILE),
    )
    assert encoder.asked == ["b", "aa b"]
    np.testing.assert_array_equal(after[1:], vectors)


def test_a_damaged_cache_is_made_anew(tmp_path: Path) -> None:
    embed([Label("a")], Encoder(), tmp_path)
    (file,) = tmp_path.glob("*.sqlite")
    file.write_bytes(b"no database" * 500)
    encoder = Encoder()
    embed([Label("a")], encoder, tmp_path)
    assert encoder.asked == ["a", "aa a"]
    again = Encoder()
    embed([Label("a")], again, tmp_path)
    assert again.asked == []


def test_length_leaves_the_constant() -> None:
    out = to_length(np.array([[3, 4, 9], [0, 2, 1]], np.float32), 10.0)
    np.testing.assert_allclose(out, [[6, 8, 1], [0, 10, 1]])


def test_the_pool() -> None:
    assert len(POOL) == len(set(POOL)) == 85
    assert all("{}" in template for template in POOL)
    assert fill("a {} of {0}", "x{y}") == "a x{y} of {0}"


def test_labels_of_data_sets_stay_as_they_are_written() -> None:
    encoder = Encoder()
    vectors = embed_labels(
        [Label("bars"), Label("bar")],
        templates=("a {}",),
        embed=encoder,
        model_hash="f" * 64,
        cache=None,
        as_written=True,
    )
    assert encoder.asked == ["a bars", "a bar"]
    assert vectors[0].tolist() != vectors[1].tolist()
    said = embed([Label("bars"), Label("bar")], Encoder(), None)
    assert said[0].tolist() == said[1].tolist()  # tagging and searching ask in the singular
