"""What simple statistics of the pixels say: a photo without colour, a sky that is blue.

No teacher names these. Axes: B photos, S image side, P cells of the student's grid, K attributes.
"""

from __future__ import annotations

import torch
from torch import Tensor

NAMES = ("black and white photo", "blue sky")
SKY = "sky"
FLAT = 4.0  # mean spread of a pixel's channels, of 255: under it a photo has no colour
COLOURFUL = 12.0  # from there on it surely has
BLUE = 18.0  # blue above red, of 255, from which on a sky is blue
PART = 0.08  # share of cells that have to be sky


def attributes(pixels_BSS3: Tensor, cell_stuff_BP: Tensor, sky_class: int) -> tuple[Tensor, Tensor]:
    """For uint8 pixels and the class of each cell: which of ``NAMES`` are there, and which are
    known, both bool [B, K]."""
    pixels = pixels_BSS3.float()
    spread_B = (pixels.amax(-1) - pixels.amin(-1)).mean((1, 2))
    side = int(cell_stuff_BP.shape[1] ** 0.5)
    cells_BP3 = torch.nn.functional.adaptive_avg_pool2d(pixels.permute(0, 3, 1, 2), side)
    cells_BP3 = cells_BP3.flatten(2).transpose(1, 2)
    sky_BP = (cell_stuff_BP == sky_class).float()
    count_B = sky_BP.sum(1)
    share_B = count_B / sky_BP.shape[1]
    blue_BP = cells_BP3[..., 2] - cells_BP3[..., 0]
    blue_B = (blue_BP * sky_BP).sum(1) / count_B.clamp(min=1)
    some_B = share_B >= PART
    there = torch.stack([spread_B < FLAT, some_B & (blue_B > BLUE)], dim=1)
    # Little sky, or a sky that is only a little blue, is not judged.
    unsure_B = (~some_B & (share_B > 0)) | (some_B & (blue_B > BLUE / 3) & (blue_B <= BLUE))
    known = torch.stack([(spread_B < FLAT) | (spread_B > COLOURFUL), ~unsure_B], dim=1)
    return there, known
