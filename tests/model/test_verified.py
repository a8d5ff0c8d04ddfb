"""Large files of a model that were found whole are not read again until they change."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from qks_cli import settings
from qks_cli.errors import ModelError
from qks_cli.model import bundle as bundles
from qks_cli.model import verified
from qks_cli.model.bundle import Bundle, file_hash, read_bundle
from qks_cli.model.model import Model, Phrase
from qks_cli.model.onnx_engine import FEW_TEXTS, OnnxEngine
from qks_cli.vocabulary.embeddings import label_keys
from qks_cli.vocabulary.labels_file import Label

DAY = 86_400


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """A bundle with one large file, a day old; `read` counts how often it was read."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"weights!" * (verified.LARGE // 8))
    monkeypatch.setattr(verified, "_age", lambda status: time.time() - status.st_mtime)
    os.utime(path, (time.time() - DAY,) * 2)
    files = {path.name: file_hash(path)}
    return Bundle(tmp_path, {"model": {"name": "large"}, "files": files})


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    paths: list[Path] = []

    def counted(path: Path) -> str:
        paths.append(path)
        return file_hash(path)

    monkeypatch.setattr(bundles, "file_hash", counted)
    return paths


def test_a_file_is_read_once(large: Bundle, read: list[Path]) -> None:
    for _ in range(3):
        large.file("model.safetensors")
    assert len(read) == 1
    large.file("model.safetensors", anew=True)
    assert len(read) == 2


def test_a_change_is_seen(large: Bundle, read: list[Path]) -> None:
    path = large.file("model.safetensors")
    data = bytearray(path.read_bytes())
    data[99] ^= 1
    before = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # its inode has another time
    with pytest.raises(ModelError, match="damaged"):
        large.file("model.safetensors")


def test_what_has_just_been_written_is_not_trusted(large: Bundle, read: list[Path]) -> None:
    os.utime(large.path / "model.safetensors")
    for _ in range(2):
        large.file("model.safetensors")
    assert len(read) == 2


@pytest.mark.parametrize("text", ["", "[]", "{", '{"x": 1}', "\x00"])
def test_a_damaged_note_costs_time_alone(large: Bundle, read: list[Path], text: str) -> None:
    file = settings.cache_path() / verified.VERIFIED_FILE
    file.parent.mkdir(parents=True)
    file.write_text(text)
    for _ in range(2):
        large.file("model.safetensors")
    assert len(read) == 1


def test_the_text_tower_is_not_asked_for_words_that_the_bundle_brings(
    fake_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model(read_bundle(str(fake_bundle)))
    own = model.engine.text_embeddings(["cat"])[0]
    monkeypatch.setattr(
        Model, "_known", {label_keys([Label("cat")], model.bundle.templates)[0]: own}
    )
    expected = Model(read_bundle(str(fake_bundle))).meanings([[Phrase("cat")]])[0].vector_E

    def asked(texts: object) -> None:
        raise AssertionError("the text tower was asked")

    monkeypatch.setattr(model.engine, "text_embeddings", asked)
    np.testing.assert_allclose(model.meanings([[Phrase("cat")]])[0].vector_E, expected, atol=1e-5)


def test_a_graph_as_it_is_gives_what_an_optimised_one_gives() -> None:
    """Few texts run on the graph as it is: making it faster takes longer than they do."""
    engine = OnnxEngine(read_bundle("mini"), threads=1)
    texts = ["people dancing in the rain", "a red bus", "dog"]
    few = engine.text_embeddings(texts)
    assert "_text" not in vars(engine)
    many = engine.text_embeddings(texts * (FEW_TEXTS // 3 + 1))[:3]
    np.testing.assert_allclose(few, many, atol=2e-3 * np.abs(many).max())
    engine.stay()  # who asks often waits once, for an optimised one
    often = engine.text_embeddings(texts)
    assert "_often" in vars(engine)
    np.testing.assert_allclose(often, many, atol=2e-3 * np.abs(many).max())
