"""Image towers of open_clip as a source of image tokens.

Axes: B photos, H×W pixels, P image tokens, W their width.
"""

from __future__ import annotations

from typing import Any

from open_clip.model import _build_vision_tower
from torch import Tensor, nn

from qks_cli.network.config import BackboneConfig


def vit_tokens(visual: Any, pixels_B3HW: Tensor) -> Tensor:
    """All tokens [B, P, W] of a ViT tower's last block after the final norm, class token first."""
    tokens: Tensor = visual.ln_post(visual.transformer(visual._embeds(pixels_B3HW)))
    return tokens


class Backbone(nn.Module):
    """pixels [B, 3, H, W] (normalised) to image tokens [B, P, W].

    ViT towers give the last block's tokens after ``ln_post``, class token kept, unprojected
    (arXiv 2401.01181). timm and CNN towers give the cells of their last feature map.
    ``maps`` (timm towers only) gives several feature maps instead, as ``levels`` asks.
    """

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.levels = config.levels
        self.visual: Any = _build_vision_tower(
            config.embed_dim, dict(config.vision), config.quick_gelu
        )
        self.widths: tuple[int, ...] = ()
        if self.trunk is None:
            self.width = int(self.visual.ln_post.normalized_shape[0])
        else:
            self.widths = tuple(self.trunk.feature_info[k]["num_chs"] for k in self.levels)
            self.width = int(self.trunk.num_features)

    @property
    def trunk(self) -> Any:
        """The timm model inside the tower, None for open_clip's own towers."""
        return getattr(self.visual, "trunk", None)

    @property
    def projection_WE(self) -> Tensor | None:
        """The tower's own visual projection [W, E], where it has one as a matrix."""
        projection = getattr(self.visual, "proj", None)
        return projection if isinstance(projection, Tensor) else None

    def forward(self, pixels_B3HW: Tensor) -> Tensor:
        if self.trunk is None:
            return vit_tokens(self.visual, pixels_B3HW)
        features: Tensor = self.trunk.forward_features(pixels_B3HW)
        return features.flatten(2).transpose(1, 2) if features.dim() == 4 else features

    def maps(self, pixels_B3HW: Tensor) -> list[Tensor]:
        """The feature maps of ``levels``, each [B, H', W', channels], finest first."""
        _, maps = self.trunk.forward_intermediates(pixels_B3HW)
        return [maps[level].permute(0, 2, 3, 1) for level in self.levels]
