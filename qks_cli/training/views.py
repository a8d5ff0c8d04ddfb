"""Augmented photos, for training without kept tokens. Axes: B photos of a batch, S image side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import RandAugment

from qks_cli.photos.decode import read_photo
from qks_cli.types import IntArray


class Views(Dataset[tuple[Tensor, bool]]):
    """Augmented photos (arXiv 2401.01181, section 4): resized as the model resizes, one Cutout
    rectangle with sides of half the image, horizontal flip, RandAugment.

    Item (row, epoch) is uint8 [S, S, 3] and whether the photo could be read; every draw is a
    function of seed, epoch and row.
    """

    def __init__(self, files: Sequence[Any], size: int, resize: str, seed: int) -> None:
        self.files = files
        self.size = size
        self.resize = resize
        self.seed = seed
        self.augment = RandAugment()

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, item: tuple[int, int]) -> tuple[Tensor, bool]:
        row, epoch = item
        return self.view(self.files[row], row, epoch)

    def view(self, file: Any, row: int, epoch: int) -> tuple[Tensor, bool]:
        """An item whose photo was found already: ``file`` as for ``read_photo``."""
        pixels = np.zeros((self.size, self.size, 3), np.uint8)
        if not read_photo(file, self.resize, pixels):
            return torch.from_numpy(pixels), False
        rng = np.random.default_rng((self.seed, epoch, row))
        if rng.random() < 0.5:
            pixels = pixels[:, ::-1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**31)))
            changed = np.array(self.augment(Image.fromarray(np.ascontiguousarray(pixels))))
        half = self.size // 2
        top, left = rng.integers(0, self.size - half + 1, 2)
        changed[top : top + half, left : left + half] = 0
        return torch.from_numpy(changed), True


def view_batches(
    views: Views, batches: Sequence[IntArray], epoch: int, workers: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Pixels uint8 [B, S, S, 3] and which photos could be read [B], for each batch of rows."""
    items = [[(int(row), epoch) for row in rows] for rows in batches]
    loader: DataLoader[tuple[Tensor, bool]] = DataLoader(
        views, batch_sampler=items, num_workers=workers
    )
    yield from loader
