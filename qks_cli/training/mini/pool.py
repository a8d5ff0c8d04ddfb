"""The training pool: labelled photos and what the teachers say about each.

The layout is `photos.jsonl` beside `<source>.zip`, and a teachers' folder whose rows are aligned
with it. ``pack`` decodes every photo once into one flat file that is then memory-mapped.

Axes: N photos, V teacher views (4), K kept teacher classes, G×G cells of the stuff grid.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from qks_cli.errors import TrainingError
from qks_cli.photos.recognise import PILLOW_FORMATS
from qks_cli.types import UInt8Array


@dataclass(frozen=True, slots=True)
class PoolPhoto:
    """One line of ``photos.jsonl`` in ``pool``. ``labels`` are true; what is not listed may be
    unknown."""

    pool: Path
    file: str
    source: str
    labels: tuple[str, ...]
    captions: tuple[str, ...]
    held_out: tuple[str, ...]


def read_photos(*pools: Path) -> list[PoolPhoto]:
    """The photos of one or more pools, in the order of their files. Raises ``TrainingError`` where
    a list is missing."""
    return [photo for pool in pools for photo in _listed(pool)]


def _listed(pool: Path) -> Iterator[PoolPhoto]:
    listing = pool / "photos.jsonl"
    if not listing.is_file():
        raise TrainingError(
            f"no training pool at {pool}", hint="give the folder that holds photos.jsonl"
        )
    with listing.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield PoolPhoto(
                pool,
                row["file"],
                row["source"],
                tuple(row["labels"]),
                tuple(row.get("captions", ())),
                tuple(row.get("held_out", ())),
            )


def kept_apart(photo: PoolPhoto) -> bool:
    """Whether a photo is in the fiftieth that is never trained on, but calibrated on."""
    return zlib.crc32(photo.file.encode()) % 50 == 0


class PackedPixels:
    """Decoded photos in one memory-mapped file; item i is uint8 [H, W, 3], never copied."""

    def __init__(self, folder: Path) -> None:
        table = np.load(folder / "table.npy")
        self.offsets: Any = table[:, 0]
        self.shapes: Any = table[:, 1:]
        self.pixels: UInt8Array = np.memmap(folder / "pixels.bin", np.uint8, "r")

    def __len__(self) -> int:
        return len(self.offsets)

    def __getitem__(self, row: int) -> UInt8Array:
        height, width = (int(side) for side in self.shapes[row])
        start = int(self.offsets[row])
        return self.pixels[start : start + height * width * 3].reshape(height, width, 3)


def pack(photos: list[PoolPhoto], folder: Path) -> PackedPixels:
    """Decode the photos into ``folder`` once, about 65 KB a photo, and map it; later calls map.

    Raises ``TrainingError`` for a photo that the archives do not hold.
    """
    if not (folder / "table.npy").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        rows = []
        offset = 0
        with (folder / "pixels.bin").open("wb") as out:
            for pixels in _decoded(photos):
                rows.append((offset, *pixels.shape[:2]))
                out.write(pixels.tobytes())
                offset += pixels.size
        temporary = folder / "table.partial.npy"
        np.save(temporary, np.array(rows, np.int64))
        temporary.replace(folder / "table.npy")
    return PackedPixels(folder)


def _decoded(photos: list[PoolPhoto]) -> Iterator[UInt8Array]:
    archives: dict[Path, zipfile.ZipFile] = {}

    def entry(photo: PoolPhoto) -> bytes:
        source, name = photo.file.split("/", 1)
        archive = photo.pool / f"{source}.zip"
        try:
            if archive not in archives:
                archives[archive] = zipfile.ZipFile(archive)
            return archives[archive].read(name)
        except (OSError, KeyError) as error:
            raise TrainingError(f"the pool lacks {photo.file}: {error}") from error

    def decode(data: bytes) -> UInt8Array:
        with Image.open(io.BytesIO(data), formats=PILLOW_FORMATS) as image:
            return np.asarray(image.convert("RGB"))

    with ThreadPoolExecutor(2) as threads:
        for start in range(0, len(photos), 512):
            yield from threads.map(decode, [entry(p) for p in photos[start : start + 512]])
