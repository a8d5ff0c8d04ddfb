"""The configuration of a run of the small model, as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qks_cli.errors import TrainingError


@dataclass(frozen=True, slots=True)
class Phase:
    """``images`` pictures at ``size`` pixels, learning rate from ``lr_start`` to ``lr_end``;
    ``mosaics`` is the share of them that are made of four photos."""

    size: int
    images: int
    lr_start: float
    lr_end: float
    mosaics: float = 0.0


@dataclass(frozen=True, slots=True)
class MiniConfig:
    """Everything that a run depends on beside the data; written beside its checkpoints.

    Photos that show an object that is in less than ``rare`` of all photos are drawn more often.
    ``pretrained`` names the weights that the backbone begins with (``pretrained.py``); None are
    random ones. Of such a backbone ``frozen_stages`` stages, counted from the pixels, are never
    changed, and the rest learns at ``backbone_rate`` times the learning rate. ``precision`` is
    fp32 or bf16, in which products are taken where the device is fast at them.
    """

    model: dict[str, Any]
    phases: tuple[Phase, ...]
    batch: int = 128
    weight_decay: float = 0.05
    average: float = 0.998
    gradient_clip: float = 2.0
    seed: int = 1
    losses: dict[str, float] = field(default_factory=dict)
    source_weights: dict[str, float] = field(default_factory=dict)
    object_crops: float = 0.0
    rare: float = 0.0
    pretrained: str | None = None
    frozen_stages: int = 0
    backbone_rate: float = 1.0
    precision: str = "fp32"

    @classmethod
    def read(cls, path: Path) -> MiniConfig:
        """Raises ``TrainingError`` for JSON that is not such a configuration."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            data["phases"] = tuple(Phase(**phase) for phase in data["phases"])
            return cls(**data)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise TrainingError(f"{path} is not a training configuration: {error}") from error
