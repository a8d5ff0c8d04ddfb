"""Query tokens read image tokens: the query decoder (arXiv 2401.01181, section 3.2).

Axes: B photos, P image tokens, W their width, M query tokens, D decoder width, E label space.

``ReferenceDecoder`` is the paper's: post-norm layers, each with its own key/value projections.
``CompactDecoder`` departs from it for small models: pre-norm, and the image tokens arrive in the
decoder's width, where one key and one value projection serve all layers (they are 70 % of the
reference head's cost).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from qks_cli.network.config import DecoderConfig


class KeyValue(nn.Module):
    """Keys and values of ``memory_BPW``, each [B, heads, P, D / heads]."""

    def __init__(self, width: int, memory_width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.key = nn.Linear(memory_width, width)
        self.value = nn.Linear(memory_width, width)

    def forward(self, memory_BPW: Tensor) -> tuple[Tensor, Tensor]:
        return split_heads(self.key(memory_BPW), self.heads), split_heads(
            self.value(memory_BPW), self.heads
        )


class Attention(nn.Module):
    """Multi-head attention of ``query_BMD`` over given keys and values."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.query = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def forward(self, query_BMD: Tensor, memory: tuple[Tensor, Tensor]) -> Tensor:
        mixed = functional.scaled_dot_product_attention(
            split_heads(self.query(query_BMD), self.heads),
            *memory,
            dropout_p=self.dropout if self.training else 0.0,
        )
        merged: Tensor = self.output(mixed.transpose(1, 2).flatten(2))
        return merged


class DecoderLayer(nn.Module):
    """Self-attention, cross-attention, feed-forward; post-norm as in the paper, or pre-norm."""

    def __init__(self, config: DecoderConfig, *, pre_norm: bool) -> None:
        super().__init__()
        width = config.width
        hidden = int(width * config.ffn_ratio)
        self.pre_norm = pre_norm
        self.self_key_value = KeyValue(width, width, config.heads)
        self.self_attention = Attention(width, config.heads, config.dropout)
        self.cross_attention = Attention(width, config.heads, config.dropout)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-12) for _ in range(3))
        self.drop = nn.Dropout(config.dropout)

    def forward(self, h_BMD: Tensor, memory: tuple[Tensor, Tensor]) -> Tensor:
        """One layer over the image tokens' keys and values."""
        if self.pre_norm:
            h_BMD = h_BMD + self._to_itself(self.norms[0](h_BMD))
            h_BMD = h_BMD + self.drop(self.cross_attention(self.norms[1](h_BMD), memory))
            last: Tensor = h_BMD + self.drop(self.feed_forward(self.norms[2](h_BMD)))
            return last
        h_BMD = self.norms[0](h_BMD + self._to_itself(h_BMD))
        h_BMD = self.norms[1](h_BMD + self.drop(self.cross_attention(h_BMD, memory)))
        last = self.norms[2](h_BMD + self.drop(self.feed_forward(h_BMD)))
        return last

    def _to_itself(self, h_BMD: Tensor) -> Tensor:
        out: Tensor = self.drop(self.self_attention(h_BMD, self.self_key_value(h_BMD)))
        return out


class ReferenceDecoder(nn.Module):
    """The paper's decoder: image tokens [B, P, W] to clues [B, M, E].

    ``projection_WE``, the backbone's own visual projection, initialises the output projection
    where its shape is [D, E]; it is trained from there.
    """

    def __init__(
        self,
        config: DecoderConfig,
        memory_width: int,
        label_width: int,
        projection_WE: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.empty(config.queries, config.width))
        self.entry_norm = nn.LayerNorm(config.width, eps=1e-12)
        self.drop = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(
            DecoderLayer(config, pre_norm=False) for _ in range(config.layers)
        )
        self.key_values = nn.ModuleList(
            KeyValue(config.width, memory_width, config.heads) for _ in range(config.layers)
        )
        self.projection = nn.Parameter(torch.empty(config.width, label_width))
        self.apply(_init_weights)
        nn.init.normal_(self.queries, std=0.02)
        if projection_WE is not None and projection_WE.shape == self.projection.shape:
            self.projection.data.copy_(projection_WE)
        else:
            nn.init.normal_(self.projection, std=config.width**-0.5)

    def forward(self, memory_BPW: Tensor) -> Tensor:
        # Expanded before the dropout, so that every image draws its own.
        normed_BMD = self.entry_norm(self.queries).expand(memory_BPW.shape[0], -1, -1)
        h_BMD = self.drop(normed_BMD)
        for layer, key_value in zip(self.layers, self.key_values, strict=True):
            h_BMD = layer(h_BMD, key_value(memory_BPW))
        clues_BME: Tensor = h_BMD @ self.projection
        return clues_BME


class CompactDecoder(nn.Module):
    """The small model's decoder: image tokens [B, P, W] to [B, M, E]; W is D if not given."""

    def __init__(
        self, config: DecoderConfig, label_width: int, memory_width: int | None = None
    ) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.empty(config.queries, config.width))
        self.layers = nn.ModuleList(
            DecoderLayer(config, pre_norm=True) for _ in range(config.layers)
        )
        self.key_value = KeyValue(config.width, memory_width or config.width, config.heads)
        self.exit_norm = nn.LayerNorm(config.width)
        self.projection = nn.Linear(config.width, label_width)
        self.apply(_init_weights)
        nn.init.normal_(self.queries, std=0.5)
        nn.init.normal_(self.projection.weight, std=config.width**-0.5)

    def forward(self, memory_BPW: Tensor) -> Tensor:
        h_BMD = self.queries.expand(memory_BPW.shape[0], -1, -1)
        memory = self.key_value(memory_BPW)
        for layer in self.layers:
            h_BMD = layer(h_BMD, memory)
        clues_BME: Tensor = self.projection(self.exit_norm(h_BMD))
        return clues_BME


class LinearProbe(nn.Module):
    """One token [B, 1, E]: a linear map of the first image token and of the mean of all."""

    def __init__(self, config: DecoderConfig, label_width: int, memory_width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(2 * memory_width)
        self.projection = nn.Linear(2 * memory_width, label_width)
        nn.init.normal_(self.projection.weight, std=(2 * memory_width) ** -0.5)
        nn.init.zeros_(self.projection.bias)

    def forward(self, memory_BPW: Tensor) -> Tensor:
        both = torch.cat([memory_BPW[:, 0], memory_BPW.mean(1)], dim=1)
        token_BE: Tensor = self.projection(self.norm(both))
        return token_BE[:, None]


def _init_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """[B, L, D] to [B, heads, L, D / heads]."""
    batch, length, width = x.shape
    return x.reshape(batch, length, heads, width // heads).transpose(1, 2)
