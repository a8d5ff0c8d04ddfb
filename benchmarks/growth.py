"""How searches grow with a library, from 1,000 photos to 1,000,000: one JSON line a size.

Query tokens are those of evaluation photos, perturbed; there are no files. Whole commands are
timed, each a new process, the median of three, after one that makes what is missing. ``--rclip``
times rclip's search over as many vectors beside it. ``--plot FILE`` draws all of it.

    python benchmarks/growth.py --data EVAL --folder SCRATCH --plot docs/growth.svg
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from qks_cli.evaluation import protocol
from qks_cli.evaluation.protocol import EvaluationSet
from qks_cli.library.store import Library
from qks_cli.model.bundle import read_bundle
from qks_cli.model.engine import open_engine
from qks_cli.model.model import Model
from qks_cli.types import Float16Array, Photo, TaggedPhoto
from qks_cli.vocabulary.labels_file import read_labels
from qks_cli.workflows.tag import Tagging

SIZES = (1_000, 10_000, 100_000, 1_000_000)
CHUNK = 4096
QUERIES = {
    "tags_s": ["search", "sky", "--tags-only"],
    "meaning_s": ["search", "people dancing in the rain", "--semantic-only"],
    "like_s": ["search", "like:/photos/000/0000500.jpg"],
}


def fill(db: Path, real: Float16Array, count: int) -> None:
    """A library of ``count`` photos."""
    bundle = read_bundle("mini")
    vocabulary, _ = read_labels(bundle.path / "labels.txt")
    tagging = Tagging.of(Model(bundle), vocabulary)
    tagger = tagging.tagger
    rng = np.random.default_rng(1)
    with Library.open(db) as library:
        target = tagging.destination(library)
        run = library.runs.begin("tag", target.model_id, target.vocabulary_id)
        for at in range(0, count, CHUNK):
            size = min(CHUNK, count - at)
            noise = rng.normal(0, 0.1 * real.std(), (size, *real.shape[1:])).astype(np.float32)
            tokens = (real[rng.integers(0, len(real), size)] + noise).astype(np.float16)
            photos = [
                TaggedPhoto(Photo(Path(f"/photos/{n // 1000:03}/{n:07}.jpg"), n, n), tags, own)
                for n, tags, own in zip(
                    range(at, at + size), tagger(tokens.astype(np.float32)), tokens, strict=True
                )
            ]
            library.save(
                photos,
                (),
                model_id=target.model_id,
                vocabulary_id=target.vocabulary_id,
                selection=tagger.selection,
            )
        library.runs.finish(run, tagged=count, failed=0, status="done")


def seconds(command: list[str], **environment: str) -> float:
    """Of one whole command."""
    began = time.perf_counter()
    done = subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=os.environ | environment
    )
    if done.returncode > 1:
        raise SystemExit(done.stderr.decode())
    return time.perf_counter() - began


def rclip(program: str, model: Path, scratch: Path, count: int) -> float:
    """rclip's search over random vectors in its own database; it looks at no file."""
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(model, scratch)
    photos = scratch / "photos"
    photos.mkdir()
    command = [program, "--no-indexing", "-f", "a dog"]
    environment = {"RCLIP_DATADIR": str(scratch)}
    subprocess.run(command, cwd=photos, env=os.environ | environment, capture_output=True)
    rng = np.random.default_rng(1)
    with sqlite3.connect(next(scratch.glob("*.sqlite3"))) as database:
        for at in range(0, count, CHUNK):
            vectors = rng.normal(size=(min(CHUNK, count - at), 512)).astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            database.executemany(
                "INSERT INTO images (deleted, filepath, modified_at, size, vector) "
                "VALUES (NULL, ?, 0, 1, ?)",
                [
                    (f"{photos}/{at + row:07}.jpg", vector.tobytes())
                    for row, vector in enumerate(vectors)
                ],
            )

    def once() -> float:
        began = time.perf_counter()
        done = subprocess.run(
            command, cwd=photos, env=os.environ | environment, capture_output=True
        )
        if done.returncode or not done.stdout:
            raise SystemExit(done.stderr.decode()[-2000:])
        return time.perf_counter() - began

    return round(statistics.median(once() for _ in range(3)), 2)


def plot(rows: list[dict[str, float]], file: Path) -> None:
    """Seconds over photos, both logarithmic."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.6))
    names = {"tags_s": "by tags", "meaning_s": "by meaning", "like_s": "like a photo"}
    for key, name in (names | {"rclip_s": "rclip, by meaning"}).items():
        points = [(row["photos"], row[key]) for row in rows if key in row]
        if points:
            axes.plot(*zip(*points, strict=True), marker="o", label=name)
    axes.set(xscale="log", yscale="log", xlabel="photos", ylabel="seconds, a new process")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of evaluation sets")
    parser.add_argument("--folder", type=Path, required=True, help="scratch folder")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--rclip", help="rclip's command")
    parser.add_argument("--rclip-data", type=Path, help="folder with rclip's model")
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    bundle = read_bundle("mini")
    sets = [EvaluationSet.read(given.data / name) for name in ("coco", "msrc", "corel5k")]
    engine = open_engine(bundle, "cpu")
    real = np.concatenate([protocol.photo_tokens(bundle, engine, one.photos) for one in sets])
    rows = []
    for count in given.sizes:
        db = given.folder / f"{count}.db"
        given.folder.mkdir(parents=True, exist_ok=True)
        if not db.exists():
            fill(db, real, count)
        row: dict[str, float] = {"photos": count, "library_mb": db.stat().st_size // 10**6}
        for name, words in QUERIES.items():
            command = [sys.executable, "-m", "qks_cli", *words, "--db", str(db)]
            first = seconds(command)
            if name == "meaning_s":
                row["first_meaning_s"] = round(first, 2)
            row[name] = round(statistics.median(seconds(command) for _ in range(3)), 2)
        row["peak_mb"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
        if given.rclip:
            scratch = given.folder / "rclip"
            row["rclip_s"] = rclip(given.rclip, given.rclip_data, scratch, count)
        rows.append(row)
        print(json.dumps(row), flush=True)
        if given.plot:
            plot(rows, given.plot)


if __name__ == "__main__":
    main()
