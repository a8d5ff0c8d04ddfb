"""The torch engine: CUDA and MPS, or the CPU where a test compares engines.

Axes: B photos, M query tokens, E label space, N texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qks_cli.model.bundle import Bundle
from qks_cli.model.places import over_places
from qks_cli.model.tokenizer import TextTokenizer
from qks_cli.model.weights import load_image_model, load_text_tower
from qks_cli.network.decoder import split_heads
from qks_cli.network.head import HeadedModel
from qks_cli.network.pixels import PixelsToTokens
from qks_cli.network.text import TextTower
from qks_cli.network.zero_shot import ZeroShotText
from qks_cli.types import Float32Array, UInt8Array

TEXT_BATCH = 512


class TorchEngine:
    """``device`` is a torch device name. Half precision on CUDA, float32 elsewhere."""

    def __init__(self, bundle: Bundle, device: str) -> None:
        self.bundle = bundle
        self.device = torch.device(device)
        self.name = f"torch on {device}"
        self.dtype = torch.float16 if self.device.type == "cuda" else torch.float32

    @torch.inference_mode()
    def query_tokens(self, pixels_BHW3: UInt8Array) -> Float32Array:
        """See ``Engine``."""
        pixels = torch.from_numpy(np.ascontiguousarray(pixels_BHW3)).to(self.device)
        tokens_BME: Float32Array = self._image(pixels).float().cpu().numpy()
        return tokens_BME

    @torch.inference_mode()
    def text_embeddings(self, texts: Sequence[str]) -> Float32Array:
        """See ``Engine``."""
        ids_NT = torch.from_numpy(self._tokenizer(texts))
        parts = [
            self._text(ids_NT[at : at + TEXT_BATCH].to(self.device)).float().cpu().numpy()
            for at in range(0, len(ids_NT), TEXT_BATCH)
        ]
        return np.concatenate(parts)

    def stay(self) -> None:
        """See ``Engine``."""

    @torch.inference_mode()
    def attention(self, pixels_BHW3: UInt8Array) -> Float32Array | None:
        """See ``Engine``."""
        model = self._image.model
        decoder = model.head if isinstance(model, HeadedModel) else getattr(model, "decoder", None)
        layers: Any = getattr(decoder, "layers", None)
        if not layers:
            return None
        given: list[tuple[Tensor, tuple[Tensor, Tensor]]] = []
        last = layers[-1].cross_attention
        hook = last.register_forward_pre_hook(lambda _, inputs: given.append(inputs))
        try:
            self.query_tokens(pixels_BHW3)
        finally:
            hook.remove()
        ((query_BMD, (key_BHPK, _)),) = given
        query_BHMK = split_heads(last.query(query_BMD), last.heads)
        fit_BHMP = query_BHMK @ key_BHPK.mT / query_BHMK.shape[-1] ** 0.5
        attention_BMP = torch.softmax(fit_BHMP.float(), -1).mean(1).cpu().numpy()
        return over_places(attention_BMP, self.bundle)

    @cached_property
    def _tokenizer(self) -> TextTokenizer:
        return TextTokenizer(self.bundle)

    @cached_property
    def _image(self) -> PixelsToTokens:
        config = self.bundle.architecture
        wrapped = PixelsToTokens(load_image_model(self.bundle), config)
        return wrapped.to(self.device, self.dtype).eval()

    @cached_property
    def _text(self) -> TextTower | ZeroShotText:
        return load_text_tower(self.bundle).to(self.device).eval()


def available(device: str) -> bool:
    """Whether torch can compute on ``device`` here."""
    if device == "cuda":
        return torch.cuda.is_available()
    if device == "mps":
        return torch.backends.mps.is_available()
    return device == "cpu"
