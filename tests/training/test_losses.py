from __future__ import annotations

import pytest
import torch

from qks_cli.errors import UsageError
from qks_cli.training.losses import asymmetric, binary, choose, ranking


def random(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    made = torch.Generator().manual_seed(seed)
    scores = torch.randn(5, 7, generator=made)
    present = (torch.rand(5, 7, generator=made) < 0.3).float()
    known = ((torch.rand(5, 7, generator=made) < 0.7) | (present > 0)).float()
    return scores, present, known


def test_asl_is_the_specified_sum() -> None:
    scores, present, _ = random(1)
    p = torch.sigmoid(scores)
    total = 0.0
    for b in range(5):
        for c in range(7):
            if present[b, c]:
                total -= float(torch.log(p[b, c]))
            else:
                total -= float(p[b, c] ** 4 * torch.log(1 - p[b, c]))
    found = asymmetric(scores, present, torch.ones(5, 7))
    assert float(found) == pytest.approx(1000 / 35 * total, rel=1e-5)


def test_the_focusing_weight_is_detached() -> None:
    scores = torch.tensor([[0.3]], requires_grad=True)
    loss = asymmetric(scores, torch.zeros(1, 1), torch.ones(1, 1))
    torch.autograd.backward(loss)
    p = torch.sigmoid(scores.detach())
    assert scores.grad is not None
    assert float(scores.grad) == pytest.approx(float(1000 * p**4 * p), rel=1e-5)


def test_asl_without_focus_is_binary_cross_entropy() -> None:
    scores, present, _ = random(2)
    every = torch.ones(5, 7)
    plain = asymmetric(scores, present, every, gamma_absent=0.0)
    assert float(plain) == pytest.approx(1000 * float(binary(scores, present, every)), rel=1e-4)


@pytest.mark.parametrize("name", ["asl", "bce", "rank"])
def test_unknown_labels_take_no_part(name: str) -> None:
    scores, present, known = random(3)
    other = torch.where(known > 0, scores, scores + 5)
    loss = choose(name)
    assert float(loss(scores, present, known)) == pytest.approx(
        float(loss(other, present, known)), rel=1e-5
    )


def test_ranking_is_the_mean_over_pairs() -> None:
    scores, present, known = random(4)
    each = []
    for s, y, k in zip(scores, present, known, strict=True):
        there, absent = s[y > 0], s[(y == 0) & (k > 0)]
        pairs = torch.relu(1 - there[:, None] + absent[None]) if len(there) else torch.zeros(1)
        each.append(float(pairs.mean()))
    assert float(ranking(scores, present, known)) == pytest.approx(sum(each) / 5, rel=1e-5)


def test_a_photo_that_says_nothing_costs_nothing() -> None:
    nothing = torch.zeros(2, 3)
    for name in ("asl", "bce", "rank"):
        assert float(choose(name)(torch.randn(2, 3), nothing, nothing)) == 0
    with pytest.raises(UsageError, match="no loss 'hinge'"):
        choose("hinge")
