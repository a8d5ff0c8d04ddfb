"""The text tower of a small model: token ids to vectors of the label space.

Axes: N texts, T tokens, S sentence width, E label space.
"""

from __future__ import annotations

from typing import cast

import torch
from open_clip.transformer import TextTransformer
from torch import Tensor, nn

from qks_cli.network.config import TextConfig

END_ID = 1  # id of the end token, whose output is the text's; 0 pads


class TextTower(nn.Module):
    """open_clip's causal text transformer to a sentence vector [N, S], then into the label space.

    ``mean_S`` and ``whiten_SE`` are the label space's (training/label_space.py); they are fixed.
    """

    mean_S: Tensor
    whiten_SE: Tensor

    def __init__(self, config: TextConfig, label_width: int) -> None:
        super().__init__()
        self.transformer = TextTransformer(
            context_length=config.context_length,
            vocab_size=config.vocab_size,
            width=config.width,
            heads=config.heads,
            layers=config.layers,
            output_dim=config.output_dim,
            pool_type="eos",
            eos_id=END_ID,
            pad_id=0,
        )
        self.register_buffer("mean_S", torch.zeros(config.output_dim))
        self.register_buffer("whiten_SE", torch.zeros(config.output_dim, label_width - 1))

    def sentences(self, ids_NT: Tensor) -> Tensor:
        """Unit sentence vectors [N, S], what the sentence encoder would say."""
        raw_NS = cast(Tensor, self.transformer(ids_NT))
        return nn.functional.normalize(raw_NS, dim=1)

    def forward(self, ids_NT: Tensor) -> Tensor:
        white = (self.sentences(ids_NT) - self.mean_S) @ self.whiten_SE
        return torch.cat([white, torch.ones_like(white[:, :1])], dim=1)
