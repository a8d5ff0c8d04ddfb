"""How long `qks report` takes: a library of many small synthetic photos, without any model.

    python benchmarks/report.py --photos 10000

Photos are JPEGs of 640×480 grainy colours, tags and query tokens are random. The first report makes
every thumbnail, the second takes them from the cache. Seconds of the clock and of all processors
are told, the latter because a machine that does other work meanwhile stretches the former.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from made_up import make_library, make_photos

from qks_cli.library.store import Library
from qks_cli.settings import processors
from qks_cli.workflows.photo_report import ReportOptions, make_report

SIZE = 640, 480
DIFFERENT = 200  # pictures; the others are links to them


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
        paths = make_photos(folder / "photos", arguments.photos, SIZE, DIFFERENT)
        make_library(folder / "library.db", paths, SIZE)
        with Library.open(folder / "library.db") as opened:
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
