"""The text tower of a small model: token ids to vectors of the label space.

Axes: N texts, T tokens, S sentence width, E label space.
"""

from __future__ import annotations

import torch
from open_clip.transformer import TextTransformer
from torch import Tensor, nn

from qks_cli.network.config import TextConfig
from qks_cli.network.decoder import split_heads

PAD_ID = 0


class TextTower(nn.Module):
    """open_clip's text transformer, both ways, to a sentence vector, then into the label space.

    A text's vector is the mean over its tokens, as its teacher's is. A transformer narrower than
    the sentence vectors reaches only a part of their space; the ``Readout`` adds the rest for the
    price of a few tokens, since it runs once a text.
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
            mlp_ratio=config.mlp_ratio,
            output_dim=config.output_dim,
            no_causal_mask=True,
            pad_id=PAD_ID,
        )
        self.readout = Readout(config) if config.readout else None
        self.register_buffer("mean_S", torch.zeros(config.output_dim))
        self.register_buffer("whiten_SE", torch.zeros(config.output_dim, label_width - 1))

    def sentences(self, ids_NT: Tensor) -> Tensor:
        """Unit sentence vectors [N, S], what the sentence encoder would say.

        The blocks are run here rather than by open_clip, whose attention cannot be exported for
        any number of texts, and whose mask does not fit texts shorter than the longest.
        """
        tower = self.transformer
        x_NTW = tower.token_embedding(ids_NT) + tower.positional_embedding[: ids_NT.shape[1]]
        readable = (ids_NT != PAD_ID)[:, None, None]
        for block in tower.transformer.resblocks:
            x_NTW = x_NTW + _attend(block.attn, block.ln_1(x_NTW), readable)
            x_NTW = x_NTW + block.mlp(block.ln_2(x_NTW))
        read = (ids_NT != PAD_ID).to(x_NTW.dtype)[..., None]
        mean_NW = (tower.ln_final(x_NTW) * read).sum(1) / read.sum(1).clamp(min=1)
        raw_NS = mean_NW @ tower.text_projection
        if self.readout is not None:
            raw_NS = raw_NS + self.readout(ids_NT, mean_NW, read)
        return nn.functional.normalize(raw_NS, dim=1)

    def forward(self, ids_NT: Tensor) -> Tensor:
        white = (self.sentences(ids_NT) - self.mean_S) @ self.whiten_SE
        return torch.cat([white, torch.ones_like(white[:, :1])], dim=1)


class Readout(nn.Module):
    """What is added to a sentence vector: of the transformer's mean and of the words themselves.

    ``words`` embeds every token once more, without its neighbours; axis L is that width.
    """

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.words = nn.Embedding(config.vocab_size, config.lexical) if config.lexical else None
        self.hidden = nn.Linear(config.width + config.lexical, config.readout)
        self.output = nn.Linear(config.readout, config.output_dim)

    def forward(self, ids_NT: Tensor, mean_NW: Tensor, read_NT1: Tensor) -> Tensor:
        """[N, S]; ``read_NT1`` is 0 where a text is padded."""
        parts = [mean_NW]
        if self.words is not None:
            words_NTL = self.words(ids_NT) * read_NT1
            parts.append(words_NTL.sum(1) / read_NT1.sum(1).clamp(min=1))
        joined = nn.functional.gelu(self.hidden(torch.cat(parts, dim=1)))
        added_NS: Tensor = self.output(joined)
        return added_NS


def _attend(attention: nn.MultiheadAttention, x_NTW: Tensor, readable: Tensor) -> Tensor:
    """Self-attention over the tokens that ``readable`` [N, 1, 1, T] marks."""
    assert attention.in_proj_weight is not None
    joined = nn.functional.linear(x_NTW, attention.in_proj_weight, attention.in_proj_bias)
    query, key, value = (split_heads(part, attention.num_heads) for part in joined.chunk(3, dim=-1))
    mixed = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=readable)
    merged: Tensor = attention.out_proj(mixed.transpose(1, 2).flatten(2))
    return merged
