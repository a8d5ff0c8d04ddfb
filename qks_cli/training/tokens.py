"""Image tokens of a frozen backbone, kept on the disk.

A head can then be trained many times, or on a CPU, without running the backbone again; there is no
augmentation.

Axes: N photos, B photos of a batch, S image side, P image tokens, W their width.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from qks_cli.errors import TrainingError
from qks_cli.network.config import ModelConfig
from qks_cli.network.pixels import Normalise
from qks_cli.photos.loader import pixel_batches
from qks_cli.training.datasets.digest import stamp
from qks_cli.training.run import write_json
from qks_cli.types import BoolArray, IntArray

Report = Callable[[dict[str, Any]], None]
HALF = 2  # bytes of a kept number
SAVE_EVERY = 100  # batches


class TokenCache:
    """Image tokens [N, P, W] in half precision, one memory-mapped file; ``read_N`` marks the photos
    that could be read."""

    def __init__(self, folder: Path, shape: Sequence[int]) -> None:
        self.tokens_NPW = np.memmap(folder / "tokens.bin", np.float16, "r", shape=tuple(shape))
        self.read_N: BoolArray = np.load(folder / "read.npy")

    def batch(self, rows: IntArray) -> Tensor:
        """Float32 [B, P, W]."""
        return torch.from_numpy(self.tokens_NPW[rows].astype(np.float32))


def keep_tokens(
    folder: Path,
    files: Sequence[Any],
    source: nn.Module,
    config: ModelConfig,
    *,
    key: str,
    resize: str,
    device: str,
    report: Report,
    batch: int = 32,
) -> TokenCache:
    """Run the frozen ``source`` over all photos once; an interrupted run goes on, and tokens of
    another model (``key``) or other photos are made anew.

    Raises ``TrainingError`` where the disk lacks the space, which is told before anything is
    written.
    """
    shape = (len(files), int(source.tokens), int(source.width))  # type: ignore[arg-type]
    kept = _Kept(folder, shape, {"model": key, "photos": _listing(files), "resize": resize})
    done = kept.done()
    if done < len(files):
        kept.make_room(report)
        normalise = Normalise(config).to(device)
        batches = pixel_batches(
            files[done:], size=config.image_size, resize=resize, batch_size=batch
        )
        read_N, tokens_NPW = kept.open(done)
        with torch.inference_mode():
            for number, (part, pixels_BSS3, read_B) in enumerate(batches, 1):
                rows = slice(done + part.start, done + part.stop)
                memory_BPW = source(normalise(torch.from_numpy(pixels_BSS3).to(device)))
                tokens_NPW[rows] = memory_BPW.float().cpu().numpy()
                read_N[rows] = read_B
                if rows.stop == len(files) or number % SAVE_EVERY == 0:
                    tokens_NPW.flush()
                    kept.save(read_N, rows.stop)
                    report({"photos_read": rows.stop, "of": len(files)})
    return TokenCache(folder, shape)


def _listing(files: Sequence[Any]) -> str:
    """SHA-256 over the photos' places, names and sizes."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(os.fsencode(f"{file.parent}\0") + stamp(file))
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class _Kept:
    """The folder: ``tokens.bin``, ``read.npy``, and in ``tokens.json`` of what and how far."""

    folder: Path
    shape: tuple[int, int, int]
    about: dict[str, Any]

    @property
    def size(self) -> int:
        """Bytes of all tokens."""
        count, tokens, width = self.shape
        return count * tokens * width * HALF

    @property
    def have(self) -> int:
        """Bytes that the file takes already."""
        stored = self.folder / "tokens.bin"
        return stored.stat().st_size if stored.exists() else 0

    def done(self) -> int:
        """How many photos were read by a run that was cut off, or another one."""
        try:
            known = json.loads((self.folder / "tokens.json").read_text(encoding="utf-8"))
            done = int(known.pop("done", 0))
            fits = known == self.about | {"shape": list(self.shape)} and self.have == self.size
            return done if fits and (self.folder / "read.npy").is_file() else 0
        except (OSError, ValueError, TypeError, AttributeError):
            return 0

    def make_room(self, report: Report) -> None:
        """Say how large it gets. Raises ``TrainingError`` where it does not fit."""
        self.folder.mkdir(parents=True, exist_ok=True)
        size, free = self.size, shutil.disk_usage(self.folder).free
        told = {"tokens_gb": round(size / 1e9, 3), "photos": self.shape[0]}
        report(told | {"folder": str(self.folder)})
        if free < size - self.have:
            raise TrainingError(
                f"image tokens need {size / 1e9:.1f} GB in {self.folder}, {free / 1e9:.1f} are "
                "free",
                hint="give --out elsewhere, or --no-cache-tokens",
            )

    def open(self, done: int) -> tuple[BoolArray, Any]:
        """Which photos could be read so far [N], and the tokens to be filled in."""
        read_N = np.zeros(self.shape[0], bool)
        if done:
            read_N[:done] = np.load(self.folder / "read.npy")[:done]
        mode: Any = "r+" if self.have == self.size else "w+"
        return read_N, np.memmap(self.folder / "tokens.bin", np.float16, mode, shape=self.shape)

    def save(self, read_N: BoolArray, done: int) -> None:
        """Note how far it got."""
        np.save(self.folder / "read.npy", read_N)
        write_json(
            self.folder / "tokens.json",
            self.about | {"shape": list(self.shape), "done": done},
        )
