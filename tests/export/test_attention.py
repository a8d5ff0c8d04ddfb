from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor

from qks_cli.export.graphs import export_image
from qks_cli.model.bundle import Bundle, read_bundle
from qks_cli.model.onnx_engine import OnnxEngine
from qks_cli.model.places import over_places
from qks_cli.model.torch_engine import TorchEngine
from qks_cli.model.weights import write_config
from qks_cli.network.config import BackboneConfig, DecoderConfig, ModelConfig
from qks_cli.network.decoder import split_heads
from qks_cli.network.head import ClipSource, CompactSource, FrozenModel, HeadedModel, build_head
from qks_cli.network.model import CompactModel
from qks_cli.network.pixels import PixelsToTokens
from tests.network.test_model import small
from tests.training import tiny


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
    told = engines(tmp_path, model, config)[1].attention(pixels)
    assert told is not None
    np.testing.assert_allclose(told, expected.mean(1), atol=1e-5)
    assert np.ptp(expected) > 1e-3, "the model looks everywhere alike: the test shows nothing"


@pytest.mark.parametrize(("base", "cells"), [("clip", 2), ("small", 4)])
@pytest.mark.parametrize("kind", ["reference", "compact"])
def test_both_engines_tell_where_a_trained_head_looked(
    base: str, cells: int, kind: str, tmp_path: Path
) -> None:
    """Tokens without a place (class, mean, the queries below) are left out, and what is left sums
    to 1; the queries are the head's, of which there are not as many as of the base's own."""
    model, config = with_head(base, kind)
    export_image(model, config, tmp_path / "image.onnx")
    onnx, eager = engines(tmp_path, model, config)
    side = config.image_size
    pixels = np.random.default_rng(1).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    one, other = onnx.attention(pixels), eager.attention(pixels)
    assert one is not None and other is not None
    assert one.shape == other.shape == (2, 2, cells * cells)
    np.testing.assert_allclose(one.sum(-1), 1, atol=1e-5)
    np.testing.assert_allclose(one, other, atol=5e-3)


def test_a_head_without_attention_tells_nothing(tmp_path: Path) -> None:
    """The graph still holds the decoder of the model below, which did not give the tag."""
    model, config = with_head("small", "linear")
    export_image(model, config, tmp_path / "image.onnx")
    pixels = np.zeros((1, config.image_size, config.image_size, 3), np.uint8)
    assert [engine.attention(pixels) for engine in engines(tmp_path, model, config)] == [None, None]


@pytest.mark.parametrize(
    ("architecture", "count", "places"),
    [
        ({"clip": {}, "head": {"queries": 2}}, 197, 196),  # class token
        ({"clip": {}, "head": {"queries": 2}}, 201, 196),  # and four registers
        ({"clip": {}, "head": {"queries": 2}}, 49, 49),  # a map
        ({"clip": {}, "head": {"queries": 2}}, 12 * 16, None),  # in no square
        ({"head": None}, 196, 196),
        ({"head": None}, 197, None),
        ({"head": {"queries": 2}}, 1 + 8 + 16, 16),  # a square with those that have no place
    ],
)
def test_which_image_tokens_are_places(
    architecture: dict[str, object], count: int, places: int | None
) -> None:
    decoder = {"queries": 8, "kind": "compact"}
    bundle = Bundle(Path(), {"model": {"decoder": decoder, **architecture}})
    attention = np.arange(2 * count, dtype=np.float32).reshape(1, 2, count) + 1
    found = over_places(attention, bundle)
    if places is None:
        assert found is None
        return
    assert found is not None
    last = attention[..., -places:]
    np.testing.assert_allclose(found, last / last.sum(-1, keepdims=True), rtol=1e-5)


def with_head(base: str, kind: str) -> tuple[HeadedModel, ModelConfig]:
    torch.manual_seed(5)
    source: FrozenModel
    if base == "clip":
        clip = tiny.clip()
        source = ClipSource(clip)
        vision = tiny.CLIP["vision_cfg"]
        config = ModelConfig("x", 32, 16, BackboneConfig(vision, 16), clip=tiny.CLIP)
    else:
        config = replace(small(neck=1), label_width=16)
        source = CompactSource(CompactModel(config))
    head = DecoderConfig(
        kind, queries=2, width=source.width, layers=2, heads=2, ffn_ratio=1.0, dropout=0.0
    )
    built = build_head(head, source, 16)
    for parameter in built.parameters():  # so that it does not look everywhere alike
        torch.nn.init.normal_(parameter, std=0.5)
    return HeadedModel(source, built).eval(), replace(config, head=head)


def engines(
    folder: Path, model: torch.nn.Module, config: ModelConfig
) -> tuple[OnnxEngine, TorchEngine]:
    """Both on the graph in ``folder``, the second with the modules that it was made of."""
    write_config(folder, config, version="1", resize="squash", templates=("{}",), label_length=None)
    bundle = read_bundle(str(folder))
    eager = TorchEngine(bundle, "cpu")
    eager.__dict__["_image"] = PixelsToTokens(model, config).eval()
    return OnnxEngine(bundle), eager
