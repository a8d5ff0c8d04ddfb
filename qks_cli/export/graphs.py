"""Export to ONNX: pixels to query tokens, token ids to vectors of the label space.

Normalisation is part of the image graph, so that the CPU engine hands over plain uint8 pixels.
Weights that lie in the bundle's weights file already are read from there
(export/external_weights.py).
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from qks_cli.export.attention import expose_attention
from qks_cli.export.external_weights import use_external_weights
from qks_cli.export.padding import fixed_padding, fold_padding
from qks_cli.model.bundle import WEIGHTS
from qks_cli.network.config import ModelConfig
from qks_cli.network.pixels import PixelsToTokens
from qks_cli.network.text import TextTower
from qks_cli.network.zero_shot import ZeroShotText

OPSET = 18


def export_image(model: nn.Module, config: ModelConfig, path: Path) -> None:
    """Write ``image.onnx``: ``pixels`` uint8 [B, S, S, 3] to ``tokens`` float32 [B, M, E], and
    ``attention`` float32 [B, heads, M, P] for who asks for it (export/attention.py)."""
    side = config.image_size
    example = torch.zeros(2, side, side, 3, dtype=torch.uint8)
    wrapped = PixelsToTokens(model, config).eval()
    _export(wrapped, example, path, "pixels", "tokens", {0: "batch"})


def export_text(tower: TextTower | ZeroShotText, path: Path, *, length: int = 0) -> None:
    """Write ``text.onnx``: ``ids`` int64 [N, T] to ``vectors`` float32 [N, E]. open_clip's own
    towers read texts of one ``length`` T, small models' any."""
    if isinstance(tower, TextTower):
        ids = torch.tensor([[5, 6, 7, 1, 0, 0], [5, 1, 0, 0, 0, 0]])
        _export(tower.eval(), ids, path, "ids", "vectors", {0: "texts", 1: "length"})
        return
    known = next(one.num_embeddings for one in tower.modules() if isinstance(one, nn.Embedding))
    some = min(400, known)
    ids = torch.randint(1, some, (2, length), generator=torch.Generator().manual_seed(1))
    _export(tower.eval(), ids, path, "ids", "vectors", {0: "texts"})


def _export(
    module: nn.Module, example: Tensor, path: Path, given: str, wanted: str, axes: dict[int, str]
) -> None:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # it has no counterpart in ONNX
    with warnings.catch_warnings(), fixed_padding(module, example), torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (example,),
            str(path),
            input_names=[given],
            output_names=[wanted],
            dynamic_axes={given: axes, wanted: {0: axes[0]}},
            opset_version=OPSET,
            dynamo=False,
        )
    torch.backends.mha.set_fastpath_enabled(fused)
    model = onnx.load(str(path))
    fold_padding(model)
    expose_attention(model)
    onnx.save(model, str(path))
    use_external_weights(path, path.with_name(WEIGHTS))
