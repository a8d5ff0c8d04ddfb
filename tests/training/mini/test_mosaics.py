"""Four photos as one picture, and what the teachers say of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from qks_cli.training.mini import mosaics
from qks_cli.training.mini.batches import TrueLabels, ViewLoader
from qks_cli.training.mini.pool import pack, read_photos
from qks_cli.training.mini.teachers import Targets, Teachers
from tests.training.mini.pools import make_pool

SIDE = 2  # cells a side of one photo


def targets(photos: int, seed: int = 1) -> Targets:
    draw = torch.Generator().manual_seed(seed)

    def some(*shape: int) -> torch.Tensor:
        return torch.rand(photos, *shape, generator=draw)

    return Targets(
        everyday_BA=some(5),
        imagenet_BI=some(6).softmax(1),
        groups_BG=some(2),
        objects_BO=some(3),
        stuff_BF=some(4),
        stuff_known_BF=(some(4) > 0.4).float(),
        cell_stuff_BP=(some(SIDE**2) * 4).long(),
        cell_objects_BPO=some(SIDE**2, 3),
        judged_B=torch.ones(photos),
    )


def test_photos_lie_where_their_cells_lie() -> None:
    parts = targets(8)
    for number in range(8):
        parts.cell_stuff_BP[number] = number
        parts.cell_objects_BPO[number] = number
    pixels = torch.arange(8)[:, None, None, None].expand(8, 3, 3, 3)
    joined = mosaics.join_targets(parts)
    for mosaic, first in enumerate((0, 4)):
        wanted = torch.tensor([[first, first + 1], [first + 2, first + 3]])
        picture = mosaics.join_pixels(pixels)[mosaic, :, :, 0]
        assert torch.equal(picture, wanted.repeat_interleave(3, 0).repeat_interleave(3, 1))
        cells = joined.cell_stuff_BP[mosaic].reshape(4, 4)
        assert torch.equal(cells, wanted.repeat_interleave(2, 0).repeat_interleave(2, 1))
        assert torch.equal(joined.cell_objects_BPO[mosaic, :, 0].long(), cells.flatten())


def test_a_mosaic_has_what_one_of_its_photos_has() -> None:
    parts = targets(4)
    joined = mosaics.join_targets(parts)
    assert torch.equal(joined.objects_BO[0], parts.objects_BO.amax(0))
    assert joined.imagenet_BI.sum().item() == pytest.approx(1)
    known = parts.stuff_known_BF.bool()
    for column in range(4):
        seen = (parts.stuff_BF * parts.stuff_known_BF)[:, column].max()
        assert joined.stuff_BF[0, column] == seen
        settled = bool(known[:, column].all()) or seen > mosaics.SURE
        assert bool(joined.stuff_known_BF[0, column]) is bool(settled)


def test_batches_with_mosaics(tmp_path: Path) -> None:
    pool, folder = make_pool(tmp_path)
    photos = read_photos(pool)
    truth = TrueLabels(photos)
    loader = ViewLoader(
        pack(photos, tmp_path / "packed"),
        Teachers(folder),
        truth,
        np.ones(len(photos), np.float32),
        seed=3,
    )
    (batch,) = loader.batches(0, 1, size=64, batch=8, mosaic_share=0.25)
    assert batch.pixels_BSS3.shape == (8, 64, 64, 3)
    assert batch.targets.cell_objects_BPO.shape[:2] == (8, 16)
    colours = batch.pixels_BSS3[6:].reshape(2, 2, 32, 2, 32, 3).float().mean((2, 4))
    for mosaic, quarters_223 in enumerate(colours):
        brightest = {["red", "green", "blue"][int(c.argmax())] for c in quarters_223.reshape(4, 3)}
        marked = torch.nonzero(batch.positive_BT[6 + mosaic]).flatten()
        assert {truth.names[int(column)] for column in marked} == brightest
        assert not batch.exclusive_BT[6 + mosaic].any()
    assert batch.exclusive_BT[:6].any()
