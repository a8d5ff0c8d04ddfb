"""The QKS image model: pixels to query tokens. This module only wires its parts.

Axes: B photos, P image tokens, W their width, D decoder width, M query tokens, E label space.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from qks_cli.network.backbone import Backbone
from qks_cli.network.config import ModelConfig
from qks_cli.network.decoder import CompactDecoder, ReferenceDecoder
from qks_cli.network.neck import NeckBlock


class ImageTokens(NamedTuple):
    """Query tokens, and the compact model's image tokens in decoder width (training reads them)."""

    query_BME: Tensor
    memory_BPD: Tensor


class QksModel(nn.Module):
    """The paper's model: a backbone's image tokens, read by query tokens (section 3)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = Backbone(config.backbone)
        self.decoder = ReferenceDecoder(
            config.decoder, self.backbone.width, config.label_width, self.backbone.projection_WE
        )

    def forward(self, pixels_B3HW: Tensor) -> ImageTokens:
        memory_BPW = self.backbone(pixels_B3HW)
        return ImageTokens(self.decoder(memory_BPW), memory_BPW)


class CompactModel(nn.Module):
    """The small model: several feature maps narrowed to the decoder's width, with positions.

    Coarser maps are narrowed first and enlarged afterwards, which costs a quarter of doing it the
    other way round. The position embedding is a grid that is resized to the photo's, so the image
    size may change between training and use. A linear path from the mean of the coarsest map joins
    every query token: it learns fast and leaves the queries what differs.
    """

    GRID = 8

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        width = config.decoder.width
        self.backbone = Backbone(config.backbone)
        self.entries = nn.ModuleList(nn.Linear(w, width) for w in self.backbone.widths)
        self.neck = nn.Sequential(*(NeckBlock(width) for _ in range(config.neck)))
        self.entry_norm = nn.LayerNorm(width)
        self.positions = nn.Parameter(torch.randn(1, width, self.GRID, self.GRID) * 0.02)
        self.decoder = CompactDecoder(config.decoder, config.label_width)
        self.direct = nn.Linear(self.backbone.widths[-1], config.label_width)

    def forward(self, pixels_B3HW: Tensor) -> ImageTokens:
        query_BME, memory_BPD, _ = self.read(pixels_B3HW)
        return ImageTokens(query_BME, memory_BPD)

    def read(self, pixels_B3HW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query tokens [B, M, E], image tokens [B, P, D], and these with their positions."""
        maps = self.backbone.maps(pixels_B3HW)
        grid_BDHW = self.entries[0](maps[0]).permute(0, 3, 1, 2)
        side = grid_BDHW.shape[-1]
        for entry, coarse in zip(self.entries[1:], maps[1:], strict=True):
            narrowed = entry(coarse).permute(0, 3, 1, 2)
            grid_BDHW = grid_BDHW + functional.interpolate(narrowed, size=(side, side))
        grid_BDHW = self.neck(grid_BDHW)
        memory_BPD = self.entry_norm(grid_BDHW.flatten(2).transpose(1, 2))
        positions: Tensor = self.positions
        if side != self.GRID:
            positions = functional.interpolate(
                positions, size=(side, side), mode="bilinear", align_corners=False
            )
        placed_BPD = memory_BPD + positions.flatten(2).transpose(1, 2)
        query_BME = self.decoder(placed_BPD)
        direct_BE = self.direct(maps[-1].mean(dim=(1, 2)))
        return query_BME + direct_BE[:, None], memory_BPD, placed_BPD


def build_model(config: ModelConfig) -> QksModel | CompactModel:
    """An untrained model on the CPU, ready for ``load_state_dict``."""
    return CompactModel(config) if config.decoder.kind == "compact" else QksModel(config)


def scores(query_BME: Tensor, labels_CE: Tensor) -> tuple[Tensor, Tensor]:
    """Label scores [B, C] and the winning query token [B, C] (arXiv 2401.01181)."""
    best = (query_BME @ labels_CE.T).max(dim=1)
    return best.values, best.indices
