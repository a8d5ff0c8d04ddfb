"""A query decoder on a frozen model: what `qks train` trains, and what it reads.

A source turns pixels into image tokens, and also into what training-free baselines need: one vector
of the whole image and one of each place, both in the label space.

Axes: B photos, P image tokens, W their width, L places, M query tokens, E label space.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from qks_cli.errors import ModelError
from qks_cli.network.backbone import vit_tokens
from qks_cli.network.config import DecoderConfig
from qks_cli.network.decoder import CompactDecoder, LinearProbe, ReferenceDecoder
from qks_cli.network.model import CompactModel, ImageTokens
from qks_cli.network.zero_shot import ZeroShotImage

KINDS = ("reference", "compact", "linear")


class Reading(NamedTuple):
    """``memory_BPW`` is what a head reads; ``image_BE`` and ``places_BLE`` are for baselines."""

    memory_BPW: Tensor
    image_BE: Tensor
    places_BLE: Tensor


class ClipSource(nn.Module):
    """An open_clip image tower: all tokens of the last block after the final norm, class token
    first (specification, Model 1)."""

    def __init__(self, clip: nn.Module) -> None:
        super().__init__()
        self.clip = clip
        visual: Any = clip.visual
        if not ZeroShotImage(clip).has_patches:
            raise ModelError(
                "this backbone has no image tokens that a head could read",
                hint="take a ViT with a class token, for instance ViT-B-16",
            )
        self.width = int(visual.ln_post.normalized_shape[0])
        rows, columns = visual.grid_size
        self.tokens = 1 + rows * columns

    @property
    def visual(self) -> Any:
        """The image tower."""
        return self.clip.visual

    @property
    def projection_WE(self) -> Tensor | None:
        """The tower's own visual projection [W, E]."""
        projection: Tensor = self.visual.proj
        return projection

    def forward(self, pixels_B3HW: Tensor) -> Tensor:
        return vit_tokens(self.visual, pixels_B3HW)

    def read(self, pixels_B3HW: Tensor) -> Reading:
        """Image tokens, the class token projected, the patches projected."""
        memory_BPW = self(pixels_B3HW)
        projected = memory_BPW @ self.visual.proj
        return Reading(memory_BPW, projected[:, 0], projected[:, 1:])


class CompactSource(nn.Module):
    """A small model: the mean of its query tokens in place of a class token, the query tokens, the
    cells of its maps; all of one width W = D = E."""

    def __init__(self, model: CompactModel) -> None:
        super().__init__()
        self.model = model
        self.width = model.config.decoder.width
        if self.width != model.config.label_width:
            raise ModelError("a small model's decoder and label space must be of one width")
        self.tokens = 1 + model.config.decoder.queries + (model.config.image_size // 16) ** 2

    @property
    def projection_WE(self) -> Tensor | None:
        """None: its tokens are no class token's."""
        return None

    def forward(self, pixels_B3HW: Tensor) -> Tensor:
        return self.read(pixels_B3HW).memory_BPW

    def read(self, pixels_B3HW: Tensor) -> Reading:
        """Image tokens; the query tokens' mean as the image, each of them as a place."""
        query_BME, _, placed_BPD = self.model.read(pixels_B3HW)
        mean_B1E = query_BME.mean(1, keepdim=True)
        return Reading(torch.cat([mean_B1E, query_BME, placed_BPD], 1), mean_B1E[:, 0], query_BME)


Source = ClipSource | CompactSource


class HeadedModel(nn.Module):
    """pixels [B, 3, H, W] to query tokens [B, M, E], through a source and a head."""

    def __init__(self, source: Source, head: nn.Module) -> None:
        super().__init__()
        self.source = source
        self.head = head

    def forward(self, pixels_B3HW: Tensor) -> ImageTokens:
        memory_BPW = self.source(pixels_B3HW)
        return ImageTokens(self.head(memory_BPW), memory_BPW)


def build_head(config: DecoderConfig, source: Source, label_width: int) -> nn.Module:
    """An untrained head for a source. Raises ``ModelError`` for a kind that there is not."""
    if config.kind == "reference":
        return ReferenceDecoder(config, source.width, label_width, source.projection_WE)
    if config.kind == "compact":
        return CompactDecoder(config, label_width, source.width)
    if config.kind == "linear":
        return LinearProbe(config, label_width, source.width)
    raise ModelError(f"no head of the kind '{config.kind}'", hint=f"one of {', '.join(KINDS)}")
