"""A tiny open_clip model with random weights, and a run on it: small enough for any test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import nn

from qks_cli.network.config import BackboneConfig, DecoderConfig, ModelConfig
from qks_cli.network.head import ClipSource
from qks_cli.network.zero_shot import build_clip
from qks_cli.training.datasets.labelled import Split
from qks_cli.training.head.config import HeadConfig
from qks_cli.training.head.data import Run
from tests.training import miniatures

CLIP: dict[str, Any] = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1},
}
DECODER = DecoderConfig(queries=3, width=32, layers=1, heads=2, ffn_ratio=1.0, dropout=0.0)
CONFIG = HeadConfig(
    head=DECODER, rate=1e-3, batch=5, epochs=2, validation_photos=0.25, validation_labels=0.0
)


def clip(seed: int = 1) -> nn.Module:
    """Untrained, with weights that are not all alike."""
    torch.manual_seed(seed)
    made = build_clip(CLIP)
    for parameter in made.parameters():
        if parameter.dim() == 1:  # norms and biases start as ones and zeros
            nn.init.normal_(parameter, 0.5, 0.3)
    return made.eval()


def run(folder: Path, photos: int = 18, **given: Any) -> Run:
    """Three-valued truth of six labels."""
    files = tuple(miniatures.photo(folder / "photos" / f"{i}.jpg", i) for i in range(photos))
    rng = np.random.default_rng(1)
    truth = rng.choice([-1, 0, 1], (photos, 6), p=[0.3, 0.4, 0.3]).astype(np.int8)
    truth[:, 0] = 1
    config = ModelConfig("tiny", 32, 16, BackboneConfig(CLIP["vision_cfg"], 16), clip=CLIP)
    made = Run(
        Split(files, csr_matrix(truth), False),
        rng.normal(0, 1, (6, 16)).astype(np.float32),
        ClipSource(clip()),
        config,
        "tiny",
        "squash",
        folder / "run",
        folder / "tokens",
    )
    for name, value in given.items():
        setattr(made, name, value)
    return made
