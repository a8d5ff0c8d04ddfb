"""How long `qks --help` and a search over many photos take, from cold start; JSON lines.

The library is synthetic: the query tokens of the bundled example photos, perturbed, under as many
names as asked for, tagged with the default vocabulary. Of whole commands the least and the median
are printed, by the clock and in seconds of processors.

    python benchmarks/startup.py --photos 10000
    python benchmarks/startup.py --beside OTHER    # another checkout in turns, each its own library
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qks_cli.evaluation.protocol import photo_tokens
from qks_cli.library.store import Library
from qks_cli.model.bundle import read_bundle
from qks_cli.model.engine import open_engine
from qks_cli.model.model import Model
from qks_cli.types import Photo, TaggedPhoto
from qks_cli.vocabulary.labels_file import format_labels, read_labels

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples" / "photos"
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


@dataclass(frozen=True, slots=True)
class Tree:
    """A checkout of this project, and a library that its own code has filled."""

    root: Path
    library: Path

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"PYTHONPATH": str(self.root), "QKS_DB": str(self.library)}

    def fill(self, photos: int) -> None:
        """Let this checkout's copy of this script make the library."""
        script = f"from startup import *; fill(Path({str(self.library)!r}), {photos})"
        folder = self.root / "benchmarks"
        environment = self.environment | {"PYTHONPATH": f"{self.root}{os.pathsep}{folder}"}
        subprocess.run([sys.executable, "-c", script], check=True, env=environment, cwd=folder)

    def timed(self, *command: str) -> tuple[float, float]:
        """Seconds of the whole command, which must find something: of the clock, of processors."""
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(
            [sys.executable, *command],
            check=True,
            stdout=subprocess.DEVNULL,
            env=self.environment,
            cwd=self.root,  # where `python -m` looks first
        )
        clock, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        return clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def report(trees: list[Tree], photos: int, repeat: int) -> None:
    """One line a command: least and median seconds, then of processors; trees take turns."""
    qks = ("-m", "qks_cli")
    commands = {
        "python -c pass": ("-c", "pass"),
        "qks --help": (*qks, "--help"),
        **{f"search '{one}'": (*qks, "search", one, "--min-score", "0") for one in QUERIES},
        "search sky --tags-only": (*qks, "search", "sky", "--tags-only"),
    }
    for tree in trees:
        tree.fill(photos)
    for name, command in commands.items():
        taken: dict[Path, list[tuple[float, float]]] = {tree.root: [] for tree in trees}
        for _ in range(repeat):
            for tree in trees:
                taken[tree.root].append(tree.timed(*command))
        for root, pairs in taken.items():
            clock, processor = zip(*pairs, strict=True)
            row = {"command": name, "checkout": str(root), "photos": photos}
            for kind, values in (("seconds", clock), ("processor_seconds", processor)):
                row[kind] = [round(min(values), 3), round(statistics.median(values), 3)]
            print(json.dumps(row), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--beside", type=Path, help="Another checkout, which takes turns.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        roots = [ROOT, *([given.beside.resolve()] if given.beside else [])]
        trees = [Tree(root, Path(temporary) / f"{at}.db") for at, root in enumerate(roots)]
        report(trees, given.photos, given.repeat)


if __name__ == "__main__":
    main()
