"""An open_clip model as it is, without a trained head: it tags from the first day.

Its class token and its patch tokens (averaged on a coarse grid, projected as the class token is)
stand in for query tokens; labels pick the best of them as in the trained model.

Axes: B photos, P patches, W their width, M tokens, E joint width, N texts, T text tokens.
"""

from __future__ import annotations

from typing import Any

import torch
from open_clip.coca_model import CoCa
from open_clip.model import CLIP, CustomTextCLIP
from torch import Tensor, nn
from torch.nn import functional

from qks_cli.network.model import ImageTokens
from qks_cli.network.towers import has_class_token, tower_of

GRID = 3  # cells a side that patches are averaged to


def build_clip(config: dict[str, Any]) -> nn.Module:
    """An untrained open_clip model from open_clip's own model configuration; fetches nothing."""
    plain = {key: value for key, value in config.items() if key != "custom_text"}
    plain["vision_cfg"] = dict(plain["vision_cfg"])
    if "timm_model_name" in plain["vision_cfg"]:
        plain["vision_cfg"]["timm_model_pretrained"] = False
    if not config.get("custom_text"):
        made: nn.Module = CLIP(**plain)
    else:
        made = CoCa(**plain) if "multimodal_cfg" in plain else CustomTextCLIP(**plain)
    return made


class ZeroShotImage(nn.Module):
    """pixels [B, 3, H, W] to unit tokens [B, M, E]: M is 1 + ``GRID``², or 1 for towers whose
    single tokens cannot be projected (CNNs, attention pooling)."""

    def __init__(self, clip: nn.Module) -> None:
        super().__init__()
        self.visual: Any = clip.visual

    @property
    def has_patches(self) -> bool:
        """Whether the tower's patch tokens go through the same projection as its class token."""
        return has_class_token(self.visual)

    @property
    def queries(self) -> int:
        """M."""
        return 1 + GRID * GRID if self.has_patches else 1

    def forward(self, pixels_B3HW: Tensor) -> ImageTokens:
        tokens_BPW, image_BE, _ = tower_of(self.visual).read(pixels_B3HW)
        return ImageTokens(self.from_tokens(tokens_BPW, image_BE), tokens_BPW)

    def from_tokens(self, tokens_BPW: Tensor, image_BE: Tensor) -> Tensor:
        """The class token and a coarse grid of the patches, projected: unit tokens [B, M, E]. Of
        other towers the image vector alone."""
        if not self.has_patches:
            return functional.normalize(image_BE, dim=-1)[:, None]
        visual = self.visual
        patches_BPW = tokens_BPW[:, 1:]
        rows, columns = visual.grid_size
        grid = patches_BPW.transpose(1, 2).reshape(len(patches_BPW), -1, rows, columns)
        cells = functional.adaptive_avg_pool2d(grid, GRID).flatten(2).transpose(1, 2)
        both = torch.cat([tokens_BPW[:, :1], cells], dim=1) @ visual.proj
        return functional.normalize(both, dim=-1)


class ZeroShotText(nn.Module):
    """ids [N, T] to vectors [N, E]: of unit length, or, as the paper's heads read them, as they
    come (``normalize`` false)."""

    def __init__(self, clip: nn.Module, *, normalize: bool = True) -> None:
        super().__init__()
        self.normalize = normalize
        self.clip: Any = clip
        del self.clip.visual
        if hasattr(clip, "text_decoder"):  # CoCa's captions
            del self.clip.text_decoder

    def forward(self, ids_NT: Tensor) -> Tensor:
        vectors_NE: Tensor = self.clip.encode_text(ids_NT, normalize=self.normalize)
        return vectors_NE
