"""A pretrained EfficientNet made cheap to train on a CPU, and made whole again afterwards.

Its batch norms keep the statistics that they were trained with and are folded into the convolutions
before them, which halves the cost of a step. The first stages, which see edges and textures, stay
as they are: nothing is differentiated through them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from qks_cli.errors import TrainingError
from qks_cli.network.model import CompactModel, ImageTokens


class FoldedModel(nn.Module):
    """A ``CompactModel`` whose backbone's batch norms are folded and whose first
    ``frozen_stages`` stages are never changed. The model is changed in place.

    Raises ``TrainingError`` where the backbone is not a timm EfficientNet.
    """

    def __init__(self, model: CompactModel, frozen_stages: int) -> None:
        super().__init__()
        trunk = model.backbone.trunk
        if not hasattr(trunk, "conv_stem"):
            raise TrainingError("frozen_stages needs an EfficientNet as the backbone")
        self.frozen_stages = frozen_stages
        for parent, conv, norm in _pairs(trunk):
            _fold(parent, conv, norm)
        self.model = model
        frozen = [trunk.conv_stem, *trunk.blocks[:frozen_stages]]
        for module in frozen:
            module.requires_grad_(False)
        for stage in trunk.blocks[frozen_stages:]:
            _depthwise_in_single_precision(stage)
        model.backbone.maps = self._maps  # type: ignore[method-assign]

    def backbone_parameters(self) -> list[nn.Parameter]:
        """Those of the backbone that are trained."""
        return [p for p in self.model.backbone.parameters() if p.requires_grad]

    def forward(self, pixels_B3HW: Tensor) -> ImageTokens:
        tokens: ImageTokens = self.model(pixels_B3HW)
        return tokens

    def _maps(self, pixels_B3HW: Tensor) -> list[Tensor]:
        backbone = self.model.backbone
        trunk = backbone.trunk
        with torch.no_grad():
            x = trunk.bn1(trunk.conv_stem(pixels_B3HW))
            for stage in trunk.blocks[: self.frozen_stages]:
                x = stage(x)
        wanted = [str(trunk.feature_info[level]["module"]) for level in backbone.levels]
        found: dict[str, Tensor] = {}
        for number, stage in enumerate(trunk.blocks[self.frozen_stages :], self.frozen_stages):
            x = stage(x)
            found[f"blocks.{number}"] = x
        return [found[name].permute(0, 2, 3, 1) for name in wanted]


def unfolded(state: dict[str, Tensor], plain: nn.Module) -> dict[str, Tensor]:
    """The weights of a folded model's ``CompactModel`` as ``plain``, the same model unfolded, holds
    them: each batch norm only adds what its convolution was given to add."""
    wanted = plain.state_dict()
    out = {name: state.get(name, value) for name, value in wanted.items()}
    places = {id(module): name for name, module in plain.named_modules()}
    for parent, conv, norm in _pairs(plain.backbone.trunk):  # type: ignore[union-attr]
        at = places[id(parent)]
        module = getattr(parent, norm)
        out[f"{at}.{norm}.weight"] = torch.ones(module.num_features)
        out[f"{at}.{norm}.bias"] = state[f"{at}.{conv}.bias"]
        out[f"{at}.{norm}.running_mean"] = torch.zeros(module.num_features)
        out[f"{at}.{norm}.running_var"] = torch.full((module.num_features,), 1 - module.eps)
    return out


def _pairs(trunk: Any) -> Iterator[tuple[nn.Module, str, str]]:
    """The convolutions and the batch norms behind them, as names in their parent module."""
    yield trunk, "conv_stem", "bn1"
    for stage in trunk.blocks:
        for block in stage:
            if hasattr(block, "conv_pwl"):  # an inverted residual
                yield block, "conv_pw", "bn1"
                yield block, "conv_dw", "bn2"
                yield block, "conv_pwl", "bn3"
            else:
                yield block, "conv_dw", "bn1"
                yield block, "conv_pw", "bn2"


def _fold(parent: nn.Module, conv: str, norm: str) -> None:
    joined: Any = getattr(parent, norm)  # timm's batch norm with its activation
    plain = nn.BatchNorm2d(joined.num_features, eps=joined.eps)
    plain.load_state_dict(joined.state_dict())
    folded = fuse_conv_bn_eval(getattr(parent, conv).eval(), plain.eval())
    folded.requires_grad_(True)  # torch leaves a bias that was not there before without a gradient
    setattr(parent, conv, folded)
    setattr(parent, norm, joined.act)


def _depthwise_in_single_precision(module: nn.Module) -> None:
    """Under autocast too: depthwise gradients in bfloat16 are slower than in single precision."""
    for child in module.modules():
        if isinstance(child, nn.Conv2d) and child.groups > 1:
            child.forward = _Single(child.forward)  # type: ignore[method-assign,assignment]


class _Single:
    def __init__(self, forward: Any) -> None:
        self.inner = forward

    def __call__(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            out: Tensor = self.inner(x.float())
        return out
