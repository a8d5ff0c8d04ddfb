"""How long `qks report` takes: a library of many small synthetic photos, without any model.

    python benchmarks/report.py --photos 10000

Photos are JPEGs of 640×480 smooth noise, tags and query tokens are random. The first report makes
every thumbnail, the second takes them from the cache. Seconds of the clock and of all processors
are told, the latter because a machine that does other work meanwhile stretches the former.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from qks_cli.library.store import Library
from qks_cli.settings import processors
from qks_cli.types import Details, Photo, Tag, TaggedPhoto
from qks_cli.workflows.photo_report import ReportOptions, make_report

DIFFERENT = 200  # pictures; the others are copies of them under other names
LABELS = [f"label {n}" for n in range(300)]
QUERIES, WIDTH = 8, 129


def photos(folder: Path, count: int) -> list[Path]:
    """Write the photos."""
    rng = np.random.default_rng(1)
    folder.mkdir()
    for n in range(min(count, DIFFERENT)):
        small = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8))
        image = small.resize((640, 480), Image.Resampling.BICUBIC)
        noisy = np.asarray(image).astype(np.int16) + rng.normal(0, 6, (480, 640, 3))
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(
            folder / f"{n:06d}.jpg", quality=88
        )
    for n in range(DIFFERENT, count):
        shutil.copyfile(folder / f"{n % DIFFERENT:06d}.jpg", folder / f"{n:06d}.jpg")
    return sorted(folder.iterdir())


def library(file: Path, paths: list[Path]) -> Library:
    """A library with random tags, dates and query tokens."""
    rng = np.random.default_rng(2)
    opened = Library.open(file)
    model = opened.models.id_of("benchmark", "1", "hash", QUERIES, WIDTH)
    words = opened.vocabularies.id_of("digest", "\n".join(LABELS))
    opened.runs.begin("tag", model, words)
    tagged = []
    for path in paths:
        status = path.stat()
        own = rng.choice(len(LABELS), rng.integers(0, 12), replace=False)
        tagged.append(
            TaggedPhoto(
                Photo(path, status.st_size, status.st_mtime_ns),
                tuple(Tag(LABELS[x], 0.9, 0) for x in own),
                rng.normal(size=(QUERIES, WIDTH)).astype(np.float16),
                (640, 480),
                None,
                Details(taken_at=f"{rng.integers(1990, 2026)}-07-01T12:00:00"),
            )
        )
    opened.save(tagged, (), model_id=model, vocabulary_id=words, selection="")
    return opened


def seconds_used() -> float:
    """Of processors, by this process and those that ended under it."""
    return sum(os.times()[:4])


def main() -> None:
    """Build, report twice, print one JSON line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--sheet", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["QKS_CACHE"] = str(folder / "cache")
        paths = photos(folder / "photos", arguments.photos)
        with library(folder / "library.db", paths) as opened:
            ids = opened.photos.tagged_ids()
            for run in ("first", "again"):
                clock, used = time.perf_counter(), seconds_used()
                options = ReportOptions(sheets=arguments.sheet)
                made = make_report(opened, ids, folder / "out", options)
                files = [path for path in (folder / "out").rglob("*") if path.is_file()]
                figures = {
                    "run": run,
                    "photos": made.photos,
                    "seconds": round(time.perf_counter() - clock, 1),
                    "processor_seconds": round(seconds_used() - used, 1),
                    "processors": processors(),
                    "page_mb": round(made.page.stat().st_size / 2**20, 2),
                    "folder_mb": round(sum(path.stat().st_size for path in files) / 2**20, 1),
                }
                print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
