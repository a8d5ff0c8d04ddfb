"""What the teachers say about a view of a photo, as dense targets.

Axes: B photos, P cells of the student's grid, and the teachers' classes: A everyday objects (630),
I ImageNet (1,000), G its groups (448), O COCO objects (80), F stuff (150 and background).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from qks_cli.errors import TrainingError
from qks_cli.types import Float32Array, IntArray, UInt8Array

GRID = 8  # cells a side of the stuff grid
CERTAIN = 0.35  # score from which on a detected object may be a view of its own
OFTENEST = 5.0  # what the rarest objects' photos may count
SMALL = 0.3  # of the photo's area: larger objects fill a view anyway


@dataclass(slots=True)
class Targets:
    """Teacher targets of one batch, probabilities 0 to 1; ``stuff_known`` masks crops' unknowns.
    Cells are rows of a square grid, from the top left.

    ``judged_B`` is 0 for a view that only the object and stuff teachers can speak of: the others
    never saw it, and the photo's own labels may lie outside."""

    everyday_BA: Tensor
    imagenet_BI: Tensor
    groups_BG: Tensor
    objects_BO: Tensor
    stuff_BF: Tensor
    stuff_known_BF: Tensor
    cell_stuff_BP: Tensor  # class index, 0 = background
    cell_objects_BPO: Tensor
    judged_B: Tensor


class Teachers:
    """The teachers' stored answers about one or more pools, one ``folder`` each, read once;
    ``targets`` makes a batch of them dense."""

    def __init__(self, *folders: Path) -> None:
        try:
            names = json.loads((folders[0] / "labels.json").read_text(encoding="utf-8"))
            self.scores = _joined([folder / "scores.npz" for folder in folders])
            self.objects = _joined([folder / "objects.npz" for folder in folders])
            self.stuff = _joined([folder / "stuff.npz" for folder in folders])
        except OSError as error:
            raise TrainingError(f"the teachers' scores cannot be read: {error}") from error
        self.everyday_names = [name.lower() for name in names["everyday"]]
        self.imagenet_names = [name.split(",")[0].lower() for name in names["imagenet"]]
        self.group_names = list(names["groups"])
        self.coco_names = list(names["coco"])
        self.ade_names = list(names["ade"])
        self.groups_IG = torch.zeros(len(self.imagenet_names), len(self.group_names))
        for column, members in enumerate(names["groups"].values()):
            self.groups_IG[members, column] = 1.0

    def boxes(self, rows: IntArray, views: IntArray) -> Float32Array:
        """The views' boxes [B, 4] as x0, y0, x1, y1, fractions of width and height."""
        boxes_B4: Float32Array = self.scores["box_xyxy"][rows, views].astype(np.float32)
        return boxes_B4

    def rarity(self, share: float) -> Float32Array:
        """How often to draw each photo [N], 1 to ``OFTENEST``: more often where it shows an object
        that is in less than ``share`` of the photos, as the root of what is lacking (repeat factor
        sampling, arXiv 1908.03195)."""
        sure = (self.objects["score"] >= CERTAIN * 256) & (self.objects["class"] != 255)
        shows_NO = np.zeros((len(sure), len(self.coco_names)), bool)
        row, place = np.nonzero(sure)
        shows_NO[row, self.objects["class"][row, place]] = True
        lack_O = np.sqrt(share / np.maximum(shows_NO.mean(0), 1e-6))
        wanted_NO = np.where(shows_NO, np.clip(lack_O, 1, OFTENEST), 1)
        return np.asarray(wanted_NO.max(1), np.float32)

    def object_boxes(self, rows: IntArray, rng: np.random.Generator) -> Float32Array:
        """For each photo a crop [B, 4] around one small object that the detector is sure of, up to
        2.2 times its size; NaN where it has none."""
        box = self.objects["box_xyxy"][rows].astype(np.float32) / 255
        sides = box[..., 2:] - box[..., :2]
        fit = (self.objects["score"][rows] >= CERTAIN * 256) & (self.objects["class"][rows] != 255)
        fit &= (sides.prod(-1) < SMALL) & (sides.min(-1) > 0.05)
        chosen = np.where(fit, rng.random(fit.shape), -1).argmax(1)
        batch = np.arange(len(rows))
        own = box[batch, chosen]
        centre = (own[:, :2] + own[:, 2:]) / 2 + rng.uniform(-0.2, 0.2, (len(rows), 2)) * (
            own[:, 2:] - own[:, :2]
        )
        # As the photo's own shape, so that things are not stretched.
        side = (own[:, 2:] - own[:, :2]).max(1, keepdims=True)
        half = np.clip(side * rng.uniform(1.2, 2.2, side.shape), 0.25, 1) / 2
        low = np.clip(centre - half, 0, 1 - 2 * half)
        crops_B4 = np.concatenate([low, low + 2 * half], 1).astype(np.float32)
        crops_B4[~fit[batch, chosen]] = np.nan
        return crops_B4

    def targets(
        self,
        rows: IntArray,
        views: IntArray,
        flipped: npt.NDArray[np.bool_],
        crops_B4: Float32Array | None = None,
        *,
        side: int = GRID,
    ) -> Targets:
        """Dense targets for photos ``rows`` [B] seen through teacher views ``views`` [B], or
        through ``crops_B4`` where those are not NaN; a view has ``side`` × ``side`` cells."""
        boxes_B4 = self.boxes(rows, views)
        judged = np.ones(len(rows), np.float32)
        if crops_B4 is not None:
            cropped = ~np.isnan(crops_B4[:, 0])
            boxes_B4 = np.where(cropped[:, None], crops_B4, boxes_B4)
            judged[cropped] = 0
        stuff, known, cell_stuff = self._stuff(rows, boxes_B4, flipped, side)
        objects, cell_objects = self._objects(rows, boxes_B4, flipped, side)
        imagenet_BI = self._sparse("imagenet", rows, views, len(self.imagenet_names))
        return Targets(
            everyday_BA=self._sparse("everyday", rows, views, len(self.everyday_names)),
            imagenet_BI=imagenet_BI,
            groups_BG=(imagenet_BI @ self.groups_IG).clamp(0, 1),
            objects_BO=torch.from_numpy(objects),
            stuff_BF=torch.from_numpy(stuff),
            stuff_known_BF=torch.from_numpy(known),
            cell_stuff_BP=torch.from_numpy(cell_stuff),
            cell_objects_BPO=torch.from_numpy(cell_objects),
            judged_B=torch.from_numpy(judged),
        )

    def _sparse(self, name: str, rows: IntArray, views: IntArray, classes: int) -> Tensor:
        dense = np.zeros((len(rows), classes), np.float32)
        index = self.scores[f"{name}_index"][rows, views].astype(np.intp)
        score = self.scores[f"{name}_score"][rows, views].astype(np.float32) / 256
        np.put_along_axis(dense, index, score, axis=1)
        return torch.from_numpy(dense)

    def _objects(
        self, rows: IntArray, boxes_B4: Float32Array, flipped: npt.NDArray[np.bool_], side: int
    ) -> tuple[Float32Array, Float32Array]:
        classes = self.objects["class"][rows].astype(np.intp)  # [B, K]
        score = self.objects["score"][rows].astype(np.float32) / 256
        score[classes == 255] = 0
        classes[classes == 255] = 0
        box = self.objects["box_xyxy"][rows].astype(np.float32) / 255
        low = np.maximum(box[..., :2], boxes_B4[:, None, :2])
        high = np.minimum(box[..., 2:], boxes_B4[:, None, 2:])
        area = np.maximum(box[..., 2:] - box[..., :2], 1e-4).prod(-1)
        inside = np.maximum(high - low, 0).prod(-1) / area
        visible = score * (inside >= 0.5)
        count = len(self.coco_names)
        batch = np.arange(len(rows))[:, None]
        objects = np.zeros((len(rows), count), np.float32)
        np.maximum.at(objects, (batch, classes), visible)
        x, y = _cell_centres(boxes_B4, flipped, side)  # [B, P]
        # An object between the centres of cells lies in those that it touches.
        reach = (boxes_B4[:, 2:] - boxes_B4[:, :2])[:, None] / side
        short = np.maximum(reach - (box[..., 2:] - box[..., :2]), 0) / 2
        box = box + np.concatenate([-short, short], axis=2)
        covers = (
            (x[:, :, None] >= box[:, None, :, 0])
            & (x[:, :, None] <= box[:, None, :, 2])
            & (y[:, :, None] >= box[:, None, :, 1])
            & (y[:, :, None] <= box[:, None, :, 3])
        )  # [B, P, K]
        cells = np.zeros((len(rows), side * side, count), np.float32)
        where_B, where_P, where_K = np.nonzero(covers & (score > 0)[:, None])
        np.maximum.at(
            cells,
            (where_B, where_P, classes[where_B, where_K]),
            score[where_B, where_K],
        )
        return objects, cells

    def _stuff(
        self, rows: IntArray, boxes_B4: Float32Array, flipped: npt.NDArray[np.bool_], side: int
    ) -> tuple[Float32Array, Float32Array, npt.NDArray[np.int64]]:
        count = len(self.ade_names)
        index = self.stuff["index"][rows].astype(np.intp)
        peak = self.stuff["peak"][rows].astype(np.float32) / 256
        peak[index == 255] = 0
        index[index == 255] = 0
        batch = np.arange(len(rows))[:, None]
        whole = np.zeros((len(rows), count), np.float32)
        np.maximum.at(whole, (batch, index), peak)
        x, y = _cell_centres(boxes_B4, flipped, side)
        grid: UInt8Array = self.stuff["grid"][rows]
        row = np.clip((y * GRID).astype(np.intp), 0, GRID - 1)
        column = np.clip((x * GRID).astype(np.intp), 0, GRID - 1)
        cells = grid[batch, row, column].astype(np.int64)
        # In a crop a class of the whole photo is there if it owns a cell, else it is not known.
        seen = np.zeros((len(rows), count), bool)
        seen[batch, cells] = True
        complete = (boxes_B4[:, 2:] - boxes_B4[:, :2]).min(1) > 0.95
        known = seen | complete[:, None] | (whole < 0.05)
        known[:, 0] = False
        return whole, known.astype(np.float32), cells


def _joined(files: Sequence[Path]) -> dict[str, npt.NDArray[Any]]:
    stored = [dict(np.load(file)) for file in files]
    return {name: np.concatenate([one[name] for one in stored]) for name in stored[0]}


def _cell_centres(
    boxes_B4: Float32Array, flipped: npt.NDArray[np.bool_], side: int
) -> tuple[Float32Array, Float32Array]:
    steps = (np.arange(side, dtype=np.float32) + 0.5) / side
    across = np.where(flipped[:, None], steps[::-1], steps)  # [B, G]
    x = boxes_B4[:, :1] + across * (boxes_B4[:, 2:3] - boxes_B4[:, :1])
    y = boxes_B4[:, 1:2] + steps * (boxes_B4[:, 3:] - boxes_B4[:, 1:2])
    shape = (len(boxes_B4), side, side)
    return (
        np.broadcast_to(x[:, None, :], shape).reshape(len(boxes_B4), -1),
        np.broadcast_to(y[:, :, None], shape).reshape(len(boxes_B4), -1),
    )
