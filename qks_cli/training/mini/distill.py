"""What the small model is taught: one loss over everything the teachers and the labels say.

All terms read the same query-token scores s = max over tokens of the inner product with a label's
vector (arXiv 2401.01181); two more read the image tokens cell by cell, so that each cell
learns what lies in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from qks_cli.network.model import ImageTokens, scores
from qks_cli.training.mini.attributes import NAMES as ATTRIBUTES
from qks_cli.training.mini.attributes import SKY, attributes
from qks_cli.training.mini.teachers import Targets, Teachers
from qks_cli.types import Float32Array


@dataclass(frozen=True, slots=True)
class LossWeights:
    """Weights of the terms; binary terms are means over labels, hence the large numbers."""

    imagenet: float = 1.0
    groups: float = 20.0
    everyday: float = 40.0
    objects: float = 20.0
    stuff: float = 15.0
    cell_stuff: float = 0.5
    cell_objects: float = 20.0
    source: float = 1.0
    judged: float = 15.0
    attributes: float = 1.0


class DistillationLoss(nn.Module):
    """``names`` are all label names in the order of ``labels_VTE``; see the module docstring.

    Half of the labels of a step go by their first variant, the others by one drawn at random, so
    that the model answers to a label's plural or synonym too.
    """

    labels_VTE: Tensor

    def __init__(
        self,
        teachers: Teachers,
        true_names: Sequence[str],
        names: Sequence[str],
        labels_VTE: Float32Array,
        decoder_width: int,
        weights: LossWeights,
    ) -> None:
        super().__init__()
        self.weights = weights
        place = {name: index for index, name in enumerate(names)}

        def columns(wanted: Sequence[str]) -> Tensor:
            return torch.tensor([place[name] for name in wanted])

        self.register_buffer("labels_VTE", torch.from_numpy(labels_VTE), persistent=False)
        self.everyday = columns(teachers.everyday_names)
        self.imagenet = columns(teachers.imagenet_names)
        self.groups = columns(teachers.group_names)
        self.objects = columns(teachers.coco_names)
        self.stuff = columns(teachers.ade_names)
        self.true = columns(true_names)
        self.attributes = columns(ATTRIBUTES)
        self.sky_class = teachers.ade_names.index(SKY)
        self.cell_projection = nn.Linear(decoder_width, labels_VTE.shape[2])
        self.imagenet_scale = nn.Parameter(torch.zeros(()))
        self.source_scale = nn.Parameter(torch.zeros(()))
        self.cell_scale = nn.Parameter(torch.zeros(()))

    def forward(
        self,
        tokens: ImageTokens,
        targets: Targets,
        positive_BT: Tensor,
        exclusive_BT: Tensor,
        judged_BT: Tensor,
        pixels_BSS3: Tensor,
    ) -> dict[str, Tensor]:
        """The weighted terms by name. ``exclusive_BT`` marks the mutually exclusive classes
        of a single-label photo, ``judged_BT`` the labels whose absence is known; ``pixels_BSS3``
        are uint8."""
        w = self.weights
        labels_TE = self._labels_of_a_step()
        s, _ = scores(tokens.query_BME, labels_TE)
        soft_BI = targets.imagenet_BI
        log_BI = functional.log_softmax(s[:, self.imagenet] * self.imagenet_scale.exp(), dim=1)
        judged_B1 = targets.judged_B[:, None]
        terms = {
            "imagenet": -w.imagenet * (judged_B1 * soft_BI * log_BI).sum(1).mean(),
            "groups": w.groups
            * functional.binary_cross_entropy_with_logits(
                s[:, self.groups], targets.groups_BG, judged_B1
            ),
            "everyday": w.everyday
            * functional.binary_cross_entropy_with_logits(
                s[:, self.everyday], targets.everyday_BA, judged_B1
            ),
            "objects": w.objects
            * functional.binary_cross_entropy_with_logits(s[:, self.objects], targets.objects_BO),
            "stuff": w.stuff
            * functional.binary_cross_entropy_with_logits(
                s[:, self.stuff], targets.stuff_BF, targets.stuff_known_BF
            ),
        }
        terms |= self._cells(tokens.memory_BPD, targets, labels_TE)
        there_BK, known_BK = attributes(pixels_BSS3, targets.cell_stuff_BP, self.sky_class)
        terms["attributes"] = w.attributes * functional.binary_cross_entropy_with_logits(
            s[:, self.attributes], there_BK.float(), known_BK.float()
        )
        judged = targets.judged_B.bool()[:, None]
        terms |= self._labels(
            s[:, self.true], positive_BT & judged, exclusive_BT, judged_BT & judged
        )
        return terms

    def _labels_of_a_step(self) -> Tensor:
        variants, count, _ = self.labels_VTE.shape
        drawn_T = torch.randint(variants, (count,), device=self.labels_VTE.device)
        drawn_T[torch.rand(count, device=drawn_T.device) < 0.5] = 0
        return self.labels_VTE[drawn_T, torch.arange(count, device=drawn_T.device)]

    def _cells(self, memory_BPD: Tensor, targets: Targets, labels_TE: Tensor) -> dict[str, Tensor]:
        if memory_BPD.shape[1] != targets.cell_stuff_BP.shape[1]:
            side = int(memory_BPD.shape[1] ** 0.5)
            goal = int(targets.cell_stuff_BP.shape[1] ** 0.5)
            grid = memory_BPD.transpose(1, 2).reshape(len(memory_BPD), -1, side, side)
            grid = functional.interpolate(grid, (goal, goal), mode="bilinear", align_corners=False)
            memory_BPD = grid.flatten(2).transpose(1, 2)
        cells_BPE = self.cell_projection(memory_BPD)
        stuff = cells_BPE @ labels_TE[self.stuff].T * self.cell_scale.exp()
        cross = functional.cross_entropy(
            stuff.flatten(0, 1), targets.cell_stuff_BP.flatten(), ignore_index=0
        )
        objects = cells_BPE @ labels_TE[self.objects].T
        binary = functional.binary_cross_entropy_with_logits(objects, targets.cell_objects_BPO)
        return {
            "cell_stuff": self.weights.cell_stuff * cross,
            "cell_objects": self.weights.cell_objects * binary,
        }

    def _labels(
        self, s_BT: Tensor, positive_BT: Tensor, exclusive_BT: Tensor, judged_BT: Tensor
    ) -> dict[str, Tensor]:
        single = exclusive_BT.any(1) & (positive_BT & exclusive_BT).any(1)
        logits_BT = (s_BT * self.source_scale.exp()).masked_fill(~exclusive_BT, -30.0)
        right = (positive_BT & exclusive_BT).float()
        right = right / right.sum(1, keepdim=True).clamp(min=1)
        cross = -(right * functional.log_softmax(logits_BT, dim=1)).sum(1)
        binary = functional.binary_cross_entropy_with_logits(
            s_BT, positive_BT.float(), reduction="none"
        )
        known = judged_BT | positive_BT
        return {
            "source": self.weights.source * (cross * single).sum() / len(s_BT),
            "judged": self.weights.judged * (binary * known).sum() / (len(s_BT) * 184),
        }
