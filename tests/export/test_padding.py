from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from timm.layers import Conv2dSame
from torch import Tensor, nn

from qks_cli.export.padding import fixed_padding, fold_padding


class Uneven(nn.Module):
    """Two convolutions padded as TensorFlow pads, and a padding that no convolution reads."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Conv2dSame(3, 4, 3, stride=2)
        self.second = Conv2dSame(4, 4, 5, stride=2, groups=4)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = nn.functional.pad(self.second(self.first(x).relu()), (0, 1, 0, 1))
        return out


def run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, {"x": x})[0])


def test_convolutions_pad_by_themselves(tmp_path: Path) -> None:
    torch.manual_seed(1)
    module = Uneven().eval()
    x = torch.randn(2, 3, 32, 32)
    with warnings.catch_warnings(), fixed_padding(module, x):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (x,),
            str(tmp_path / "m.onnx"),
            input_names=["x"],
            opset_version=18,
            dynamo=False,
        )
    model = onnx.load(str(tmp_path / "m.onnx"))
    before = run(model, x.numpy())
    assert fold_padding(model) == 2
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node].count("Pad") == 1
    np.testing.assert_allclose(run(model, x.numpy()), before, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(before, module(x).detach().numpy(), rtol=1e-4, atol=1e-5)
    assert fold_padding(model) == 0
    larger = torch.randn(1, 3, 63, 63)  # sizes are asked for again afterwards
    assert module(larger).shape == (1, 4, 17, 17)
