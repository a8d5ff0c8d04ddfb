"""What `qks ray tag` takes beside `qks tag`, on this machine; one JSON line.

The photos of a folder are tagged by whole commands: `qks tag`, then `qks ray tag` with one worker
and with two. ``start``: the same over one photo, which is what starting costs. Throughput is of the
photos beyond the first, so without the start. ``phases`` are seconds from the beginning of a run of
one photo and two workers: its modules imported, the model open and the photos listed, Ray ready,
the rows written, Ray ended. ``row_bytes`` is the data set's size a photo.

    python benchmarks/archive.py --photos CAMERA --take 240 --folder SCRATCH
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

MARK = "at "


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos")
    parser.add_argument("--take", type=int, default=240, help="how many of them")
    parser.add_argument("--folder", type=Path, required=True, help="scratch folder")
    parser.add_argument("--phases", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.phases is not None:
        phases(given.phases, given.folder)
        return
    many, one = given.folder / "many", given.folder / "one"
    count = linked(given.photos, many, given.take)
    linked(given.photos, one, 1)
    out = given.folder / "set"
    commands: dict[str, list[str]] = {
        "tag": ["tag", "--db", str(given.folder / "library.db"), "-q"],
        "one_worker": ["ray", "tag", "--out", str(out), "--workers", "1", "-q"],
        "two_workers": ["ray", "tag", "--out", str(out), "--workers", "2", "-q"],
    }
    report: dict[str, object] = {"photos": count}
    for name, command in commands.items():
        start, start_cpu = timed(given.folder, *command, str(one))
        whole, whole_cpu = timed(given.folder, *command, str(many))
        report[name] = {
            "seconds": round(whole, 1),
            "cpu_s": round(whole_cpu, 1),
            "start_s": round(start, 1),
            "start_cpu_s": round(start_cpu, 1),
            "photos_a_second": round((count - 1) / (whole - start), 1),
            "photos_a_cpu_second": round((count - 1) / (whole_cpu - start_cpu), 1),
        }
        print(json.dumps({name: report[name]}), file=sys.stderr, flush=True)
    rows = sum(file.stat().st_size for file in out.rglob("photos/**/*.parquet"))
    report["row_bytes"] = round(rows / count)
    report["phases"] = phases_of(one, given.folder)
    print(json.dumps(report))


def linked(photos: Path, folder: Path, take: int) -> int:
    """A folder of links to the first photos of another; how many there are."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    found = list(islice((path for path in sorted(photos.rglob("*")) if path.is_file()), take))
    for number, path in enumerate(found):
        os.link(path, folder / f"{number:05}{path.suffix}")
    return len(found)


def timed(folder: Path, *words: str) -> tuple[float, float]:
    """Seconds of a whole command, and of processor time of it and all that it starts, Ray's
    processes too (nan where this system's control groups do not tell). What it writes is new."""
    shutil.rmtree(folder / "set", ignore_errors=True)
    for file in folder.glob("library.db*"):
        file.unlink()
    group = new_group()

    def join() -> None:
        if group is not None:
            (group / "cgroup.procs").write_text("0")

    began = time.perf_counter()
    command = [sys.executable, "-m", "qks_cli", *words]
    subprocess.run(command, check=True, preexec_fn=join)
    taken = time.perf_counter() - began
    if group is None:
        return taken, math.nan
    used = used_by(group)
    with suppress(OSError):  # something of Ray's may still be ending
        group.rmdir()
    return taken, used


def new_group() -> Path | None:
    """A control group of its own, of the first or second version; None where none can be made."""
    for root in (Path("/sys/fs/cgroup/cpuacct"), Path("/sys/fs/cgroup")):
        group = root / f"qks-{os.getpid()}-{time.monotonic_ns()}"
        with suppress(OSError):
            group.mkdir()
            used_by(group)
            return group
    return None


def used_by(group: Path) -> float:
    """Seconds of processor time."""
    if (group / "cpuacct.usage").exists():
        return int((group / "cpuacct.usage").read_text()) / 1e9
    return int((group / "cpu.stat").read_text().split()[1]) / 1e6


def phases_of(photos: Path, folder: Path) -> dict[str, float]:
    """Seconds until each phase of a run of two workers was over."""
    shutil.rmtree(folder / "set", ignore_errors=True)
    own = ["--phases", str(photos), "--photos", str(photos), "--folder", str(folder)]
    began = time.time()
    done = subprocess.run(
        [sys.executable, __file__, *own], check=True, capture_output=True, text=True
    )
    lines = [line.split(" ") for line in done.stdout.splitlines() if line.startswith(MARK)]
    return {name: round(float(at) - began, 1) for _, name, at in lines}


def phases(photos: Path, folder: Path) -> None:
    """Tag, and say when each phase is over."""
    from qks_cli.distributed import sources, tagging
    from qks_cli.workflows.archive import ArchiveOptions, tag_archive

    done("imported")
    listing, running = sources.write_list, tagging.tag

    def listed(*given: Any) -> int:
        found = listing(*given)
        done("listed")
        return found

    def tagged(*given: Any) -> int:
        done("ray_ready")
        found = running(*given)
        done("written")
        return found

    sources.write_list, tagging.tag = listed, tagged
    tag_archive([str(photos)], str(folder / "set"), ArchiveOptions(workers=2))
    done("ray_ended")


def done(name: str) -> None:
    print(f"{MARK}{name} {time.time()}", flush=True)


if __name__ == "__main__":
    main()
