from __future__ import annotations

import pytest
import torch

from qks_cli.errors import UsageError
from qks_cli.training.losses import asymmetric, choose


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
    found = choose("asl").mean(scores, present, torch.ones(5, 7))
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
    plain = choose("asl", gamma_absent=0.0).mean(scores, present, every)
    expected = 1000 * float(choose("bce").mean(scores, present, every))
    assert float(plain) == pytest.approx(expected, rel=1e-4)


def test_bce_is_the_mean_over_what_is_known() -> None:
    scores, present, known = random(5)
    p = torch.sigmoid(scores)
    each = [
        -float(torch.log(p[b, c] if present[b, c] else 1 - p[b, c]))
        for b in range(5)
        for c in range(7)
        if known[b, c]
    ]
    found = choose("bce").mean(scores, present, known)
    assert float(found) == pytest.approx(sum(each) / len(each), rel=1e-5)


def test_the_focusing_parameters_are_those_of_the_asymmetric_loss() -> None:
    scores, present, _ = random(6)
    p = torch.sigmoid(scores)
    low = (p - 0.05).clamp(min=0)
    expected = present * (1 - p) ** 2 * torch.log(p) + (1 - present) * low**3 * torch.log(1 - low)
    loss = choose("asl", gamma_present=2, gamma_absent=3, margin=0.05)
    found = loss.mean(scores, present, torch.ones(5, 7))
    assert float(found) == pytest.approx(-1000 * float(expected.mean()), rel=1e-4)


@pytest.mark.parametrize("name", ["asl", "bce", "rank"])
def test_parts_of_a_batch_add_up_to_the_batch(name: str) -> None:
    scores, present, known = random(7)
    known[4] = 0  # a photo that could not be read
    loss = choose(name)
    count = loss.divisor(known)
    parts = [(slice(0, 1)), (slice(1, 5))]  # of different size
    assert count == sum(loss.divisor(known[part]) for part in parts)
    sums = [float(loss.total(scores[part], present[part], known[part])) for part in parts]
    whole = float(loss.mean(scores, present, known))
    assert sum(sums) / count == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("name", ["asl", "bce", "rank"])
def test_unknown_labels_take_no_part(name: str) -> None:
    scores, present, known = random(3)
    other = torch.where(known > 0, scores, scores + 5)
    loss = choose(name)
    assert float(loss.mean(scores, present, known)) == pytest.approx(
        float(loss.mean(other, present, known)), rel=1e-5
    )


def test_ranking_is_the_mean_over_pairs() -> None:
    scores, present, known = random(4)
    each = []
    for s, y, k in zip(scores, present, known, strict=True):
        there, absent = s[y > 0], s[(y == 0) & (k > 0)]
        pairs = torch.relu(1 - there[:, None] + absent[None]) if len(there) else torch.zeros(1)
        each.append(float(pairs.mean()))
    found = choose("rank").mean(scores, present, known)
    assert float(found) == pytest.approx(sum(each) / 5, rel=1e-5)


def test_a_photo_that_says_nothing_costs_nothing() -> None:
    nothing = torch.zeros(2, 3)
    for name in ("asl", "bce", "rank"):
        assert float(choose(name).mean(torch.randn(2, 3), nothing, nothing)) == 0
    with pytest.raises(UsageError, match="no loss 'hinge'"):
        choose("hinge")
