"""PIAA: a classifier of places made of unlabelled photos (arXiv 2605.25821, section 3).

Of many photos' places the surest of each label (the lowest entropy under the labels' texts) are
kept; a Gaussian for each label with one covariance for all gives a linear classifier, which is made
once more of the places that it is sure of. A photo's score is the most of any place, sharpened by a
softmax over the labels, with a tenth of the class token's.

The temperatures are those that the authors released for COCO. They read the places through changed
attention layers; here they are the model's own.

Axes: B photos of a batch, L places, P places of many photos, C labels, E label space.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from qks_cli.types import Float32Array

KEPT = 512  # places of each label
SHARPNESS = 60.0  # of the softmax over labels that a place's entropy is of
FLATNESS = 500.0  # what the classifier's logits are divided by
CLASS_SHARPNESS, PLACE_SHARPNESS = 80.0, 400.0
CLASS_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class PatchClassifier:
    """``weights_EC`` and ``bias_C``: places to logits."""

    weights_EC: Tensor
    bias_C: Tensor

    def __call__(self, places_BLE: Tensor) -> Tensor:
        return (places_BLE @ self.weights_EC + self.bias_C) / FLATNESS


class PatchBank:
    """The surest places of each label so far; ``labels_CE`` are unit vectors."""

    def __init__(self, labels_CE: Tensor, kept: int = KEPT) -> None:
        self.labels_CE = labels_CE
        self.kept = kept
        width = labels_CE.shape[1]
        self.places_PE = labels_CE.new_zeros((0, width))
        self.entropy_P = labels_CE.new_zeros(0)
        self.label_P = torch.zeros(0, dtype=torch.long, device=labels_CE.device)

    def add(self, places_BLE: Tensor) -> None:
        """Places of some photos, as unit vectors."""
        places_PE = places_BLE.flatten(0, 1)
        logits_PC = places_PE @ self.labels_CE.T
        likely_PC = (logits_PC * SHARPNESS).softmax(-1)
        entropy_P = -(likely_PC * likely_PC.clamp_min(1e-10).log()).sum(-1)
        self.places_PE = torch.cat([self.places_PE, places_PE])
        self.entropy_P = torch.cat([self.entropy_P, entropy_P])
        self.label_P = torch.cat([self.label_P, logits_PC.argmax(-1)])
        self._thin()

    def _thin(self) -> None:
        order = self.entropy_P.argsort(stable=True)
        order = order[self.label_P[order].argsort(stable=True)]
        label_P = self.label_P[order]
        every_C = torch.arange(len(self.labels_CE), device=label_P.device)
        starts_C = torch.searchsorted(label_P, every_C)
        place = torch.arange(len(order), device=label_P.device) - starts_C[label_P]
        order = order[place < self.kept]
        self.places_PE, self.entropy_P = self.places_PE[order], self.entropy_P[order]
        self.label_P = self.label_P[order]

    def fit(self) -> PatchClassifier:
        """The classifier of the surest places, then of those that it is sure of."""
        places_PE = self.places_PE
        sure_PC = ((places_PE @ self.labels_CE.T) * SHARPNESS).softmax(-1)
        first = self._gaussians(places_PE, self.label_P, sure_PC)
        sure_PC = first(places_PE).softmax(-1)
        label_P = sure_PC.argmax(-1)
        own_P = sure_PC.gather(1, label_P[:, None])[:, 0]
        good_P = torch.zeros_like(label_P, dtype=torch.bool)
        for c in sorted({*label_P.tolist()}):
            own = own_P[label_P == c]
            spread = own.std() if len(own) > 1 else own.new_zeros(())
            good_P |= (label_P == c) & (own_P >= own.mean() + spread)
        if not good_P.any():
            return first
        return self._gaussians(places_PE[good_P], label_P[good_P], sure_PC[good_P])

    def _gaussians(self, places_PE: Tensor, label_P: Tensor, sure_PC: Tensor) -> PatchClassifier:
        """One Gaussian a label, one covariance for all (shrunk towards a multiple of 1); labels
        without a place stay where their text is."""
        weight_P = sure_PC.gather(1, label_P[:, None])
        sums_CE = torch.zeros_like(self.labels_CE).index_add_(0, label_P, places_PE * weight_P)
        weights_C = self.labels_CE.new_zeros(len(self.labels_CE))
        weights_C.index_add_(0, label_P, weight_P[:, 0])
        means_CE = torch.where(
            weights_C[:, None] > 0, sums_CE / weights_C.clamp_min(1e-12)[:, None], self.labels_CE
        )
        centred_PE = places_PE - means_CE[label_P]
        count, width = centred_PE.shape
        covariance_EE = centred_PE.T.cov() if count > 1 else centred_PE.new_zeros((width, width))
        covariance_EE = covariance_EE.reshape(width, width)
        shrunk_EE = (count - 1) * covariance_EE + covariance_EE.trace().clamp_min(1e-6) * torch.eye(
            width, device=places_PE.device
        )
        precision_EE = width * torch.linalg.pinv(shrunk_EE)
        weights_EC = precision_EE @ means_CE.T
        bias_C = -0.5 * (means_CE * weights_EC.T).sum(1) - float(np.log(len(self.labels_CE)))
        return PatchClassifier(weights_EC, bias_C)


def fuse(class_NC: Float32Array, best_NC: Float32Array) -> Float32Array:
    """The class token's and the best place's probabilities, added [N, C]."""
    whole = functional.softmax(torch.from_numpy(class_NC) * CLASS_SHARPNESS, dim=-1)
    place = functional.softmax(torch.from_numpy(best_NC) * PLACE_SHARPNESS, dim=-1)
    return np.asarray((CLASS_SHARE * whole + (1 - CLASS_SHARE) * place).numpy(), np.float32)
