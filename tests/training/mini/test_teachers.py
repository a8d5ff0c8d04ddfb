"""Objects as the detector tells them: crops around them, the cells they lie in, rare ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from qks_cli.network.model import ImageTokens
from qks_cli.training.mini.batches import TrueLabels
from qks_cli.training.mini.distill import DistillationLoss, LossWeights
from qks_cli.training.mini.labels import label_names
from qks_cli.training.mini.pool import read_photos
from qks_cli.training.mini.teachers import Teachers
from tests.training.mini.pools import make_pool


@pytest.fixture
def teachers(tmp_path: Path) -> Teachers:
    """Photo 0 has a small sure object, photo 1 a large one, photo 2 an unsure one."""
    _, folder = make_pool(tmp_path, photos=4)
    made = Teachers(folder)
    boxes = [(100, 150, 140, 190), (0, 0, 250, 250), (100, 100, 140, 140)]
    for row, (box, score) in enumerate(zip(boxes, (200, 200, 40), strict=True)):
        made.objects["class"][row, 0] = 1
        made.objects["score"][row, 0] = score
        made.objects["box_xyxy"][row, 0] = box
    return made


def test_only_small_sure_objects_are_cropped_and_lie_inside(teachers: Teachers) -> None:
    rows = np.arange(4)
    for seed in range(20):
        crops = teachers.object_boxes(rows, np.random.default_rng(seed))
        assert np.isnan(crops[1:]).all()
        x0, y0, x1, y1 = crops[0]
        assert 0 <= x0 < x1 <= 1
        assert 0 <= y0 < y1 <= 1
        assert x0 < 120 / 255 < x1
        assert y0 < 170 / 255 < y1
        assert x1 - x0 == pytest.approx(y1 - y0)


def test_photos_of_rare_objects_are_drawn_more_often(teachers: Teachers) -> None:
    assert teachers.rarity(0.0).tolist() == [1, 1, 1, 1]
    # The object is in two of four photos; the third photo's is not sure enough.
    assert teachers.rarity(1.0) == pytest.approx(np.array([2**0.5, 2**0.5, 1, 1]))
    teachers.objects["class"][3, 0] = 0
    teachers.objects["score"][3, 0] = 250
    assert teachers.rarity(40.0)[3] == 5


def test_a_small_object_is_in_the_cell_where_it_lies(teachers: Teachers) -> None:
    place = np.array([0])
    for side in (2, 8, 11):
        said = teachers.targets(place, place, np.zeros(1, bool), side=side)
        cells = said.cell_objects_BPO[0, :, 1].reshape(side, side)
        assert cells[int(170 / 255 * side), int(120 / 255 * side)] == pytest.approx(200 / 256)
        assert 1 <= np.count_nonzero(cells) <= 4


def test_a_crop_is_judged_by_objects_and_stuff_alone(teachers: Teachers, tmp_path: Path) -> None:
    rows = np.arange(2)
    crops = teachers.object_boxes(rows, np.random.default_rng(1))
    targets = teachers.targets(rows, np.zeros(2, np.intp), np.zeros(2, bool), crops)
    assert targets.judged_B.tolist() == [0, 1]
    assert targets.objects_BO[0, 1] == pytest.approx(200 / 256)
    names = label_names(teachers, TrueLabels(read_photos(tmp_path / "pool")))
    rng = np.random.default_rng(2)
    vectors = rng.normal(0, 1, (1, len(names), 6)).astype(np.float32)
    loss = DistillationLoss(teachers, ["red"], names, vectors, 5, LossWeights())
    query = torch.randn(2, 3, 6, requires_grad=True)
    memory = torch.randn(2, 64, 5)
    mark = torch.ones(2, 1, dtype=torch.bool)
    pixels = torch.zeros(len(query), 16, 16, 3, dtype=torch.uint8)
    terms = loss(ImageTokens(query, memory), targets, mark, mark, mark, pixels)
    for name in ("imagenet", "groups", "everyday", "source", "judged"):
        (gradient,) = torch.autograd.grad(terms[name], query, retain_graph=True)
        assert not gradient[0].any(), name
    (gradient,) = torch.autograd.grad(terms["objects"], query)
    assert gradient[0].any()
