"""How many raw files a second `qks tag` tags: with a preview as large as the picture, with a small
one, and without any, so that they are developed.

    python benchmarks/raw.py [--count 240] [--repeat 3] [--keep FOLDER] [--make-only]

The files are DNGs of 24 megapixels, 48 MB of uncompressed sensor data each, made of the example
photos with grain; those without a preview are a fifth of --count. Where there is a preview the
sensor's data is not read, and is a hole in the file here. Every figure is a whole command from cold
start with a library of its own, by the clock and in processor time; the files are in the system's
cache, as far as it holds them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from speed import Run, run, summary

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
SIZE = (6000, 4000)
SENSOR = SIZE[0] * SIZE[1] * 2  # bytes, the last ones of a file
PICTURES = 4  # that the files are made of
# Sides of the preview, None: there is none.
KINDS: dict[str, tuple[int, int] | None] = {
    "full preview": SIZE,
    "small preview": (1616, 1080),
    "no preview": None,
}


def pictures() -> Iterator[Image.Image]:
    """Example photos at the size of the sensor, with grain."""
    rng = np.random.default_rng(0)
    grain = rng.normal(0, 6, (512, 512, 3)).astype(np.float32)
    noise = np.tile(grain, (SIZE[1] // 512 + 1, SIZE[0] // 512 + 1, 1))[: SIZE[1], : SIZE[0]]
    for path in sorted((ROOT / "examples" / "photos").glob("*.jpg"))[:PICTURES]:
        with Image.open(path, formats=("JPEG",)) as photo:
            large = np.asarray(photo.convert("RGB").resize(SIZE, Image.Resampling.BICUBIC))
        yield Image.fromarray((large + noise).clip(0, 255).astype(np.uint8))


def count_of(kind: str, count: int) -> int:
    """How many files there are of a kind."""
    return count if KINDS[kind] else count // 5


def make(folder: Path, count: int) -> None:
    """Write the files."""
    from tests.photos.made import dng, saved

    numbers = dict.fromkeys(KINDS, 0)
    for picture in pictures():
        for kind, size in KINDS.items():
            own = folder / kind.replace(" ", "-")
            own.mkdir(parents=True, exist_ok=True)
            small = None if size is None else picture.resize(size) if size != SIZE else picture
            preview = None if small is None else saved(small, "JPEG", quality=92)
            made = dng(picture, preview=preview)
            for _ in range(count_of(kind, count) // PICTURES):
                number = numbers[kind]
                numbers[kind] += 1
                # Another time in each: equal files would be compared byte by byte.
                time = f"12:{number // 60:02}:{number % 60:02}".encode()
                with (own / f"raw_{number:04}.dng").open("wb") as file:
                    data = made.replace(b"12:30:00", time, 1)
                    file.write(data if size is None else data[:-SENSOR])
                    file.truncate(len(data))


def tag(folder: Path) -> Run:
    """One command over a folder."""
    with tempfile.TemporaryDirectory() as scratch:
        environment = dict(os.environ, QKS_CACHE=str(Path(scratch) / "cache"), PYTHONPATH=str(ROOT))
        command = [sys.executable, "-m", "qks_cli", "tag", str(folder), "--quiet", "--db"]
        return run([*command, str(Path(scratch) / "l.db")], environment, folder=Path(scratch))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=240)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="folder for the files")
    parser.add_argument("--make-only", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        if not (folder / "no-preview" / f"raw_{given.count // 5 - 1:04}.dng").exists():
            make(folder, given.count)
        if given.make_only:
            return
        for kind in KINDS:
            runs = [tag(folder / kind.replace(" ", "-")) for _ in range(given.repeat)]
            print(
                json.dumps({"kind": kind} | summary(runs, count_of(kind, given.count))), flush=True
            )


if __name__ == "__main__":
    main()
