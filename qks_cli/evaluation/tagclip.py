"""TagCLIP's re-scoring: likely labels are looked at again, each where it seems to be
(arXiv 2312.12828, class-wise reidentification).

Patches are classified one by one; for every label whose best patch is above half of the photo's
range, the box around the patches that speak for it is cut out and read as a photo of its own, and
its score becomes the mean of both. The paper also refines the patches' scores by attention and
hides the rest of the box from the class token; both are left out.

A model without patches in the label space has its query tokens for places, and each of these counts
in the cells where it looked.

Axes: B photos of a batch, L places, P cells of a grid, C labels, S image side, K crops.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

SCALE = 100.0  # of cosines: CLIP's own temperature
CANDIDATES = 10  # labels of a photo that are looked at again, at most


def rescore(
    likely_BLC: Tensor,
    cells_BPC: Tensor,
    pixels_BSS3: Tensor,
    grid: tuple[int, int],
    again: Callable[[Tensor], Tensor],
) -> Tensor:
    """Scores [B, C]. ``likely_BLC`` are what each place says of the labels, adding up to 1,
    ``cells_BPC`` the same of the cells of ``grid``, of patches the same once more. ``again`` turns
    crops, uint8 [K, S, S, 3], into what they say of the labels [K, C]."""
    scores_BC = likely_BLC.amax(1)
    for row, (likely_LC, scores_C) in enumerate(zip(likely_BLC, scores_BC, strict=True)):
        middle = likely_LC.min() + 0.5 * (likely_LC.max() - likely_LC.min())
        order = scores_C.argsort(descending=True)[:CANDIDATES]
        candidates = order[scores_C[order] > middle]
        if not len(candidates):
            continue
        crops = torch.stack(
            [
                _crop(pixels_BSS3[row], box_of(cells_BPC[row, :, c].reshape(grid)), grid)
                for c in candidates
            ]
        )
        own = again(crops)[torch.arange(len(candidates)), candidates]
        scores_BC[row, candidates] = 0.5 * scores_C[candidates] + 0.5 * own
    return scores_BC


def box_of(likely_RC: Tensor) -> tuple[int, int, int, int]:
    """Top, left, bottom, right (exclusive) of the cells above half of the label's own range."""
    low, high = likely_RC.min(), likely_RC.max()
    above = likely_RC > low + 0.5 * (high - low)
    rows, columns = above.any(1).nonzero()[:, 0], above.any(0).nonzero()[:, 0]
    if not len(rows):
        return 0, 0, likely_RC.shape[0], likely_RC.shape[1]
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def _crop(pixels_SS3: Tensor, box: tuple[int, int, int, int], grid: tuple[int, int]) -> Tensor:
    """The box of cells as a picture of the whole size, uint8 [S, S, 3]."""
    side = pixels_SS3.shape[0]
    top, bottom = (edge * side // grid[0] for edge in (box[0], box[2]))
    left, right = (edge * side // grid[1] for edge in (box[1], box[3]))
    part = pixels_SS3[top:bottom, left:right].permute(2, 0, 1)[None].float()
    large = functional.interpolate(part, size=(side, side), mode="bilinear", align_corners=False)
    return large[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8)
