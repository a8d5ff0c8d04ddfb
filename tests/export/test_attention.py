from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from qks_cli.export.graphs import export_image
from qks_cli.model.torch_engine import TorchEngine
from qks_cli.network.decoder import split_heads
from qks_cli.network.model import CompactModel
from qks_cli.network.pixels import PixelsToTokens
from tests.network.test_model import small


def test_the_graph_tells_where_the_query_tokens_looked(tmp_path: Path) -> None:
    torch.manual_seed(3)
    config = small(neck=1)
    model = CompactModel(config).eval()
    kept: dict[str, Tensor] = {}

    def keep(name: str) -> object:
        return lambda module, given, out: kept.__setitem__(name, out)

    model.decoder.key_value.key.register_forward_hook(keep("key"))  # type: ignore[arg-type]
    last = model.decoder.layers[-1].cross_attention
    last.query.register_forward_hook(keep("query"))  # type: ignore[union-attr,arg-type,operator]
    export_image(model, config, tmp_path / "image.onnx")
    side = config.image_size
    pixels = np.random.default_rng(1).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    with torch.inference_mode():
        tokens = PixelsToTokens(model, config).eval()(torch.from_numpy(pixels)).numpy()
    heads = config.decoder.heads
    query, key = split_heads(kept["query"], heads), split_heads(kept["key"], heads)
    expected = torch.softmax(query @ key.mT / query.shape[-1] ** 0.5, -1).numpy()

    session = onnxruntime.InferenceSession(
        str(tmp_path / "image.onnx"), providers=["CPUExecutionProvider"]
    )
    found, attention = session.run(["tokens", "attention"], {"pixels": pixels})
    np.testing.assert_allclose(found, tokens, atol=2e-2)  # weights are kept in half precision
    np.testing.assert_allclose(attention, expected, atol=2e-3)
    engine = TorchEngine.__new__(TorchEngine)
    engine.device = torch.device("cpu")
    engine.__dict__["_image"] = PixelsToTokens(model, config).eval()
    told = engine.attention(pixels)
    assert told is not None
    np.testing.assert_allclose(told, expected.mean(1), atol=1e-5)
    assert np.ptp(expected) > 1e-3, "the model looks everywhere alike: the test shows nothing"
