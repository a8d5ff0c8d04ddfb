"""Batches for training the small model: augmented views of pool photos with all their targets.

Axes: B photos, S image side, T all label names.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from qks_cli.training.mini import mosaics
from qks_cli.training.mini.pool import PackedPixels, PoolPhoto
from qks_cli.training.mini.teachers import Targets, Teachers
from qks_cli.types import Float32Array, UInt8Array

# Sources whose photos carry exactly one of the source's own classes.
SINGLE_LABEL = frozenset(
    "places intel sports sea catdog imagenette natural vehicles weather caltech101 pacs sun "
    "flowers instruments rooms".split()
)
# Sources whose listed words are complete over the source's own vocabulary, with some noise.
EXHAUSTIVE = frozenset({"corel5k", "cocomini"})


LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green and blue (ITU-R BT.601)
GREY = 0.04  # share of the views that lose their colour
AHEAD = 3  # batches that are made while one is learnt from
CELL = 16  # pixels a side of one of the student's image tokens


@dataclass(slots=True)
class Batch:
    """Pixels are uint8 [B, S, S, 3]; the label tensors are bool [B, T] over the names of
    ``TrueLabels``: true labels, the mutually exclusive classes of a single-label photo, labels that
    may be judged."""

    pixels_BSS3: Tensor
    targets: Targets
    positive_BT: Tensor
    exclusive_BT: Tensor
    judged_BT: Tensor


class TrueLabels:
    """The pool's own labels as matrices over their names.

    ``positive_NT`` marks true labels; ``known_NT`` what may be judged (the source's classes);
    ``exclusive_T`` per source the columns among which a single-label photo has exactly one.
    """

    def __init__(self, photos: list[PoolPhoto]) -> None:
        self.names = sorted({name.lower() for photo in photos for name in photo.labels})
        column = {name: index for index, name in enumerate(self.names)}
        sources = sorted({photo.source for photo in photos})
        self.source_index = np.array([sources.index(photo.source) for photo in photos])
        self.positive_NT = np.zeros((len(photos), len(self.names)), bool)
        used = np.zeros((len(sources), len(self.names)), bool)
        for row, photo in enumerate(photos):
            columns = [column[name.lower()] for name in photo.labels]
            self.positive_NT[row, columns] = True
            used[self.source_index[row], columns] = True
        single = np.array([source in SINGLE_LABEL for source in sources])
        exhaustive = np.array([source in EXHAUSTIVE for source in sources])
        self.own_ST = used & single[:, None]
        self.judged_ST = used & exhaustive[:, None]


class ViewLoader:
    """Endless shuffled batches, prepared a few steps ahead on a thread.

    Every draw is a function of ``seed`` and the step, so that a resumed run goes on as if it had
    never stopped. Mosaics take the place of a share of the views where it is asked for
    (``mosaics.py``). ``object_crops`` is the chance that a photo with a small object is seen
    through a crop around it instead of a teacher's view.
    """

    def __init__(
        self,
        pixels: PackedPixels,
        teachers: Teachers,
        truth: TrueLabels,
        weights_N: Float32Array,
        *,
        seed: int,
        object_crops: float = 0.0,
    ) -> None:
        self.pixels = pixels
        self.teachers = teachers
        self.truth = truth
        self.chance_N = weights_N / weights_N.sum()
        self.seed = seed
        self.object_crops = object_crops

    def batches(
        self, first_step: int, steps: int, *, size: int, batch: int, mosaic_share: float = 0.0
    ) -> Iterator[Batch]:
        """Batches ``first_step`` … ``first_step + steps - 1`` at ``size`` pixels a side, of which
        ``mosaic_share`` are mosaics of four photos."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="views")
        waiting: deque[Future[Batch]] = deque()
        try:
            for step in range(first_step, first_step + steps):
                waiting.append(thread.submit(self._batch, step, size, batch, mosaic_share))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            thread.shutdown(wait=False, cancel_futures=True)

    def _batch(self, step: int, size: int, batch: int, mosaic_share: float) -> Batch:
        rng = np.random.default_rng((self.seed, step))
        joined = round(batch * mosaic_share)
        single = self._views(rng, size, batch - joined)
        if not joined:
            return single
        parts = self._views(rng, size // 2, mosaics.PHOTOS * joined)
        together = {
            "positive_BT": mosaics.four(parts.positive_BT).any(1),
            # No class of a source rules out another any more.
            "exclusive_BT": torch.zeros_like(parts.exclusive_BT[:joined]),
            "judged_BT": mosaics.four(parts.judged_BT).all(1),
            "pixels_BSS3": mosaics.join_pixels(parts.pixels_BSS3),
        }
        return Batch(
            targets=mosaics.append(single.targets, mosaics.join_targets(parts.targets)),
            **{name: torch.cat([getattr(single, name), own]) for name, own in together.items()},
        )

    def _views(self, rng: np.random.Generator, size: int, batch: int) -> Batch:
        rows = rng.choice(len(self.chance_N), batch, p=self.chance_N)
        views = rng.integers(0, 4, batch)
        flipped = rng.random(batch) < 0.5
        jitter = rng.uniform(-0.04, 0.04, (batch, 4)).astype(np.float32)
        crops_B4 = self.teachers.object_boxes(rows, rng)
        crops_B4[rng.random(batch) >= self.object_crops] = np.nan
        boxes_B4 = np.where(np.isnan(crops_B4), self.teachers.boxes(rows, views), crops_B4)
        extent = np.tile(boxes_B4[:, 2:] - boxes_B4[:, :2], 2)
        shaken = np.clip(boxes_B4 + jitter * extent, 0, 1)
        pixels = np.empty((batch, size, size, 3), np.uint8)
        for place, row in enumerate(rows):
            pixels[place] = _view(self.pixels[row], shaken[place], size, bool(flipped[place]))
        grey = rng.random(batch) < GREY
        pixels[grey] = (pixels[grey] @ LUMA).astype(np.uint8)[..., None]
        side = max(1, size // CELL)
        source = self.truth.source_index[rows]
        return Batch(
            torch.from_numpy(pixels),
            self.teachers.targets(rows, views, flipped, crops_B4, side=side),
            torch.from_numpy(self.truth.positive_NT[rows]),
            torch.from_numpy(self.truth.own_ST[source]),
            torch.from_numpy(self.truth.judged_ST[source]),
        )


def _view(pixels_HW3: UInt8Array, box: Float32Array, size: int, flip: bool) -> UInt8Array:
    height, width = pixels_HW3.shape[:2]
    x0, y0, x1, y1 = (float(v) for v in box * np.array([width, height, width, height]))
    x1, y1 = max(x1, x0 + 4), max(y1, y0 + 4)
    left, top = max(0.0, min(x0, width - 4)), max(0.0, min(y0, height - 4))
    region = (left, top, min(x1, width), min(y1, height))
    image = Image.fromarray(pixels_HW3).resize((size, size), Image.Resampling.BILINEAR, box=region)
    out = np.asarray(image)
    return out[:, ::-1] if flip else out
