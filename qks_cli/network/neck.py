"""Convolutions between a small backbone and its query decoder.

A backbone's maps are narrowed and added cell by cell; nothing relates a cell to those around it at
the finer scale, which small objects need. Detectors put such a neck there. Axes: B photos, D width,
H×W cells.
"""

from __future__ import annotations

from torch import Tensor, nn

RATIO = 2  # hidden channels of a block over its width


class NeckBlock(nn.Module):
    """[B, D, H, W] to the same: a depthwise 5×5 convolution, two 1×1 convolutions, and a residual
    connection around them.

    A new block changes nothing, so that it can be put into a model that is trained already.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = RATIO * width
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 5, padding=2, groups=width, bias=False),
            nn.BatchNorm2d(width),
            nn.Conv2d(width, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        nn.init.zeros_(self.layers[-1].weight)  # type: ignore[arg-type]

    def forward(self, grid_BDHW: Tensor) -> Tensor:
        out: Tensor = grid_BDHW + self.layers(grid_BDHW)
        return out
