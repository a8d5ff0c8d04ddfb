"""Photos and libraries without a model behind them, for benchmarks of what shows them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image

from qks_cli.library.store import Library
from qks_cli.types import Details, Photo, Tag, TaggedPhoto

LABELS = [f"label{n}" for n in range(300)]
QUERIES, WIDTH = 8, 129
PART = 5000  # photos stored at a time
GRAIN = 6  # deviation of the noise, of 255


def make_photos(folder: Path, count: int, size: tuple[int, int], different: int) -> list[Path]:
    """Write JPEGs of smooth colours with some grain, sorted by name: ``different`` pictures, and
    links to these under other names. ``size`` is width and height."""
    rng = np.random.default_rng(1)
    folder.mkdir()
    for n in range(min(count, different)):
        small = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8))
        pixels_HW3 = np.asarray(small.resize(size, Image.Resampling.BICUBIC)).astype(np.int16)
        grainy_HW3 = pixels_HW3 + rng.normal(0, GRAIN, pixels_HW3.shape)
        image = Image.fromarray(grainy_HW3.clip(0, 255).astype(np.uint8))
        image.save(folder / f"{n:06d}.jpg", quality=88)
    for n in range(different, count):
        os.link(folder / f"{n % different:06d}.jpg", folder / f"{n:06d}.jpg")
    return sorted(folder.iterdir())


def make_library(file: Path, paths: list[Path], size: tuple[int, int]) -> None:
    """A library of photos of one size with random tags, dates and query tokens."""
    rng = np.random.default_rng(2)
    with Library.open(file) as library:
        model = library.models.id_of("benchmark", "1", "hash", QUERIES, WIDTH)
        words = library.vocabularies.id_of("digest", "\n".join(LABELS))
        library.runs.begin("tag", model, words)
        for at in range(0, len(paths), PART):
            tagged = []
            for path in paths[at : at + PART]:
                status = path.stat()
                own = rng.choice(len(LABELS), rng.integers(0, 12), replace=False)
                year, day = rng.integers(1990, 2026), rng.integers(1, 29)
                tagged.append(
                    TaggedPhoto(
                        Photo(path, status.st_size, status.st_mtime_ns),
                        tuple(Tag(LABELS[x], 0.9, 0) for x in own),
                        rng.normal(size=(QUERIES, WIDTH)).astype(np.float16),
                        size,
                        None,
                        Details(taken_at=f"{year}-07-{day:02}T12:00:00"),
                    )
                )
            library.save(tagged, (), model_id=model, vocabulary_id=words, selection="")
