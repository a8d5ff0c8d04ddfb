from __future__ import annotations

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from qks_cli.errors import ModelError
from qks_cli.network.config import BackboneConfig, DecoderConfig, ModelConfig, TextConfig
from qks_cli.network.decoder import ReferenceDecoder
from qks_cli.network.model import CompactModel, QksModel, build_model, scores
from qks_cli.network.text import TextTower

TINY_VIT = {"image_size": 32, "patch_size": 16, "layers": 2, "width": 24, "head_width": 12}


def tiny(**decoder: object) -> ModelConfig:
    settings = {"queries": 5, "width": 24, "layers": 2, "heads": 2} | decoder
    return ModelConfig(
        "tiny",
        32,
        10,
        BackboneConfig(TINY_VIT, 10),
        DecoderConfig(**settings),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("layers", "queries", "parameters", "operations"), [(7, 12, 66.6, 2.35), (8, 22, 76.0, 3.38)]
)
def test_the_reference_decoder_has_the_papers_size(
    layers: int, queries: int, parameters: float, operations: float
) -> None:
    """Millions of parameters and GMACs an image, with the layers and queries that the paper takes
    for NUS-WIDE and Open Images."""
    decoder = ReferenceDecoder(DecoderConfig(layers=layers, queries=queries), 768, 512).eval()
    count = sum(parameter.numel() for parameter in decoder.parameters())
    assert round(count / 1e6, 1) == parameters
    # The counter does not know the fused attention of CPUs.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        decoder(torch.zeros(1, 197, 768))
    assert round(counter.get_total_flops() / 2e9, 2) == operations


def test_the_reference_decoder_norms_after_it_adds() -> None:
    """Its last step is a norm, whatever the sizes of its weights."""
    torch.manual_seed(1)
    config = DecoderConfig(queries=4, width=24, layers=2, heads=2, dropout=0.0)
    decoder = ReferenceDecoder(config, 16, 24).eval()
    decoder.projection.data.copy_(torch.eye(24))
    for linear in (module for module in decoder.modules() if isinstance(module, torch.nn.Linear)):
        torch.nn.init.normal_(linear.weight, std=1.0)
    clues = decoder(torch.randn(3, 7, 16) * 5)
    torch.testing.assert_close(clues.mean(-1), torch.zeros(3, 4), rtol=0, atol=1e-4)
    torch.testing.assert_close(clues.var(-1, unbiased=False), torch.ones(3, 4), rtol=1e-3, atol=0)


def test_the_reference_decoder_starts_as_the_paper_says() -> None:
    decoder = ReferenceDecoder(DecoderConfig(queries=64, layers=1), 768, 512)
    assert float(decoder.queries.detach().std()) == pytest.approx(0.02, rel=0.05)
    weights = decoder.layers[0].feed_forward[0].weight.detach()  # type: ignore[index,union-attr]
    assert float(weights.std()) == pytest.approx(0.02, rel=0.05)
    assert {norm.eps for norm in decoder.modules() if isinstance(norm, torch.nn.LayerNorm)} == {
        1e-12
    }


def test_a_vit_gives_all_tokens_and_its_projection() -> None:
    torch.manual_seed(1)
    model = build_model(tiny()).eval()
    assert isinstance(model, QksModel)
    tokens = model(torch.randn(3, 3, 32, 32))
    assert tokens.query_BME.shape == (3, 5, 10)
    assert tokens.memory_BPD.shape == (3, 5, 24)  # class token and 2 x 2 patches
    assert model.backbone.projection_WE is not None
    assert torch.equal(model.decoder.projection, model.backbone.projection_WE)


def test_query_tokens_read_the_image_and_differ() -> None:
    torch.manual_seed(1)
    model = build_model(tiny()).eval()
    one, two = model(torch.randn(2, 3, 32, 32)).query_BME
    assert not torch.allclose(one, two, atol=1e-4)
    assert not torch.allclose(one[0], one[1], atol=1e-4)


def small(neck: int = 0) -> ModelConfig:
    return ModelConfig(
        "small",
        64,
        12,
        BackboneConfig(
            {
                "timm_model_name": "mobilenetv4_conv_small_050",
                "timm_model_pretrained": False,
                "timm_pool": "",
                "timm_proj": "none",
                "image_size": 64,
            },
            12,
            levels=(3, 4),
        ),
        DecoderConfig("compact", queries=3, width=16, layers=1, heads=2, ffn_ratio=2.0),
        neck=neck,
    )


def test_a_new_neck_changes_nothing_and_then_learns() -> None:
    plain, necked = build_model(small()).eval(), build_model(small(neck=2)).eval()
    necked.load_state_dict(plain.state_dict(), strict=False)
    pixels = torch.randn(2, 3, 64, 64)
    for one, other in zip(plain(pixels), necked(pixels), strict=True):
        torch.testing.assert_close(one, other)
    necked.train()(pixels).query_BME.sum().backward()
    assert isinstance(necked, CompactModel)
    assert all(block.layers[-1].weight.grad.any() for block in necked.neck)  # type: ignore[union-attr]


@pytest.mark.parametrize("size", [64, 96])
def test_the_compact_model_takes_any_size(size: int) -> None:
    config = small(neck=1)
    model = build_model(config).eval()
    assert isinstance(model, CompactModel)
    tokens = model(torch.randn(2, 3, size, size))
    assert tokens.query_BME.shape == (2, 3, 12)
    assert tokens.memory_BPD.shape == (2, (size // 16) ** 2, 16)
    assert ModelConfig.from_dict(config.to_dict()) == config


def test_scores_and_the_winning_token() -> None:
    query_BME = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    values, winners = scores(query_BME, torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]))
    assert values.tolist() == [[1.0, 2.0, -1.0]]
    assert winners.tolist() == [[0, 1, 0]]


def test_a_configuration_that_is_not_understood() -> None:
    with pytest.raises(ModelError, match="image_size"):
        ModelConfig.from_dict(
            {"name": "x", "label_width": 1, "backbone": {"vision": {}, "embed_dim": 1}}
        )
    with pytest.raises(ModelError, match="rings"):
        ModelConfig.from_dict(tiny().to_dict() | {"decoder": {"rings": 7}})


def test_text_does_not_depend_on_padding() -> None:
    torch.manual_seed(1)
    tower = TextTower(
        TextConfig(vocab_size=50, width=16, heads=2, layers=2, output_dim=8), 6
    ).eval()
    tower.whiten_SE.normal_()
    short = torch.tensor([[7, 8, 1]])
    long = torch.tensor([[7, 8, 1, 0, 0, 0]])
    with torch.inference_mode():
        assert torch.allclose(tower(short), tower(long), atol=1e-5)
        assert tower(short)[0, -1] == 1
        assert tower(short).shape == (1, 6)
