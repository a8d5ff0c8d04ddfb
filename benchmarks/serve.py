"""How soon `qks serve` answers over a library that is there; one JSON line.

Milliseconds from a request to its answer over standard input and output, the median and the most
of as many as asked for, after one that reads what stays in memory. ``changed``: the first search
after another process has written to the library. ``cpu``: processor time a request.

    python benchmarks/serve.py --db SCRATCH/library.db
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import IO

REQUESTS: dict[str, dict[str, object]] = {
    "tags": {"do": "search", "query": "sky", "by": "tags"},
    "filters": {"do": "search", "query": "tag:sky -tag:person type:jpg folder:0042"},
    "meaning": {"do": "search", "query": "people dancing in the rain", "by": "meaning"},
    "both": {"do": "search", "query": "dog beach"},
    "status": {"do": "status"},
}


def asked(running: subprocess.Popen[bytes], request: dict[str, object]) -> float:
    """Milliseconds until the answer."""
    stdin, stdout = _streams(running)
    began = time.perf_counter()
    stdin.write(json.dumps(request).encode() + b"\n")
    stdin.flush()
    answer = json.loads(stdout.readline())
    if not answer["ok"]:
        raise SystemExit(str(answer["error"]))
    return 1000 * (time.perf_counter() - began)


def _streams(running: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert running.stdin is not None and running.stdout is not None
    return running.stdin, running.stdout


def cpu_ms(running: subprocess.Popen[bytes]) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{running.pid}/stat").read_text().rpartition(")")[2].split()
    return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(running: subprocess.Popen[bytes]) -> int:
    lines = Path(f"/proc/{running.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--db", type=Path, required=True)
    parser.add_argument("--repeat", type=int, default=50)
    given = parser.parse_args()
    command = [sys.executable, "-m", "qks_cli", "serve", "--stdio", "--db", str(given.db)]
    report: dict[str, object] = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        report["first_ms"] = round(asked(running, REQUESTS["both"]))
        asked(running, REQUESTS["both"])
        for name, request in REQUESTS.items():
            before = cpu_ms(running)
            taken = [asked(running, request) for _ in range(given.repeat)]
            report[name] = {
                "median_ms": round(statistics.median(taken), 1),
                "most_ms": round(max(taken), 1),
                "cpu_ms": round((cpu_ms(running) - before) / given.repeat, 1),
            }
        with closing(sqlite3.connect(given.db)) as other, other:
            other.execute("UPDATE photos SET rating = rating WHERE id = 1")
        report["changed_ms"] = round(asked(running, REQUESTS["both"]))
        report["peak_mb"] = memory_mb(running)
        _streams(running)[0].close()
    print(json.dumps(report))


if __name__ == "__main__":
    main()
