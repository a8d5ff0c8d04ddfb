"""What a head reads of the photos: augmented views, or image tokens that were kept.

Keeping the tokens of a frozen backbone lets a head be trained many times, or on a CPU, without
running the backbone again; there is no augmentation then.

Axes: N photos, B photos of a batch, S image side, P image tokens, W their width.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import RandAugment

from qks_cli.errors import TrainingError
from qks_cli.network.config import ModelConfig
from qks_cli.network.pixels import Normalise
from qks_cli.photos.decode import read_photo
from qks_cli.photos.loader import pixel_batches
from qks_cli.training.datasets.labelled import BoolArray
from qks_cli.types import IntArray

Report = Callable[[dict[str, Any]], None]
HALF = 2  # bytes of a kept number
SAVE_EVERY = 100  # batches


class Views(Dataset[tuple[Tensor, bool]]):
    """Augmented photos (specification, Optimisation): resized as the model resizes, one Cutout
    rectangle with sides of half the image, horizontal flip, RandAugment.

    Item (row, epoch) is uint8 [S, S, 3] and whether the photo could be read; every draw is a
    function of seed, epoch and row.
    """

    def __init__(self, files: Sequence[Any], size: int, resize: str, seed: int) -> None:
        self.files = files
        self.size = size
        self.resize = resize
        self.seed = seed
        self.augment = RandAugment()

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, item: tuple[int, int]) -> tuple[Tensor, bool]:
        row, epoch = item
        pixels = np.zeros((self.size, self.size, 3), np.uint8)
        if not read_photo(self.files[row], self.resize, pixels):
            return torch.from_numpy(pixels), False
        rng = np.random.default_rng((self.seed, epoch, row))
        if rng.random() < 0.5:
            pixels = pixels[:, ::-1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**31)))
            changed = np.array(self.augment(Image.fromarray(np.ascontiguousarray(pixels))))
        half = self.size // 2
        top, left = rng.integers(0, self.size - half + 1, 2)
        changed[top : top + half, left : left + half] = 0
        return torch.from_numpy(changed), True


def view_batches(
    views: Views, batches: Sequence[IntArray], epoch: int, workers: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Pixels uint8 [B, S, S, 3] and which photos could be read [B], for each batch of rows."""
    items = [[(int(row), epoch) for row in rows] for rows in batches]
    loader: DataLoader[tuple[Tensor, bool]] = DataLoader(
        views, batch_sampler=items, num_workers=workers
    )
    yield from loader


class TokenCache:
    """Image tokens [N, P, W] in half precision, one memory-mapped file; ``read_N`` marks the photos
    that could be read."""

    def __init__(self, folder: Path, count: int, tokens: int, width: int) -> None:
        self.tokens_NPW = np.memmap(
            folder / "tokens.bin", np.float16, "r", shape=(count, tokens, width)
        )
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
    count, tokens, width = len(files), int(source.tokens), int(source.width)  # type: ignore[arg-type]
    listing = hashlib.sha256("\n".join(map(str, files)).encode(errors="surrogateescape"))
    wanted = {
        "model": key,
        "photos": listing.hexdigest(),
        "shape": [count, tokens, width],
        "resize": resize,
    }
    state = folder / "tokens.json"
    folder.mkdir(parents=True, exist_ok=True)
    known = json.loads(state.read_text(encoding="utf-8")) if state.is_file() else {}
    done = int(known.pop("done", 0)) if known else 0
    size = count * tokens * width * HALF
    stored = folder / "tokens.bin"
    have = stored.stat().st_size if stored.exists() else 0
    if known != wanted or have != size:
        done = 0
    if done < count:
        report({"tokens_gb": round(size / 1e9, 3), "photos": count, "folder": str(folder)})
        free = shutil.disk_usage(folder).free
        if free < size - have:
            raise TrainingError(
                f"image tokens need {size / 1e9:.1f} GB in {folder}, {free / 1e9:.1f} are free",
                hint="give --out elsewhere, or --no-cache-tokens",
            )
        read_N = np.zeros(count, bool)
        if done:
            read_N[:done] = np.load(folder / "read.npy")[:done]
        mapped = np.memmap(
            stored,
            np.float16,
            "r+" if have == size else "w+",
            shape=(count, tokens, width),
        )
        normalise = Normalise(config).to(device)
        batches = pixel_batches(
            files[done:], size=config.image_size, resize=resize, batch_size=batch
        )
        with torch.inference_mode():
            for number, (part, pixels_BSS3, read_B) in enumerate(batches, 1):
                rows = slice(done + part.start, done + part.stop)
                memory_BPW = source(normalise(torch.from_numpy(pixels_BSS3).to(device)))
                mapped[rows] = memory_BPW.float().cpu().numpy()
                read_N[rows] = read_B
                if rows.stop == count or number % SAVE_EVERY == 0:
                    mapped.flush()
                    np.save(folder / "read.npy", read_N)
                    state.write_text(json.dumps(wanted | {"done": rows.stop}), encoding="utf-8")
                    report({"photos_read": rows.stop, "of": count})
    return TokenCache(folder, count, tokens, width)
