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
from qks_cli.network.config import DecoderConfig
from qks_cli.network.decoder import CompactDecoder, LinearProbe, ReferenceDecoder
from qks_cli.network.model import CompactModel, ImageTokens
from qks_cli.network.towers import shape_of, tower_of

KINDS = ("reference", "compact", "linear")


class Reading(NamedTuple):
    """``memory_BPW`` is what a head reads; ``image_BE`` and ``places_BLE`` are for baselines."""

    memory_BPW: Tensor
    image_BE: Tensor
    places_BLE: Tensor


class ClipSource(nn.Module):
    """An open_clip image tower. Of a ViT with a class token all tokens of the last block after the
    final norm, class token first (arXiv 2401.01181, section 3); of others as in ``towers``."""

    def __init__(self, clip: nn.Module) -> None:
        super().__init__()
        self.clip = clip
        tower = tower_of(self.visual)
        side = self.visual.image_size
        side = side[0] if isinstance(side, tuple | list) else side
        self.tokens, self.width = shape_of(tower, int(side))
        self.grid = tower.grid  # of the patches, as ``places_BLE`` has them; None without places

    @property
    def visual(self) -> Any:
        """The image tower."""
        return self.clip.visual

    @property
    def projection_WE(self) -> Tensor | None:
        """The tower's own visual projection [W, E], where it is a matrix."""
        return tower_of(self.visual).projection_WE

    def forward(self, pixels_B3HW: Tensor) -> Tensor:
        return tower_of(self.visual).tokens(pixels_B3HW)

    def read(self, pixels_B3HW: Tensor) -> Reading:
        """Image tokens, the image vector, a vector of each place."""
        return Reading(*tower_of(self.visual).read(pixels_B3HW))


class CompactSource(nn.Module):
    """A small model: the mean of its query tokens in place of a class token, the query tokens, the
    cells of its maps; all of one width W = D = E."""

    grid: tuple[int, int] | None = None  # its places are query tokens, which lie in none

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


FrozenModel = ClipSource | CompactSource


class HeadedModel(nn.Module):
    """pixels [B, 3, H, W] to query tokens [B, M, E], through a source and a head."""

    def __init__(self, source: FrozenModel, head: nn.Module) -> None:
        super().__init__()
        self.source = source
        self.head = head

    def forward(self, pixels_B3HW: Tensor) -> ImageTokens:
        memory_BPW = self.source(pixels_B3HW)
        return ImageTokens(self.head(memory_BPW), memory_BPW)


def build_head(config: DecoderConfig, source: FrozenModel, label_width: int) -> nn.Module:
    """An untrained head for a source. Raises ``ModelError`` for a kind that there is not."""
    if config.kind == "reference":
        return ReferenceDecoder(config, source.width, label_width, source.projection_WE)
    if config.kind == "compact":
        return CompactDecoder(config, label_width, source.width)
    if config.kind == "linear":
        return LinearProbe(config, label_width, source.width)
    raise ModelError(f"no head of the kind '{config.kind}'", hint=f"one of {', '.join(KINDS)}")
