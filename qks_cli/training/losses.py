"""Ranking learnt as classification: the paper's losses, and the one that it replaces.

``scores_BC`` are label scores, ``present_BC`` 0 or 1, ``known_BC`` 0 where a label is neither known
to be there nor known not to be; such entries take no part.

A loss is a sum over a count. Where several processes share a batch, each has its own part of the
sum, and all divide by the count of the whole batch: averaging each part's mean would weigh a photo
by the part that it happens to be in.

Axes: B photos, C labels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from qks_cli.errors import UsageError

EPSILON = 1e-5
NAMES = ("asl", "bce", "rank")


class Loss(NamedTuple):
    """``total`` is the sum over a batch, ``divisor`` what it is divided by, a number that
    ``known_BC`` gives."""

    total: Callable[[Tensor, Tensor, Tensor], Tensor]
    divisor: Callable[[Tensor], float]

    def mean(self, scores_BC: Tensor, present_BC: Tensor, known_BC: Tensor) -> Tensor:
        """The loss of a batch that one process has alone."""
        total = self.total(scores_BC, present_BC, known_BC)
        return total / max(1.0, self.divisor(known_BC))


def asymmetric(
    scores_BC: Tensor,
    present_BC: Tensor,
    known_BC: Tensor,
    *,
    gamma_present: float = 0.0,
    gamma_absent: float = 4.0,
    margin: float = 0.0,
) -> Tensor:
    """Summed: the one-sided focal form used for NUS-WIDE (arXiv 2401.01181, section 3; the
    asymmetric loss of arXiv 2009.14119), 1000 times -y log p - (1-y) p⁴ log(1-p), the focusing
    weights detached. ``margin`` is taken from the probability of what is absent, so that easy ones
    weigh nothing."""
    p_BC = torch.sigmoid(scores_BC)
    low_BC = (p_BC - margin).clamp(min=0) if margin else p_BC
    there = present_BC * torch.log(p_BC.clamp(min=EPSILON))
    absent = (1 - present_BC) * torch.log((1 - low_BC).clamp(min=EPSILON))
    if gamma_present:
        there = there * (1 - p_BC).detach() ** gamma_present
    if gamma_absent:
        absent = absent * low_BC.detach() ** gamma_absent
    return -1000 * ((there + absent) * known_BC).sum()


def binary(scores_BC: Tensor, present_BC: Tensor, known_BC: Tensor) -> Tensor:
    """Summed: binary cross-entropy over the known entries (Open Images)."""
    return functional.binary_cross_entropy_with_logits(
        scores_BC, present_BC, known_BC, reduction="sum"
    )


def ranking(scores_BC: Tensor, present_BC: Tensor, known_BC: Tensor) -> Tensor:
    """Summed over photos: the hinge loss that classification replaces. Every label that is there is
    to lie one above every one that is not; the mean over the pairs of each photo."""
    photo_K, label_K = torch.nonzero(present_BC * known_BC, as_tuple=True)
    absent_BC = (1 - present_BC) * known_BC
    over_KC = functional.relu(1 - scores_BC[photo_K, label_K][:, None] + scores_BC[photo_K])
    pairs_K = (over_KC * absent_BC[photo_K]).sum(1) / absent_BC.sum(1).clamp(min=1)[photo_K]
    weights_K = 1 / (present_BC * known_BC).sum(1).clamp(min=1)[photo_K]
    return (pairs_K * weights_K).sum()


def choose(
    name: str, *, gamma_present: float = 0.0, gamma_absent: float = 4.0, margin: float = 0.0
) -> Loss:
    """``asl`` (divided by all entries), ``bce`` (by the known ones) or ``rank`` (by the photos of
    which anything is known). Raises ``UsageError``."""
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

        return Loss(focal, lambda known: float(_judged(known) * known.shape[1]))
    if name == "bce":
        return Loss(binary, lambda known: float(known.sum()))
    if name == "rank":
        return Loss(ranking, lambda known: float(_judged(known)))
    raise UsageError(f"no loss '{name}'", hint=f"one of {', '.join(NAMES)}")


def _judged(known_BC: Tensor) -> int:
    """Photos of which anything is known: those that could not be read count for nothing."""
    return int(known_BC.any(1).sum())
