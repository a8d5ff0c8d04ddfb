"""Pixels as photos are decoded to what a backbone reads. Axes: B photos, H×W pixels, 3 colours."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qks_cli.network.config import ModelConfig


class Normalise(nn.Module):
    """uint8 [B, H, W, 3] to the model's own floats [B, 3, H, W]."""

    scale: Tensor
    shift: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        std = torch.tensor(config.std).view(3, 1, 1)
        mean = torch.tensor(config.mean).view(3, 1, 1)
        self.register_buffer("scale", 1 / (255 * std), persistent=False)
        self.register_buffer("shift", mean / std, persistent=False)

    def forward(self, pixels_BHW3: Tensor) -> Tensor:
        # Planes first: along a last axis of three, ONNX Runtime takes a fifth of the model's time.
        planes_B3HW = pixels_BHW3.permute(0, 3, 1, 2).to(self.scale.dtype)
        return planes_B3HW * self.scale - self.shift


class PixelsToTokens(nn.Module):
    """uint8 pixels [B, S, S, 3] to query tokens [B, M, E]: what an engine runs."""

    def __init__(self, model: nn.Module, config: ModelConfig) -> None:
        super().__init__()
        self.model = model
        self.normalise = Normalise(config)

    def forward(self, pixels: Tensor) -> Tensor:
        tokens: Tensor = self.model(self.normalise(pixels)).query_BME
        return tokens
