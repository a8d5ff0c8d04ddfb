"""What stacks cost: a library of 100,000 files, a third of them raw files beside their JPEGs.

    python benchmarks/stacks.py [--files 100000]

Nothing is read and no file exists: the library is filled with rows. Processor time of finding and
storing all stacks, of a run in which one photo changed, and of what a run in which nothing changed
spends on stacks; then of a search and of `qks stats`, with each stack once and with every file.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from qks_cli.library import stacks as storage
from qks_cli.library.store import Library
from qks_cli.types import Photo, Tag, TaggedPhoto
from qks_cli.workflows import stacks
from qks_cli.workflows.search import SearchOptions, search
from qks_cli.workflows.stats import stats

FOLDER = 400  # photos in each
PART = 5000


def fill(library: Library, files: int) -> None:
    """Two photos of three have a JPEG alone, the third has a raw file too: four files of three."""
    model = library.models.id_of("fake", "1", "hash", 1, 4)
    words = library.vocabularies.id_of("digest", "dog\nsky\n")
    tokens = np.ones((1, 4), np.float16)
    names = (
        Path(f"/photos/{number // FOLDER}/IMG_{number:06}.{suffix}")
        for number in range(files)
        for suffix in (("JPG", "CR2") if number % 2 else ("JPG",))
    )
    with library.runs.recorded("tag", model, words):
        part = []
        for number, path in zip(range(files), names, strict=False):
            tags = (Tag("dog", 0.9, 0),) if number % 4 else (Tag("sky", 0.8, 0),)
            part.append(TaggedPhoto(Photo(path, number + 1, 1), tags, tokens, (64, 48)))
            if len(part) == PART or number == files - 1:
                library.save(part, (), model_id=model, vocabulary_id=words, selection="")
                part = []


def timed(what: str, do: Callable[[], object]) -> None:
    """Print the processor time of one thing."""
    began = time.process_time()
    do()
    print(f"{what}: {time.process_time() - began:.3f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=100_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, Library.open(Path(scratch) / "l.db") as library:
        fill(library, given.files)
        timed("all stacks found and stored", lambda: stacks.group(library))
        storage.note_shared(library, storage.leads(library))
        print(f"{len(storage.every(library)):,} stacks of {given.files:,} files")

        def as_a_run() -> None:
            stacks.group(library)
            storage.to_share(library, 1)

        timed("a run in which nothing changed", as_a_run)
        with library.atomic():
            library.execute("UPDATE photos SET size = size + 1 WHERE id = 777")
        timed("a run in which one photo changed", as_a_run)
        for every in (False, True):
            each = "every file" if every else "each stack once"
            options = SearchOptions(limit=40, by_meaning=False, every_member=every)
            search(library, "tag:dog", options)
            timed(f"a search, {each}", partial(search, library, "tag:dog", options))
            timed(f"stats, {each}", partial(stats, library, "label", 40, every_file=every))


if __name__ == "__main__":
    main()
