"""Make camera-sized JPEGs out of small photos, so that decoding costs what it costs in life.

Each is enlarged to 5 to 12 megapixels, given sensor-like grain and saved at quality 92 with 4:2:0;
a quarter carries an EXIF orientation. Deterministic.

    python benchmarks/make_camera_jpegs.py PHOTOS OUT --count 200
"""

from __future__ import annotations

import argparse
import random
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def make(task: tuple[Path, Path, int]) -> int:
    """Write one JPEG; returns its size in bytes."""
    source, target, seed = task
    chance = random.Random(seed)
    rng = np.random.default_rng(seed)
    with Image.open(source, formats=("JPEG", "PNG", "WEBP")) as image:
        photo = image.convert("RGB")
    pixels = chance.uniform(5e6, 12e6)
    scale = (pixels / (photo.width * photo.height)) ** 0.5
    size = (round(photo.width * scale), round(photo.height * scale))
    large = np.asarray(photo.resize(size, Image.Resampling.BICUBIC)).astype(np.int16)
    # Grain that grows with brightness, as photon noise does; one tile is repeated, which costs
    # the decoder as much as fresh noise would.
    tile = rng.normal(0, 1, (512, 512, 3)).astype(np.float32)
    noise = np.tile(tile, (size[1] // 512 + 1, size[0] // 512 + 1, 1))[: size[1], : size[0]]
    grainy = large + (noise * (3.0 + 0.3 * np.sqrt(large))).astype(np.int16)
    exif = Image.Exif()
    exif[0x0112] = chance.choice([1, 1, 1, 6])
    made = Image.fromarray(grainy.clip(0, 255).astype(np.uint8))
    made.save(target, quality=92, subsampling="4:2:0", exif=exif)
    return target.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=200)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    sources = sorted(p for p in given.photos.rglob("*") if p.suffix.lower() in SUFFIXES)
    tasks = [
        (sources[n % len(sources)], given.out / f"camera_{n:05}.jpg", n) for n in range(given.count)
    ]
    with ProcessPoolExecutor() as pool:
        sizes = list(pool.map(make, tasks, chunksize=4))
    print(f"{len(sizes)} JPEGs, {sum(sizes) / len(sizes) / 1e6:.1f} MB each on average")


if __name__ == "__main__":
    main()
