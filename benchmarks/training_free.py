"""Training-free methods beside a model's own score, as one table.

    python benchmarks/training_free.py --data EVAL [--model mini] [--sets corel5k coco msrc]

`qks eval` on each set: mAP of all test photos, and of every other method the difference to the
model's own score with its paired 95 % bootstrap interval. A star marks an interval without zero.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

METHODS = ("sparc", "piaa", "tagclip")
OWN = "QKS"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the evaluation sets")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--sets", nargs="+", default=["corel5k", "coco", "msrc"])
    parser.add_argument("--methods", nargs="*", default=["sparc", "piaa"], choices=METHODS)
    parser.add_argument("--bootstrap", type=int, default=200)
    given = parser.parse_args()
    rows = [row for name in given.sets for row in evaluated(given, name)]
    columns = list(dict.fromkeys(column(row) for row in rows))
    cells = {(row["method"], column(row)): cell(row) for row in rows}
    print(f"| method | {' | '.join(columns)} |")
    print("| --- " * (len(columns) + 1) + "|")
    for method in dict.fromkeys([OWN, *(row["method"] for row in rows)]):
        print(f"| {method} | {' | '.join(cells.get((method, x), '–') for x in columns)} |")


def evaluated(given: argparse.Namespace, name: str) -> Iterator[dict[str, Any]]:
    """Rows of `qks eval` on one set, seen and unseen labels apart where it has both."""
    command = [sys.executable, "-m", "qks_cli", "eval", "--dataset", "jsonl", "--protocol"]
    command += ["unfiltered", "--root", str(given.data / name), "--model", given.model]
    command += ["--format", "jsonl", "--bootstrap", str(given.bootstrap)]
    command += [part for method in given.methods for part in ("--method", method)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    rows = [json.loads(line) | {"set": name} for line in done.stdout.splitlines()]
    both = any(row["subset"] == "ZSL" for row in rows)
    yield from (row for row in rows if row["subset"] in ("SEEN", "ZSL") or not both)


def column(row: dict[str, Any]) -> str:
    """A set's name, its photos and labels."""
    part = {"SEEN": "", "ZSL": " unseen"}[row["subset"]]
    return f"{row['set']}{part} ({row['photos']:,} photos, {row['labels']} labels)"


def cell(row: dict[str, Any]) -> str:
    """mAP of the model itself, of others the difference."""
    if row["method"] == OWN:
        return f"{row['map']:.3f}"
    low, high = row["map_gain_low"], row["map_gain_high"]
    star = "" if low <= 0 <= high else "*"
    return f"{row['map_gain']:+.3f} ({low:+.3f} to {high:+.3f}){star}"


if __name__ == "__main__":
    main()
