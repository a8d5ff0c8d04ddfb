"""How fast keywords are written, and that broken files cannot harm: one JSON line.

``sidecars_per_s``: new sidecars, each brought to the disk. ``embedded_per_s``: JPEGs of FOLDER
(over 1 MB) with full verification. ``exiftool_per_s``: exiftool -stay_open adding the same keywords
to copies of the same JPEGs, beside it. ``bare_per_s``: files as large as sidecars, made, synced and
linked by a bare loop, on one thread and on four. ``--fuzz N`` mutates small JPEG, PNG, WebP and XMP
files N times instead: only our own refusal may escape, and what is written has to be undone
exactly. ``--full FOLDER`` fills a small file system (a tmpfs of some MB, which takes root to mount)
with photos and writes into them: what does not fit any more has to be refused and left as it was,
with the check for free space (``refused``) and without it, when the disk itself says no
(``refused_by_disk``).

    python benchmarks/metadata.py FOLDER SCRATCH [--sidecars 2000]
    python benchmarks/metadata.py --fuzz 10000
    mount -t tmpfs -o size=4m tmpfs /mnt/small && python benchmarks/metadata.py --full /mnt/small
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from qks_cli.keywords import embed, files, sidecar
from qks_cli.keywords.choices import Target
from qks_cli.keywords.errors import Refusal
from qks_cli.keywords.xmp import Keyword, Source
from qks_cli.library import ledger
from qks_cli.library.journal import LibraryJournal
from qks_cli.library.store import Library
from qks_cli.types import Photo, PhotoFailure
from qks_cli.workflows.photo_writer import Options, PhotoWriter

SOURCE = Source("mini", "2", "2026-11-24T10:00:00+00:00")
KEYWORDS = [Keyword("dog", 0.9, ("animal",)), Keyword("beach", 0.6), Keyword("sky", 0.5)]


def library_of(photos: list[Path], scratch: Path) -> tuple[Library, dict[Path, int]]:
    """A library that knows these files."""
    library = Library.open(scratch / "library.db")
    failures = [PhotoFailure(Photo(path, 1, 1), "missing", "") for path in photos]
    library.save((), failures, model_id=1, vocabulary_id=1, selection="")
    return library, {path: row.id for path, row in library.photos.known(photos).items()}


def timed(photos: list[Path], to: Target, scratch: Path) -> float:
    """Files written a second."""
    library, ids = library_of(photos, scratch)
    run = library.runs.begin("write", None, None)
    hand = PhotoWriter(library, LibraryJournal(library, run), SOURCE, Options(to=to))
    began = time.perf_counter()
    for at, path in enumerate(photos):
        outcome = hand.write(ids[path], path, KEYWORDS)
        assert outcome.status == "written", outcome
        assert not outcome.reason, outcome
        if at % 200 == 199:
            hand.finish()
    hand.finish()
    speed = len(photos) / (time.perf_counter() - began)
    library.close()
    return speed


def bare(folder: Path, count: int, threads: int) -> float:
    """Files a second that this disk makes."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()

    def make(number: int) -> None:
        temporary = folder / f".{number}.tmp"
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        os.write(handle, b"x" * 2500)
        os.fsync(handle)
        os.close(handle)
        os.link(temporary, folder / f"{number}.xmp")
        temporary.unlink()

    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(make, range(count)))
    return round(count / (time.perf_counter() - began), 1)


def by_exiftool(photos: list[Path]) -> float:
    """The same keywords by one exiftool that stays open."""
    command = ["exiftool", "-stay_open", "True", "-@", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        began = time.perf_counter()
        for path in photos:
            words = "".join(f"-XMP-dc:Subject={keyword.label}\n" for keyword in KEYWORDS)
            running.stdin.write(f"-overwrite_original\n{words}{path}\n-execute\n".encode())
            running.stdin.flush()
            while b"{ready}" not in running.stdout.readline():
                pass
        speed = len(photos) / (time.perf_counter() - began)
        running.stdin.write(b"-stay_open\nFalse\n")
        running.stdin.flush()
    return speed


def fuzz(count: int) -> dict[str, int]:
    """Mutate and write; the counts of what came of it."""
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from tests.keywords.test_embed import PHOTOS
    from tests.keywords.test_sidecar import files as made

    chance = random.Random(1)
    seeds = [*PHOTOS.values(), made.packet("mine"), made.packet("a", "b").replace(b"\n", b"")]
    counts = {"mutations": count, "written": 0, "refused": 0, "unchanged": 0}
    for _ in range(count):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(data))
            kind = chance.random()
            if kind < 0.5:
                data[at] = chance.randrange(256)
            elif kind < 0.7:
                del data[at : at + chance.randint(1, 64)]
            elif kind < 0.9:
                data[at:at] = chance.randbytes(chance.randint(1, 32))
            else:
                other = chance.choice(seeds)
                start = chance.randrange(len(other))
                data[at : at + 64] = other[start : start + 64]
            if not data:
                data = bytearray(b"\0")
        old = bytes(data)
        try:
            if old[:1] == b"<":
                new = sidecar.with_keywords(old, KEYWORDS, SOURCE)
                assert new is not None
            else:
                new, before = embed.with_keywords(old, KEYWORDS, SOURCE)
                assert new == old or old in embed.restored(new, before), "not undone"
        except Refusal:
            counts["refused"] += 1
            continue
        counts["unchanged" if new == old else "written"] += 1
    return counts


def fill_up(folder: Path) -> dict[str, int]:
    """Photos on a disk that is full but for less than one of them; what came of writing."""
    counts = {"photos": 0, "written": 0, "refused": 0, "refused_by_disk": 0}
    spare = files.SPARE
    for kind, least in (("refused", spare), ("refused_by_disk", -(1 << 40))):
        for target in Target:
            photos = []
            pixels = np.random.default_rng(1).integers(0, 255, (300, 300, 3), dtype=np.uint8)
            space = folder / kind / target
            space.mkdir(parents=True)
            while shutil.disk_usage(folder).free > 400_000 + max(0, least):
                photos.append(space / f"{len(photos)}.jpg")
                Image.fromarray(pixels).save(photos[-1], quality=95)
            room = shutil.disk_usage(folder).free - 30_000 - max(0, least)
            (space / "rest").write_bytes(b"x" * max(0, room))
            old = {path: path.read_bytes() for path in photos}
            with tempfile.TemporaryDirectory() as elsewhere:
                library, ids = library_of(photos, Path(elsewhere))
                run = library.runs.begin("write", None, None)
                hand = PhotoWriter(
                    library, LibraryJournal(library, run), SOURCE, Options(to=target)
                )
                files.SPARE = least
                said = {path: hand.write(ids[path], path, KEYWORDS) for path in photos}
                failed = hand.finish()
                files.SPARE = spare
                for path, outcome in said.items():
                    refused = outcome.status == "refused" or outcome.file in failed
                    counts["photos"] += 1
                    counts[kind if refused else "written"] += 1
                    now = path.read_bytes()
                    assert (now == old[path]) == (refused or target is Target.sidecar)
                    assert outcome.file.exists() == (not refused or outcome.file == path)
                assert not [x for x in space.iterdir() if x.name.endswith(".tmp")]
                wrote = sum(
                    not (outcome.status == "refused" or outcome.file in failed)
                    for outcome in said.values()
                )
                assert len(ledger.writes_of(library)) == wrote
                hand.close()
                library.close()
            shutil.rmtree(folder / kind)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("scratch", type=Path, nargs="?")
    parser.add_argument("--sidecars", type=int, default=2000)
    parser.add_argument("--fuzz", type=int, default=0)
    parser.add_argument("--full", type=Path, help="an empty folder on a small file system")
    given = parser.parse_args()
    if given.full:
        print(json.dumps(fill_up(given.full)))
        return
    if given.fuzz:
        print(json.dumps(fuzz(given.fuzz)))
        return
    photos = [x for x in sorted(given.folder.glob("*.jpg")) if x.stat().st_size > 1e6][:200]
    report: dict[str, object] = {"jpegs": len(photos)}
    report["mean_mb"] = round(sum(x.stat().st_size for x in photos) / len(photos) / 1e6, 2)
    small = given.scratch / "sidecars"
    small.mkdir(parents=True)
    for number in range(given.sidecars):
        (small / f"{number:06}.heic").write_bytes(b"photo")
    report["sidecars_per_s"] = round(timed(sorted(small.iterdir()), Target.sidecar, small), 1)
    for threads in (1, 4):
        speed = bare(given.scratch / "bare", given.sidecars, threads)
        report[f"bare_per_s_{threads}"] = speed
    for name in ("ours", "exiftool"):
        copies = given.scratch / name
        copies.mkdir()
        for photo in photos:
            shutil.copy(photo, copies)
    ours = sorted((given.scratch / "ours").iterdir())
    report["embedded_per_s"] = round(timed(ours, Target.embed, given.scratch), 1)
    if shutil.which("exiftool"):
        theirs = sorted((given.scratch / "exiftool").iterdir())
        report["exiftool_per_s"] = round(by_exiftool(theirs), 1)
    shutil.rmtree(given.scratch)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
