from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from qks_cli.export.quantise import quantise_backbone


class Backbone(nn.Module):
    """Three blocks of two convolutions, read from uint8 pixels as the image graph is."""

    def __init__(self, name: str) -> None:
        super().__init__()
        blocks = [
            nn.Sequential(nn.Conv2d(3 if first else 8, 8, 3, padding=1), nn.ReLU6())
            for first in (True, False, False)
        ]
        self.name = name
        setattr(self, name, nn.ModuleList(blocks))

    def forward(self, pixels_BSS3: Tensor) -> Tensor:
        x = pixels_BSS3.permute(0, 3, 1, 2).float() / 255
        for block in getattr(self, self.name):
            x = block(x)
        return x.mean((2, 3))


def exported(folder: Path, name: str) -> Path:
    torch.manual_seed(1)
    path = folder / "image.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Backbone(name).eval(),
            (torch.zeros(2, 16, 16, 3, dtype=torch.uint8),),
            str(path),
            input_names=["pixels"],
            dynamic_axes={"pixels": {0: "batch"}},
            opset_version=18,
            dynamo=False,
        )
    return path


def run(path: Path, pixels_BSS3: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"pixels": pixels_BSS3})[0])


def test_inner_blocks_become_integer_and_say_nearly_the_same(tmp_path: Path) -> None:
    path = exported(tmp_path, "blocks")
    pixels = np.random.default_rng(1).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    before = run(path, pixels)
    assert quantise_backbone(path, pixels) == 1
    after = run(path, pixels)
    assert np.abs(after - before).max() < 0.02 * np.abs(before).max()
    assert not np.array_equal(after, before)
    nodes = onnx.load(str(path)).graph.node
    convolutions = [node for node in nodes if node.op_type == "Conv"]
    integer = ["DequantizeLinear" in made_by(nodes, node.input[1]) for node in convolutions]
    assert integer == [False, True, False]


def made_by(nodes: list[onnx.NodeProto], name: str) -> list[str]:
    return [node.op_type for node in nodes if name in node.output]


def test_a_graph_without_numbered_blocks_stays_as_it_is(tmp_path: Path) -> None:
    path = exported(tmp_path, "layers")
    before = path.read_bytes()
    pixels = np.zeros((4, 16, 16, 3), np.uint8)
    assert quantise_backbone(path, pixels) == 0
    assert path.read_bytes() == before
