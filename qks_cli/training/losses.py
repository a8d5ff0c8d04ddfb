"""Ranking learnt as classification: the paper's losses, and the one that it replaces.

``scores_BC`` are label scores, ``present_BC`` 0 or 1, ``known_BC`` 0 where a label is neither known
to be there nor known not to be; such entries take no part.

Axes: B photos, C labels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from qks_cli.errors import UsageError

EPSILON = 1e-5
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def asymmetric(
    scores_BC: Tensor,
    present_BC: Tensor,
    known_BC: Tensor,
    *,
    gamma_present: float = 0.0,
    gamma_absent: float = 4.0,
    margin: float = 0.0,
) -> Tensor:
    """The one-sided focal form used for NUS-WIDE (specification, Losses): 1000 / (B·C) times the
    sum of -y log p - (1-y) p⁴ log(1-p), the focusing weights detached. ``margin`` is taken from the
    probability of what is absent, so that easy ones weigh nothing."""
    p_BC = torch.sigmoid(scores_BC)
    low_BC = (p_BC - margin).clamp(min=0) if margin else p_BC
    there = present_BC * torch.log(p_BC.clamp(min=EPSILON))
    absent = (1 - present_BC) * torch.log((1 - low_BC).clamp(min=EPSILON))
    if gamma_present:
        there = there * (1 - p_BC).detach() ** gamma_present
    if gamma_absent:
        absent = absent * low_BC.detach() ** gamma_absent
    return -1000 * ((there + absent) * known_BC).mean()


def binary(scores_BC: Tensor, present_BC: Tensor, known_BC: Tensor) -> Tensor:
    """Mean binary cross-entropy over the known entries (Open Images)."""
    each = functional.binary_cross_entropy_with_logits(scores_BC, present_BC, known_BC)
    return each * known_BC.numel() / known_BC.sum().clamp(min=1)


def ranking(scores_BC: Tensor, present_BC: Tensor, known_BC: Tensor) -> Tensor:
    """The hinge loss that classification replaces: every label that is there is to lie one above
    every one that is not; the mean over the pairs of each photo, then over photos."""
    photo_K, label_K = torch.nonzero(present_BC * known_BC, as_tuple=True)
    absent_BC = (1 - present_BC) * known_BC
    over_KC = functional.relu(1 - scores_BC[photo_K, label_K][:, None] + scores_BC[photo_K])
    pairs_K = (over_KC * absent_BC[photo_K]).sum(1) / absent_BC.sum(1).clamp(min=1)[photo_K]
    weights_K = 1 / present_BC.sum(1).clamp(min=1)[photo_K]
    return (pairs_K * weights_K).sum() / len(scores_BC)


def choose(
    name: str, *, gamma_present: float = 0.0, gamma_absent: float = 4.0, margin: float = 0.0
) -> Loss:
    """``asl``, ``bce`` or ``rank``. Raises ``UsageError``."""
    if name == "asl":

        def focal(scores_BC: Tensor, present_BC: Tensor, known_BC: Tensor) -> Tensor:
            return asymmetric(
                scores_BC,
                present_BC,
                known_BC,
                gamma_present=gamma_present,
                gamma_absent=gamma_absent,
                margin=margin,
            )

        return focal
    if name in ("bce", "rank"):
        return binary if name == "bce" else ranking
    raise UsageError(f"no loss '{name}'", hint="one of asl, bce, rank")
