"""How fast `qks tag` is on camera JPEGs, beside reading the files alone and beside rclip.

Every figure is a whole command from cold start: Python, imports, model and all. The three take
turns, so that a machine that slows down slows all of them; medians and extremes are printed, one
JSON line. With --preload (jemalloc) all three run under the same allocator.

- decode: a loop of one Pillow `draft` decode a photo on as many threads as qks uses, nothing else.
- qks: `qks tag`, a new index every time.
- rclip: its own index of the same folder, a new one every time (--rclip, --rclip-data).
- ten_times: `qks tag` and the loop once over ten copies of every photo: start-up counts for less,
  and peak memory must not grow.

    python benchmarks/make_camera_jpegs.py PHOTOS CAMERA --count 240
    python benchmarks/speed.py CAMERA --rclip RCLIP --rclip-data DATADIR \\
        --preload /usr/lib/x86_64-linux-gnu/libjemalloc.so.2
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

DECODE = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from PIL import Image

def read(path):
    with Image.open(path, formats=("JPEG", "PNG", "WEBP")) as image:
        image.draft(image.mode, (128, 128))
        image.load()
        return image.size

with ThreadPoolExecutor(int(sys.argv[2])) as pool:
    print(len(list(pool.map(read, sorted(Path(sys.argv[1]).glob("*.jpg"))))))
"""


@dataclass(frozen=True)
class Run:
    """Seconds on the clock, of processor time, and peak resident memory in MB of one command."""

    seconds: float
    busy: float
    peak_mb: float


def run(command: Sequence[str], environment: dict[str, str], *, folder: Path) -> Run:
    """Run to the end; a command that fails ends the benchmark."""
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        child = subprocess.Popen(command, env=environment, cwd=folder, stdout=said, stderr=said)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - began
        child.returncode = status
        if status != 0:
            said.seek(0)
            sys.exit(f"{' '.join(command)}: failed\n{said.read().decode()}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def summary(runs: list[Run], photos: int) -> dict[str, float]:
    """Photos a second (median, slowest, fastest), processor time a photo, and the highest peak."""
    rates = [photos / one.seconds for one in runs]
    return {
        "photos_per_s": round(statistics.median(rates), 2),
        "slowest": round(min(rates), 2),
        "fastest": round(max(rates), 2),
        "busy_ms_a_photo": round(1000 * statistics.median(one.busy for one in runs) / photos, 1),
        "peak_mb": round(max(one.peak_mb for one in runs)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rclip", help="rclip's command")
    parser.add_argument("--rclip-data", type=Path, help="folder with rclip's model")
    parser.add_argument("--preload", default="", help="allocator to preload in every command")
    given = parser.parse_args()
    photos = given.photos.resolve()
    count = len(list(photos.glob("*.jpg")))
    environment = dict(os.environ, LD_PRELOAD=given.preload)
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        fresh = _counter(scratch)

        def decode(folder: Path = photos) -> Run:
            command = [sys.executable, "-c", DECODE, str(folder), str(given.threads)]
            return run(command, environment, folder=scratch)

        def tag(folder: Path = photos) -> Run:
            own = fresh()
            mine = environment | {"QKS_CACHE": str(own / "cache")}
            command = [sys.executable, "-m", "qks_cli", "tag", str(folder), "--quiet"]
            return run([*command, "--db", str(own / "library.db")], mine, folder=scratch)

        def rclip() -> Run:
            own = fresh()
            for part in given.rclip_data.iterdir():
                if part.is_dir():
                    (own / part.name).symlink_to(part.resolve())
            mine = environment | {"RCLIP_DATADIR": str(own), "HF_HUB_OFFLINE": "1"}
            return run([given.rclip, "-f", "a dog"], mine, folder=photos)

        sides: dict[str, Callable[[], Run]] = {"decode": decode, "qks": tag}
        if given.rclip:
            sides["rclip"] = rclip
        runs: dict[str, list[Run]] = {name: [] for name in sides}
        for _ in range(given.repeat):
            for name, measure in sides.items():
                runs[name].append(measure())
                print(f"{name}: {runs[name][-1]}", file=sys.stderr)
        report: dict[str, object] = {"photos": count}
        report |= {name: summary(own, count) for name, own in runs.items()}
        median = {n: statistics.median(r.seconds for r in own) for n, own in runs.items()}
        report["share_of_decode"] = round(median["decode"] / median["qks"], 3)
        if given.rclip:
            report["times_rclip"] = round(median["rclip"] / median["qks"], 2)
        many = scratch / "many"
        many.mkdir()
        for copy in range(10):
            for path in photos.glob("*.jpg"):
                # Copies: hard links to one file are one photo.
                shutil.copyfile(path, many / f"{copy}_{path.name}")
        larger, alone = tag(many), decode(many)
        report["ten_times"] = {
            "photos": 10 * count,
            "peak_mb": round(larger.peak_mb),
            "photos_per_s": round(10 * count / larger.seconds, 2),
            "decode_photos_per_s": round(10 * count / alone.seconds, 2),
            "share_of_decode": round(alone.seconds / larger.seconds, 3),
        }
    print(json.dumps(report))


def _counter(scratch: Path) -> Callable[[], Path]:
    made = 0

    def fresh() -> Path:
        nonlocal made
        made += 1
        folder = scratch / f"run{made}"
        folder.mkdir()
        return folder

    return fresh


if __name__ == "__main__":
    main()
