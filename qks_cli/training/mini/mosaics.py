"""Four photos as one picture: things are smaller, and several scenes are learnt at once.

Detectors are trained so (YOLOv4, arXiv 2004.10934). A small photo in a quarter of the picture is
not enlarged, so a mosaic has the detail that a training photo of few pixels lacks at full size.

Axes: Q mosaics, B photos = 4·Q in the order upper left, upper right, lower left, lower right, and
the axes of ``teachers``.
"""

from __future__ import annotations

from dataclasses import fields

import torch
from torch import Tensor

from qks_cli.training.mini.teachers import Targets

PHOTOS = 4
SURE = 0.3  # stuff that one photo has settles the mosaic from there on


def join_pixels(pixels_BHW3: Tensor) -> Tensor:
    """[4·Q, H, W, 3] to [Q, 2·H, 2·W, 3]."""
    return _grid(pixels_BHW3)


def join_targets(targets: Targets) -> Targets:
    """What the teachers would say of the mosaics: a mosaic has what one of its photos has.

    ImageNet's softmax is shared out among the four. Stuff is known where all four know, or where
    one is sure.
    """
    stuff = targets.stuff_BF * targets.stuff_known_BF
    known = four(targets.stuff_known_BF).amin(1)
    stuff_QF = four(stuff).amax(1)
    return Targets(
        everyday_BA=four(targets.everyday_BA).amax(1),
        imagenet_BI=four(targets.imagenet_BI).mean(1),
        groups_BG=four(targets.groups_BG).amax(1),
        objects_BO=four(targets.objects_BO).amax(1),
        stuff_BF=stuff_QF,
        stuff_known_BF=torch.maximum(known, (stuff_QF > SURE).float()),
        cell_stuff_BP=_cells(targets.cell_stuff_BP[..., None])[..., 0],
        cell_objects_BPO=_cells(targets.cell_objects_BPO),
        judged_B=four(targets.judged_B).amin(1),
    )


def append(first: Targets, second: Targets) -> Targets:
    """Two batches as one; their grids have the same number of cells."""
    return Targets(
        *(
            torch.cat([getattr(first, field.name), getattr(second, field.name)])
            for field in fields(Targets)
        )
    )


def four(values: Tensor) -> Tensor:
    """[4·Q, …] to [Q, 4, …]."""
    return values.reshape(-1, PHOTOS, *values.shape[1:])


def _cells(cells_BPX: Tensor) -> Tensor:
    batch, count, width = cells_BPX.shape
    side = int(count**0.5)
    return _grid(cells_BPX.reshape(batch, side, side, width)).flatten(1, 2)


def _grid(parts_BHWX: Tensor) -> Tensor:
    _, height, width, last = parts_BHWX.shape
    squares = parts_BHWX.reshape(-1, 2, 2, height, width, last).transpose(2, 3)
    return squares.reshape(-1, 2 * height, 2 * width, last)
