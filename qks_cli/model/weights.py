"""The only reader and writer of weights: a bundle's safetensors to torch modules and back.

``qks_cli.model.bundle`` finds and checks bundles without torch; this module adds what needs it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from qks_cli.errors import ModelError
from qks_cli.model.bundle import CONFIG, WEIGHTS, Bundle, file_hash
from qks_cli.network.config import ModelConfig
from qks_cli.network.head import ClipSource, CompactSource, FrozenModel, HeadedModel, build_head
from qks_cli.network.model import CompactModel, QksModel, build_model
from qks_cli.network.text import TextTower
from qks_cli.network.zero_shot import ZeroShotImage, ZeroShotText, build_clip

ImageModel = QksModel | CompactModel | ZeroShotImage | HeadedModel


def load_image_model(bundle: Bundle) -> ImageModel:
    """The image model in float32, in evaluation mode, on the CPU. Raises ``ModelError``."""
    config = bundle.architecture
    if config.head is not None:
        source = load_source(bundle)
        head = build_head(config.head, source, config.label_width)
        _fill(head, bundle, "head.")
        return HeadedModel(source, head).eval()
    if config.clip is not None:
        return ZeroShotImage(_load_clip(config.clip, bundle)).eval()
    model = build_model(config)
    _fill(model, bundle, "image.")
    return model.eval()


def load_source(bundle: Bundle) -> FrozenModel:
    """The frozen part that a head reads, without any head. Raises ``ModelError``."""
    config = bundle.architecture
    if config.clip is not None:
        return ClipSource(_load_clip(config.clip, bundle)).eval()
    model = build_model(config)
    _fill(model, bundle, "image.")
    if not isinstance(model, CompactModel):
        raise ModelError(f"the model {bundle.name} cannot be the base of another head")
    return CompactSource(model).eval()


def load_text_tower(bundle: Bundle) -> TextTower | ZeroShotText:
    """The text tower in float32, in evaluation mode, on the CPU. Raises ``ModelError``."""
    config = bundle.architecture
    if config.clip is not None:
        clip = _load_clip(config.clip, bundle)
        return ZeroShotText(clip, normalize=config.head is None).eval()
    if config.text is None:
        raise ModelError(f"the model {bundle.name} has no text tower of its own")
    tower = TextTower(config.text, config.label_width)
    _fill(tower, bundle, "text.")
    return tower.eval()


def round_to_half(*modules: nn.Module) -> None:
    """Bring weights to what half precision holds, so that graphs are made of what is stored."""
    for module in modules:
        for value in module.state_dict().values():
            if value.is_floating_point():
                value.copy_(value.half().float())


def write_weights(folder: Path, **modules: nn.Module) -> None:
    """``model.safetensors`` in half precision (integers as they are), names led by the module's."""
    tensors = {
        f"{prefix}.{name}": (value.half() if value.is_floating_point() else value).contiguous()
        for prefix, module in modules.items()
        for name, value in module.state_dict().items()
    }
    save_file(tensors, folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)


def write_config(
    folder: Path,
    model: ModelConfig,
    *,
    version: str,
    resize: str,
    templates: Sequence[str],
    label_length: float | None,
    extra: dict[str, Any] | None = None,
) -> None:
    """``config.json`` with the hash of every other file; written last, as it makes the bundle."""
    files = {
        path.name: file_hash(path)
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name not in (CONFIG, "README.md", "labels.txt")
    }
    config = {
        "version": version,
        "resize": resize,
        "templates": list(templates),
        "label_length": label_length,
        "model": model.to_dict(),
        "files": files,
    } | (extra or {})
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _load_clip(config: dict[str, Any], bundle: Bundle) -> nn.Module:
    clip = build_clip(config)
    _fill(clip, bundle, "clip.")
    return clip


def _fill(module: nn.Module, bundle: Bundle, prefix: str) -> None:
    path = bundle.file(WEIGHTS)
    try:
        stored = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from error
    tensors: dict[str, Tensor] = {
        name.removeprefix(prefix): value.float() if value.is_floating_point() else value
        for name, value in stored.items()
        if name.startswith(prefix)
    }
    try:
        with torch.no_grad():
            module.load_state_dict(tensors)
    except RuntimeError as error:
        raise ModelError(f"{path} does not fit the model in {CONFIG}: {error}") from error
