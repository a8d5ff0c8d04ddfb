"""How a large library behaves: seconds of whole commands over N photos; one JSON line.

The photos are tiny JPEGs; their query tokens are those of evaluation photos, perturbed, and stored
without reading a file, as if `qks tag` had. Then whole commands are timed, each a new process:
`tag` over unchanged files, `status`, `retag` with 1,000 labels, searches, `clusters`.
``recall_20``: of the twenty best photos by every query token, the share that a search finds by its
compact first pass, the mean over 60 phrases and the least.

    python benchmarks/library.py --data EVAL --photos 100000 --folder SCRATCH
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

from qks_cli.evaluation import protocol
from qks_cli.evaluation.protocol import EvaluationSet
from qks_cli.library.store import Library
from qks_cli.model.bundle import read_bundle
from qks_cli.model.engine import open_engine
from qks_cli.model.model import Model, Phrase
from qks_cli.photos.fingerprint import fingerprint
from qks_cli.photos.walk import walk
from qks_cli.search.evaluation import Meaning
from qks_cli.search.plan import make_plan
from qks_cli.search.ranking import Evidence, search
from qks_cli.types import TaggedPhoto
from qks_cli.vocabulary.labels_file import read_labels
from qks_cli.workflows.tag import Tagging

PER_FOLDER = 500
CHUNK = 4096
KINDS = (
    "red blue green yellow white black old new small large wooden broken wet bright dark".split()
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of evaluation sets")
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, required=True, help="scratch folder")
    given = parser.parse_args()
    db = given.folder / "library.db"
    photos = given.folder / "photos"
    os.environ["QKS_DB"], os.environ["QKS_CACHE"] = str(db), str(given.folder / "cache")
    if not db.exists():
        make_files(photos, given.photos)
        fill(db, photos, given.data)
    bundle = read_bundle("mini")
    own, _ = read_labels(bundle.path / "labels.txt")
    words = [f"{kind} {name}" for kind, name in product(KINDS, own.names)]
    labels = given.folder / "labels.txt"
    labels.write_text("\n".join(words[:1000]) + "\n", encoding="utf-8")
    report: dict[str, object] = {"photos": given.photos, "library_mb": db.stat().st_size // 10**6}
    timed("retag")  # an earlier benchmark may have left other labels
    report["tag_unchanged_s"] = timed("tag", photos, "--format", "paths")
    report["status_s"] = timed("status", photos)
    one = next(photos.rglob("*.jpg"))
    timed("tag", one, "--labels", labels, "--dry-run")  # embeds the labels, once
    report["retag_1000_labels_s"] = timed("retag", "--labels", labels)
    report["retag_peak_mb"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    report["retag_back_s"] = timed("retag")
    timed("search", "sky", "--semantic-only")  # makes compact vectors where there are none
    for name, words_ in {
        "search_tags_s": ["search", "sky", "--tags-only"],
        "search_filter_s": ["search", "tag:sky -tag:person type:jpg folder:0042"],
        "search_meaning_s": ["search", "people dancing in the rain", "--semantic-only"],
        "search_s": ["search", "dog beach"],
        "search_sum_s": ["search", "2:dog + beach - people"],
        "similar_s": ["similar", str(one)],
    }.items():
        report[name] = round(statistics.median(timed(*words_) for _ in range(3)), 2)
    timed_peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    report["peak_mb"] = timed_peak
    report["clusters_s"] = timed("clusters")
    report["recall_20"], report["recall_20_least"] = recall(db, own.names[:: len(own.names) // 60])
    print(json.dumps(report))


def recall(db: Path, phrases: Sequence[str], count: int = 20) -> tuple[float, float]:
    """Mean and least share of the best photos that are found with the first pass."""
    model = Model.open("mini")
    shares = []
    with Library.open(db) as library:
        for phrase in phrases:
            plan = make_plan(f'"{phrase}"', lambda word: None)
            (meant,) = model.meanings([[Phrase(phrase)]])
            meaning = Meaning(meant.vector_E, meant.probabilities)
            evidence = Evidence(
                library.models.stored(model.hash), {plan.phrases[0]: meaning}, by_tags=False
            )
            every, fast = (
                {hit.path for hit in search(library, plan, evidence, limit=count, exact=exact)}
                for exact in (True, False)
            )
            shares.append(len(every & fast) / max(1, len(every)))
    return round(statistics.mean(shares), 4), round(min(shares), 2)


def make_files(folder: Path, count: int) -> None:
    """Tiny JPEGs, all different, in sub-folders."""
    for number in range(count):
        place = folder / f"{number // PER_FOLDER:04}"
        if number % PER_FOLDER == 0:
            place.mkdir(parents=True)
        stream = io.BytesIO()
        colour = (number % 256, number // 256 % 256, number // 65536)
        Image.new("RGB", (8, 8), colour).save(stream, "JPEG")
        (place / f"{number:07}.jpg").write_bytes(stream.getvalue() + number.to_bytes(4, "little"))


def fill(db: Path, folder: Path, data: Path) -> None:
    """Store perturbed tokens of the evaluation photos, and the tags that they give."""
    bundle = read_bundle("mini")
    engine = open_engine(bundle, "cpu")
    vocabulary, _ = read_labels(bundle.path / "labels.txt")
    tagging = Tagging.of(Model(bundle, engine=engine), vocabulary)
    tagger = tagging.tagger
    sets = [EvaluationSet.read(data / name) for name in ("coco", "msrc", "corel5k")]
    real = np.concatenate([protocol.photo_tokens(bundle, engine, one.photos) for one in sets])
    rng = np.random.default_rng(1)
    found = list(walk([folder]))
    with Library.open(db) as library:
        target = tagging.destination(library)
        run = library.runs.begin("tag", target.model_id, target.vocabulary_id)
        for at in range(0, len(found), CHUNK):
            part = found[at : at + CHUNK]
            noise = rng.normal(0, 0.1 * real.std(), (len(part), *real.shape[1:]))
            tokens = (real[rng.integers(0, len(real), len(part))] + noise).astype(np.float16)
            library.save(
                [
                    TaggedPhoto(photo, tags, own, (8, 8), fingerprint(photo.path))
                    for photo, tags, own in zip(
                        part, tagger(tokens.astype(np.float32)), tokens, strict=True
                    )
                ],
                [],
                model_id=target.model_id,
                vocabulary_id=target.vocabulary_id,
                selection=tagger.selection,
            )
        library.runs.finish(run, tagged=len(found), failed=0, status="done")


def timed(*words: object) -> float:
    """Seconds of one whole command."""
    command = [sys.executable, "-m", "qks_cli", *map(str, words)]
    began = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    if done.returncode > 1:
        raise SystemExit(done.stderr.decode())
    return round(time.perf_counter() - began, 2)


if __name__ == "__main__":
    main()
