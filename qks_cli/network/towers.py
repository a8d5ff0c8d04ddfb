"""Image towers of open_clip, each read in one way: all its tokens, its image vector, its places.

A tower knows three things: the tokens that a head reads [B, P, W], the image vector in the joint
space [B, E], which is what ``encode_image`` gives, and one vector of each place in the joint space
[B, L, E]. Where a tower's pooling cannot be done place by place (attention pooling), the image
vector is the only place.

Axes: B photos, H×W pixels, P image tokens, W their width, L places, E joint width.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from open_clip.modified_resnet import ModifiedResNet
from open_clip.timm_model import TimmModel
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn

from qks_cli.errors import ModelError
from qks_cli.network.backbone import vit_tokens


class Seen(NamedTuple):
    """What a tower makes of photos."""

    tokens_BPW: Tensor
    image_BE: Tensor
    places_BLE: Tensor


class ClassTokenTower:
    """A ViT whose class token goes through norm and projection, as CLIP's: so may its patches."""

    def __init__(self, visual: Any) -> None:
        self.visual = visual
        rows, columns = visual.grid_size
        self.grid: tuple[int, int] | None = (int(rows), int(columns))

    @property
    def projection_WE(self) -> Tensor | None:
        """The tower's own visual projection."""
        projection: Tensor = self.visual.proj
        return projection

    def tokens(self, pixels_B3HW: Tensor) -> Tensor:
        """All tokens of the last block after the final norm, class token first."""
        return vit_tokens(self.visual, pixels_B3HW)

    def read(self, pixels_B3HW: Tensor) -> Seen:
        """Tokens; the class token projected; the patches projected."""
        tokens_BPW = self.tokens(pixels_B3HW)
        projected = tokens_BPW @ self.visual.proj
        return Seen(tokens_BPW, projected[:, 0], projected[:, 1:])


class PooledVitTower:
    """A ViT of open_clip that pools otherwise: by attention (CoCa), by a mean, or norms last."""

    grid: tuple[int, int] | None = None
    projection_WE: Tensor | None = None

    def __init__(self, visual: Any) -> None:
        self.visual = visual

    def tokens(self, pixels_B3HW: Tensor) -> Tensor:
        """All tokens of the last block, normed where the tower norms before it pools."""
        visual = self.visual
        tokens_BPW: Tensor = visual.transformer(visual._embeds(pixels_B3HW))
        if visual.attn_pool is None and not visual.final_ln_after_pool:
            tokens_BPW = visual.ln_post(tokens_BPW)
        return tokens_BPW

    def read(self, pixels_B3HW: Tensor) -> Seen:
        """Tokens; what the tower itself makes of the photo, as image and only place."""
        visual = self.visual
        raw_BPW = visual.transformer(visual._embeds(pixels_B3HW))
        image_BE, _ = visual._pool(raw_BPW)
        if visual.proj is not None:
            image_BE = image_BE @ visual.proj
        normed = visual.attn_pool is None and not visual.final_ln_after_pool
        tokens_BPW = visual.ln_post(raw_BPW) if normed else raw_BPW
        return Seen(tokens_BPW, image_BE, image_BE[:, None])


class TimmTower:
    """A timm model in open_clip (SigLIP, EVA, ConvNeXt, MobileCLIP, ViTamin, PE …): the tokens of
    its last layer, or the cells of its last feature map."""

    grid: tuple[int, int] | None = None

    def __init__(self, visual: Any) -> None:
        self.visual = visual

    @property
    def projection_WE(self) -> Tensor | None:
        """The matrix after the trunk, where there is one without a bias."""
        layer = getattr(self.visual.head, "proj", None)
        if isinstance(layer, nn.Linear) and layer.bias is None:
            return layer.weight.T
        return None

    def tokens(self, pixels_B3HW: Tensor) -> Tensor:
        """[B, P, W]; feature maps row by row."""
        return _in_a_row(self.visual.trunk.forward_features(pixels_B3HW))

    def read(self, pixels_B3HW: Tensor) -> Seen:
        """Tokens; the image vector; the places, where projecting is all that comes after a mean."""
        visual = self.visual
        features = visual.trunk.forward_features(pixels_B3HW)
        image_BE = visual.head(visual.trunk.forward_head(features))
        return Seen(_in_a_row(features), image_BE, image_BE[:, None])


class ResNetTower:
    """CLIP's own ResNets: the cells of the last feature map; attention pools them."""

    grid: tuple[int, int] | None = None
    projection_WE: Tensor | None = None

    def __init__(self, visual: Any) -> None:
        self.visual = visual

    def _map(self, pixels_B3HW: Tensor) -> Tensor:
        visual = self.visual
        grid = visual.stem(pixels_B3HW)
        for layer in (visual.layer1, visual.layer2, visual.layer3, visual.layer4):
            grid = layer(grid)
        out: Tensor = grid
        return out

    def tokens(self, pixels_B3HW: Tensor) -> Tensor:
        """The cells of the map, row by row."""
        return _in_a_row(self._map(pixels_B3HW))

    def read(self, pixels_B3HW: Tensor) -> Seen:
        """Tokens; the pooled map as image and only place."""
        grid = self._map(pixels_B3HW)
        image_BE = self.visual.attnpool(grid)
        return Seen(_in_a_row(grid), image_BE, image_BE[:, None])


Tower = ClassTokenTower | PooledVitTower | TimmTower | ResNetTower


def tower_of(visual: nn.Module) -> Tower:
    """How to read a tower. Raises ``ModelError`` for a kind that is not known."""
    if isinstance(visual, VisionTransformer):
        return ClassTokenTower(visual) if has_class_token(visual) else PooledVitTower(visual)
    if isinstance(visual, TimmModel):
        return TimmTower(visual)
    if isinstance(visual, ModifiedResNet):
        return ResNetTower(visual)
    raise ModelError(
        f"an image tower of an unknown kind: {type(visual).__name__}",
        hint="take another model: qks models list --available",
    )


def has_class_token(visual: Any) -> bool:
    """Whether a tower's patches go through the same norm and projection as its class token."""
    return (
        isinstance(visual, VisionTransformer)
        and isinstance(visual.proj, Tensor)
        and visual.attn_pool is None
        and visual.pool_type == "tok"
        and not visual.final_ln_after_pool
    )


def shape_of(tower: Tower, side: int) -> tuple[int, int]:
    """Tokens and width [P, W] of a photo of ``side`` pixels."""
    device = next(tower.visual.parameters()).device
    training = tower.visual.training
    tower.visual.eval()
    with torch.no_grad():
        _, count, width = tower.tokens(torch.zeros(1, 3, side, side, device=device)).shape
    tower.visual.train(training)
    return int(count), int(width)


def _in_a_row(features: Tensor) -> Tensor:
    """[B, P, W] as it is; [B, W, H', W'] with the cells in a row."""
    return features.flatten(2).transpose(1, 2) if features.dim() == 4 else features
