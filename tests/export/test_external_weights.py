"""Graphs of a bundle hold no weight that its safetensors file holds already."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from qks_cli.errors import ModelError
from qks_cli.export.graphs import export_text
from qks_cli.model.bundle import Bundle, read_bundle
from qks_cli.model.onnx_engine import OnnxEngine
from qks_cli.model.weights import round_to_half, write_config, write_weights
from qks_cli.network.config import TextConfig
from qks_cli.network.text import TextTower

SMALL = TextConfig(
    vocab_size=20_000, width=32, heads=2, layers=1, output_dim=24, lexical=16, readout=40
)


def text_bundle(folder: Path) -> tuple[Bundle, TextTower]:
    """A bundle of a random text tower alone, in half precision, with the tokenizer of mini."""
    folder.mkdir()
    mini = read_bundle("mini")
    torch.manual_seed(1)
    tower = TextTower(SMALL, 16)
    tower.whiten_SE.normal_()
    round_to_half(tower)
    write_weights(folder, text=tower)
    export_text(tower, folder / "text.onnx")
    shutil.copy(mini.file("tokenizer.json"), folder)
    config = mini.architecture
    config = replace(config, text=SMALL, label_width=16)
    write_config(folder, config, version="1", resize="squash", templates=["{}"], label_length=None)
    return read_bundle(str(folder)), tower.eval()


def test_weights_are_stored_once_and_read_from_there(tmp_path: Path) -> None:
    bundle, tower = text_bundle(tmp_path / "small")
    graph = onnx.load(str(bundle.file("text.onnx")), load_external_data=False).graph
    held = [x for x in graph.initializer if x.data_location != onnx.TensorProto.EXTERNAL]
    assert max(int(np.prod(x.dims)) for x in held) <= 256
    assert (
        bundle.file("text.onnx").stat().st_size
        < 0.05 * bundle.file("model.safetensors").stat().st_size
    )
    texts = ["dog", "a dog on the beach", ""]
    engine = OnnxEngine(bundle)
    ids = torch.from_numpy(engine._tokenizer(texts))
    with torch.inference_mode():
        goal = tower(ids).numpy()
    np.testing.assert_allclose(engine.text_embeddings(texts), goal, atol=1e-4)


def test_graphs_stand_alone_where_there_are_no_weights_beside_them(tmp_path: Path) -> None:
    _, tower = text_bundle(tmp_path / "small")
    alone = tmp_path / "text.onnx"
    export_text(tower, alone)
    session = onnxruntime.InferenceSession(str(alone))
    ids = np.array([[5, 7, 0]])
    (said,) = session.run(None, {"ids": ids})
    with torch.inference_mode():
        np.testing.assert_allclose(said, tower(torch.from_numpy(ids)).numpy(), atol=1e-4)


def test_damaged_weights_are_named(tmp_path: Path) -> None:
    bundle, _ = text_bundle(tmp_path / "small")
    with (bundle.path / "model.safetensors").open("r+b") as stream:
        stream.seek(-1, 2)
        stream.write(b"\x55")
    with pytest.raises(ModelError, match=r"model\.safetensors is damaged"):
        OnnxEngine(bundle).text_embeddings(["dog"])
