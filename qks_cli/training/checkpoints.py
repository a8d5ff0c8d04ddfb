"""A checkpoint is tensors plus readable JSON, replaced as a folder: a kill leaves the last one.

``state.pt`` holds model, averaged weights and optimiser; ``progress.json`` step and images seen.
"""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import torch

from qks_cli.errors import TrainingError

# An empty file, another file, a file cut off, JSON of another kind.
_DAMAGE = (OSError, ValueError, RuntimeError, TypeError, EOFError, pickle.UnpicklingError)


def save(folder: Path, tensors: dict[str, Any], progress: dict[str, Any]) -> None:
    """Write beside ``folder`` and swap; the checkpoint before it survives until the swap."""
    partial = folder.with_name(folder.name + ".partial")
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    torch.save(tensors, partial / "state.pt")
    (partial / "progress.json").write_text(json.dumps(progress, indent=2), encoding="utf-8")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.replace(old)
    partial.replace(folder)
    shutil.rmtree(old, ignore_errors=True)


def load(folder: Path) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The last whole checkpoint, or None. Raises ``TrainingError`` where it cannot be read."""
    old = folder.with_name(folder.name + ".old")
    found = folder if folder.exists() else old
    if not found.exists():
        return None
    try:
        progress = dict(json.loads((found / "progress.json").read_text(encoding="utf-8")))
        tensors = dict(torch.load(found / "state.pt", map_location="cpu", weights_only=True))
    except _DAMAGE as error:
        raise TrainingError(
            f"the checkpoint {found} cannot be read: {error}", hint="remove it to start again"
        ) from error
    return tensors, progress
