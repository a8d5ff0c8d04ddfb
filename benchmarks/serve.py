"""How soon `qks serve` answers over a library that is there; one JSON line.

Milliseconds from a request to its answer over standard input and output, the median and the most
of as many as asked for, no two of which are the same, after one that reads what stays in memory.
``again``: the same filters asked a second time. ``changed``: the first search
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
from typing import IO, Any

DOING = (
    "dancing in the rain|asleep in the sun|beside an old wall|at the edge of a lake|in deep snow"
).split("|")
FIRST: dict[str, object] = {"do": "search", "query": "dog beach"}


def requests(labels: list[str], repeat: int) -> dict[str, list[dict[str, object]]]:
    """What is asked, by kind; ``labels`` are those of the library, the most frequent first."""
    words = [labels[at % len(labels)] for at in range(repeat)]
    others = [labels[(7 * at + 3) % len(labels)] for at in range(repeat)]
    doing = [DOING[at % len(DOING)] for at in range(repeat)]
    filters = [f'tag:"{one}" -tag:person type:jpg folder:{at:04}' for at, one in enumerate(words)]
    queries: dict[str, list[dict[str, object]]] = {
        "tags": [{"query": one, "by": "tags"} for one in words],
        "filters": [{"query": one} for one in filters],
        "again": [{"query": one} for one in filters[-8:] * (-(-repeat // 8))][:repeat],
        "meaning": [
            {"query": f"{one} {what}", "by": "meaning"}
            for one, what in zip(words, doing, strict=True)
        ],
        "both": [{"query": f"{a} {b}"} for a, b in zip(words, others, strict=True)],
    }
    asked = {name: [{"do": "search", **one} for one in own] for name, own in queries.items()}
    return asked | {"status": [{"do": "status"}] * repeat}


def asked(running: subprocess.Popen[bytes], request: dict[str, object]) -> float:
    """Milliseconds until the answer."""
    return answered(running, request)[1]


def answered(
    running: subprocess.Popen[bytes], request: dict[str, object]
) -> tuple[dict[str, Any], float]:
    """The result of a request, and milliseconds until it came."""
    stdin, stdout = _streams(running)
    began = time.perf_counter()
    stdin.write(json.dumps(request).encode() + b"\n")
    stdin.flush()
    answer = json.loads(stdout.readline())
    if not answer["ok"]:
        raise SystemExit(str(answer["error"]))
    return answer["result"], 1000 * (time.perf_counter() - began)


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
        report["first_ms"] = round(asked(running, FIRST))
        asked(running, FIRST)
        counted, _ = answered(running, {"do": "labels"})
        labels = [one["label"] for one in counted["labels"]]
        for name, own in requests(labels, given.repeat).items():
            before = cpu_ms(running)
            taken = [asked(running, request) for request in own]
            report[name] = {
                "median_ms": round(statistics.median(taken), 1),
                "most_ms": round(max(taken), 1),
                "cpu_ms": round((cpu_ms(running) - before) / given.repeat, 1),
            }
        with closing(sqlite3.connect(given.db)) as other, other:
            other.execute("UPDATE photos SET rating = rating WHERE id = 1")
        report["changed_ms"] = round(asked(running, FIRST))
        report["peak_mb"] = memory_mb(running)
        _streams(running)[0].close()
    print(json.dumps(report))


if __name__ == "__main__":
    main()
