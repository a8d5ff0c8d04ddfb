"""How long `qks --help` and a search over many photos take, from cold start; one JSON line.

The library is synthetic: the query tokens of the bundled example photos, perturbed, under as many
names as asked for, tagged with the default vocabulary. Medians of whole commands.

    python benchmarks/startup.py --photos 10000
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from qks_cli.evaluation.protocol import photo_tokens
from qks_cli.library.store import Library
from qks_cli.model.bundle import read_bundle
from qks_cli.model.engine import open_engine
from qks_cli.model.model import Model
from qks_cli.types import Photo, TaggedPhoto
from qks_cli.vocabulary.labels_file import format_labels, read_labels

EXAMPLES = Path(__file__).parent.parent / "examples" / "photos"
CHUNK = 500
QUERIES = ("dog beach", "a cup of coffee", "people dancing in the rain")


def fill(path: Path, photos: int) -> None:
    """A library of ``photos`` rows with tokens and tags, as `qks tag` would have left it."""
    bundle = read_bundle("mini")
    engine = open_engine(bundle, "cpu")
    vocabulary, _ = read_labels(bundle.path / "labels.txt")
    tagger = Model(bundle, engine=engine).tagger(vocabulary)
    examples_NME = photo_tokens(bundle, engine, sorted(EXAMPLES.glob("*.*")))
    rng = np.random.default_rng(1)
    with Library.open(path) as library:
        model = library.models.id_of(
            bundle.name, bundle.version, bundle.hash, bundle.queries, bundle.width
        )
        words = library.vocabularies.id_of(vocabulary.digest, format_labels(vocabulary))
        run = library.runs.begin("tag", model, words)
        for start in range(0, photos, CHUNK):
            rows = np.arange(start, min(start + CHUNK, photos))
            tokens_NME = examples_NME[rows % len(examples_NME)]
            noise_NME = rng.normal(0, tokens_NME.std(), tokens_NME.shape)
            tokens_NME = (tokens_NME + 0.5 * noise_NME).astype(np.float16)
            tags = tagger(tokens_NME.astype(np.float32))
            tagged = [
                TaggedPhoto(Photo(Path(f"/photos/{row:07}.jpg"), 1, 1), own, tokens_ME, (4, 3))
                for row, own, tokens_ME in zip(rows, tags, tokens_NME, strict=True)
            ]
            library.save(
                tagged, [], model_id=model, vocabulary_id=words, selection=tagger.selection
            )
        library.runs.finish(run, tagged=photos, failed=0, status="done")


def seconds(command: list[str], repeat: int) -> float:
    """Median seconds of the whole command, which must find something."""
    taken = []
    for _ in range(repeat):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - began)
    return round(statistics.median(taken), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=7)
    given = parser.parse_args()
    qks = [sys.executable, "-m", "qks_cli"]
    report: dict[str, float] = {"photos": given.photos}
    report["python_s"] = seconds([sys.executable, "-c", "pass"], given.repeat)
    report["help_s"] = seconds([*qks, "--help"], given.repeat)
    with tempfile.TemporaryDirectory() as temporary:
        library = Path(temporary) / "library.db"
        fill(library, given.photos)
        os.environ["QKS_DB"] = str(library)
        for query in QUERIES:
            command = [*qks, "search", query, "--min-score", "0"]
            report[f"search '{query}'"] = seconds(command, given.repeat)
        report["search --tags-only sky"] = seconds([*qks, "search", "sky", "--tags-only"], 3)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
